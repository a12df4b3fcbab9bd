using System.Diagnostics;
using Hypervisor.Core.Memory;

namespace Hypervisor.Core.Devices.Virtio;

/// <summary>
/// One request: buffers the device reads, then buffers it writes. Every buffer was checked to lie in RAM. Reused for each
/// request, so that none allocates. Drivers may cut a request into buffers as they like (§2.6.4), so devices address its
/// bytes by their place in the whole.
/// </summary>
internal sealed class VirtioChain(GuestMemory memory)
{
    /// <summary>The most buffers a request may have, indirect ones included.</summary>
    public const int MaximumBuffers = 1024;

    // Many buffers may name the same memory, so RAM does not bound their sum. Drivers stay far below this.
    private const long MaximumBytes = 64 << 20;

    private readonly (ulong Address, int Length)[] _buffers = new (ulong, int)[MaximumBuffers];
    private int _count;
    private int _readable;

    /// <summary>The descriptor that names the request in the used ring.</summary>
    public ushort Head { get; private set; }

    /// <summary>Bytes the device may read.</summary>
    public long ReadableLength { get; private set; }

    /// <summary>Bytes the device may write.</summary>
    public long WritableLength { get; private set; }

    /// <summary>How many buffers the device may read.</summary>
    public int ReadableBuffers => _readable;

    /// <summary>How many buffers the device may write.</summary>
    public int WritableBuffers => _count - _readable;

    public void Start(ushort head)
    {
        Head = head;
        _count = 0;
        _readable = 0;
        ReadableLength = 0;
        WritableLength = 0;
    }

    /// <summary>Gives the request the name under which it is returned, where that is known last.</summary>
    public void Name(ushort head) => Head = head;

    /// <summary>Adds a buffer; false where it is not all RAM, where there are too many or too large, or where a readable one follows a writable one.</summary>
    public bool TryAdd(ulong address, uint length, bool writable)
    {
        if (_count == MaximumBuffers || length > MaximumBytes - ReadableLength - WritableLength || !memory.Contains(address, length))
            return false;
        if (writable)
        {
            WritableLength += length;
        }
        else
        {
            if (_count > _readable)
                return false;
            _readable++;
            ReadableLength += length;
        }

        _buffers[_count++] = (address, (int)length);
        return true;
    }

    /// <summary>A buffer the device may read.</summary>
    public ReadOnlySpan<byte> Readable(int index)
    {
        if ((uint)index >= (uint)_readable)
            throw new UnreachableException("A device asked for a readable buffer its request does not have.");
        return memory.Window(_buffers[index].Address, _buffers[index].Length);
    }

    /// <summary>A buffer the device may write, cut to <paramref name="limit"/> bytes. <see cref="Written"/> must follow the write.</summary>
    public Span<byte> Writable(int index, long limit = int.MaxValue)
    {
        (ulong address, int length) = WritableBuffer(index);
        return memory.WritableWindow(address, (int)Math.Min(length, limit));
    }

    /// <summary>Where a buffer the device may write lies.</summary>
    public ulong WritableAddress(int index) => WritableBuffer(index).Address;

    /// <summary>How long a buffer the device may write is.</summary>
    public int WritableSize(int index) => WritableBuffer(index).Length;

    /// <summary>Tells that the device has written the first bytes of a buffer: code decoded from them meanwhile is dropped.</summary>
    public void Written(int index, int length) => memory.NoteHostWrite(WritableBuffer(index).Address, length);

    /// <summary>Copies readable bytes from a place in the whole; says how many there were.</summary>
    public int CopyReadable(long offset, Span<byte> target)
    {
        int copied = 0;
        for (int i = 0; i < _readable && copied < target.Length; i++)
        {
            ReadOnlySpan<byte> buffer = Readable(i);
            if (offset >= buffer.Length)
            {
                offset -= buffer.Length;
                continue;
            }

            buffer = buffer[(int)offset..];
            offset = 0;
            buffer = buffer[..Math.Min(buffer.Length, target.Length - copied)];
            buffer.CopyTo(target[copied..]);
            copied += buffer.Length;
        }

        return copied;
    }

    /// <summary>Copies bytes to a place in the writable whole; says how many fitted.</summary>
    public int CopyWritable(long offset, ReadOnlySpan<byte> source)
    {
        int copied = 0;
        for (int i = 0; i < WritableBuffers && copied < source.Length; i++)
        {
            (ulong address, int length) = _buffers[_readable + i];
            if (offset >= length)
            {
                offset -= length;
                continue;
            }

            int part = (int)Math.Min(length - offset, source.Length - copied);
            if (!memory.TryWrite(address + (ulong)offset, source.Slice(copied, part)))
                throw new UnreachableException("A buffer that was checked to lie in RAM does not.");
            offset = 0;
            copied += part;
        }

        return copied;
    }

    private (ulong Address, int Length) WritableBuffer(int index) => (uint)index < (uint)WritableBuffers
        ? _buffers[_readable + index]
        : throw new UnreachableException("A device asked for a writable buffer its request does not have.");
}
