using System.Buffers.Binary;
using System.Runtime.InteropServices;

namespace Hypervisor.Core.HostFiles;

/// <summary>
/// Linux's file calls that take an open directory and a name in it. Each answers what the system does: zero or more, or the
/// error number, negated. Names end with a zero byte and have none within: <see cref="Name"/> makes them.
/// </summary>
internal static partial class LinuxFiles
{
    public const int CurrentDirectory = -100;
    public const int NoFollow = 0x100;
    public const int RemoveDirectory = 0x200;
    public const int EmptyPath = 0x1000;

    public const int ReadOnly = 0;
    public const int ReadWrite = 2;
    public const int Create = 0x40;
    public const int Exclusive = 0x80;
    public const int Truncate = 0x200;
    public const int Append = 0x400;
    public const int NonBlocking = 0x800;
    public const int CloseOnExec = 0x80000;
    public const int PathOnly = 0x200000;

    private const int StatSize = 256;

    /// <summary>All that every file system tells, and when the file was made.</summary>
    private const uint BasicAndBirth = 0xFFF;

    // These two have other values on arm64, where other bits are in their place.
    public static int DirectoryOnly => IsArm ? 0x4000 : 0x10000;

    public static int NoFollowLink => IsArm ? 0x8000 : 0x20000;

    private static bool IsArm => RuntimeInformation.ProcessArchitecture is Architecture.Arm64 or Architecture.Arm;

    /// <summary>A name as the calls take it, with a zero byte behind it.</summary>
    public static byte[] Name(ReadOnlySpan<byte> name)
    {
        var text = new byte[name.Length + 1];
        name.CopyTo(text);
        return text;
    }

    /// <summary>A name for an open file itself, whatever became of the one it was found under.</summary>
    public static byte[] NameOfOpen(int file) => Name(System.Text.Encoding.ASCII.GetBytes($"/proc/self/fd/{file}"));

    public static int OpenAt(int directory, ReadOnlySpan<byte> name, int flags, uint mode) => Answer(Native.OpenAt(directory, name, flags, mode));

    public static int Close(int file) => Answer(Native.Close(file));

    /// <summary>Tells about a file by its name in a directory; with <see cref="EmptyPath"/> and an empty name, about the open file itself.</summary>
    public static int Status(int directory, ReadOnlySpan<byte> name, int flags, out HostAttributes attributes)
    {
        Span<byte> buffer = stackalloc byte[StatSize];
        int error = Answer(Native.StatX(directory, name, flags, BasicAndBirth, buffer));
        attributes = error < 0 ? default : Read(buffer);
        return error;
    }

    public static int MakeDirectoryAt(int directory, ReadOnlySpan<byte> name, uint mode) => Answer(Native.MkdirAt(directory, name, mode));

    public static int MakeNodeAt(int directory, ReadOnlySpan<byte> name, uint mode) => Answer(Native.MknodAt(directory, name, mode, 0));

    public static int UnlinkAt(int directory, ReadOnlySpan<byte> name, int flags) => Answer(Native.UnlinkAt(directory, name, flags));

    public static int RenameAt(int from, ReadOnlySpan<byte> name, int to, ReadOnlySpan<byte> newName) => Answer(Native.RenameAt(from, name, to, newName));

    public static int LinkAt(int from, ReadOnlySpan<byte> name, int to, ReadOnlySpan<byte> newName, int flags) => Answer(Native.LinkAt(from, name, to, newName, flags));

    public static int SymlinkAt(ReadOnlySpan<byte> target, int directory, ReadOnlySpan<byte> name) => Answer(Native.SymlinkAt(target, directory, name));

    /// <summary>Reads a symbolic link; how many bytes.</summary>
    public static int ReadLinkAt(int directory, ReadOnlySpan<byte> name, Span<byte> target)
        => Answer((int)Native.ReadLinkAt(directory, name, target, (nuint)target.Length));

    public static int ChangeOwnerAt(int directory, ReadOnlySpan<byte> name, uint user, uint group, int flags) => Answer(Native.ChownAt(directory, name, user, group, flags));

    public static int ChangeMode(ReadOnlySpan<byte> path, uint mode) => Answer(Native.Chmod(path, mode));

    public static int SetSize(ReadOnlySpan<byte> path, long length) => Answer(Native.Truncate(path, length));

    /// <summary>Sets the times of access and of modification: two pairs of seconds and nanoseconds.</summary>
    public static int SetTimesAt(int directory, ReadOnlySpan<byte> name, ReadOnlySpan<long> times, int flags)
        => times.Length == 4 ? Answer(Native.UtimensAt(directory, name, times, flags)) : throw new ArgumentException("Two pairs are needed.", nameof(times));

    /// <summary>Reads entries from where the directory stands; <see cref="DirectoryRecord.TryTake"/> takes them apart.</summary>
    public static int Entries(int directory, Span<byte> buffer) => Answer((int)Native.GetDents(directory, buffer, (nuint)buffer.Length));

    public static int Seek(int file, long offset) => Native.Seek(file, offset, 0) < 0 ? -Marshal.GetLastPInvokeError() : 0;

    public static int ReadAt(int file, Span<byte> buffer, long offset) => Answer((int)Native.Read(file, buffer, (nuint)buffer.Length, offset));

    public static int WriteAt(int file, ReadOnlySpan<byte> bytes, long offset) => Answer((int)Native.Write(file, bytes, (nuint)bytes.Length, offset));

    public static int Sync(int file, bool dataOnly) => Answer(dataOnly ? Native.DataSync(file) : Native.Sync(file));

    /// <summary>Fills 14 numbers of 8 bytes about the file system.</summary>
    public static int StatFileSystem(int file, Span<ulong> buffer)
        => buffer.Length >= 16 ? Answer(Native.StatVfs(file, buffer)) : throw new ArgumentException("16 numbers are needed.", nameof(buffer));

    /// <summary>Locks of an open file: a struct flock of 32 bytes.</summary>
    public static int Control(int file, int command, Span<byte> argument)
        => argument.Length == 32 ? Answer(Native.Fcntl(file, command, argument)) : throw new ArgumentException("32 bytes are needed.", nameof(argument));

    private static int Answer(int result) => result < 0 ? -Marshal.GetLastPInvokeError() : result;

    /// <summary>Takes struct statx apart, which is the same on every architecture.</summary>
    private static HostAttributes Read(ReadOnlySpan<byte> s)
    {
        static uint Word(ReadOnlySpan<byte> s, int at) => BinaryPrimitives.ReadUInt32LittleEndian(s[at..]);
        static ulong Long(ReadOnlySpan<byte> s, int at) => BinaryPrimitives.ReadUInt64LittleEndian(s[at..]);
        static ulong Device(uint major, uint minor) => (minor & 0xFF) | ((ulong)major << 8) | ((ulong)(minor & ~0xFFu) << 12);
        static (long, uint) Time(ReadOnlySpan<byte> s, int at) => ((long)Long(s, at), Word(s, at + 8));
        return new HostAttributes(
            BinaryPrimitives.ReadUInt16LittleEndian(s[28..]), Word(s, 20), Word(s, 24), Word(s, 16), Long(s, 32),
            Device(Word(s, 136), Word(s, 140)), Device(Word(s, 128), Word(s, 132)), Long(s, 40), Long(s, 48), Word(s, 4),
            Time(s, 64), Time(s, 112), Time(s, 96), Time(s, 80));
    }

    private static partial class Native
    {
        [LibraryImport("libc", EntryPoint = "openat", SetLastError = true)]
        public static partial int OpenAt(int directory, ReadOnlySpan<byte> name, int flags, uint mode);

        [LibraryImport("libc", EntryPoint = "close", SetLastError = true)]
        public static partial int Close(int file);

        [LibraryImport("libc", EntryPoint = "statx", SetLastError = true)]
        public static partial int StatX(int directory, ReadOnlySpan<byte> name, int flags, uint mask, Span<byte> buffer);

        [LibraryImport("libc", EntryPoint = "mkdirat", SetLastError = true)]
        public static partial int MkdirAt(int directory, ReadOnlySpan<byte> name, uint mode);

        [LibraryImport("libc", EntryPoint = "mknodat", SetLastError = true)]
        public static partial int MknodAt(int directory, ReadOnlySpan<byte> name, uint mode, ulong device);

        [LibraryImport("libc", EntryPoint = "unlinkat", SetLastError = true)]
        public static partial int UnlinkAt(int directory, ReadOnlySpan<byte> name, int flags);

        [LibraryImport("libc", EntryPoint = "renameat", SetLastError = true)]
        public static partial int RenameAt(int from, ReadOnlySpan<byte> name, int to, ReadOnlySpan<byte> newName);

        [LibraryImport("libc", EntryPoint = "linkat", SetLastError = true)]
        public static partial int LinkAt(int from, ReadOnlySpan<byte> name, int to, ReadOnlySpan<byte> newName, int flags);

        [LibraryImport("libc", EntryPoint = "symlinkat", SetLastError = true)]
        public static partial int SymlinkAt(ReadOnlySpan<byte> target, int directory, ReadOnlySpan<byte> name);

        [LibraryImport("libc", EntryPoint = "readlinkat", SetLastError = true)]
        public static partial nint ReadLinkAt(int directory, ReadOnlySpan<byte> name, Span<byte> buffer, nuint length);

        [LibraryImport("libc", EntryPoint = "fchownat", SetLastError = true)]
        public static partial int ChownAt(int directory, ReadOnlySpan<byte> name, uint user, uint group, int flags);

        [LibraryImport("libc", EntryPoint = "chmod", SetLastError = true)]
        public static partial int Chmod(ReadOnlySpan<byte> path, uint mode);

        [LibraryImport("libc", EntryPoint = "truncate", SetLastError = true)]
        public static partial int Truncate(ReadOnlySpan<byte> path, long length);

        [LibraryImport("libc", EntryPoint = "utimensat", SetLastError = true)]
        public static partial int UtimensAt(int directory, ReadOnlySpan<byte> path, ReadOnlySpan<long> times, int flags);

        [LibraryImport("libc", EntryPoint = "getdents64", SetLastError = true)]
        public static partial nint GetDents(int directory, Span<byte> buffer, nuint length);

        [LibraryImport("libc", EntryPoint = "lseek", SetLastError = true)]
        public static partial long Seek(int file, long offset, int whence);

        [LibraryImport("libc", EntryPoint = "pread", SetLastError = true)]
        public static partial nint Read(int file, Span<byte> buffer, nuint length, long offset);

        [LibraryImport("libc", EntryPoint = "pwrite", SetLastError = true)]
        public static partial nint Write(int file, ReadOnlySpan<byte> buffer, nuint length, long offset);

        [LibraryImport("libc", EntryPoint = "fsync", SetLastError = true)]
        public static partial int Sync(int file);

        [LibraryImport("libc", EntryPoint = "fdatasync", SetLastError = true)]
        public static partial int DataSync(int file);

        [LibraryImport("libc", EntryPoint = "fstatvfs", SetLastError = true)]
        public static partial int StatVfs(int file, Span<ulong> buffer);

        [LibraryImport("libc", EntryPoint = "fcntl", SetLastError = true)]
        public static partial int Fcntl(int file, int command, Span<byte> argument);
    }
}
