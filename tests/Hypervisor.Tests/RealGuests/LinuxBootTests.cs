using System.Globalization;
using System.Text.RegularExpressions;
using Hypervisor.Tests.Support;

namespace Hypervisor.Tests.RealGuests;

/// <summary>Linux as Debian ships it, on OpenSBI as Debian ships it, to an interactive shell and cleanly off again.</summary>
public sealed class LinuxBootTests
{
    private const string Prompt = "guest# ";

    public static TheoryData<string, int> DebianCases => new()
    {
        { "full", 1 }, { "full", 2 }, { "full", 4 }, { "assisted", 1 }, { "assisted", 2 }, { "assisted", 4 }, { "bare", 1 },
    };

    public static TheoryData<string, int> SmallCases => new() { { "full", 1 }, { "full", 2 }, { "assisted", 1 }, { "assisted", 8 }, { "bare", 1 } };

    [RealGuestTheory("kernel", "firmware", "initramfs")]
    [MemberData(nameof(DebianCases))]
    public void Boot_DebiansKernel_ShellAnswersAndPowersOff(string mode, int harts)
    {
        using HvProcess hv = Start("kernel", mode, harts);
        string boot = UseShell(hv, harts);
        Assert.Contains("OpenSBI v1.6", boot);
        Assert.Contains("Linux version 6.12", boot);
        Assert.DoesNotContain("Kernel panic", boot);
        Assert.DoesNotContain("WARNING:", boot);
        Assert.DoesNotContain("BUG:", boot);
    }

    [RealGuestTheory("small-kernel", "firmware", "initramfs")]
    [MemberData(nameof(SmallCases))]
    public void Boot_SmallKernel_ShellAnswersAndPowersOff(string mode, int harts)
    {
        using HvProcess hv = Start("small-kernel", mode, harts);
        UseShell(hv, harts);
    }

    [RealGuestTheory("kernel", "initramfs")]
    [InlineData("assisted", 128)]
    [InlineData("full", 256)]
    public void Boot_HartsWithVectors_KernelFindsThem(string mode, int bits)
    {
        using HvProcess hv = Start("kernel", mode, 1, builtIn: true, "--vlen", bits.ToString(CultureInfo.InvariantCulture));
        string boot = UseShell(hv, 1);
        Assert.Contains("riscv: base ISA extensions acdfimv", boot);
        Assert.DoesNotContain("Kernel panic", boot);
        Assert.DoesNotContain("BUG:", boot);
    }

    public static TheoryData<string, string, int> BuiltInCases => new()
    {
        { "kernel", "full", 2 }, { "kernel", "assisted", 2 }, { "small-kernel", "full", 4 }, { "small-kernel", "bare", 2 },
    };

    [RealGuestTheory("kernel", "small-kernel", "initramfs")]
    [MemberData(nameof(BuiltInCases))]
    public void Boot_BuiltInFirmware_NeedsNoFile(string kernel, string mode, int harts)
    {
        using HvProcess hv = Start(kernel, mode, harts, builtIn: true);
        Assert.Contains("SBI specification v2.0 detected", UseShell(hv, harts));
    }

    public static TheoryData<string, int> ParaCases => new() { { "kernel", 1 }, { "kernel", 4 }, { "small-kernel", 1 }, { "small-kernel", 8 } };

    [RealGuestTheory("kernel", "small-kernel", "initramfs")]
    [MemberData(nameof(ParaCases))]
    public void Boot_AsParaGuest_FindsWhatTheHypervisorOffers(string kernel, int harts)
    {
        using var hv = new HvProcess(
            "run", "--mode", "para", "--vcpus", harts.ToString(CultureInfo.InvariantCulture), "--kernel", RealGuest.File(kernel)!,
            "--initrd", RealGuest.File("initramfs")!, "--append", "console=hvc0", "--timeout", "150");
        hv.WaitFor(Prompt, 120);
        hv.Type("dmesg\n");
        string boot = hv.WaitFor(Prompt, 60);
        Assert.Contains("SBI specification v2.0 detected", boot);
        Assert.Contains("SBI implementation ID=0x4856", boot);
        Assert.DoesNotContain("Kernel panic", boot);
        Assert.DoesNotContain("WARNING:", boot);
        Assert.DoesNotContain("BUG:", boot);
        if (kernel == "kernel")
        {
            // Debian's has drivers for more of it.
            Assert.Contains("SBI SUSP extension detected", boot);
            Assert.Contains("16 firmware and 2 hardware counters", boot);
        }
        else
        {
            Assert.Contains("Computing paravirt steal-time", boot);
        }

        UseShell(hv, harts, isUp: true);
    }

    /// <summary>Linux discards a disk, fills a part with zeroes, gives memory back and has it again.</summary>
    [RealGuestTheory("small-kernel", "initramfs")]
    [InlineData("para")]
    public void Machine_WithDiskAndBalloon_GivesStorageAndMemoryBack(string mode)
    {
        using var folder = new TemporaryFolder();
        string disk = folder.Write("disk.img", Enumerable.Repeat((byte)7, 8 << 20).ToArray());
        using var hv = new HvProcess(
            "run", "--mode", mode, "--memory", "256M", "--balloon", "128M", "--kernel", RealGuest.File("small-kernel")!,
            "--initrd", RealGuest.File("initramfs")!, "--disk", disk, "--append", "console=hvc0", "--timeout", "60");
        hv.WaitFor(Prompt);
        hv.Type("for i in 1 2 3 4 5 6 7 8 9; do [ $(grep MemFree /proc/meminfo | tr -cd 0-9) -lt 140000 ] && break; sleep 0.3; done; grep MemFree /proc/meminfo\n");
        string free = hv.WaitFor(Prompt);
        int kilobytes = int.Parse(System.Text.RegularExpressions.Regex.Match(free, @"MemFree: +(\d+) kB").Groups[1].Value, CultureInfo.InvariantCulture);
        Assert.InRange(kilobytes, 80_000, 130_000);
        hv.Type("cat /sys/block/vda/serial; blkdiscard -o 1048576 -l 4194304 /dev/vda && echo discarded; sync; md5sum /dev/vda | cut -c1-6; poweroff -f\n");
        hv.WaitFor("disk0discarded\n");
        Assert.Equal(0, hv.WaitForExit());
        byte[] after = File.ReadAllBytes(disk);
        Assert.All(after[..(1 << 20)], value => Assert.Equal(7, value));
        Assert.All(after[(5 << 20)..], value => Assert.Equal(7, value));
        int blocks = int.Parse(Peer.Run("stat", "-c", "%b", disk).Trim(), CultureInfo.InvariantCulture);
        if (after[2 << 20] == 0)
            Assert.True(blocks <= (4 << 20) / 512 + 64, $"{blocks} blocks are still taken");
    }

    [RealGuestTheory("small-kernel", "firmware", "initramfs")]
    [InlineData("full", false)]
    [InlineData("assisted", true)]
    public void Reboot_FromInside_StartsTheMachineAgain(string mode, bool builtIn)
    {
        using HvProcess hv = Start("small-kernel", mode, 1, builtIn);
        hv.WaitFor(Prompt, 120);
        hv.Type("echo first > /tmp/life; reboot -f\n");
        hv.WaitFor("Linux version", 60);
        hv.WaitFor(Prompt, 60);
        hv.Type("ls /tmp | wc -l; exit\n");
        Assert.Equal(0, hv.WaitForExit());
        Assert.Contains("\n0\n", hv.Output.Replace("\r", "", StringComparison.Ordinal));
        Assert.Contains("the guest reboots", hv.Errors);
    }

    [RealGuestTheory("small-kernel", "initramfs")]
    [InlineData("full")]
    public void Reboot_NotWanted_EndsWithSuccess(string mode)
    {
        using HvProcess hv = Start("small-kernel", mode, 1, builtIn: true, "--no-reboot");
        hv.WaitFor(Prompt, 120);
        hv.Type("reboot -f\n");
        Assert.Equal(0, hv.WaitForExit());
        Assert.DoesNotContain("the guest reboots", hv.Errors);
    }

    private static HvProcess Start(string kernel, string mode, int harts, bool builtIn = false, params string[] more) => new(
        ["run", "--mode", mode, "--vcpus", harts.ToString(CultureInfo.InvariantCulture), "--kernel", RealGuest.File(kernel)!,
        "--firmware", builtIn ? "builtin" : RealGuest.File("firmware")!, "--initrd", RealGuest.File("initramfs")!, "--append", "console=ttyS0", "--timeout", "150", .. more]);

    /// <summary>What programs printed: on a slow host the kernel tells of late timers in between.</summary>
    private static string WithoutMessages(string text)
        => Regex.Replace(text.Replace("\r", "", StringComparison.Ordinal), @"\[ *\d+\.\d{6}\] [^\n]*\n", "");

    /// <summary>Types what a user would and checks what comes back; everything printed up to the prompt.</summary>
    private static string UseShell(HvProcess hv, int harts, bool isUp = false)
    {
        string boot = isUp ? "" : hv.WaitFor(Prompt, 120);
        Assert.Contains($"up with {harts} harts", hv.Output);
        hv.Type("uname -s -m; grep -c ^processor /proc/cpuinfo\n");
        string answer = WithoutMessages(hv.WaitFor(Prompt));
        Assert.True(answer.Contains($"\nLinux riscv64\n{harts}\n", StringComparison.Ordinal), $"The shell answered:\n{answer}");

        // Ctrl-C reaches what runs in the guest, not hv.
        hv.Type("sleep 1000\n");
        hv.WaitFor("sleep 1000");
        Thread.Sleep(300);
        hv.Type("\u0003");
        hv.WaitFor(Prompt);

        // A pasted text arrives whole and in order: longer than any queue on the way.
        string[] lines = [.. Enumerable.Range(0, 120).Select(i => $"{i} the quick brown fox jumps over the lazy dog and on")];
        hv.Type($"cat > /tmp/pasted <<END\n{string.Join('\n', lines)}\nEND\n");
        hv.WaitFor("END");
        hv.WaitFor(Prompt);
        hv.Type("md5sum < /tmp/pasted\n");
        string sum = Convert.ToHexStringLower(System.Security.Cryptography.MD5.HashData(System.Text.Encoding.ASCII.GetBytes(string.Join('\n', lines) + "\n")));
        Assert.Contains(sum, hv.WaitFor(Prompt));
        hv.Type("exit\n");
        Assert.Equal(0, hv.WaitForExit());
        return boot;
    }
}
