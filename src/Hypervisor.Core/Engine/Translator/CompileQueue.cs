namespace Hypervisor.Core.Engine.Translator;

/// <summary>
/// Plans that wait to be compiled, by one pool thread at a time. When it is full, plans are turned away: code that stays hot
/// is planned again.
/// </summary>
internal sealed class CompileQueue(RegionStore store)
{
    private const int Capacity = 16;

    private readonly Lock _lock = new();
    private readonly Queue<(RegionPlan Plan, RegionCache Owner)> _waiting = [];
    private bool _working;

    /// <summary>Whether a plan would be turned away now.</summary>
    public bool IsFull
    {
        get
        {
            lock (_lock)
                return _waiting.Count == Capacity;
        }
    }

    public bool TryAdd(RegionPlan plan, RegionCache owner)
    {
        lock (_lock)
        {
            if (_waiting.Count == Capacity)
                return false;
            _waiting.Enqueue((plan, owner));
            if (_working)
                return true;
            _working = true;
        }

        ThreadPool.UnsafeQueueUserWorkItem(static queue => queue.Work(), this, preferLocal: false);
        return true;
    }

    private void Work()
    {
        while (true)
        {
            RegionPlan plan;
            RegionCache owner;
            lock (_lock)
            {
                if (_waiting.Count == 0)
                {
                    _working = false;
                    return;
                }

                (plan, owner) = _waiting.Dequeue();
            }

            if (!plan.IsCancelled)
                owner.Post(store.Obtain(plan), plan);
        }
    }
}
