using System.Buffers.Binary;

namespace Hypervisor.Core.Network;

/// <summary>
/// Frames on their way to one end of a link, each with the time at which it arrives there: a ring of bytes that grows to its
/// limit only when it is used. Not synchronised.
/// </summary>
internal sealed class FrameQueue(int limit)
{
    private const int Overhead = 12;
    private const int FirstSize = 8192;

    private byte[] _ring = [];
    private int _head;
    private int _used;

    /// <summary>How many frames wait.</summary>
    public int Count { get; private set; }

    /// <summary>When the first frame arrives; <see cref="long.MaxValue"/> where none waits.</summary>
    public long FirstDue => Count == 0 ? long.MaxValue : BinaryPrimitives.ReadInt64LittleEndian(Peek(stackalloc byte[8], 0));

    /// <summary>Adds a frame; false where it does not fit. Times never decrease from frame to frame.</summary>
    public bool TryAdd(ReadOnlySpan<byte> frame, long due)
    {
        int needed = Overhead + frame.Length;
        if (needed > limit - _used)
            return false;
        if (needed > _ring.Length - _used)
            Grow(needed);
        Span<byte> header = stackalloc byte[Overhead];
        BinaryPrimitives.WriteInt64LittleEndian(header, due);
        BinaryPrimitives.WriteInt32LittleEndian(header[8..], frame.Length);
        Put(header);
        Put(frame);
        Count++;
        return true;
    }

    /// <summary>Takes the first frame; there must be one. Cut where the buffer is shorter.</summary>
    public int Take(Span<byte> buffer)
    {
        int length = BinaryPrimitives.ReadInt32LittleEndian(Peek(stackalloc byte[4], 8));
        int given = Math.Min(length, buffer.Length);
        Peek(buffer[..given], Overhead);
        Drop(Overhead + length);
        Count--;
        return given;
    }

    /// <summary>Forgets all frames.</summary>
    public void Clear()
    {
        _head = 0;
        _used = 0;
        Count = 0;
    }

    private Span<byte> Peek(Span<byte> target, int offset)
    {
        int start = (_head + offset) % _ring.Length;
        int first = Math.Min(target.Length, _ring.Length - start);
        _ring.AsSpan(start, first).CopyTo(target);
        _ring.AsSpan(0, target.Length - first).CopyTo(target[first..]);
        return target;
    }

    private void Put(ReadOnlySpan<byte> bytes)
    {
        int start = (_head + _used) % _ring.Length;
        int first = Math.Min(bytes.Length, _ring.Length - start);
        bytes[..first].CopyTo(_ring.AsSpan(start));
        bytes[first..].CopyTo(_ring);
        _used += bytes.Length;
    }

    private void Drop(int count)
    {
        _head = (_head + count) % _ring.Length;
        _used -= count;
    }

    private void Grow(int needed)
    {
        var larger = new byte[Math.Min(limit, Math.Max(FirstSize, Math.Max(_used + needed, _ring.Length * 2)))];
        if (_used > 0)
            Peek(larger.AsSpan(0, _used), 0);
        _ring = larger;
        _head = 0;
    }
}
