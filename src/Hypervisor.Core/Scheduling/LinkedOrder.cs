namespace Hypervisor.Core.Scheduling;

/// <summary>A queue of small integers from which any can be removed in constant time.</summary>
internal sealed class LinkedOrder
{
    private const int End = -1;

    private (int Previous, int Next)[] _links = [];
    private int _last = End;

    /// <summary>The first, or -1.</summary>
    public int First { get; private set; } = End;

    public void Reserve(int capacity)
    {
        if (capacity > _links.Length)
            Array.Resize(ref _links, capacity);
    }

    /// <summary>The one after, or -1.</summary>
    public int After(int id) => _links[id].Next;

    public void Append(int id)
    {
        _links[id] = (_last, End);
        if (_last == End)
            First = id;
        else
            _links[_last].Next = id;
        _last = id;
    }

    public void Remove(int id)
    {
        (int previous, int next) = _links[id];
        if (previous == End)
            First = next;
        else
            _links[previous].Next = next;
        if (next == End)
            _last = previous;
        else
            _links[next].Previous = previous;
    }
}
