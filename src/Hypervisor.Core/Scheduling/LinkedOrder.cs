namespace Hypervisor.Core.Scheduling;

/// <summary>A queue of small integers from which any can be removed in constant time.</summary>
/// <param name="sibling">One whose members are never members of this, to share the room for links with; null for none.</param>
internal sealed class LinkedOrder(LinkedOrder? sibling = null)
{
    private const int End = -1;

    private readonly Links _links = sibling?._links ?? new Links();
    private int _last = End;

    private sealed class Links
    {
        public (int Previous, int Next)[] Of = [];
    }

    /// <summary>The first, or -1.</summary>
    public int First { get; private set; } = End;

    public void Reserve(int capacity)
    {
        if (capacity > _links.Of.Length)
            Array.Resize(ref _links.Of, capacity);
    }

    /// <summary>The one after, or -1.</summary>
    public int After(int id) => _links.Of[id].Next;

    public void Append(int id)
    {
        _links.Of[id] = (_last, End);
        if (_last == End)
            First = id;
        else
            _links.Of[_last].Next = id;
        _last = id;
    }

    public void Remove(int id)
    {
        (int previous, int next) = _links.Of[id];
        if (previous == End)
            First = next;
        else
            _links.Of[previous].Next = next;
        if (next == End)
            _last = previous;
        else
            _links.Of[next].Previous = previous;
    }
}
