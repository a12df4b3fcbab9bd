using System.Buffers.Binary;
using System.Text;
using Hypervisor.Core.Devices.Virtio.NineP;
using Hypervisor.Core.HostFiles;
using Microsoft.Win32.SafeHandles;

namespace Hypervisor.Core.Devices.Virtio;

/// <summary>
/// A host directory for the guest to mount (virtio device 9, 9P2000.L): <c>mount -t 9p -o trans=virtio TAG DIR</c>. What is read
/// and written moves between the host's file and the guest's memory without a copy between.
/// </summary>
internal sealed class VirtioNineP : VirtioDevice, IDisposable
{
    private const ulong FeatureMountTag = 1;
    private const int LongestTag = 31;

    private const int ReadHeader = NinePServer.HeaderSize + 4;
    private const int WriteHeader = NinePServer.HeaderSize + 16;

    private readonly NinePServer _server;
    private readonly byte[] _configuration;
    private readonly byte[] _request = new byte[NinePServer.LargestAnswer];
    private readonly byte[] _answer = new byte[NinePServer.LargestAnswer];

    /// <summary>Creates the device.</summary>
    /// <param name="path">The directory.</param>
    /// <param name="tag">The name by which the guest mounts it; 1 to 31 ASCII characters.</param>
    /// <param name="readOnly">Whether the guest may change nothing.</param>
    /// <exception cref="HypervisorException">The tag is none, or the directory cannot be shared.</exception>
    public VirtioNineP(string path, string tag, bool readOnly)
    {
        if (tag.Length is 0 or > LongestTag || !Ascii.IsValid(tag))
            throw new HypervisorException($"'{tag}' cannot name a shared directory: give 1 to {LongestTag} ASCII characters.");
        _server = new NinePServer(path, readOnly);
        _configuration = new byte[2 + tag.Length];
        BinaryPrimitives.WriteUInt16LittleEndian(_configuration, (ushort)tag.Length);
        Encoding.ASCII.GetBytes(tag, _configuration.AsSpan(2));
    }

    /// <inheritdoc/>
    public override uint DeviceId => 9;

    /// <inheritdoc/>
    public override ulong Features => FeatureMountTag;

    /// <inheritdoc/>
    public override int QueueCount => 1;

    /// <inheritdoc/>
    public override ReadOnlySpan<byte> Configuration => _configuration;

    /// <inheritdoc/>
    public override bool Process(int index, VirtioQueue queue, VirtioChain chain)
    {
        Span<byte> header = stackalloc byte[NinePServer.HeaderSize];
        while (queue.TryPop(chain))
        {
            if (chain.CopyReadable(0, header) != header.Length || chain.WritableLength < ReadHeader)
                return false;
            var type = (NinePType)header[4];
            int body = type switch
            {
                NinePType.Read => Read(chain),
                NinePType.Write => Write(chain),
                NinePType.ReadDirectory => ReadDirectory(chain),
                _ => Serve(chain, type),
            };
            header[4] = (byte)(type + 1);
            if (body < 0)
            {
                header[4] = (byte)(NinePType.Error + 1);
                body = Put(chain, -body);
            }

            BinaryPrimitives.WriteInt32LittleEndian(header, header.Length + body);
            chain.CopyWritable(0, header);
            queue.Push(chain.Head, (uint)(header.Length + body));
        }

        return true;
    }

    /// <inheritdoc/>
    public override void Reset() => _server.Reset();

    /// <summary>Ends the share. The machine must not run any more.</summary>
    public void Dispose() => _server.Dispose();

    // Each of these answers how many bytes follow the header, or an error, negated.
    private int Serve(VirtioChain chain, NinePType type)
    {
        int length = chain.CopyReadable(0, _request);
        var reader = new NinePReader(_request.AsSpan(NinePServer.HeaderSize, length - NinePServer.HeaderSize));
        var writer = new NinePWriter(_answer);
        int error = _server.Serve(type, ref reader, ref writer);
        if (error == 0 && reader.IsShort)
            error = -HostError.Protocol;
        if (error < 0)
            return error;
        return chain.CopyWritable(NinePServer.HeaderSize, _answer.AsSpan(0, writer.Length)) == writer.Length ? writer.Length : -HostError.Protocol;
    }

    private int Read(VirtioChain chain)
    {
        (uint fid, ulong offset, uint count) = Transfer(chain);
        int error = _server.OpenFile(fid, out SafeFileHandle? file);
        if (error < 0 || offset > (ulong)(long.MaxValue - count))
            return error < 0 ? error : -HostError.Invalid;
        long wanted = Math.Min(Math.Min(count, chain.WritableLength - ReadHeader), _server.MessageSize);
        long done = 0;
        long skip = ReadHeader;
        for (int i = 0; i < chain.WritableBuffers && done < wanted; i++)
        {
            int size = chain.WritableSize(i);
            int start = (int)Math.Min(skip, size);
            skip -= start;
            Span<byte> buffer = chain.Writable(i)[start..];
            buffer = buffer[..(int)Math.Min(buffer.Length, wanted - done)];
            if (buffer.IsEmpty)
                continue;
            int read = HostNode.Read(file!, buffer, (long)offset + done);
            chain.Written(i, start + Math.Max(read, 0));
            if (read < 0 && done == 0)
                return read;
            done += Math.Max(read, 0);
            if (read < buffer.Length)
                break;
        }

        return Put(chain, (int)done) + (int)done;
    }

    private int Write(VirtioChain chain)
    {
        (uint fid, ulong offset, uint count) = Transfer(chain);
        int error = _server.CheckWritable();
        if (error < 0 || (error = _server.OpenFile(fid, out SafeFileHandle? file)) < 0)
            return error;
        if (offset > (ulong)(long.MaxValue - count) || count > chain.ReadableLength - WriteHeader)
            return -HostError.Invalid;
        long done = 0;
        long skip = WriteHeader;
        for (int i = 0; i < chain.ReadableBuffers && done < count; i++)
        {
            ReadOnlySpan<byte> buffer = chain.Readable(i);
            int start = (int)Math.Min(skip, buffer.Length);
            skip -= start;
            buffer = buffer[start..];
            buffer = buffer[..(int)Math.Min(buffer.Length, count - done)];
            if (buffer.IsEmpty)
                continue;
            int written = HostNode.Write(file!, buffer, (long)offset + done);
            if (written < 0 && done == 0)
                return written;
            done += Math.Max(written, 0);
            if (written < buffer.Length)
                break;
        }

        return Put(chain, (int)done);
    }

    private int ReadDirectory(VirtioChain chain)
    {
        (uint fid, ulong offset, uint count) = Transfer(chain);
        int room = (int)Math.Min(Math.Min(count, chain.WritableLength - ReadHeader), _answer.Length - 4);
        int length = _server.ReadDirectory(fid, offset, _answer.AsSpan(4, room));
        if (length < 0)
            return length;
        BinaryPrimitives.WriteInt32LittleEndian(_answer, length);
        return chain.CopyWritable(NinePServer.HeaderSize, _answer.AsSpan(0, length + 4));
    }

    /// <summary>Puts a number behind the header: the count of what was read or written, or an error.</summary>
    private static int Put(VirtioChain chain, int number)
    {
        Span<byte> bytes = stackalloc byte[4];
        BinaryPrimitives.WriteInt32LittleEndian(bytes, number);
        return chain.CopyWritable(NinePServer.HeaderSize, bytes);
    }

    /// <summary>The fields that read, write and readdir begin with.</summary>
    private static (uint Fid, ulong Offset, uint Count) Transfer(VirtioChain chain)
    {
        Span<byte> fields = stackalloc byte[16];
        fields.Clear();
        chain.CopyReadable(NinePServer.HeaderSize, fields);
        return (BinaryPrimitives.ReadUInt32LittleEndian(fields), BinaryPrimitives.ReadUInt64LittleEndian(fields[4..]), BinaryPrimitives.ReadUInt32LittleEndian(fields[12..]));
    }
}
