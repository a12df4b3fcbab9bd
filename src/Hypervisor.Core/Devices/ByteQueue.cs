namespace Hypervisor.Core.Devices;

/// <summary>
/// Bytes on their way into a guest: a ring that grows to its limit only when it is used. Not synchronised; its device's lock
/// guards it.
/// </summary>
internal sealed class ByteQueue(int limit)
{
    private byte[] _ring = [];
    private int _head;

    /// <summary>How many bytes wait.</summary>
    public int Count { get; private set; }

    /// <summary>Takes as many bytes as fit, and says how many.</summary>
    public int Enqueue(ReadOnlySpan<byte> bytes)
    {
        int taken = Math.Min(bytes.Length, limit - Count);
        if (taken > _ring.Length - Count)
            Grow(Count + taken);
        for (int i = 0; i < taken; i++)
            _ring[(_head + Count + i) % _ring.Length] = bytes[i];
        Count += taken;
        return taken;
    }

    /// <summary>Gives the first byte; there must be one.</summary>
    public byte Dequeue()
    {
        byte value = _ring[_head];
        _head = (_head + 1) % _ring.Length;
        Count--;
        return value;
    }

    /// <summary>Gives as many bytes as there are and fit, and says how many.</summary>
    public int Dequeue(Span<byte> target)
    {
        int given = Math.Min(target.Length, Count);
        for (int i = 0; i < given; i++)
            target[i] = Dequeue();
        return given;
    }

    public void Clear() => Count = 0;

    /// <summary>A copy of what waits, in order.</summary>
    public byte[] ToArray()
    {
        byte[] copy = new byte[Count];
        for (int i = 0; i < copy.Length; i++)
            copy[i] = _ring[(_head + i) % _ring.Length];
        return copy;
    }

    private void Grow(int needed)
    {
        byte[] waiting = ToArray();
        _ring = new byte[Math.Min(limit, Math.Max(needed, Math.Max(64, _ring.Length * 2)))];
        waiting.CopyTo(_ring, 0);
        _head = 0;
    }
}
