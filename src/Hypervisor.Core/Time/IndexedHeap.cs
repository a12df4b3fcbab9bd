namespace Hypervisor.Core.Time;

/// <summary>
/// A 4-ary min-heap of small integers by a key and then by order of insertion, which knows where each one lies, so that any
/// can be removed in logarithmic time. Four children share a cache line of keys and halve the depth of a binary heap.
/// </summary>
internal sealed class IndexedHeap
{
    private const int Arity = 4;

    private Node[] _nodes = new Node[16];
    private int[] _places = Nowhere(16);

    private struct Node
    {
        public long Key;
        public long Sequence;
        public int Id;
    }

    public int Count { get; private set; }

    /// <summary>The id with the smallest key.</summary>
    public int First => _nodes[0].Id;

    /// <summary>The smallest key.</summary>
    public long FirstKey => _nodes[0].Key;

    public bool Contains(int id) => (uint)id < (uint)_places.Length && _places[id] >= 0;

    public void Add(int id, long key, long sequence)
    {
        if (id >= _places.Length)
        {
            int[] places = Nowhere(Math.Max(id + 1, _places.Length * 2));
            _places.CopyTo(places, 0);
            _places = places;
        }

        if (Count == _nodes.Length)
            Array.Resize(ref _nodes, Count * 2);
        int place = Count++;
        _nodes[place] = new Node { Key = key, Sequence = sequence, Id = id };
        Rise(place);
    }

    public void Remove(int id)
    {
        int place = _places[id];
        _places[id] = -1;
        Count--;
        if (place == Count)
            return;
        _nodes[place] = _nodes[Count];
        _places[_nodes[place].Id] = place;
        int up = Rise(place);
        if (up == place)
            Sink(place);
    }

    private int Rise(int place)
    {
        Node node = _nodes[place];
        while (place > 0)
        {
            int parent = (place - 1) / Arity;
            if (!Less(in node, in _nodes[parent]))
                break;
            _nodes[place] = _nodes[parent];
            _places[_nodes[place].Id] = place;
            place = parent;
        }

        _nodes[place] = node;
        _places[node.Id] = place;
        return place;
    }

    private void Sink(int place)
    {
        Node node = _nodes[place];
        while (true)
        {
            int child = place * Arity + 1;
            if (child >= Count)
                break;
            int best = child;
            int end = Math.Min(child + Arity, Count);
            for (int i = child + 1; i < end; i++)
            {
                if (Less(in _nodes[i], in _nodes[best]))
                    best = i;
            }

            if (!Less(in _nodes[best], in node))
                break;
            _nodes[place] = _nodes[best];
            _places[_nodes[place].Id] = place;
            place = best;
        }

        _nodes[place] = node;
        _places[node.Id] = place;
    }

    private static bool Less(in Node a, in Node b) => a.Key < b.Key || (a.Key == b.Key && a.Sequence < b.Sequence);

    /// <summary>Places of nobody. By hand: the library's way of filling loads its vectors first, which takes longer than making a host.</summary>
    private static int[] Nowhere(int count)
    {
        var places = new int[count];
        for (int i = 0; i < count; i++)
            places[i] = -1;
        return places;
    }
}
