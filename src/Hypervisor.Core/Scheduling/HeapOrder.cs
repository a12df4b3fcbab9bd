using Hypervisor.Core.Time;

namespace Hypervisor.Core.Scheduling;

/// <summary>vCPUs in order of a key, then of joining: an indexed 4-ary heap that passes over those that may not run on a CPU.</summary>
internal sealed class HeapOrder
{
    private readonly IndexedHeap _heap = new();
    private readonly List<(int VCpu, long Key, long Sequence)> _passedOver = [];
    private long[] _sequences = [];
    private long _sequence;

    public int Count => _heap.Count;

    public int First => _heap.First;

    public long FirstKey => _heap.FirstKey;

    public void Reserve(int capacity)
    {
        if (capacity > _sequences.Length)
            Array.Resize(ref _sequences, capacity);
    }

    public bool Contains(int vcpu) => _heap.Contains(vcpu);

    /// <summary>Adds one behind all with the same key.</summary>
    public void Add(int vcpu, long key)
    {
        _sequences[vcpu] = _sequence++;
        _heap.Add(vcpu, key, _sequences[vcpu]);
    }

    public void Remove(int vcpu) => _heap.Remove(vcpu);

    /// <summary>Gives one another key and leaves it its place among equals.</summary>
    public void Rekey(int vcpu, long key)
    {
        _heap.Remove(vcpu);
        _heap.Add(vcpu, key, _sequences[vcpu]);
    }

    /// <summary>Takes the first out, to be put back by <see cref="PutBack"/>.</summary>
    public void PassOver()
    {
        int vcpu = _heap.First;
        _passedOver.Add((vcpu, _heap.FirstKey, _sequences[vcpu]));
        _heap.Remove(vcpu);
    }

    public void PutBack()
    {
        foreach ((int vcpu, long key, long sequence) in _passedOver)
            _heap.Add(vcpu, key, sequence);
        _passedOver.Clear();
    }
}
