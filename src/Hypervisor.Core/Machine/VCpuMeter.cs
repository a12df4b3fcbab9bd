using Hypervisor.Core.Engine;

namespace Hypervisor.Core.Machine;

/// <summary>What one vCPU used: instructions, time, exits by reason. Written by the thread that runs the vCPU.</summary>
public sealed class VCpuMeter
{
    /// <summary>One more than the last reason. By its name: to ask for all of an enumeration's members takes longer than a machine does to make.</summary>
    private const int Reasons = (int)VmExitReason.Debug + 1;

    private readonly long[] _exits = new long[Reasons];

    /// <summary>Instructions retired.</summary>
    public long Retired { get; internal set; }

    /// <summary>Nanoseconds on a physical CPU, by the host loop's clock.</summary>
    public long RunNanoseconds { get; internal set; }

    /// <summary>Nanoseconds runnable but waiting for a physical CPU (steal time).</summary>
    public long WaitNanoseconds { get; internal set; }

    /// <summary>Modelled nanoseconds charged for exits; zero unless a cost model is set.</summary>
    public long ChargedNanoseconds { get; internal set; }

    /// <summary>Slices run.</summary>
    public long Slices { get; internal set; }

    /// <summary>Memory accesses in the slices that were sampled.</summary>
    internal long SampledAccesses { get; set; }

    /// <summary>Those of them that found no TLB entry.</summary>
    internal long SampledMisses { get; set; }

    /// <summary>Exits for a reason.</summary>
    public long Exits(VmExitReason reason) => _exits[(int)reason];

    /// <summary>Exits that the hypervisor had to handle: all but the ends of slices.</summary>
    public long TotalExits
    {
        get
        {
            long sum = 0;
            for (int i = (int)VmExitReason.Attention + 1; i < _exits.Length; i++)
                sum += _exits[i];
            return sum;
        }
    }

    /// <summary>Adds what another used.</summary>
    internal void Add(VCpuMeter other)
    {
        Retired += other.Retired;
        RunNanoseconds += other.RunNanoseconds;
        WaitNanoseconds += other.WaitNanoseconds;
        ChargedNanoseconds += other.ChargedNanoseconds;
        Slices += other.Slices;
        SampledAccesses += other.SampledAccesses;
        SampledMisses += other.SampledMisses;
        for (int i = 0; i < _exits.Length; i++)
            _exits[i] += other._exits[i];
    }

    internal void Count(VmExitReason reason, long times = 1) => _exits[(int)reason] += times;
}
