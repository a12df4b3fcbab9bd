namespace Hypervisor.Guests.Container;

/// <summary>Something that sleeps until a queue it is on is woken.</summary>
internal interface IWaiter
{
    /// <summary>What it waited for may have come; it looks again.</summary>
    void Woken();
}

/// <summary>Who waits for one thing. A waiter is on a queue once, and off it when woken.</summary>
internal sealed class WaitQueue
{
    private readonly List<IWaiter> _waiters = [];

    public void Add(IWaiter waiter)
    {
        if (!_waiters.Contains(waiter))
            _waiters.Add(waiter);
    }

    public void Remove(IWaiter waiter) => _waiters.Remove(waiter);

    public void WakeAll()
    {
        for (int i = _waiters.Count - 1; i >= 0; i--)
        {
            IWaiter waiter = _waiters[i];
            _waiters.RemoveAt(i);
            waiter.Woken();
        }
    }
}
