using Hypervisor.Tests.Support;

namespace Hypervisor.Tests.RealGuests;

/// <summary>Debian's kernel with a directory of the host mounted.</summary>
public sealed class LinuxShareTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [RealGuestTheory("kernel", "initramfs")]
    [InlineData("para")]
    [InlineData("assisted")]
    public void Share_Mounted_IsReadWrittenAndChanged(string mode)
    {
        Directory.CreateDirectory(_folder["data"]);
        Directory.CreateDirectory(_folder["fixed"]);
        byte[] large = new byte[3_000_001];
        new Random(1).NextBytes(large);
        _folder.Write("data/large", large);
        _folder.Write("fixed/note", "as it is\n"u8);
        const string script = "mkdir /a /b; mount -t 9p -o trans=virtio data /a; mount -t 9p -o trans=virtio fixed /b; sh /a/steps";
        _folder.Write("data/steps", """
            cd /a
            cp large copy && cmp large copy && echo copied
            mkdir dir && mv copy dir/moved && ln dir/moved hard && ln -s dir/moved soft && cmp soft large && echo linked
            for i in $(seq 300); do echo $i > dir/n$i; done
            ls dir | wc -l
            find . -name 'n1*' | wc -l
            rm dir/n*
            chmod 640 hard; touch -d @1000000000 hard
            truncate -s 100 hard; stat -c '%s %a' dir/moved
            cat /b/note; echo no > /b/note || echo refused

            """u8);
        using var hv = new HvProcess(
            ["run", "--mode", mode, "--kernel", RealGuest.File("kernel")!, .. mode == "para" ? (string[])[] : ["--firmware", "builtin"], "--initrd", RealGuest.File("initramfs")!,
            "--append", $"console={(mode == "para" ? "hvc0" : "ttyS0")} quiet hv.run=\"{script}\"",
            "--share", _folder["data"] + ",tag=data", "--share", _folder["fixed"] + ",tag=fixed,ro", "--timeout", "150"]);
        Assert.Equal(0, hv.WaitForExit(160));
        string output = hv.Output.Replace("\r", "", StringComparison.Ordinal);
        foreach (string line in (string[])["copied\n", "linked\n", "301\n", "111\n", "100 640\n", "as it is\n", "refused\n"])
            Assert.Contains(line, output);
        Assert.Equal(large[..100], File.ReadAllBytes(_folder["data/dir/moved"]));
        Assert.Equal(large, File.ReadAllBytes(_folder["data/large"]));
        Assert.Equal("dir/moved", new FileInfo(_folder["data/soft"]).LinkTarget);
        Assert.Equal(["moved"], Directory.GetFiles(_folder["data/dir"]).Select(Path.GetFileName));
        Assert.Equal("as it is\n", File.ReadAllText(_folder["fixed/note"]));
    }
}
