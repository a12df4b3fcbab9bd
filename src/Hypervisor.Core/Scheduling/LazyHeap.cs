using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Hypervisor.Core.Scheduling;

/// <summary>
/// A 4-ary min-heap of small integers by a key and then by order of entry, from which nothing is taken out but the first: whoever
/// leaves otherwise, or gets another key, leaves an entry behind that is stale. Not knowing where anyone lies saves a write to
/// memory at random for each step of each move, which is most of what a large heap costs.
/// </summary>
/// <remarks>
/// An entry bears the number of its entering. The owner keeps, for each one, the number of the entry that counts, and drops others when
/// they come first; it has the heap swept when more than half of it is stale. Numbers are 32 bits and are compared by their
/// difference: two of equal keys keep their order unless two thousand million entered between.
/// </remarks>
internal sealed class LazyHeap
{
    private const int Arity = 4;

    private const int Least = 16;
    private const int CacheLine = 64;

    // From here on the array is one that stays where it is, with the root at an index at which the four children of each node lie in one
    // cache line.
    private const int AlignedFrom = 4096;

    private readonly List<Node> _passedOver = new(capacity: 4);
    private Node[] _nodes = new Node[Least];
    private int _root;
    private int _room = Least;

    private struct Node
    {
        public long Key;
        public int Id;
        public uint Entry;
    }

    /// <summary>Entries, stale ones too.</summary>
    public int Count { get; private set; }

    public int First => _nodes[_root].Id;

    public long FirstKey => _nodes[_root].Key;

    public uint FirstEntry => _nodes[_root].Entry;

    public void Add(int id, long key, uint entry)
    {
        Node[] nodes = _nodes;
        if (Count == _room)
            nodes = Grow();
        int root = _root;
        int place = Count++;
        while (place > 0)
        {
            int parent = (place - 1) / Arity;
            ref Node above = ref nodes[root + parent];
            if (key > above.Key || (key == above.Key && (int)(entry - above.Entry) > 0))
                break;
            nodes[root + place] = above;
            place = parent;
        }

        ref Node node = ref nodes[root + place];
        node.Key = key;
        node.Id = id;
        node.Entry = entry;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void RemoveFirst()
    {
        if (--Count > 0)
            Sink(0, _nodes[_root + Count]);
    }

    /// <summary>Takes the first out, to be put back by <see cref="PutBack"/>.</summary>
    public void PassOver()
    {
        _passedOver.Add(_nodes[_root]);
        RemoveFirst();
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void PutBack()
    {
        if (_passedOver.Count != 0)
            PutAllBack();
    }

    private void PutAllBack()
    {
        foreach (Node node in _passedOver)
            Add(node.Id, node.Key, node.Entry);
        _passedOver.Clear();
    }

    /// <summary>Drops what is stale.</summary>
    /// <param name="isCurrent">Tells of an id and an entry whether it counts.</param>
    public void Sweep(Func<int, uint, bool> isCurrent)
    {
        int kept = 0;
        for (int i = 0; i < Count; i++)
        {
            if (isCurrent(_nodes[_root + i].Id, _nodes[_root + i].Entry))
                _nodes[_root + kept++] = _nodes[_root + i];
        }

        Count = kept;
        for (int i = (kept - 2) / Arity; i >= 0 && kept > 1; i--)
            Sink(i, _nodes[_root + i]);
    }

    private Node[] Grow()
    {
        int room = Math.Max(Least, (int)BitOperations.RoundUpToPowerOf2((uint)Count + 1));
        Node[] nodes = GC.AllocateArray<Node>(room + Arity, pinned: room >= AlignedFrom);
        int root = 0;
        while (room >= AlignedFrom && root < Arity - 1 && Marshal.UnsafeAddrOfPinnedArrayElement(nodes, root + 1) % CacheLine != 0)
            root++;
        Array.Copy(_nodes, _root, nodes, root, Count);
        (_nodes, _root, _room) = (nodes, root, room);
        return nodes;
    }

    private void Sink(int place, Node node)
    {
        Node[] nodes = _nodes;
        int count = Count;
        int root = _root;
        while (true)
        {
            int child = (place * Arity) + 1;
            int best = child;
            if (child + 3 < count)
            {
                // Who is first of four is as good as random: chosen by arithmetic, for no branch to be guessed wrong.
                Span<Node> four = nodes.AsSpan(root + child, Arity);
                int low = Precedes(in four[1], in four[0]);
                int high = 2 + Precedes(in four[3], in four[2]);
                best += low + ((high - low) * Precedes(in four[high], in four[low]));
            }
            else if (child < count)
            {
                for (int i = child + 1; i < count; i++)
                    best += (i - best) * Precedes(in nodes[root + i], in nodes[root + best]);
            }
            else
            {
                break;
            }

            if (Precedes(in nodes[root + best], in node) == 0)
                break;
            nodes[root + place] = nodes[root + best];
            place = best;
        }

        nodes[root + place] = node;
    }

    /// <summary>1 where one comes before another, else 0. Keys lie so near each other that their differences are numbers of 64 bits.</summary>
    private static int Precedes(in Node a, in Node b)
    {
        long difference = a.Key - b.Key;
        if (difference == 0)
            difference = (int)(a.Entry - b.Entry);
        return (int)((ulong)difference >> 63);
    }
}
