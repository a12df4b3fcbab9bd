using System.Globalization;
using Hypervisor.Guests.Common;
using Hypervisor.Tests.Support;

namespace Hypervisor.Tests.Host;

/// <summary>What cannot be booted is refused with a reason, or ends with the time it was given; the host is none the worse.</summary>
public sealed class BadBootTests : IDisposable
{
    private const int Refused = 2;
    private const int TimedOut = 124;

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Kernel_Empty_IsRefused() => Refuses("is empty", "--kernel", _folder.Write("empty", []));

    [Fact]
    public void Kernel_Missing_IsRefused() => Refuses("cannot be read", "--kernel", _folder["nowhere"]);

    [Fact]
    public void Kernel_ForAnotherMachine_IsRefused()
    {
        byte[] elf = new byte[64];
        "\u007fELF\u0002\u0001\u0001"u8.CopyTo(elf);
        elf[16] = 2;
        elf[18] = 62;
        Refuses("x86-64", "--kernel", _folder.Write("foreign", elf));
    }

    [Fact]
    public void Kernel_LinuxImageCutShort_IsRefused()
    {
        byte[] image = Image(imageSize: 1 << 20);
        Refuses("truncated", "--kernel", _folder.Write("cut", image), "--firmware", "builtin");
    }

    [Fact]
    public void Kernel_LargerThanMemory_IsRefused()
    {
        byte[] image = Image(imageSize: 64 << 20)[..0x100];
        image[0] = 0; // Without a PE header only the image's own size counts.
        Refuses("give it more memory", "--kernel", _folder.Write("large", image), "--firmware", "builtin", "--memory", "32M");
    }

    [Fact]
    public void RamDisk_OverTheKernel_IsRefused()
        => Refuses("would lie over", "--kernel", _folder.Write("kernel", new byte[3 << 20]), "--initrd", _folder.Write("disk", new byte[2 << 20]), "--memory", "4M");

    [Fact]
    public void DeviceTree_Malformed_IsRefused()
        => Refuses("tree", "--kernel", Loop(), "--dtb", _folder.Write("tree", [0xd0, 0x0d, 0xfe, 0xed, 0xff, 0xff, 0xff, 0xff]));

    [Fact]
    public void Memory_PastTheMost_IsRefused() => Refuses("at most 64 GiB", "--kernel", Loop(), "--memory", "65G");

    [Theory]
    [InlineData("bare")]
    [InlineData("full")]
    [InlineData("assisted")]
    public void Firmware_ThatLoops_EndsWithTheTimeItWasGiven(string mode)
    {
        using var hv = new HvProcess("run", "--mode", mode, "--kernel", Loop(), "--firmware", Loop(), "--timeout", "0.5");
        Assert.Equal(TimedOut, hv.WaitForExit());
        Assert.Contains("still running after 0.5 s", hv.Errors);
    }

    [RealGuestTheory("small-kernel", "initramfs")]
    [InlineData("full")]
    [InlineData("assisted")]
    public void Memory_SixtyFourGiB_BootsAndCostsWhatIsTouched(string mode)
    {
        string statistics = _folder["stats.json"];
        using var hv = new HvProcess("run", "--mode", mode, "--memory", "64G", "--kernel", RealGuest.File("small-kernel")!, "--firmware", "builtin",
            "--initrd", RealGuest.File("initramfs")!, "--append", "console=ttyS0", "--stats-json", statistics, "--timeout", "100");
        hv.WaitFor("guest# ", 90);
        hv.Type("grep MemTotal /proc/meminfo; exit\n");
        string answer = hv.WaitFor(" kB");
        Assert.Equal(0, hv.WaitForExit());
        long total = long.Parse(answer.Split([' ', '\n'], StringSplitOptions.RemoveEmptyEntries)[^2], CultureInfo.InvariantCulture);
        Assert.InRange(total, 60L << 20, 64L << 20);

        // The kernel touches a descriptor for each page, 1 GiB of them.
        using System.Text.Json.JsonDocument json = System.Text.Json.JsonDocument.Parse(File.ReadAllText(statistics));
        Assert.InRange(json.RootElement.GetProperty("memoryResidentBytes").GetInt64(), 1L << 20, 3L << 30);
    }

    private void Refuses(string why, params string[] arguments)
    {
        using var hv = new HvProcess(["run", "--mode", "full", "--timeout", "5", .. arguments]);
        Assert.Equal(Refused, hv.WaitForExit());
        Assert.Contains(why, hv.Errors);
    }

    private string Loop() => _folder.Write("loop", [0x6f, 0, 0, 0]);

    /// <summary>The head of a Linux Image with an EFI stub whose one section ends past the file.</summary>
    private static byte[] Image(ulong imageSize)
    {
        var image = new byte[0x400];
        "MZ"u8.CopyTo(image);
        BitConverter.TryWriteBytes(image.AsSpan(8), 0x20_0000UL);
        BitConverter.TryWriteBytes(image.AsSpan(16), imageSize);
        BitConverter.TryWriteBytes(image.AsSpan(32), 2U);
        "RSC\u0005"u8.CopyTo(image.AsSpan(56));
        BitConverter.TryWriteBytes(image.AsSpan(60), 0x40U);
        "PE\0\0"u8.CopyTo(image.AsSpan(0x40));
        BitConverter.TryWriteBytes(image.AsSpan(0x46), (ushort)1);
        BitConverter.TryWriteBytes(image.AsSpan(0x54), (ushort)0xA0);
        BitConverter.TryWriteBytes(image.AsSpan(0xF8 + 16), 0x10000U);
        BitConverter.TryWriteBytes(image.AsSpan(0xF8 + 20), 0x1000U);
        return image;
    }
}
