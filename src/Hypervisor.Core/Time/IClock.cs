namespace Hypervisor.Core.Time;

/// <summary>A monotonic clock.</summary>
public interface IClock
{
    /// <summary>Nanoseconds since the clock's own start; never goes back.</summary>
    long NowNanoseconds { get; }
}
