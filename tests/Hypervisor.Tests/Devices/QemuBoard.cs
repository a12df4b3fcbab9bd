using System.Diagnostics;
using System.Globalization;

namespace Hypervisor.Tests.Devices;

/// <summary>QEMU's virt board with its CPU stopped, whose devices a test reads and writes: what our devices are held against.</summary>
internal sealed class QemuBoard : IDisposable
{
    private readonly Process _process;

    public QemuBoard(params string[] more)
    {
        var start = new ProcessStartInfo("qemu-system-riscv64",
        [
            "-M", "virt", "-S", "-qtest", "stdio", "-qtest-log", "none", "-display", "none", "-monitor", "none", "-serial", "null",
            "-bios", "none", "-global", "virtio-mmio.force-legacy=false", .. more,
        ])
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
        };
        _process = Process.Start(start)!;
    }

    public ulong Read(ulong address, int size)
    {
        var answer = Ask($"read{Suffix(size)} 0x{address:x}");
        return ulong.Parse(answer["OK 0x".Length..], NumberStyles.HexNumber, CultureInfo.InvariantCulture);
    }

    public void Write(ulong address, int size, ulong value) => Ask($"write{Suffix(size)} 0x{address:x} 0x{value:x}");

    public void WriteMemory(ulong address, ReadOnlySpan<byte> bytes) => Ask($"write 0x{address:x} {bytes.Length} 0x{Convert.ToHexStringLower(bytes)}");

    public byte[] ReadMemory(ulong address, int length)
        => Convert.FromHexString(Ask($"read 0x{address:x} {length}")["OK 0x".Length..]);

    public void Dispose()
    {
        _process.Kill();
        _process.WaitForExit();
        _process.Dispose();
    }

    private static char Suffix(int size) => size switch { 1 => 'b', 2 => 'w', 4 => 'l', _ => 'q' };

    private string Ask(string command)
    {
        _process.StandardInput.WriteLine(command);
        _process.StandardInput.Flush();
        var answer = _process.StandardOutput.ReadLine() ?? "nothing";
        Assert.True(answer.StartsWith("OK", StringComparison.Ordinal), $"QEMU answered '{answer}' to '{command}'");
        return answer;
    }
}
