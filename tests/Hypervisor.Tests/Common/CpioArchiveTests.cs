using System.Text;
using Hypervisor.Core;
using Hypervisor.Guests.Common;
using Hypervisor.Tests.Support;

namespace Hypervisor.Tests.Common;

public sealed class CpioArchiveTests
{
    private static CpioArchive Sample() => new CpioArchive()
        .AddDevice("dev/console", CpioKind.CharacterDevice, 5, 1)
        .AddFile("/bin/program", "12345"u8.ToArray(), 0x1ed)
        .AddSymbolicLink("init", "bin/program")
        .AddFile("empty", default)
        .AddDirectory("tmp", 0x3ff)
        .AddDirectory("dev", 0x1c0);

    [Fact]
    public void Read_WrittenArchive_GivesItBack()
    {
        var entries = CpioArchive.Read(Sample().ToArray(), "initramfs");
        Assert.Equal(["dev", "dev/console", "bin", "bin/program", "init", "empty", "tmp"], entries.Select(entry => entry.Path));
        Assert.Equal(0x1c0, entries[0].Permissions);
        Assert.Equal((CpioKind.CharacterDevice, 5u, 1u), (entries[1].Kind, entries[1].Major, entries[1].Minor));
        Assert.Equal("12345", Encoding.ASCII.GetString(entries[3].Data.Span));
        Assert.Equal((CpioKind.SymbolicLink, "bin/program"), (entries[4].Kind, Encoding.ASCII.GetString(entries[4].Data.Span)));
        Assert.Equal(CpioKind.Directory, entries[6].Kind);
    }

    [Fact]
    public void ToArray_SameCalls_GiveSameBytes() => Assert.Equal(Sample().ToArray(), Sample().ToArray());

    [PeerFact("cpio")]
    public void ToArray_Sample_IsWhatCpioUnderstands()
    {
        using var folder = new TemporaryFolder();
        var file = folder.Write("archive", Sample().ToArray());
        var lines = Peer.Run("cpio", "-itvn", "--quiet", "-F", file).Split('\n', StringSplitOptions.RemoveEmptyEntries)
            .Select(line => line.Split(' ', StringSplitOptions.RemoveEmptyEntries)).ToArray();
        Assert.Equal(7, lines.Length);
        Assert.Equal(("drwx------", "dev"), (lines[0][0], lines[0][^1]));
        Assert.Equal(("crw-------", "5,", "1", "dev/console"), (lines[1][0], lines[1][4], lines[1][5], lines[1][^1]));
        Assert.Equal(("-rwxr-xr-x", "5", "bin/program"), (lines[3][0], lines[3][4], lines[3][^1]));
        Assert.Equal("init -> bin/program", string.Join(' ', lines[4][^3..]));
        Assert.Equal("drwxrwxrwt", lines[6][0]);
    }

    [PeerFact("cpio", "sh")]
    public void Read_CpioArchive_IsUnderstood()
    {
        using var folder = new TemporaryFolder();
        Directory.CreateDirectory(folder["tree/sub"]);
        File.WriteAllText(folder["tree/sub/file"], "content");
        Peer.Run("sh", "-c", $"cd '{folder["tree"]}' && find . | sort | cpio -o -H newc --quiet > ../archive");
        var entries = CpioArchive.Read(File.ReadAllBytes(folder["archive"]), "archive");
        Assert.Equal([".", "sub", "sub/file"], entries.Select(entry => entry.Path));
        Assert.Equal("content", Encoding.ASCII.GetString(entries[2].Data.Span));
    }

    [Theory]
    [InlineData("")]
    [InlineData("/")]
    [InlineData("a/../b")]
    [InlineData("./a")]
    [InlineData("TRAILER!!!")]
    public void AddFile_BadPath_Throws(string path)
        => Assert.Throws<HypervisorException>(() => new CpioArchive().AddFile(path, default));

    [Fact]
    public void Add_Conflicts_Throw()
    {
        var archive = Sample();
        Assert.Throws<HypervisorException>(() => archive.AddFile("init", default));
        Assert.Throws<HypervisorException>(() => archive.AddFile("init/below", default));
        Assert.Throws<HypervisorException>(() => archive.AddDirectory("init"));
        Assert.Throws<HypervisorException>(() => archive.AddFile("mode", default, 0x1000));
        Assert.Throws<HypervisorException>(() => archive.AddDevice("dev/x", CpioKind.File, 1, 1));
    }

    [Fact]
    public void Read_Damaged_SaysWhat()
    {
        var bytes = Sample().ToArray();
        void Refused(byte[] archive, string reason) => Assert.Contains(
            reason, Assert.Throws<HypervisorException>(() => CpioArchive.Read(archive, "archive")).Message, StringComparison.Ordinal);
        Refused([], "truncated");
        Refused(bytes[..150], "truncated");
        Refused([0x1f, 0x8b, .. new byte[200]], "compressed");
        bytes[20] = (byte)'x';
        Refused(bytes, "hexadecimal");
    }
}
