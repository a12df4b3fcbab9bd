using Hypervisor.Core.HostFiles;
using Microsoft.Win32.SafeHandles;

namespace Hypervisor.Core.Devices.Virtio.NineP;

/// <summary>
/// Serves a host directory by 9P2000.L, as Linux's v9fs speaks it. A guest names files by numbers (fids) that this server bound
/// to nodes below the shared directory; it never hands over a path. One request at a time.
/// </summary>
internal sealed partial class NinePServer : IDisposable
{
    /// <summary>Bytes of size, type and tag before every message.</summary>
    public const int HeaderSize = 7;

    /// <summary>The largest message; the guest may choose less.</summary>
    public const int LargestMessage = 512 << 10;

    /// <summary>Room that any answer but those of read and readdir fits in.</summary>
    public const int LargestAnswer = 8192;

    private const int MostFids = 16384;
    private const int MostWalks = 16;
    private const int QidSize = 13;
    private const uint NoFid = uint.MaxValue;
    private const uint LeastMessage = 4096;

    private readonly HostNode _root;
    private readonly bool _readOnly;
    private readonly Dictionary<uint, Fid> _fids = [];

    /// <summary>Shares a directory.</summary>
    /// <param name="path">The directory.</param>
    /// <param name="readOnly">Whether guests may change nothing.</param>
    /// <exception cref="HypervisorException">It cannot be shared.</exception>
    public NinePServer(string path, bool readOnly)
    {
        _root = HostNode.OpenRoot(path);
        _readOnly = readOnly;
    }

    /// <summary>The largest message agreed on.</summary>
    public uint MessageSize { get; private set; } = LargestMessage;

    /// <summary>Forgets all that the guest opened.</summary>
    public void Reset()
    {
        foreach (Fid fid in _fids.Values)
            fid.Dispose();
        _fids.Clear();
        MessageSize = LargestMessage;
    }

    /// <summary>Ends the share.</summary>
    public void Dispose()
    {
        Reset();
        _root.Dispose();
    }

    /// <summary>The open file of a fid, for reading or writing; an error where it has none.</summary>
    public int OpenFile(uint number, out SafeFileHandle? file)
    {
        file = _fids.TryGetValue(number, out Fid? fid) ? fid.File : null;
        return file is null ? -HostError.BadDescriptor : 0;
    }

    /// <summary>Serves a request other than read and write.</summary>
    /// <param name="type">Its type.</param>
    /// <param name="reader">Its fields.</param>
    /// <param name="writer">Takes the fields of the answer; <see cref="LargestAnswer"/> bytes of room.</param>
    /// <returns>Zero, or the error, negated.</returns>
    public int Serve(NinePType type, ref NinePReader reader, ref NinePWriter writer)
    {
        switch (type)
        {
            case NinePType.Version:
                return Version(ref reader, ref writer);
            case NinePType.Attach:
                return Attach(ref reader, ref writer);
            case NinePType.Flush:
                // Requests are served one after another: whatever is to be flushed has been answered.
                return 0;
            case NinePType.Walk:
                return Walk(ref reader, ref writer);
            case NinePType.Clunk:
                return Clunk(reader.Word());
            case NinePType.StatFs:
                return StatFs(reader.Word(), ref writer);
            case NinePType.GetAttributes:
                return GetAttributes(ref reader, ref writer);
            case NinePType.ReadLink:
                return ReadLink(reader.Word(), ref writer);
            case NinePType.Open:
                return Open(ref reader, ref writer);
            case NinePType.Sync:
                return Sync(ref reader);
            case NinePType.Lock:
                return Lock(ref reader, ref writer);
            case NinePType.GetLock:
                return GetLock(ref reader, ref writer);
            case NinePType.Create or NinePType.Symlink or NinePType.MakeNode or NinePType.Rename or NinePType.SetAttributes or NinePType.Link
                or NinePType.MakeDirectory or NinePType.RenameAt or NinePType.UnlinkAt or NinePType.Remove when _readOnly:
                return -HostError.ReadOnlyFileSystem;
            default:
                return Change(type, ref reader, ref writer);
        }
    }

    /// <summary>Whether a fid may be written through.</summary>
    public int CheckWritable() => _readOnly ? -HostError.ReadOnlyFileSystem : 0;

    private int Version(ref NinePReader reader, ref NinePWriter writer)
    {
        Reset();
        MessageSize = Math.Min(reader.Word(), LargestMessage);
        bool known = reader.Text().SequenceEqual("9P2000.L"u8);
        if (MessageSize < LeastMessage)
            return -HostError.Invalid;
        writer.Word(MessageSize);
        writer.Text(known ? "9P2000.L"u8 : "unknown"u8);
        return 0;
    }

    private int Attach(ref NinePReader reader, ref NinePWriter writer)
    {
        uint number = reader.Word();
        if (reader.Word() != NoFid)
            return -HostError.NotSupported;
        return Bind(number, _root.Retain(), ref writer);
    }

    private int Walk(ref NinePReader reader, ref NinePWriter writer)
    {
        uint from = reader.Word();
        uint to = reader.Word();
        ushort count = reader.Short();
        if (count > MostWalks)
            return -HostError.Invalid;
        if (!_fids.TryGetValue(from, out Fid? start))
            return -HostError.BadDescriptor;
        if (to != from && _fids.ContainsKey(to))
            return -HostError.Exists;
        Span<byte> qids = stackalloc byte[MostWalks * QidSize];
        var walked = new NinePWriter(qids);
        HostNode node = start.Node.Retain();
        int done = 0;
        for (; done < count; done++)
        {
            int error = Step(node, reader.Text(), out HostNode? next);
            if (error == 0)
                error = WriteQid(next!, ref walked);
            if (error < 0)
            {
                node.Dispose();
                next?.Dispose();

                // The first step's error is the answer; a later one only ends the list, and binds nothing.
                if (done == 0)
                    return error;
                writer.Short((ushort)done);
                writer.Bytes(qids[..walked.Length]);
                return 0;
            }

            node.Dispose();
            node = next!;
        }

        if (to != from && _fids.Count >= MostFids)
        {
            node.Dispose();
            return -HostError.TooManyFiles;
        }

        if (_fids.Remove(to, out Fid? old))
            old.Dispose();
        _fids.Add(to, new Fid(node));
        writer.Short((ushort)done);
        writer.Bytes(qids[..walked.Length]);
        return 0;
    }

    private static int Step(HostNode node, ReadOnlySpan<byte> name, out HostNode? next)
    {
        if (name.SequenceEqual(".."u8))
        {
            next = (node.Parent ?? node).Retain();
            return 0;
        }

        return node.Walk(name, out next);
    }

    private int Clunk(uint number)
    {
        if (!_fids.Remove(number, out Fid? fid))
            return -HostError.BadDescriptor;
        fid.Dispose();
        return 0;
    }

    private int StatFs(uint number, ref NinePWriter writer)
    {
        if (!_fids.TryGetValue(number, out Fid? fid))
            return -HostError.BadDescriptor;
        Span<ulong> about = stackalloc ulong[16];
        int error = fid.Node.StatFileSystem(about);
        if (error < 0)
            return error;
        const uint magic = 0x0102_1997;
        writer.Word(magic);
        writer.Word((uint)about[1]);
        for (int i = 2; i <= 6; i++)
            writer.Long(about[i]);
        writer.Long(about[8]);
        writer.Word((uint)about[10]);
        return 0;
    }

    private int GetAttributes(ref NinePReader reader, ref NinePWriter writer)
    {
        if (!_fids.TryGetValue(reader.Word(), out Fid? fid))
            return -HostError.BadDescriptor;
        int error = fid.Node.Stat(out HostAttributes a);
        if (error < 0)
            return error;
        const ulong basic = 0x7FF;
        writer.Long(basic);
        WriteQid(in a, ref writer);
        writer.Word(a.Mode);
        writer.Word(a.User);
        writer.Word(a.Group);
        writer.Long(a.Links);
        writer.Long(a.SpecialDevice);
        writer.Long(a.Size);
        writer.Long(a.BlockSize);
        writer.Long(a.Blocks);
        foreach ((long seconds, uint nanoseconds) in ((long, uint)[])[a.Accessed, a.Modified, a.Changed, default])
        {
            writer.Long((ulong)seconds);
            writer.Long(nanoseconds);
        }

        writer.Long(0);
        writer.Long(0);
        return 0;
    }

    private int ReadLink(uint number, ref NinePWriter writer)
    {
        if (!_fids.TryGetValue(number, out Fid? fid))
            return -HostError.BadDescriptor;
        Span<byte> target = stackalloc byte[4096];
        int length = fid.Node.ReadLink(target);
        if (length < 0)
            return length;
        writer.Text(target[..length]);
        return 0;
    }

    private int Open(ref NinePReader reader, ref NinePWriter writer)
    {
        if (!_fids.TryGetValue(reader.Word(), out Fid? fid))
            return -HostError.BadDescriptor;
        int flags = (int)reader.Word();
        if (fid.File is not null)
            return -HostError.Invalid;
        if (_readOnly && ((flags & 3) != 0 || (flags & LinuxFiles.Truncate) != 0))
            return -HostError.ReadOnlyFileSystem;

        // Where writes go is the guest's word in each of them; appending is its own affair too.
        int error = fid.Node.Open(flags & ~LinuxFiles.Append, out SafeFileHandle? file);
        if (error < 0)
            return error;
        fid.File = file;
        error = WriteQid(fid.Node, ref writer);
        writer.Word(0);
        return error;
    }

    private int Sync(ref NinePReader reader)
    {
        int error = OpenFile(reader.Word(), out SafeFileHandle? file);
        return error < 0 ? error : HostNode.Sync(file!, reader.Word() != 0);
    }

    private int Lock(ref NinePReader reader, ref NinePWriter writer)
    {
        const byte granted = 0;
        const byte blocked = 1;
        int error = OpenFile(reader.Word(), out SafeFileHandle? file);
        if (error < 0)
            return error;
        short type = reader.Byte();
        reader.Word();
        long start = (long)reader.Long();
        long length = (long)reader.Long();
        error = HostNode.Lock(file!, tries: false, ref type, ref start, ref length);
        if (error < 0 && error is not (-HostError.TryAgain or -HostError.AccessDenied))
            return error;
        writer.Byte(error < 0 ? blocked : granted);
        return 0;
    }

    private int GetLock(ref NinePReader reader, ref NinePWriter writer)
    {
        int error = OpenFile(reader.Word(), out SafeFileHandle? file);
        if (error < 0)
            return error;
        short type = reader.Byte();
        long start = (long)reader.Long();
        long length = (long)reader.Long();
        uint process = reader.Word();
        ReadOnlySpan<byte> client = reader.Text();
        error = HostNode.Lock(file!, tries: true, ref type, ref start, ref length);
        if (error < 0)
            return error;
        writer.Byte((byte)type);
        writer.Long((ulong)start);
        writer.Long((ulong)length);
        writer.Word(process);
        writer.Text(client[..Math.Min(client.Length, 256)]);
        return 0;
    }

    /// <summary>Binds a number to a node, which it takes over, and answers with its identity.</summary>
    private int Bind(uint number, HostNode node, ref NinePWriter writer)
    {
        int error = _fids.ContainsKey(number) ? -HostError.Exists : _fids.Count >= MostFids ? -HostError.TooManyFiles : WriteQid(node, ref writer);
        if (error < 0)
            node.Dispose();
        else
            _fids.Add(number, new Fid(node));
        return error;
    }

    private static int WriteQid(HostNode node, ref NinePWriter writer)
    {
        int error = node.Stat(out HostAttributes attributes);
        if (error == 0)
            WriteQid(in attributes, ref writer);
        return error;
    }

    /// <summary>A file's identity: kind, version, and a number that no other file of the share has.</summary>
    private static void WriteQid(in HostAttributes attributes, ref NinePWriter writer)
    {
        writer.Byte(QidKind(attributes.Mode));
        writer.Word((uint)(attributes.Modified.Seconds ^ ((long)attributes.Modified.Nanoseconds << 2) ^ (long)(attributes.Size << 8)));
        writer.Long(attributes.Inode ^ (attributes.Device << 48));
    }

    private static byte QidKind(uint mode) => (mode & HostAttributes.TypeMask) switch
    {
        HostAttributes.TypeDirectory => 0x80,
        HostAttributes.TypeLink => 0x02,
        _ => 0,
    };

    /// <summary>What a number of the guest stands for.</summary>
    private sealed class Fid(HostNode node) : IDisposable
    {
        public HostNode Node { get; set; } = node;

        /// <summary>Once it was opened.</summary>
        public SafeFileHandle? File { get; set; }

        public void Dispose()
        {
            File?.Dispose();
            Node.Dispose();
        }
    }
}
