using System.Diagnostics;
using Hypervisor.Core.Isa;
using Hypervisor.Guests.BuiltIn;
using Hypervisor.Tests.Support;

namespace Hypervisor.Tests.BuiltIn;

/// <summary>Runs the built-in kernels on QEMU's virt board, which knows nothing of us.</summary>
internal sealed class QemuBoard : IDisposable
{
    private const int RamMegabytes = 64;
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    /// <summary>The privileged kernel from reset, in M-mode, with a program.</summary>
    public (int ExitCode, string Output) RunPrivileged(AssembledProgram kernel, byte[] program, long iterations, params string[] more)
        => Run(program, iterations, ["-kernel", _folder.Write("kernel.elf", kernel.ToElf()), .. more]);

    /// <summary>The para kernel above <c>para-host.c</c>, which plays the hypervisor.</summary>
    public (int ExitCode, string Output) RunPara(AssembledProgram kernel, byte[] program, long iterations, params string[] more)
    {
        var host = _folder["host.elf"];
        if (!File.Exists(host))
        {
            var source = _folder.Write("para-host.c", Assets.Read("para-host.c"));
            Peer.Run(
                "riscv64-linux-gnu-gcc", "-O2", "-march=rv64ima_zicsr_zifencei", "-mabi=lp64", "-mcmodel=medany", "-ffreestanding",
                "-nostdlib", "-static", "-no-pie", "-fno-pie", "-fno-stack-protector", "-fno-builtin", "-Wall", "-Werror",
                "-Wl,--no-relax,-N,--section-start=.start=0x80000000,-Ttext=0x80001000,-e,start,--build-id=none,--no-warn-rwx-segments",
                source, "-o", host);
        }

        return Run(
            program, iterations,
            ["-kernel", host, "-device", $"loader,file={_folder.Write("kernel.elf", kernel.ToElf())}", .. more]);
    }

    /// <summary>The same with a virtio console; the output is what that console printed.</summary>
    public (int ExitCode, string Output) RunParaWithRingConsole(AssembledProgram kernel, byte[] program, long iterations)
    {
        var printed = _folder["console.out"];
        var run = RunPara(
            kernel, program, iterations,
            "-device", "virtio-serial-device", "-chardev", $"file,id=ring,path={printed}", "-device", "virtconsole,chardev=ring");
        return (run.ExitCode, File.ReadAllText(printed).ReplaceLineEndings("\n"));
    }

    /// <summary>A board with no parameter block at all.</summary>
    public (int ExitCode, string Output) RunWithoutParameters(AssembledProgram kernel)
        => Start(["-kernel", _folder.Write("kernel.elf", kernel.ToElf())]);

    private (int ExitCode, string Output) Run(byte[] program, long iterations, string[] arguments)
    {
        var parameters = new BootParameters
        {
            Iterations = iterations, RamBytes = (ulong)RamMegabytes << 20, ProgramBytes = program.Length,
        };
        var disk = _folder.Write("disk.img", new byte[1 << 20]);
        return Start(
        [
            .. arguments,
            "-device", Loader("parameters", parameters.ToBytes(), BootParameters.Address),
            "-device", Loader("program", program, parameters.ProgramAddress),
            "-global", "virtio-mmio.force-legacy=false",
            "-drive", $"file={disk},if=none,format=raw,id=disk", "-device", "virtio-blk-device,drive=disk",
        ]);
    }

    private string Loader(string name, byte[] content, ulong address)
        => $"loader,file={_folder.Write(name, content)},addr=0x{address:x},force-raw=on";

    private static (int ExitCode, string Output) Start(string[] arguments)
    {
        var start = new ProcessStartInfo("qemu-system-riscv64")
        {
            RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true,
        };
        foreach (var argument in (string[])["-M", "virt", "-m", $"{RamMegabytes}", "-bios", "none", "-nographic", .. arguments])
        {
            start.ArgumentList.Add(argument);
        }

        using var process = Process.Start(start)!;
        process.StandardInput.Close();
        var output = process.StandardOutput.ReadToEndAsync();
        var errors = process.StandardError.ReadToEndAsync();
        if (!process.WaitForExit(TimeSpan.FromMinutes(1)))
        {
            process.Kill(entireProcessTree: true);
            Assert.Fail($"the machine did not power off within a minute; it printed: {output.Result}{errors.Result}");
        }

        return (process.ExitCode, output.Result.ReplaceLineEndings("\n") + errors.Result);
    }
}

/// <summary>Files beside the tests.</summary>
internal static class Assets
{
    public static byte[] Read(string name)
    {
        using var stream = typeof(Assets).Assembly.GetManifestResourceStream($"BuiltIn/{name}")!;
        using var content = new MemoryStream();
        stream.CopyTo(content);
        return content.ToArray();
    }

    public static string ReadText(string name) => System.Text.Encoding.UTF8.GetString(Read(name));
}
