namespace Hypervisor.Guests.Container;

/// <summary>What a container uses and may use.</summary>
/// <param name="CpuNanoseconds">Processor time of all its tasks so far.</param>
/// <param name="Memory">Bytes of memory in use.</param>
/// <param name="MemoryPeak">The most there were.</param>
/// <param name="MemoryLimit">Bytes it may use.</param>
/// <param name="OutOfMemoryKills">Processes ended because the limit was reached.</param>
/// <param name="Tasks">Tasks there are.</param>
/// <param name="TaskLimit">Tasks there may be.</param>
/// <param name="Io">What was read from files of the host and written to them.</param>
public sealed record ContainerStatistics(
    long CpuNanoseconds, ulong Memory, ulong MemoryPeak, ulong MemoryLimit, long OutOfMemoryKills, int Tasks, int TaskLimit, IoStatistics Io);

/// <summary>What a container read from files of the host and wrote to them.</summary>
/// <param name="BytesRead">Bytes read.</param>
/// <param name="BytesWritten">Bytes written.</param>
/// <param name="Reads">Reads.</param>
/// <param name="Writes">Writes.</param>
/// <param name="HeldNanoseconds">For how long tasks were held to their limits, added up.</param>
public sealed record IoStatistics(long BytesRead, long BytesWritten, long Reads, long Writes, long HeldNanoseconds);

/// <summary>Limits of a container that are to change while it runs; null leaves one as it is.</summary>
public sealed record ContainerLimits
{
    /// <summary>Bytes of memory, at least 64 KiB and no more than its machine has.</summary>
    public ulong? Memory { get; init; }

    /// <summary>Tasks it may have at a time. Those that it has stay.</summary>
    public int? Tasks { get; init; }

    /// <summary>CPUs' worth of time, 0.01 to 64; <see cref="double.PositiveInfinity"/> for no limit.</summary>
    public double? Cpus { get; init; }

    /// <summary>How fast it may read and write files of the host.</summary>
    public IoLimits? Io { get; init; }
}
