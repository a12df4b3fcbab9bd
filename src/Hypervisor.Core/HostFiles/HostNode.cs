using System.Buffers.Binary;
using System.Text;
using Microsoft.Win32.SafeHandles;

namespace Hypervisor.Core.HostFiles;

/// <summary>
/// A file, directory or symbolic link below a directory that the host's owner shared. A node pins the file itself, not its
/// name, and others are reached by single names that are never followed through links: no name, link or race leads out of the
/// shared directory. Calls answer zero or more, or Linux's error number, negated.
/// </summary>
/// <remarks>
/// Invariant for the unsafe code: names are copied with a zero byte behind them, and have none within; buffers outlive the calls
/// they are lent to.
/// </remarks>
internal sealed unsafe class HostNode : IDisposable
{
    private const int LongestName = 255;
    private const int StatSize = 256;
    private const uint StatBasic = 0x7FF;

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
        fixed (byte* name = Terminated(Encoding.UTF8.GetBytes(Path.GetFullPath(path))))
        {
            int descriptor = LinuxFiles.OpenAt(LinuxFiles.CurrentDirectory, name, LinuxFiles.PathOnly | LinuxFiles.DirectoryOnly | LinuxFiles.CloseOnExec, 0);
            return descriptor >= 0
                ? new HostNode(descriptor, null)
                : throw new HypervisorException($"'{path}' cannot be shared: the host says error {-descriptor}.");
        }
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
        fixed (byte* text = Terminated(name))
        {
            int descriptor = LinuxFiles.OpenAt(Descriptor, text, LinuxFiles.PathOnly | LinuxFiles.NoFollowLink | LinuxFiles.CloseOnExec, 0);
            if (descriptor < 0)
                return descriptor;
            node = new HostNode(descriptor, Retain());
            return 0;
        }
    }

    /// <summary>Has the node live until it is disposed of once more.</summary>
    public HostNode Retain()
    {
        Interlocked.Increment(ref _users);
        return this;
    }

    /// <summary>Tells about the file.</summary>
    public int Stat(out HostAttributes attributes)
    {
        byte* buffer = stackalloc byte[StatSize];
        fixed (byte* empty = s_empty)
        {
            int error = LinuxFiles.StatX(Descriptor, empty, LinuxFiles.EmptyPath | LinuxFiles.NoFollow, StatBasic, buffer);
            attributes = error < 0 ? default : Read(new ReadOnlySpan<byte>(buffer, StatSize));
            return error;
        }
    }

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
        fixed (byte* path = ProcPath())
        {
            int wanted = (flags & (3 | LinuxFiles.Append | LinuxFiles.Truncate)) | LinuxFiles.NonBlocking | LinuxFiles.CloseOnExec;
            int descriptor = LinuxFiles.OpenAt(LinuxFiles.CurrentDirectory, path, wanted, 0);
            if (descriptor < 0)
                return descriptor;
            handle = new SafeFileHandle(descriptor, ownsHandle: true);
            return 0;
        }
    }

    /// <summary>Makes a file in this directory and opens it.</summary>
    public int Create(ReadOnlySpan<byte> name, int flags, uint mode, out SafeFileHandle? handle)
    {
        handle = null;
        if (!IsName(name))
            return -HostError.Invalid;
        fixed (byte* text = Terminated(name))
        {
            int wanted = (flags & (3 | LinuxFiles.Append | LinuxFiles.Truncate | LinuxFiles.Exclusive))
                | LinuxFiles.Create | LinuxFiles.NonBlocking | LinuxFiles.NoFollowLink | LinuxFiles.CloseOnExec;
            int descriptor = LinuxFiles.OpenAt(Descriptor, text, wanted, mode & 0xFFF);
            if (descriptor < 0)
                return descriptor;
            handle = new SafeFileHandle(descriptor, ownsHandle: true);
            return 0;
        }
    }

    public int MakeDirectory(ReadOnlySpan<byte> name, uint mode)
    {
        if (!IsName(name))
            return -HostError.Invalid;
        fixed (byte* text = Terminated(name))
            return LinuxFiles.MakeDirectoryAt(Descriptor, text, mode & 0xFFF);
    }

    /// <summary>Makes an empty file, a pipe or a socket; devices are refused.</summary>
    public int MakeNode(ReadOnlySpan<byte> name, uint mode)
    {
        if (!IsName(name))
            return -HostError.Invalid;
        if ((mode & HostAttributes.TypeMask) is not (0 or HostAttributes.TypeRegular or HostAttributes.TypeFifo or HostAttributes.TypeSocket))
            return -HostError.NotPermitted;
        fixed (byte* text = Terminated(name))
            return LinuxFiles.MakeNodeAt(Descriptor, text, mode & 0xFFFF);
    }

    /// <summary>Makes a symbolic link. Its text is the guest's own affair: the host never follows it for the guest.</summary>
    public int MakeLink(ReadOnlySpan<byte> name, ReadOnlySpan<byte> target)
    {
        if (!IsName(name) || target.IsEmpty || target.Contains((byte)0))
            return -HostError.Invalid;
        fixed (byte* text = Terminated(name))
        fixed (byte* to = Terminated(target))
            return LinuxFiles.SymlinkAt(to, Descriptor, text);
    }

    /// <summary>Gives a file a further name, in this directory.</summary>
    public int Link(ReadOnlySpan<byte> name, HostNode file)
    {
        if (!IsName(name))
            return -HostError.Invalid;
        fixed (byte* text = Terminated(name))
        fixed (byte* path = file.ProcPath())
        {
            const int follow = 0x400;
            return LinuxFiles.LinkAt(LinuxFiles.CurrentDirectory, path, Descriptor, text, follow);
        }
    }

    public int Rename(ReadOnlySpan<byte> name, HostNode directory, ReadOnlySpan<byte> newName)
    {
        if (!IsName(name) || !IsName(newName))
            return -HostError.Invalid;
        fixed (byte* from = Terminated(name))
        fixed (byte* to = Terminated(newName))
            return LinuxFiles.RenameAt(Descriptor, from, directory.Descriptor, to);
    }

    public int Unlink(ReadOnlySpan<byte> name, bool isDirectory)
    {
        if (!IsName(name))
            return -HostError.Invalid;
        fixed (byte* text = Terminated(name))
            return LinuxFiles.UnlinkAt(Descriptor, text, isDirectory ? LinuxFiles.RemoveDirectory : 0);
    }

    /// <summary>Reads a symbolic link; how many bytes.</summary>
    public int ReadLink(Span<byte> target)
    {
        fixed (byte* empty = s_empty)
        fixed (byte* buffer = target)
            return LinuxFiles.ReadLinkAt(Descriptor, empty, buffer, (nuint)target.Length);
    }

    public int SetMode(uint mode)
    {
        fixed (byte* path = ProcPath())
            return LinuxFiles.ChangeMode(path, mode & 0xFFF);
    }

    /// <summary>Changes user and group; all ones leaves one as it is. A host that may not give files away leaves them as they are.</summary>
    public int SetOwner(uint user, uint group)
    {
        fixed (byte* empty = s_empty)
        {
            int error = LinuxFiles.ChangeOwnerAt(Descriptor, empty, user, group, LinuxFiles.EmptyPath | LinuxFiles.NoFollow);
            return error == -HostError.NotPermitted ? 0 : error;
        }
    }

    public int SetSize(long length)
    {
        int error = Stat(out HostAttributes attributes);
        if (error < 0 || !attributes.IsRegular)
            return error < 0 ? error : -HostError.Invalid;
        fixed (byte* path = ProcPath())
            return LinuxFiles.SetSize(path, length);
    }

    /// <summary>Sets times, each as seconds and nanoseconds; the nanoseconds may be Linux's UTIME_NOW and UTIME_OMIT.</summary>
    public int SetTimes((long Seconds, long Nanoseconds) accessed, (long Seconds, long Nanoseconds) modified)
    {
        long* times = stackalloc long[] { accessed.Seconds, accessed.Nanoseconds, modified.Seconds, modified.Nanoseconds };
        fixed (byte* path = ProcPath())
            return LinuxFiles.SetTimes(path, times);
    }

    /// <summary>Fills what statvfs tells about the file system: block size, fragment size, blocks, free, available, files, free files, …</summary>
    public int StatFileSystem(Span<ulong> buffer)
    {
        if (buffer.Length < 16)
            throw new ArgumentException("16 numbers are needed", nameof(buffer));
        fixed (ulong* numbers = buffer)
            return LinuxFiles.StatFileSystem(Descriptor, numbers);
    }

    /// <summary>Reads entries of an open directory from a place on, as Linux's getdents64 lays them out; how many bytes.</summary>
    public static int ReadEntries(SafeFileHandle directory, long place, Span<byte> buffer)
    {
        int error = LinuxFiles.Seek((int)directory.DangerousGetHandle(), place);
        if (error < 0)
            return error;
        fixed (byte* entries = buffer)
            return LinuxFiles.Entries((int)directory.DangerousGetHandle(), entries, (nuint)buffer.Length);
    }

    /// <summary>Reads an open file; how many bytes, fewer than asked at its end.</summary>
    public static int Read(SafeFileHandle file, Span<byte> buffer, long offset)
    {
        fixed (byte* bytes = buffer)
            return LinuxFiles.ReadAt((int)file.DangerousGetHandle(), bytes, (nuint)buffer.Length, offset);
    }

    /// <summary>Writes an open file; how many bytes.</summary>
    public static int Write(SafeFileHandle file, ReadOnlySpan<byte> bytes, long offset)
    {
        fixed (byte* source = bytes)
            return LinuxFiles.WriteAt((int)file.DangerousGetHandle(), source, (nuint)bytes.Length, offset);
    }

    public static int Sync(SafeFileHandle file, bool dataOnly) => LinuxFiles.Sync((int)file.DangerousGetHandle(), dataOnly);

    /// <summary>Sets, clears (type 2) or tries a lock that belongs to an open file (Linux's F_OFD_SETLK, F_OFD_GETLK).</summary>
    public static int Lock(SafeFileHandle file, bool tries, ref short type, ref long start, ref long length)
    {
        const int get = 36;
        const int set = 37;
        byte* argument = stackalloc byte[32];
        var fields = new Span<byte>(argument, 32);
        fields.Clear();
        BinaryPrimitives.WriteInt16LittleEndian(fields, type);
        BinaryPrimitives.WriteInt64LittleEndian(fields[8..], start);
        BinaryPrimitives.WriteInt64LittleEndian(fields[16..], length);
        int error = LinuxFiles.Control((int)file.DangerousGetHandle(), tries ? get : set, argument);
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

    /// <summary>A name for the pinned file itself, whatever became of the one it was found under.</summary>
    private byte[] ProcPath() => Terminated(Encoding.ASCII.GetBytes($"/proc/self/fd/{Descriptor}"));

    private static byte[] Terminated(ReadOnlySpan<byte> name)
    {
        var text = new byte[name.Length + 1];
        name.CopyTo(text);
        return text;
    }

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
            Time(s, 64), Time(s, 112), Time(s, 96));
    }
}
