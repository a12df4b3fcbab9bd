using System.Diagnostics;

namespace Hypervisor.Host.Compare;

/// <summary>
/// The clock of a comparison: the processor time that this process used, which a busy host does not disturb. Where a system
/// counts it only in ticks of many milliseconds (Windows), the time that passed.
/// </summary>
internal static class HostTime
{
    private static readonly long s_start = Stopwatch.GetTimestamp();

    /// <summary>The clock's reading; only differences mean something.</summary>
    public static TimeSpan Now => OperatingSystem.IsWindows() ? Stopwatch.GetElapsedTime(s_start) : Environment.CpuUsage.TotalTime;
}
