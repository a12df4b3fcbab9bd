using System.Runtime.InteropServices;

namespace Hypervisor.Core.HostFiles;

/// <summary>
/// Linux's file calls that take an open directory and a name in it. Each answers what the system does: zero or more, or the
/// error number, negated.
/// </summary>
/// <remarks>Invariant for the unsafe code: names end with a zero byte, and buffers are as long as is said beside them.</remarks>
internal static unsafe partial class LinuxFiles
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

    // These two have other values on arm64, where other bits are in their place.
    public static int DirectoryOnly => IsArm ? 0x4000 : 0x10000;

    public static int NoFollowLink => IsArm ? 0x8000 : 0x20000;

    private static bool IsArm => RuntimeInformation.ProcessArchitecture is Architecture.Arm64 or Architecture.Arm;

    public static int OpenAt(int directory, byte* name, int flags, uint mode) => Answer(Native.OpenAt(directory, name, flags, mode));

    public static int StatX(int directory, byte* name, int flags, uint mask, byte* buffer) => Answer(Native.StatX(directory, name, flags, mask, buffer));

    public static int MakeDirectoryAt(int directory, byte* name, uint mode) => Answer(Native.MkdirAt(directory, name, mode));

    public static int MakeNodeAt(int directory, byte* name, uint mode) => Answer(Native.MknodAt(directory, name, mode, 0));

    public static int UnlinkAt(int directory, byte* name, int flags) => Answer(Native.UnlinkAt(directory, name, flags));

    public static int RenameAt(int from, byte* name, int to, byte* newName) => Answer(Native.RenameAt(from, name, to, newName));

    public static int LinkAt(int from, byte* name, int to, byte* newName, int flags) => Answer(Native.LinkAt(from, name, to, newName, flags));

    public static int SymlinkAt(byte* target, int directory, byte* name) => Answer(Native.SymlinkAt(target, directory, name));

    public static int ReadLinkAt(int directory, byte* name, byte* buffer, nuint length) => Answer((int)Native.ReadLinkAt(directory, name, buffer, length));

    public static int ChangeOwnerAt(int directory, byte* name, uint user, uint group, int flags) => Answer(Native.ChownAt(directory, name, user, group, flags));

    public static int ChangeMode(byte* path, uint mode) => Answer(Native.Chmod(path, mode));

    public static int SetSize(byte* path, long length) => Answer(Native.Truncate(path, length));

    /// <summary>Sets the times of access and of modification: two pairs of seconds and nanoseconds.</summary>
    public static int SetTimes(byte* path, long* times) => Answer(Native.UtimensAt(CurrentDirectory, path, times, 0));

    public static int Entries(int directory, byte* buffer, nuint length) => Answer((int)Native.GetDents(directory, buffer, length));

    public static int Seek(int file, long offset) => Native.Seek(file, offset, 0) < 0 ? -Marshal.GetLastPInvokeError() : 0;

    public static int ReadAt(int file, byte* buffer, nuint length, long offset) => Answer((int)Native.Read(file, buffer, length, offset));

    public static int WriteAt(int file, byte* buffer, nuint length, long offset) => Answer((int)Native.Write(file, buffer, length, offset));

    public static int Sync(int file, bool dataOnly) => Answer(dataOnly ? Native.DataSync(file) : Native.Sync(file));

    /// <summary>Fills 14 numbers of 8 bytes about the file system.</summary>
    public static int StatFileSystem(int file, ulong* buffer) => Answer(Native.StatVfs(file, buffer));

    /// <summary>Locks of an open file: a struct flock of 32 bytes.</summary>
    public static int Control(int file, int command, byte* argument) => Answer(Native.Fcntl(file, command, argument));

    private static int Answer(int result) => result < 0 ? -Marshal.GetLastPInvokeError() : result;

    private static partial class Native
    {
        [LibraryImport("libc", EntryPoint = "openat", SetLastError = true)]
        public static partial int OpenAt(int directory, byte* name, int flags, uint mode);

        [LibraryImport("libc", EntryPoint = "statx", SetLastError = true)]
        public static partial int StatX(int directory, byte* name, int flags, uint mask, byte* buffer);

        [LibraryImport("libc", EntryPoint = "mkdirat", SetLastError = true)]
        public static partial int MkdirAt(int directory, byte* name, uint mode);

        [LibraryImport("libc", EntryPoint = "mknodat", SetLastError = true)]
        public static partial int MknodAt(int directory, byte* name, uint mode, ulong device);

        [LibraryImport("libc", EntryPoint = "unlinkat", SetLastError = true)]
        public static partial int UnlinkAt(int directory, byte* name, int flags);

        [LibraryImport("libc", EntryPoint = "renameat", SetLastError = true)]
        public static partial int RenameAt(int from, byte* name, int to, byte* newName);

        [LibraryImport("libc", EntryPoint = "linkat", SetLastError = true)]
        public static partial int LinkAt(int from, byte* name, int to, byte* newName, int flags);

        [LibraryImport("libc", EntryPoint = "symlinkat", SetLastError = true)]
        public static partial int SymlinkAt(byte* target, int directory, byte* name);

        [LibraryImport("libc", EntryPoint = "readlinkat", SetLastError = true)]
        public static partial nint ReadLinkAt(int directory, byte* name, byte* buffer, nuint length);

        [LibraryImport("libc", EntryPoint = "fchownat", SetLastError = true)]
        public static partial int ChownAt(int directory, byte* name, uint user, uint group, int flags);

        [LibraryImport("libc", EntryPoint = "chmod", SetLastError = true)]
        public static partial int Chmod(byte* path, uint mode);

        [LibraryImport("libc", EntryPoint = "truncate", SetLastError = true)]
        public static partial int Truncate(byte* path, long length);

        [LibraryImport("libc", EntryPoint = "utimensat", SetLastError = true)]
        public static partial int UtimensAt(int directory, byte* path, long* times, int flags);

        [LibraryImport("libc", EntryPoint = "getdents64", SetLastError = true)]
        public static partial nint GetDents(int directory, byte* buffer, nuint length);

        [LibraryImport("libc", EntryPoint = "lseek", SetLastError = true)]
        public static partial long Seek(int file, long offset, int whence);

        [LibraryImport("libc", EntryPoint = "pread", SetLastError = true)]
        public static partial nint Read(int file, byte* buffer, nuint length, long offset);

        [LibraryImport("libc", EntryPoint = "pwrite", SetLastError = true)]
        public static partial nint Write(int file, byte* buffer, nuint length, long offset);

        [LibraryImport("libc", EntryPoint = "fsync", SetLastError = true)]
        public static partial int Sync(int file);

        [LibraryImport("libc", EntryPoint = "fdatasync", SetLastError = true)]
        public static partial int DataSync(int file);

        [LibraryImport("libc", EntryPoint = "fstatvfs", SetLastError = true)]
        public static partial int StatVfs(int file, ulong* buffer);

        [LibraryImport("libc", EntryPoint = "fcntl", SetLastError = true)]
        public static partial int Fcntl(int file, int command, byte* argument);
    }
}
