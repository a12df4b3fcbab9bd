using System.Diagnostics;
using System.Globalization;
using System.Text;

namespace Hypervisor.Lockstep;

/// <summary>
/// qemu-system-riscv64, one instruction a translation block, telling its state before each. The trace comes through a pipe, some
/// 100,000 instructions a second; single steps over GDB would be a tenth of that.
/// </summary>
internal sealed class QemuTrace : IDisposable
{
    public const string Program = "qemu-system-riscv64";

    /// <summary>The hart that ours is: no hypervisor extension, no event counters.</summary>
    public const string Cpu = "rv64,h=false,debug=false,pmu-num=0,zbc=true,zbkb=true,zbkc=true,zbkx=true,Zfh=true,svinval=true,svnapot=true,svpbmt=true,sstc=true";

    private readonly string _folder = Directory.CreateTempSubdirectory("hypervisor-lockstep-").FullName;
    private readonly Process _process;
    private readonly StreamReader _trace;
    private string? _line;

    /// <summary>Starts QEMU on its virt board with one hart.</summary>
    /// <param name="arguments">What it boots, and with how much memory.</param>
    public QemuTrace(params string[] arguments)
    {
        string pipe = Path.Combine(_folder, "trace");
        using (Process make = Process.Start("mkfifo", pipe))
            make.WaitForExit();
        _process = Process.Start(new ProcessStartInfo(Program,
            ["-M", "virt", "-cpu", Cpu, "-smp", "1", "-display", "none", "-serial", "null", "-monitor", "none", "-singlestep", "-d", "nochain,exec,cpu", "-D", pipe, .. arguments])
        {
            RedirectStandardError = true,
            RedirectStandardInput = true,
        })!;
        _trace = new StreamReader(new FileStream(pipe, FileMode.Open, FileAccess.Read, FileShare.ReadWrite, 1 << 16), Encoding.ASCII, false, 1 << 16);
        _line = _trace.ReadLine();
    }

    /// <summary>The state before the next instruction; false where QEMU has ended.</summary>
    public bool TryNext(HartSnapshot state)
    {
        while (_line is not null && !_line.StartsWith("Trace ", StringComparison.Ordinal))
            _line = _trace.ReadLine();
        if (_line is null)
            return false;

        // Trace 0: HOST [cs_base/pc/flags/cflags]: the flags begin with the privilege mode.
        int open = _line.IndexOf('[', StringComparison.Ordinal);
        string[] parts = _line[(open + 1)..].Split('/');
        state.Mode = (int)(ulong.Parse(parts[2], NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture) & 3);
        int csr = 0;
        while ((_line = _trace.ReadLine()) is not null && !_line.StartsWith("Trace ", StringComparison.Ordinal))
        {
            ReadOnlySpan<char> line = _line;
            if (line.StartsWith(" x"))
                ReadRegisters(line, state);
            else if (line.StartsWith(" pc "))
                state.Pc = ParseLast(line);
            else if (csr < HartSnapshot.CsrNames.Length && line.TrimStart().StartsWith(HartSnapshot.CsrNames[csr]))
                state.Csrs[csr++] = ParseLast(line);
        }

        return true;
    }

    public void Dispose()
    {
        if (!_process.HasExited)
            _process.Kill();
        _process.WaitForExit();
        _process.Dispose();
        _trace.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    private static void ReadRegisters(ReadOnlySpan<char> line, HartSnapshot state)
    {
        // Four to a line: " x0/zero  0000000000000000 x1/ra    …".
        foreach (Range range in line.Split(" x"))
        {
            ReadOnlySpan<char> part = line[range];
            int slash = part.IndexOf('/');
            if (slash > 0)
                state.X[int.Parse(part[..slash], CultureInfo.InvariantCulture)] = ParseLast(part.TrimEnd());
        }
    }

    private static ulong ParseLast(ReadOnlySpan<char> line)
        => ulong.Parse(line[(line.LastIndexOf(' ') + 1)..], NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture);
}
