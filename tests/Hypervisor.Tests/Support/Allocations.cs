namespace Hypervisor.Tests.Support;

/// <summary>What this thread allocates.</summary>
internal static class Allocations
{
    /// <summary>The bytes that an action allocates: the least of three times.</summary>
    /// <param name="action">What is done; it should have been done once before.</param>
    public static long Of(Action action) => Least(() =>
    {
        long before = GC.GetAllocatedBytesForCurrentThread();
        action();
        return GC.GetAllocatedBytesForCurrentThread() - before;
    });

    /// <summary>The least of three counts: a collection that another test causes may book the rest of this thread's allocation window as used.</summary>
    /// <param name="count">Does it once and counts.</param>
    public static long Least(Func<long> count) => Math.Min(count(), Math.Min(count(), count()));
}
