using Hypervisor.Core.HostFiles;

namespace Hypervisor.Guests.Container.Files;

/// <summary>The times, sizes and rights of a file of the host; times in nanoseconds since 1970.</summary>
internal struct HostStatus
{
    public uint Mode;
    public uint Uid;
    public uint Gid;
    public uint Links;
    public ulong Number;
    public ulong FileSystem;
    public long Size;
    public long Blocks;
    public long AccessTime;
    public long ModifyTime;
    public long ChangeTime;
    public long BirthTime;
}

/// <summary>
/// Linux's own calls on a directory that is held open, by single names and never through a symbolic link: so that nothing that
/// changes on the way leads out of it. Each gives 0 or more, or a negated error; the numbers are the container's, as Linux has
/// the same everywhere.
/// </summary>
internal static class HostCalls
{
    /// <summary>Whether this system has them.</summary>
    public static bool AreThere => OperatingSystem.IsLinux();

    public static int Open(int directory, string name, int flags, uint mode)
    {
        int result = LinuxFiles.OpenAt(directory, Bytes(name), flags | LinuxFiles.CloseOnExec, mode);
        if (result is not (-Errno.EMFILE or -Errno.ENFILE))
            return result;

        // Directories that nobody knows any more are closed when they are collected: that is due now.
        GC.Collect();
        GC.WaitForPendingFinalizers();
        return LinuxFiles.OpenAt(directory, Bytes(name), flags | LinuxFiles.CloseOnExec, mode);
    }

    public static int MakeDirectory(int directory, string name, uint mode) => LinuxFiles.MakeDirectoryAt(directory, Bytes(name), mode);

    public static int Remove(int directory, string name, bool isDirectory) => LinuxFiles.UnlinkAt(directory, Bytes(name), isDirectory ? LinuxFiles.RemoveDirectory : 0);

    public static int Rename(int from, string name, int to, string newName) => LinuxFiles.RenameAt(from, Bytes(name), to, Bytes(newName));

    public static int Link(int from, string name, int to, string newName) => LinuxFiles.LinkAt(from, Bytes(name), to, Bytes(newName), 0);

    public static int MakeSymlink(string target, int directory, string name) => LinuxFiles.SymlinkAt(Bytes(target), directory, Bytes(name));

    public static int ChangeOwner(int directory, string name, uint uid, uint gid) => LinuxFiles.ChangeOwnerAt(directory, Bytes(name), uid, gid, LinuxFiles.NoFollow);

    public static int ChangeTimes(int directory, string name, long access, long modify) => LinuxFiles.SetTimesAt(
        directory, Bytes(name), [access / 1_000_000_000, access % 1_000_000_000, modify / 1_000_000_000, modify % 1_000_000_000], LinuxFiles.NoFollow);

    /// <summary>Changes a file's rights. There is no call that does so by name and follows no link: it is opened first.</summary>
    public static int ChangeMode(int directory, string name, uint mode)
    {
        int file = Open(directory, name, LinuxFiles.PathOnly | LinuxFiles.NoFollowLink, 0);
        if (file < 0)
            return file;
        int result = LinuxFiles.ChangeMode(LinuxFiles.NameOfOpen(file), mode);
        _ = LinuxFiles.Close(file);
        return result;
    }

    public static int ReadLink(int directory, string name, out string target)
    {
        var buffer = new byte[4096];
        int count = LinuxFiles.ReadLinkAt(directory, Bytes(name), buffer);
        target = count < 0 ? "" : KernelText.Decode(buffer.AsSpan(0, count));
        return count;
    }

    /// <summary>The names in a directory, byte by byte as they are; none where it cannot be read.</summary>
    public static IReadOnlyList<string> Names(int directory)
    {
        // A descriptor of its own: whoever lists the same one at the same time has another position.
        int own = Open(directory, ".", LinuxFiles.ReadOnly | LinuxFiles.DirectoryOnly, 0);
        if (own < 0)
            return [];
        var names = new List<string>();
        var buffer = new byte[32 << 10];
        for (int count; (count = LinuxFiles.Entries(own, buffer)) > 0;)
        {
            for (ReadOnlySpan<byte> left = buffer.AsSpan(0, count); DirectoryRecord.TryTake(ref left, out DirectoryRecord entry);)
            {
                if (!entry.Name.SequenceEqual("."u8) && !entry.Name.SequenceEqual(".."u8))
                    names.Add(KernelText.Decode(entry.Name));
            }
        }

        _ = LinuxFiles.Close(own);
        return names;
    }

    /// <summary>A file's status, by its name in a directory.</summary>
    public static int Status(int directory, string name, out HostStatus status) => Status(directory, Bytes(name), LinuxFiles.NoFollow, out status);

    /// <summary>An open file's status.</summary>
    public static int Status(int file, out HostStatus status) => Status(file, [0], LinuxFiles.EmptyPath, out status);

    private static int Status(int directory, byte[] name, int flags, out HostStatus status)
    {
        status = default;
        int error = LinuxFiles.Status(directory, name, flags, out HostAttributes attributes);
        if (error < 0)
            return error;
        status.Links = attributes.Links;
        status.Uid = attributes.User;
        status.Gid = attributes.Group;
        status.Mode = attributes.Mode;
        status.Number = attributes.Inode;
        status.Size = (long)attributes.Size;
        status.Blocks = (long)attributes.Blocks;
        status.AccessTime = Time(attributes.Accessed);
        status.BirthTime = Time(attributes.Born);
        status.ChangeTime = Time(attributes.Changed);
        status.ModifyTime = Time(attributes.Modified);
        status.FileSystem = attributes.Device;
        return 0;
    }

    private static long Time((long Seconds, uint Nanoseconds) time) => unchecked(time.Seconds * 1_000_000_000 + time.Nanoseconds);

    private static byte[] Bytes(string name) => KernelText.Encode(name + "\0");
}
