namespace Hypervisor.Core.HostSockets;

/// <summary>Wakes one loop that waits for work. Set twice before the loop looks, it wakes it once.</summary>
internal sealed class WakeSignal
{
    private readonly SemaphoreSlim _set = new(0, 1);

    /// <summary>Sets it. Any thread; what waits goes on on another.</summary>
    public void Set()
    {
        lock (_set)
        {
            if (_set.CurrentCount == 0)
                _set.Release();
        }
    }

    /// <summary>Waits until it is set and takes that back.</summary>
    /// <param name="over">Ends the wait.</param>
    /// <exception cref="OperationCanceledException"><paramref name="over"/> was cancelled.</exception>
    public Task WaitAsync(CancellationToken over) => _set.WaitAsync(over);
}
