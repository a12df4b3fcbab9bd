using System.Buffers.Binary;
using System.Text;
using Microsoft.Win32.SafeHandles;

namespace Hypervisor.Core.HostFiles;

/// <summary>
/// A file, directory or symbolic link below a directory that the host's owner shared. A node pins the file itself, not its
/// name, and others are reached by single names that are never followed through links: no name, link or race leads out of the
/// shared directory. Calls answer zero or more, or Linux's error number, negated.
/// </summary>
internal sealed class HostNode : IDisposable
{
    private const int LongestName = 255;

    private static readonly byte[] s_empty = [0];

    private readonly SafeFileHandle _pin;
    private int _users = 1;

    private HostNode(int descriptor, HostNode? parent)
    {
        _pin = new SafeFileHandle(descriptor, ownsHandle: true);
        Parent = parent;
    }

    /// <summary>Whether this host's system can share directories so.</summary>
    public static bool IsSupported => OperatingSystem.IsLinux() && Environment.Is64BitProcess;

    /// <summary>The directory it was reached through; null for the shared directory itself, above which nothing is.</summary>
    public HostNode? Parent { get; }

    private int Descriptor => (int)_pin.DangerousGetHandle();

    /// <summary>Opens a directory to share.</summary>
    /// <exception cref="HypervisorException">It is no directory, cannot be opened, or the host's system is none that can share.</exception>
    public static HostNode OpenRoot(string path)
    {
        if (!IsSupported)
            throw new HypervisorException($"'{path}' cannot be shared: sharing a directory needs a 64-bit Linux host. Put what the guest needs on a disk image.");
        if (!Directory.Exists(path))
            throw new HypervisorException($"'{path}' is no directory that can be shared.");
        byte[] name = LinuxFiles.Name(Encoding.UTF8.GetBytes(Path.GetFullPath(path)));
        int descriptor = LinuxFiles.OpenAt(LinuxFiles.CurrentDirectory, name, LinuxFiles.PathOnly | LinuxFiles.DirectoryOnly | LinuxFiles.CloseOnExec, 0);
        return descriptor >= 0
            ? new HostNode(descriptor, null)
            : throw new HypervisorException($"'{path}' cannot be shared: the host says error {-descriptor}.");
    }

    /// <summary>Whether a name is one of an entry: not empty, of at most 255 bytes, without a slash, and neither <c>.</c> nor <c>..</c>.</summary>
    public static bool IsName(ReadOnlySpan<byte> name)
        => name.Length is > 0 and <= LongestName && !name.ContainsAny((byte)'/', (byte)0) && !name.SequenceEqual("."u8) && !name.SequenceEqual(".."u8);

    /// <summary>Finds an entry of this directory.</summary>
    public int Walk(ReadOnlySpan<byte> name, out HostNode? node)
    {
        node = null;
        if (!IsName(name))
            return name.Length > LongestName ? -HostError.NameTooLong : -HostError.NotFound;
        int descriptor = LinuxFiles.OpenAt(Descriptor, LinuxFiles.Name(name), LinuxFiles.PathOnly | LinuxFiles.NoFollowLink | LinuxFiles.CloseOnExec, 0);
        if (descriptor < 0)
            return descriptor;
        node = new HostNode(descriptor, Retain());
        return 0;
    }

    /// <summary>Has the node live until it is disposed of once more.</summary>
    public HostNode Retain()
    {
        Interlocked.Increment(ref _users);
        return this;
    }

    /// <summary>Tells about the file.</summary>
    public int Stat(out HostAttributes attributes) => LinuxFiles.Status(Descriptor, s_empty, LinuxFiles.EmptyPath | LinuxFiles.NoFollow, out attributes);

    /// <summary>Opens the file or directory. Devices, pipes and sockets of the host are not opened.</summary>
    /// <param name="flags">Linux's: of them access, append, truncate and non-blocking count.</param>
    /// <param name="handle">The open file.</param>
    public int Open(int flags, out SafeFileHandle? handle)
    {
        handle = null;
        int error = Stat(out HostAttributes attributes);
        if (error < 0)
            return error;
        if (!attributes.IsRegular && !attributes.IsDirectory)
            return -HostError.AccessDenied;
        int wanted = (flags & (3 | LinuxFiles.Append | LinuxFiles.Truncate)) | LinuxFiles.NonBlocking | LinuxFiles.CloseOnExec;
        int descriptor = LinuxFiles.OpenAt(LinuxFiles.CurrentDirectory, OwnName(), wanted, 0);
        if (descriptor < 0)
            return descriptor;
        handle = new SafeFileHandle(descriptor, ownsHandle: true);
        return 0;
    }

    /// <summary>Makes a file in this directory and opens it.</summary>
    public int Create(ReadOnlySpan<byte> name, int flags, uint mode, out SafeFileHandle? handle)
    {
        handle = null;
        if (!IsName(name))
            return -HostError.Invalid;
        int wanted = (flags & (3 | LinuxFiles.Append | LinuxFiles.Truncate | LinuxFiles.Exclusive))
            | LinuxFiles.Create | LinuxFiles.NonBlocking | LinuxFiles.NoFollowLink | LinuxFiles.CloseOnExec;
        int descriptor = LinuxFiles.OpenAt(Descriptor, LinuxFiles.Name(name), wanted, mode & 0xFFF);
        if (descriptor < 0)
            return descriptor;
        handle = new SafeFileHandle(descriptor, ownsHandle: true);
        return 0;
    }

    public int MakeDirectory(ReadOnlySpan<byte> name, uint mode)
    {
        if (!IsName(name))
            return -HostError.Invalid;
        return LinuxFiles.MakeDirectoryAt(Descriptor, LinuxFiles.Name(name), mode & 0xFFF);
    }

    /// <summary>Makes an empty file, a pipe or a socket; devices are refused.</summary>
    public int MakeNode(ReadOnlySpan<byte> name, uint mode)
    {
        if (!IsName(name))
            return -HostError.Invalid;
        if ((mode & HostAttributes.TypeMask) is not (0 or HostAttributes.TypeRegular or HostAttributes.TypeFifo or HostAttributes.TypeSocket))
            return -HostError.NotPermitted;
        return LinuxFiles.MakeNodeAt(Descriptor, LinuxFiles.Name(name), mode & 0xFFFF);
    }

    /// <summary>Makes a symbolic link. Its text is the guest's own affair: the host never follows it for the guest.</summary>
    public int MakeLink(ReadOnlySpan<byte> name, ReadOnlySpan<byte> target)
    {
        if (!IsName(name) || target.IsEmpty || target.Contains((byte)0))
            return -HostError.Invalid;
        return LinuxFiles.SymlinkAt(LinuxFiles.Name(target), Descriptor, LinuxFiles.Name(name));
    }

    /// <summary>Gives a file a further name, in this directory.</summary>
    public int Link(ReadOnlySpan<byte> name, HostNode file)
    {
        if (!IsName(name))
            return -HostError.Invalid;
        const int follow = 0x400;
        return LinuxFiles.LinkAt(LinuxFiles.CurrentDirectory, file.OwnName(), Descriptor, LinuxFiles.Name(name), follow);
    }

    public int Rename(ReadOnlySpan<byte> name, HostNode directory, ReadOnlySpan<byte> newName)
    {
        if (!IsName(name) || !IsName(newName))
            return -HostError.Invalid;
        return LinuxFiles.RenameAt(Descriptor, LinuxFiles.Name(name), directory.Descriptor, LinuxFiles.Name(newName));
    }

    public int Unlink(ReadOnlySpan<byte> name, bool isDirectory)
    {
        if (!IsName(name))
            return -HostError.Invalid;
        return LinuxFiles.UnlinkAt(Descriptor, LinuxFiles.Name(name), isDirectory ? LinuxFiles.RemoveDirectory : 0);
    }

    /// <summary>Reads a symbolic link; how many bytes.</summary>
    public int ReadLink(Span<byte> target) => LinuxFiles.ReadLinkAt(Descriptor, s_empty, target);

    public int SetMode(uint mode) => LinuxFiles.ChangeMode(OwnName(), mode & 0xFFF);

    /// <summary>Changes user and group; all ones leaves one as it is. A host that may not give files away leaves them as they are.</summary>
    public int SetOwner(uint user, uint group)
    {
        int error = LinuxFiles.ChangeOwnerAt(Descriptor, s_empty, user, group, LinuxFiles.EmptyPath | LinuxFiles.NoFollow);
        return error == -HostError.NotPermitted ? 0 : error;
    }

    public int SetSize(long length)
    {
        int error = Stat(out HostAttributes attributes);
        if (error < 0 || !attributes.IsRegular)
            return error < 0 ? error : -HostError.Invalid;
        return LinuxFiles.SetSize(OwnName(), length);
    }

    /// <summary>Sets times, each as seconds and nanoseconds; the nanoseconds may be Linux's UTIME_NOW and UTIME_OMIT.</summary>
    public int SetTimes((long Seconds, long Nanoseconds) accessed, (long Seconds, long Nanoseconds) modified)
        => LinuxFiles.SetTimesAt(LinuxFiles.CurrentDirectory, OwnName(), [accessed.Seconds, accessed.Nanoseconds, modified.Seconds, modified.Nanoseconds], 0);

    /// <summary>Fills what statvfs tells about the file system: block size, fragment size, blocks, free, available, files, free files, …</summary>
    public int StatFileSystem(Span<ulong> buffer) => LinuxFiles.StatFileSystem(Descriptor, buffer);

    /// <summary>Reads entries of an open directory from a place on, as Linux's getdents64 lays them out; how many bytes.</summary>
    public static int ReadEntries(SafeFileHandle directory, long place, Span<byte> buffer)
    {
        int error = LinuxFiles.Seek((int)directory.DangerousGetHandle(), place);
        return error < 0 ? error : LinuxFiles.Entries((int)directory.DangerousGetHandle(), buffer);
    }

    /// <summary>Reads an open file; how many bytes, fewer than asked at its end.</summary>
    public static int Read(SafeFileHandle file, Span<byte> buffer, long offset) => LinuxFiles.ReadAt((int)file.DangerousGetHandle(), buffer, offset);

    /// <summary>Writes an open file; how many bytes.</summary>
    public static int Write(SafeFileHandle file, ReadOnlySpan<byte> bytes, long offset)
        => LinuxFiles.WriteAt((int)file.DangerousGetHandle(), bytes, offset);

    public static int Sync(SafeFileHandle file, bool dataOnly) => LinuxFiles.Sync((int)file.DangerousGetHandle(), dataOnly);

    /// <summary>Sets, clears (type 2) or tries a lock that belongs to an open file (Linux's F_OFD_SETLK, F_OFD_GETLK).</summary>
    public static int Lock(SafeFileHandle file, bool tries, ref short type, ref long start, ref long length)
    {
        const int get = 36;
        const int set = 37;
        Span<byte> fields = stackalloc byte[32];
        fields.Clear();
        BinaryPrimitives.WriteInt16LittleEndian(fields, type);
        BinaryPrimitives.WriteInt64LittleEndian(fields[8..], start);
        BinaryPrimitives.WriteInt64LittleEndian(fields[16..], length);
        int error = LinuxFiles.Control((int)file.DangerousGetHandle(), tries ? get : set, fields);
        type = BinaryPrimitives.ReadInt16LittleEndian(fields);
        start = BinaryPrimitives.ReadInt64LittleEndian(fields[8..]);
        length = BinaryPrimitives.ReadInt64LittleEndian(fields[16..]);
        return error;
    }

    /// <summary>Lets the node go where nobody else retains it.</summary>
    public void Dispose()
    {
        if (Interlocked.Decrement(ref _users) > 0)
            return;
        _pin.Dispose();
        Parent?.Dispose();
    }

    private byte[] OwnName() => LinuxFiles.NameOfOpen(Descriptor);
}
