using System.Text;
using FsCheck.Fluent;
using Hypervisor.Guests.Container;
using Hypervisor.Guests.Container.Files;
using Hypervisor.Tests.Support;

namespace Hypervisor.Tests.Container.Files;

/// <summary>Overlays with a directory of the host above: beside the same changes in memory, and found again afterwards.</summary>
public sealed class OverlayTests
{
    private static readonly string[] s_names = ["a", "b", "c"];

    private enum Kind
    {
        Write,
        Append,
        MakeDirectory,
        MakeLink,
        Remove,
        Rename,
        Mode,
        HardLink,
    }

    private sealed record Step(Kind Kind, string From, string To, int Value);

    [LinuxFact]
    public void Overlay_OfAnyChanges_ShowsWhatMemoryShowsAndKeepsIt()
    {
        var path = from depth in Gen.Choose(1, 3)
                   from names in Gen.ArrayOf(Gen.Elements(s_names), depth)
                   select string.Join('/', names);
        var step = from kind in Gen.Elements(Enum.GetValues<Kind>())
                   from one in path
                   from other in path
                   from value in Gen.Choose(0, 7)
                   select new Step(kind, one, other, value);
        Property.ForAll(Gen.ListOf(step), steps =>
        {
            using var folder = new TemporaryFolder();
            foreach (string directory in new[] { "lower/a/b", "lower/b/c", "upper" })
                Directory.CreateDirectory(folder[directory]);
            folder.Write("lower/c", "lower"u8);
            folder.Write("lower/a/b/a", "deep"u8);
            folder.Write("lower/a/c", "more"u8);
            folder.Write("lower/b/a", "other"u8);
            File.CreateSymbolicLink(folder["lower/b/b"], "a");
            string before = Host(folder["lower"]);
            Inode overlay = Open(folder);
            var memory = new MemoryDirectory(new FileStore(() => 0, 1 << 20), 0x1ED, new HostDirectory(folder["lower"]));
            foreach (Step each in steps)
            {
                int result = Do(overlay, each);
                if (result == -Errno.EXDEV)
                    continue;
                int expected = Do(memory, each);
                Assert.True(expected == result, $"{each}: {result}, in memory {expected}");
            }

            string expectedTree = Show(memory);
            Assert.Equal(expectedTree, Show(overlay));
            Assert.Equal(expectedTree, Show(Open(folder)));
            Assert.Equal(before, Host(folder["lower"]));
            return true;
        }, cases: 300);
    }

    [LinuxFact]
    public void Overlay_FileThatIsOpen_GoesOnThroughCopyAndRemoval()
    {
        using var folder = new TemporaryFolder();
        Directory.CreateDirectory(folder["lower"]);
        Directory.CreateDirectory(folder["upper"]);
        folder.Write("lower/f", "content"u8);
        folder.Write("lower/g", "second"u8);
        Inode root = Open(folder);
        Inode f = root.Lookup("f")!;
        OpenFile reader = f.Open(0);
        OpenFile writer = f.Open(OpenFlags.ReadWrite);
        Assert.Equal(1, writer.WriteAt("C"u8, 0));
        var buffer = new byte[10];
        Assert.Equal(7, reader.ReadAt(buffer, 0));
        Assert.Equal("Content", Encoding.ASCII.GetString(buffer, 0, 7));
        Assert.Equal("Content", File.ReadAllText(folder["upper/f"]));
        Assert.Equal("content", File.ReadAllText(folder["lower/f"]));
        Assert.Equal(0, root.Remove("f"));
        f.Unlinked();
        Assert.Null(root.Lookup("f"));
        Assert.False(File.Exists(folder["upper/f"]));
        Assert.Equal(1, writer.WriteAt("!"u8, 6));
        Assert.Equal(7, reader.ReadAt(buffer, 0));
        Assert.Equal("Conten!", Encoding.ASCII.GetString(buffer, 0, 7));

        // One that was never copied before it lost its name leaves no name.
        Inode g = root.Lookup("g")!;
        OpenFile last = g.Open(OpenFlags.ReadWrite);
        Assert.Equal(0, root.Remove("g"));
        g.Unlinked();
        Assert.Equal(1, last.WriteAt("S"u8, 0));
        Assert.Equal(6, last.ReadAt(buffer, 0));
        Assert.Equal("Second", Encoding.ASCII.GetString(buffer, 0, 6));
        Assert.Equal([".wh.f", ".wh.g"], Directory.GetFiles(folder["upper"]).Select(Path.GetFileName).Order());
        Assert.Empty(root.Entries());
        Assert.Equal(-Errno.EINVAL, root.Make(".wh.f", InodeMode.Regular | 0x1A4, out _));
        reader.Release();
        writer.Release();
        last.Release();
    }

    private static OverlayDirectory Open(TemporaryFolder folder)
        => new(new HostVolume(new FileStore(() => 0, 1 << 20), folder["upper"]), new HostDirectory(folder["lower"]));

    /// <summary>Does a step as the calls do it; 0 or a negated error.</summary>
    private static int Do(Inode root, Step step)
    {
        if (Parent(root, step.From, out string name) is not { } parent)
            return -Errno.ENOENT;
        Inode? at = parent.Lookup(name);
        switch (step.Kind)
        {
            case Kind.Write or Kind.Append:
                if (at is null && parent.Make(name, InodeMode.Regular | 0x1A4, out at) is < 0 and int error)
                    return error;
                if (!at!.IsRegular)
                    return -Errno.EISDIR;
                return step.Kind == Kind.Write && at.Truncate(0) is < 0 and int cut ? cut : Math.Min(0, at.WriteAt(Encoding.ASCII.GetBytes($"{step.Value}"), at.Size));
            case Kind.MakeDirectory:
                return at is not null ? -Errno.EEXIST : parent.Make(name, InodeMode.Directory | 0x1ED, out _);
            case Kind.MakeLink:
                return at is not null ? -Errno.EEXIST : parent.MakeSymlink(name, step.To);
            case Kind.Remove:
                if (at is null || (at.IsDirectory && at.Entries().Any()))
                    return at is null ? -Errno.ENOENT : -Errno.ENOTEMPTY;
                int removed = parent.Remove(name);
                if (removed == 0)
                    at.Unlinked();
                return removed;
            case Kind.Mode:
                return at is null || at.IsSymlink ? -Errno.ENOENT : at.ChangeMode((uint)(0x180 | step.Value));
            default:
                return at is null ? -Errno.ENOENT : Move(root, step, parent, name, at);
        }
    }

    private static int Move(Inode root, Step step, Inode parent, string name, Inode at)
    {
        if (Parent(root, step.To, out string newName) is not { } to || (step.To + "/").StartsWith(step.From + "/", StringComparison.Ordinal))
            return -Errno.EINVAL;
        Inode? target = to.Lookup(newName);
        if (step.Kind == Kind.HardLink)
        {
            if (target is not null || !at.IsRegular)
                return -Errno.EEXIST;
            int linked = to.Add(newName, at);
            if (linked == 0)
                at.Links++;
            return linked;
        }

        if (target is not null && (target == at || target.IsDirectory != at.IsDirectory || (target.IsDirectory && target.Entries().Any())))
            return -Errno.EEXIST;
        int error = parent.Rename(name, to, newName);
        if (error == 0)
            target?.Unlinked();
        return error;
    }

    private static Inode? Parent(Inode root, string path, out string name)
    {
        string[] parts = path.Split('/');
        name = parts[^1];
        Inode? at = root;
        foreach (string part in parts[..^1])
            at = at is { IsDirectory: true } ? at.Lookup(part) : null;
        return at is { IsDirectory: true } ? at : null;
    }

    private static string Show(Inode directory, string path = "")
    {
        var text = new StringBuilder();
        foreach ((string name, Inode inode) in directory.Entries())
        {
            var content = new byte[200];
            string what = inode.IsDirectory ? "" : inode.IsSymlink ? inode.Target : Encoding.ASCII.GetString(content, 0, Math.Max(0, inode.ReadAt(content, 0)));
            text.Append($"{path}/{name} {(inode.IsSymlink ? "link" : Convert.ToString(inode.Mode, 8))} {what}\n");
            if (inode.IsDirectory)
                text.Append(Show(inode, $"{path}/{name}"));
        }

        return text.ToString();
    }

    private static string Host(string folder)
        => string.Join('\n', Directory.EnumerateFileSystemEntries(folder, "*", SearchOption.AllDirectories).Order().Select(entry => entry + (File.Exists(entry) ? File.ReadAllText(entry) : "")));
}
