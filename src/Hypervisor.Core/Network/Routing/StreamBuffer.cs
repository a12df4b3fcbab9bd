using System.Diagnostics;

namespace Hypervisor.Core.Network.Routing;

/// <summary>Bytes of a stream between two ends: a ring that grows to its limit only when it is used. Not synchronised.</summary>
internal sealed class StreamBuffer(int limit)
{
    private byte[] _ring = [];
    private int _head;

    /// <summary>Bytes in it.</summary>
    public int Count { get; private set; }

    /// <summary>Bytes it still takes.</summary>
    public int Room => limit - Count;

    /// <summary>Adds bytes; no more than there is room for.</summary>
    public void Add(ReadOnlySpan<byte> bytes)
    {
        if (bytes.Length > Room)
            throw new UnreachableException("a stream was given more than it has room for");
        if (bytes.Length > _ring.Length - Count)
        {
            var larger = new byte[Math.Min(limit, Math.Max(4096, Math.Max(Count + bytes.Length, _ring.Length * 2)))];
            Peek(0, larger.AsSpan(0, Count));
            _ring = larger;
            _head = 0;
        }

        if (bytes.IsEmpty)
            return;
        int start = (_head + Count) % _ring.Length;
        int first = Math.Min(bytes.Length, _ring.Length - start);
        bytes[..first].CopyTo(_ring.AsSpan(start));
        bytes[first..].CopyTo(_ring);
        Count += bytes.Length;
    }

    /// <summary>Copies bytes from a place on; they are there.</summary>
    public void Peek(int offset, Span<byte> target)
    {
        if (target.IsEmpty)
            return;
        int start = (_head + offset) % _ring.Length;
        int first = Math.Min(target.Length, _ring.Length - start);
        _ring.AsSpan(start, first).CopyTo(target);
        _ring.AsSpan(0, target.Length - first).CopyTo(target[first..]);
    }

    /// <summary>Forgets the first bytes.</summary>
    public void Drop(int count)
    {
        if (count == 0)
            return;
        _head = (_head + count) % _ring.Length;
        Count -= count;
    }

    /// <summary>Takes the first bytes; how many there were.</summary>
    public int Take(Span<byte> target)
    {
        int taken = Math.Min(target.Length, Count);
        Peek(0, target[..taken]);
        Drop(taken);
        return taken;
    }
}
