using System.Numerics;

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

    private readonly List<Node> _passedOver = [];
    private Node[] _nodes = new Node[16];

    private struct Node
    {
        public long Key;
        public int Id;
        public uint Entry;
    }

    /// <summary>Entries, stale ones too.</summary>
    public int Count { get; private set; }

    public int First => _nodes[0].Id;

    public long FirstKey => _nodes[0].Key;

    public uint FirstEntry => _nodes[0].Entry;

    public void Add(int id, long key, uint entry)
    {
        Node[] nodes = _nodes;
        if (Count == nodes.Length)
            nodes = Grow();
        int place = Count++;
        while (place > 0)
        {
            int parent = (place - 1) / Arity;
            ref Node above = ref nodes[parent];
            if (key > above.Key || (key == above.Key && (int)(entry - above.Entry) > 0))
                break;
            nodes[place] = above;
            place = parent;
        }

        ref Node node = ref nodes[place];
        node.Key = key;
        node.Id = id;
        node.Entry = entry;
    }

    public void RemoveFirst()
    {
        if (--Count > 0)
            Sink(0, _nodes[Count]);
    }

    /// <summary>Takes the first out, to be put back by <see cref="PutBack"/>.</summary>
    public void PassOver()
    {
        _passedOver.Add(_nodes[0]);
        RemoveFirst();
    }

    public void PutBack()
    {
        if (_passedOver.Count == 0)
            return;
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
            if (isCurrent(_nodes[i].Id, _nodes[i].Entry))
                _nodes[kept++] = _nodes[i];
        }

        Count = kept;
        for (int i = (kept - 2) / Arity; i >= 0 && kept > 1; i--)
            Sink(i, _nodes[i]);
    }

    private Node[] Grow()
    {
        Array.Resize(ref _nodes, (int)Math.Min(Array.MaxLength, BitOperations.RoundUpToPowerOf2((uint)Count + 1)));
        return _nodes;
    }

    private void Sink(int place, Node node)
    {
        Node[] nodes = _nodes;
        int count = Count;
        while (true)
        {
            int child = (place * Arity) + 1;
            int best = child;
            if (child + 3 < count)
            {
                // Who is first of four is as good as random: chosen by arithmetic, for no branch to be guessed wrong.
                Span<Node> four = nodes.AsSpan(child, Arity);
                int low = Precedes(in four[1], in four[0]);
                int high = 2 + Precedes(in four[3], in four[2]);
                best += low + ((high - low) * Precedes(in four[high], in four[low]));
            }
            else if (child < count)
            {
                for (int i = child + 1; i < count; i++)
                    best += (i - best) * Precedes(in nodes[i], in nodes[best]);
            }
            else
            {
                break;
            }

            if (Precedes(in nodes[best], in node) == 0)
                break;
            nodes[place] = nodes[best];
            place = best;
        }

        nodes[place] = node;
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
