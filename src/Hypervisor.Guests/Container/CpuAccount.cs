using Hypervisor.Core.Time;
using Hypervisor.Guests.Container.Kernel;

namespace Hypervisor.Guests.Container;

/// <summary>
/// A container's processor time against its limit: a quota for each period, as a bandwidth controller keeps it. A task is asked
/// for at the start of each slice; once the quota is used, tasks stay off until the period ends, and an overrun of the last slice
/// is taken from the next period.
/// </summary>
internal sealed class CpuAccount : IDisposable
{
    private const long Period = 100_000_000;

    private readonly ITimerService _timers;
    private long _quota;
    private readonly int _timer;
    private long _periodEnd;
    private long _used;
    private bool _disposed;

    public CpuAccount(ITimerService timers, double cpus, Action replenished)
    {
        _timers = timers;
        SetLimit(cpus);
        _timer = timers.CreateTimer(() =>
        {
            IsThrottled = false;
            replenished();
        });
        _periodEnd = timers.NowNanoseconds + Period;
    }

    /// <summary>Changes the limit, from the next slice on.</summary>
    public void SetLimit(double cpus) => _quota = (long)Math.Min(cpus * Period, long.MaxValue / 4);

    /// <summary>The quota is used up and the period has not ended.</summary>
    public bool IsThrottled { get; private set; }

    /// <summary>Books what a task used since it was last asked for, and says whether it may run now.</summary>
    public bool MayRun(KernelTask task)
    {
        long total = task.VCpu.Meter.RunNanoseconds;
        _used += total - task.BookedNanoseconds;
        task.BookedNanoseconds = total;
        long now = _timers.NowNanoseconds;
        if (now >= _periodEnd)
        {
            long periods = (now - _periodEnd) / Period + 1;
            _used = Math.Max(0, _used - (long)Int128.Min(long.MaxValue, (Int128)periods * _quota));
            _periodEnd += periods * Period;
        }

        if (_disposed || _used < _quota)
            return true;
        IsThrottled = true;
        _timers.Arm(_timer, _periodEnd);
        return false;
    }

    public void Dispose()
    {
        if (_disposed)
            return;
        _disposed = true;
        IsThrottled = false;
        _timers.DeleteTimer(_timer);
    }
}
