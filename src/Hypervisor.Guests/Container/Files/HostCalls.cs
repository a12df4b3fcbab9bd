using System.Runtime.InteropServices;

namespace Hypervisor.Guests.Container.Files;

/// <summary>The times, sizes and rights of a file of the host.</summary>
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
internal static partial class HostCalls
{
    public const int ReadOnly = 0, WriteOnly = 1, ReadWrite = 2, Create = 0x40, Exclusive = 0x80, NonBlock = 0x800, CloseOnExec = 0x80000, PathOnly = 0x200000;
    public const int CurrentDirectory = -100;
    public const int RemoveDirectory = 0x200;

    private const int SymlinkNoFollow = 0x100;
    private const int EmptyPath = 0x1000;
    private const uint BasicAndBirth = 0x7FF | 0x800;

    // Directory and no-follow differ between architectures: Arm has them the other way round than x86 and the generic ABI.
    private static readonly bool s_isArm = RuntimeInformation.ProcessArchitecture is Architecture.Arm64 or Architecture.Arm;

    public static int Directory => s_isArm ? 0x4000 : 0x10000;

    public static int NoFollow => s_isArm ? 0x8000 : 0x20000;

    /// <summary>Whether this system has them.</summary>
    public static bool AreThere => OperatingSystem.IsLinux();

    public static int Open(int directory, string name, int flags, uint mode)
    {
        int result = Result(OpenAt(directory, Bytes(name), flags | CloseOnExec, mode));
        if (result is not (-Errno.EMFILE or -Errno.ENFILE))
            return result;

        // Directories that nobody knows any more are closed when they are collected: that is due now.
        GC.Collect();
        GC.WaitForPendingFinalizers();
        return Result(OpenAt(directory, Bytes(name), flags | CloseOnExec, mode));
    }

    public static int MakeDirectory(int directory, string name, uint mode) => Result(MakeDirectoryAt(directory, Bytes(name), mode));

    public static int Remove(int directory, string name, bool isDirectory) => Result(UnlinkAt(directory, Bytes(name), isDirectory ? RemoveDirectory : 0));

    public static int Rename(int from, string name, int to, string newName) => Result(RenameAt(from, Bytes(name), to, Bytes(newName)));

    public static int Link(int from, string name, int to, string newName) => Result(LinkAt(from, Bytes(name), to, Bytes(newName), 0));

    public static int MakeSymlink(string target, int directory, string name) => Result(SymlinkAt(Bytes(target), directory, Bytes(name)));

    public static int ChangeOwner(int directory, string name, uint uid, uint gid) => Result(ChangeOwnerAt(directory, Bytes(name), uid, gid, SymlinkNoFollow));

    public static int ChangeTimes(int directory, string name, long access, long modify)
    {
        Span<long> times = [access / 1_000_000_000, access % 1_000_000_000, modify / 1_000_000_000, modify % 1_000_000_000];
        return Result(ChangeTimesAt(directory, Bytes(name), ref times[0], SymlinkNoFollow));
    }

    /// <summary>Changes a file's rights. There is no call that does so by name and follows no link: it is opened first.</summary>
    public static int ChangeMode(int directory, string name, uint mode)
    {
        int file = Open(directory, name, PathOnly | NoFollow, 0);
        if (file < 0)
            return file;
        try
        {
            return Result(ChangeModeOf(Bytes($"/proc/self/fd/{file}"), mode));
        }
        finally
        {
            _ = Close(file);
        }
    }

    public static int ReadLink(int directory, string name, out string target)
    {
        var buffer = new byte[4096];
        long count = ReadLinkAt(directory, Bytes(name), ref buffer[0], buffer.Length);
        target = count < 0 ? "" : Text(buffer.AsSpan(0, (int)count));
        return count < 0 ? -Marshal.GetLastPInvokeError() : (int)count;
    }

    /// <summary>The names in a directory, byte by byte as they are; none where it cannot be read.</summary>
    public static IReadOnlyList<string> Names(int directory)
    {
        // A descriptor of its own: whoever lists the same one at the same time has another position.
        int own = Open(directory, ".", ReadOnly | Directory, 0);
        if (own < 0)
            return [];
        var names = new List<string>();
        var buffer = new byte[32 << 10];
        try
        {
            for (long count; (count = GetEntries(own, ref buffer[0], buffer.Length)) > 0;)
            {
                // struct linux_dirent64: two numbers of 8 bytes, the record's length, a type, the name.
                for (int at = 0; at < count; at += BitConverter.ToUInt16(buffer, at + 16))
                {
                    ReadOnlySpan<byte> name = buffer.AsSpan(at + 19);
                    name = name[..name.IndexOf((byte)0)];
                    if (!name.SequenceEqual("."u8) && !name.SequenceEqual(".."u8))
                        names.Add(Text(name));
                }
            }
        }
        finally
        {
            _ = Close(own);
        }

        return names;
    }

    /// <summary>A file's status, by its name in a directory.</summary>
    public static int Status(int directory, string name, out HostStatus status) => Status(directory, Bytes(name), SymlinkNoFollow, out status);

    /// <summary>An open file's status.</summary>
    public static int Status(int file, out HostStatus status) => Status(file, [0], EmptyPath, out status);

    private static int Status(int directory, byte[] name, int flags, out HostStatus status)
    {
        // struct statx has one layout on every architecture.
        var x = new byte[256];
        status = default;
        if (ExtendedStatus(directory, name, flags, BasicAndBirth, ref x[0]) < 0)
            return -Marshal.GetLastPInvokeError();
        status.Links = BitConverter.ToUInt32(x, 16);
        status.Uid = BitConverter.ToUInt32(x, 20);
        status.Gid = BitConverter.ToUInt32(x, 24);
        status.Mode = BitConverter.ToUInt16(x, 28);
        status.Number = BitConverter.ToUInt64(x, 32);
        status.Size = BitConverter.ToInt64(x, 40);
        status.Blocks = BitConverter.ToInt64(x, 48);
        status.AccessTime = Time(x, 64);
        status.BirthTime = Time(x, 80);
        status.ChangeTime = Time(x, 96);
        status.ModifyTime = Time(x, 112);
        status.FileSystem = BitConverter.ToUInt64(x, 136);
        return 0;
    }

    private static long Time(byte[] x, int at) => unchecked(BitConverter.ToInt64(x, at) * 1_000_000_000 + BitConverter.ToUInt32(x, at + 8));

    private static int Result(int result) => result >= 0 ? result : -Marshal.GetLastPInvokeError();

    private static byte[] Bytes(string name) => KernelText.Encode(name + "\0");

    private static string Text(ReadOnlySpan<byte> bytes) => KernelText.Decode(bytes);

    [LibraryImport("libc", EntryPoint = "openat", SetLastError = true)]
    private static partial int OpenAt(int directory, byte[] name, int flags, uint mode);

    [LibraryImport("libc", EntryPoint = "close")]
    public static partial int Close(int file);

    [LibraryImport("libc", EntryPoint = "getdents64", SetLastError = true)]
    private static partial nint GetEntries(int directory, ref byte buffer, nint size);

    [LibraryImport("libc", EntryPoint = "mkdirat", SetLastError = true)]
    private static partial int MakeDirectoryAt(int directory, byte[] name, uint mode);

    [LibraryImport("libc", EntryPoint = "unlinkat", SetLastError = true)]
    private static partial int UnlinkAt(int directory, byte[] name, int flags);

    [LibraryImport("libc", EntryPoint = "renameat", SetLastError = true)]
    private static partial int RenameAt(int from, byte[] name, int to, byte[] newName);

    [LibraryImport("libc", EntryPoint = "linkat", SetLastError = true)]
    private static partial int LinkAt(int from, byte[] name, int to, byte[] newName, int flags);

    [LibraryImport("libc", EntryPoint = "symlinkat", SetLastError = true)]
    private static partial int SymlinkAt(byte[] target, int directory, byte[] name);

    [LibraryImport("libc", EntryPoint = "readlinkat", SetLastError = true)]
    private static partial nint ReadLinkAt(int directory, byte[] name, ref byte buffer, nint size);

    [LibraryImport("libc", EntryPoint = "fchownat", SetLastError = true)]
    private static partial int ChangeOwnerAt(int directory, byte[] name, uint uid, uint gid, int flags);

    [LibraryImport("libc", EntryPoint = "chmod", SetLastError = true)]
    private static partial int ChangeModeOf(byte[] path, uint mode);

    [LibraryImport("libc", EntryPoint = "utimensat", SetLastError = true)]
    private static partial int ChangeTimesAt(int directory, byte[] name, ref long times, int flags);

    [LibraryImport("libc", EntryPoint = "statx", SetLastError = true)]
    private static partial int ExtendedStatus(int directory, byte[] name, int flags, uint mask, ref byte status);
}
