using System.Text;
using Hypervisor.Guests.Container;
using Hypervisor.Guests.Container.Files;
using Hypervisor.Tests.Support;

namespace Hypervisor.Tests.Container.Files;

/// <summary>Directories of the host that containers write to: all of it is there, nothing outside is.</summary>
[System.Runtime.Versioning.UnsupportedOSPlatform("windows")]
public sealed class HostVolumeTests
{
    [LinuxFact]
    public void Volume_Changes_AreTheHostsAtOnce()
    {
        using var folder = new TemporaryFolder();
        HostTreeDirectory root = Volume(folder);
        Assert.Equal(0, root.Make("file", InodeMode.Regular | 0x1A0, out Inode? file));
        Assert.Equal(5, file!.WriteAt("hello"u8, 0));
        Assert.Equal("hello", File.ReadAllText(folder["file"]));
        Assert.Equal((UnixFileMode)0x1A0, File.GetUnixFileMode(folder["file"]));
        Assert.Equal(0, file.ChangeMode(0x180));
        Assert.Equal((UnixFileMode)0x180, File.GetUnixFileMode(folder["file"]));
        Assert.Equal(0, file.Truncate(2));
        Assert.Equal("he", File.ReadAllText(folder["file"]));
        File.AppendAllText(folder["file"], "y");
        Assert.Equal("hey", Read(root.Lookup("file")!));

        Assert.Equal(0, root.Make("dir", InodeMode.Directory | 0x1C0, out Inode? made));
        Assert.Equal(0, root.Rename("file", made!, "moved"));
        Assert.Equal("hey", File.ReadAllText(folder["dir/moved"]));
        Assert.Same(file, made!.Lookup("moved"));
        Assert.Equal(0, root.Add("second", file));
        Assert.Equal("hey", File.ReadAllText(folder["second"]));
        Assert.Same(file, root.Lookup("second"));
        Assert.Equal(-Errno.ENOTEMPTY, root.Remove("dir"));
        Assert.Equal(0, root.MakeSymlink("link", "../outside"));
        Assert.Equal("../outside", new FileInfo(folder["link"]).LinkTarget);
        Assert.Equal(["dir", "link", "second"], root.Entries().Select(entry => entry.Name));
    }

    [LinuxFact]
    public void Volume_FileWithoutName_IsStillReadByWhoHasItOpen()
    {
        using var folder = new TemporaryFolder();
        folder.Write("file", "content"u8);
        HostTreeDirectory root = Volume(folder);
        Inode inode = root.Lookup("file")!;
        OpenFile open = inode.Open(OpenFlags.ReadWrite);
        Assert.Equal(0, root.Remove("file"));
        inode.Unlinked();
        Assert.False(File.Exists(folder["file"]));
        var buffer = new byte[20];
        Assert.Equal(7, open.Read(buffer));
        Assert.Equal(1, open.WriteAt("C"u8, 0));
        Assert.Equal("Content", Read(inode));
        open.Release();
    }

    [LinuxFact]
    public void Volume_LinkInPlaceOfAFileOrDirectory_LeadsNowhere()
    {
        using var outside = new TemporaryFolder();
        string secret = outside.Write("secret", "outside"u8);
        using var folder = new TemporaryFolder();
        folder.Write("file", "inside"u8);
        Directory.CreateDirectory(folder["dir"]);
        HostTreeDirectory root = Volume(folder);
        Inode file = root.Lookup("file")!;
        Inode directory = root.Lookup("dir")!;

        // Somebody changes both for links after the kernel has looked, before it opens them.
        File.Delete(folder["file"]);
        File.CreateSymbolicLink(folder["file"], secret);
        Directory.Delete(folder["dir"]);
        Directory.CreateSymbolicLink(folder["dir"], outside.Root);
        Assert.True(file.ReadAt(new byte[10], 0) <= 0);
        Assert.True(file.WriteAt("gone"u8, 0) < 0);
        Assert.True(file.Truncate(0) < 0);
        Assert.True(file.ChangeMode(0) < 0 || (File.GetUnixFileMode(secret) & UnixFileMode.UserRead) != 0);
        Assert.Null(directory.Lookup("secret"));
        Assert.Empty(directory.Entries());
        Assert.NotEqual(0, directory.Make("new", InodeMode.Regular | 0x1A4, out _));
        Assert.NotEqual(0, directory.Remove("secret"));
        Assert.Equal("outside", File.ReadAllText(secret));
        Assert.Equal(["secret"], Directory.GetFiles(outside.Root).Select(Path.GetFileName));
        Assert.NotEqual(0u, (uint)File.GetUnixFileMode(secret));

        // Found anew they are links, which only the container's own walk reads.
        Assert.Equal(secret, root.Lookup("file")!.Target);
        Assert.True(root.Lookup("dir")!.IsSymlink);
    }

    [LinuxFact]
    public void Volume_RacingChangesOfLinks_NeverShowWhatIsOutside()
    {
        using var outside = new TemporaryFolder();
        outside.Write("x", "outside"u8);
        using var folder = new TemporaryFolder();
        Directory.CreateDirectory(folder["real"]);
        folder.Write("real/x", "inside."u8);
        Directory.CreateSymbolicLink(folder["evil"], outside.Root);
        Directory.CreateDirectory(folder["real2"]);
        HostTreeDirectory root = Volume(folder);
        using var stop = new CancellationTokenSource();
        var racer = new Thread(() =>
        {
            while (!stop.IsCancellationRequested)
            {
                Directory.Move(folder["real"], folder["spare"]);
                Directory.Move(folder["evil"], folder["real"]);
                Directory.Move(folder["real"], folder["evil"]);
                Directory.Move(folder["spare"], folder["real"]);
            }
        });
        racer.Start();
        for (int i = 0; i < 3000; i++)
        {
            if (root.Lookup("real") is { IsDirectory: true } real && real.Lookup("x") is { IsRegular: true } x)
            {
                var buffer = new byte[7];
                if (x.ReadAt(buffer, 0) == 7)
                    Assert.Equal("inside.", Encoding.ASCII.GetString(buffer));
                _ = x.WriteAt("inside."u8, 0);
            }
        }

        stop.Cancel();
        racer.Join();
        Assert.Equal("outside", File.ReadAllText(outside["x"]));
    }

    [LinuxFact]
    public void Volume_NamesThatAreNoText_AreListedAndRemoved()
    {
        using var folder = new TemporaryFolder();
        HostTreeDirectory root = Volume(folder);
        Assert.Equal(0, root.Make("\u00FFname", InodeMode.Regular | 0x1A4, out _));
        Assert.Equal(["\u00FFname"], root.Entries().Select(entry => entry.Name));
        Assert.Equal(0, root.Remove("\u00FFname"));
        Assert.Empty(root.Entries());
    }

    [LinuxFact]
    public void Volume_ThousandsOfDirectories_AreNotHeldOpen()
    {
        using var folder = new TemporaryFolder();
        HostTreeDirectory root = Volume(folder);
        int before = Directory.GetFiles("/proc/self/fd").Length;
        var held = new List<Inode>();
        for (int i = 0; i < 3000; i++)
        {
            Assert.Equal(0, root.Make($"d{i}", InodeMode.Directory | 0x1ED, out Inode? directory));
            Assert.Equal(0, directory!.Make("f", InodeMode.Regular | 0x1A4, out Inode? file));
            Assert.Equal(1, file!.WriteAt("x"u8, 0));
            held.Add(directory);
            held.Add(file);
        }

        Assert.True(Directory.GetFiles("/proc/self/fd").Length - before < 2000);
        Assert.Equal("x", Read(held[1]));
        Assert.NotNull(held[0].Lookup("f"));
    }

    [Fact]
    public void PortableFolder_LinksAndNames_LeadNowhere()
    {
        using var outside = new TemporaryFolder();
        outside.Write("secret", "outside"u8);
        using var folder = new TemporaryFolder();
        Directory.CreateDirectory(folder["dir"]);
        Directory.CreateSymbolicLink(folder["out"], outside.Root);
        using var portable = new PortableHostFolder(folder.Root);
        Assert.NotEqual(0, portable.OpenFolder("out", out _));
        Assert.NotEqual(0, portable.Status("../" + Path.GetFileName(outside.Root), out _));
        Assert.NotEqual(0, portable.OpenFolder("..", out _));
        Assert.Equal(0, portable.OpenFolder("dir", out HostFolder? inner));
        Assert.Equal(0, inner!.OpenFile("new", forWriting: true, isNew: true, 0x1A4, out Microsoft.Win32.SafeHandles.SafeFileHandle? file));
        file!.Dispose();
        Assert.Equal(0, inner.Rename("new", portable, "moved"));
        Assert.Equal(["dir", "moved", "out"], portable.Names().Order());
        Assert.Equal(0, portable.ReadLink("out", out string target));
        Assert.Equal(outside.Root, target);
    }

    private static HostTreeDirectory Volume(TemporaryFolder folder) => new HostVolume(new FileStore(() => 0, 1 << 20), folder.Root).Root;

    private static string Read(Inode inode)
    {
        var buffer = new byte[100];
        int count = inode.ReadAt(buffer, 0);
        return Encoding.UTF8.GetString(buffer, 0, Math.Max(0, count));
    }
}
