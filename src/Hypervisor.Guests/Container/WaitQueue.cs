using System.Runtime.CompilerServices;

namespace Hypervisor.Guests.Container;

/// <summary>Something that sleeps until a queue it is on is woken.</summary>
internal interface IWaiter
{
    /// <summary>What it waited for may have come; it looks again. Under the kernel's lock.</summary>
    void Woken();
}

/// <summary>Who waits for one thing. A waiter is on a queue once, and off it when woken.</summary>
internal sealed class WaitQueue
{
    // Our own: the library's empty array of our values has no code ahead of time.
    private static readonly Entry[] s_none = new Entry[0];

    // Nearly always nobody or one: looked through by hand.
    private Entry[] _waiters = s_none;
    private int _count;

    private struct Entry
    {
        public IWaiter? Waiter;
    }

    public void Add(IWaiter waiter)
    {
        if (IndexOf(waiter) >= 0)
            return;
        if (_count == _waiters.Length)
            Array.Resize(ref _waiters, Math.Max(1, 2 * _count));
        _waiters[_count++].Waiter = waiter;
    }

    public void Remove(IWaiter waiter)
    {
        int index = IndexOf(waiter);
        if (index >= 0)
            RemoveAt(index);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void WakeAll()
    {
        if (_count != 0)
            WakeThem();
    }

    private void WakeThem()
    {
        // From the last on: who waits again at once comes behind, and is not woken again.
        for (int i = _count - 1; i >= 0; i--)
        {
            IWaiter waiter = _waiters[i].Waiter!;
            RemoveAt(i);
            waiter.Woken();
        }
    }

    private void RemoveAt(int index)
    {
        _count--;
        if (index < _count)
            Array.Copy(_waiters, index + 1, _waiters, index, _count - index);
        _waiters[_count] = default;
    }

    private int IndexOf(IWaiter waiter)
    {
        for (int i = 0; i < _count; i++)
        {
            if (_waiters[i].Waiter == waiter)
                return i;
        }

        return -1;
    }
}
