using Hypervisor.Core.Time;
using Hypervisor.Guests.Container.Kernel;

namespace Hypervisor.Guests.Container;

/// <summary>How fast a container may read and write files of the host, in a second; null for no limit.</summary>
/// <param name="ReadBytes">Bytes read.</param>
/// <param name="WriteBytes">Bytes written.</param>
/// <param name="Reads">Reads, however long.</param>
/// <param name="Writes">Writes, however long.</param>
public sealed record IoLimits(ulong? ReadBytes = null, ulong? WriteBytes = null, ulong? Reads = null, ulong? Writes = null);

/// <summary>
/// A container's input and output on files of the host: what there was, and its limits. Each limit is a rate at which a debt is
/// paid: who reads or writes goes on once what it did is paid for, and whoever comes meanwhile pays behind it. Tasks that do
/// neither are not held.
/// </summary>
internal sealed class IoAccount : IDisposable
{
    private const long Second = 1_000_000_000;

    private readonly ITimerService _timers;
    private readonly int _timer;
    private PriorityQueue<KernelTask, long>? _held;
    private readonly long[] _paidAt = new long[4];
    private readonly ulong?[] _rates = new ulong?[4];
    private bool _disposed;

    /// <summary>Makes an account.</summary>
    /// <param name="timers">The time.</param>
    /// <param name="limits">Its limits; null for none.</param>
    /// <param name="locked">Does something under the kernel's lock.</param>
    public IoAccount(ITimerService timers, IoLimits? limits, Action<Action> locked)
    {
        _timers = timers;
        _timer = timers.CreateTimer(() => locked(Release));
        SetLimits(limits ?? new IoLimits());
    }

    public long BytesRead { get; private set; }

    public long BytesWritten { get; private set; }

    public long Reads { get; private set; }

    public long Writes { get; private set; }

    /// <summary>Nanoseconds for which tasks were held.</summary>
    public long HeldNanoseconds { get; private set; }

    /// <summary>Something was charged since a task was last asked to pay.</summary>
    public bool Owes { get; private set; }

    public void SetLimits(IoLimits limits)
    {
        (_rates[0], _rates[1], _rates[2], _rates[3]) = (limits.ReadBytes, limits.WriteBytes, limits.Reads, limits.Writes);
        Array.Clear(_paidAt);
    }

    /// <summary>Counts a read or a write.</summary>
    public void Charge(bool isWrite, long bytes)
    {
        if (isWrite)
        {
            Writes++;
            BytesWritten += bytes;
        }
        else
        {
            Reads++;
            BytesRead += bytes;
        }

        int bytesAt = isWrite ? 1 : 0;
        Charge(bytesAt, bytes);
        Charge(bytesAt + 2, 1);
    }

    /// <summary>Holds the task that made the call until what was charged is paid; false where nothing is owed.</summary>
    public bool TryHold(KernelTask task)
    {
        Owes = false;
        long now = _timers.NowNanoseconds;
        long until = _paidAt.Max();
        if (until <= now || _disposed)
            return false;
        HeldNanoseconds += until - now;
        task.IsHeldForIo = true;
        (_held ??= new PriorityQueue<KernelTask, long>()).Enqueue(task, until);
        Arm();
        return true;
    }

    public void Dispose()
    {
        if (_disposed)
            return;
        _disposed = true;
        _timers.DeleteTimer(_timer);
        if (_held is { } held)
            LetGo(held);
    }

    private static void LetGo(PriorityQueue<KernelTask, long> held)
    {
        while (held.TryDequeue(out KernelTask? task, out _))
            task.IsHeldForIo = false;
    }

    private void Charge(int which, long amount)
    {
        if (_rates[which] is not { } rate || _disposed)
            return;
        Owes = true;
        long cost = (long)Int128.Min((Int128)amount * Second / Math.Max(1, rate), long.MaxValue / 4);
        _paidAt[which] = Math.Max(_paidAt[which], _timers.NowNanoseconds) + cost;
    }

    private void Release()
    {
        if (_disposed || _held is null)
            return;
        long now = _timers.NowNanoseconds;
        while (_held.TryPeek(out KernelTask? task, out long until) && until <= now)
        {
            _held.Dequeue();
            task.IsHeldForIo = false;
            task.Woken();
        }

        Arm();
    }

    private void Arm()
    {
        if (_held is { } held && held.TryPeek(out _, out long until))
            _timers.Arm(_timer, until);
    }
}
