using System.Runtime.InteropServices;

namespace Hypervisor.Bench;

/// <summary>Processor time of child processes that have ended.</summary>
internal static partial class ProcessorTime
{
    private const int Children = -1;

    /// <summary>User seconds so far.</summary>
    public static double UserOfChildren()
    {
        (double user, _) = Usage();
        return user;
    }

    /// <summary>User and system seconds so far.</summary>
    public static double OfChildren()
    {
        (double user, double system) = Usage();
        return user + system;
    }

    private static (double User, double System) Usage()
    {
        Span<long> usage = stackalloc long[32];
        if (GetUsage(Children, ref usage[0]) != 0)
            throw new PlatformNotSupportedException("processor time of child processes is read with getrusage: run comparisons with peers on Linux");
        return (usage[0] + usage[1] / 1e6, usage[2] + usage[3] / 1e6);
    }

    [LibraryImport("libc", EntryPoint = "getrusage")]
    private static partial int GetUsage(int who, ref long usage);
}
