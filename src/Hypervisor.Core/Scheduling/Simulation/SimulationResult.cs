namespace Hypervisor.Core.Scheduling.Simulation;

/// <summary>What came of one simulated vCPU.</summary>
public sealed class SimulatedBooks
{
    internal SimulatedBooks(string name) => Name = name;

    /// <summary>Its name.</summary>
    public string Name { get; }

    /// <summary>Nanoseconds it ran.</summary>
    public long RunNanoseconds { get; internal set; }

    /// <summary>Nanoseconds it was ready and did not run.</summary>
    public long WaitNanoseconds { get; internal set; }

    /// <summary>The longest it was ready without running.</summary>
    public long LongestWait { get; internal set; }

    /// <summary>From waking to running.</summary>
    public LatencyHistogram WakeLatency { get; } = new();

    /// <summary>The least and the most it was owed against its fluid share, in nanoseconds; null where that was not followed.</summary>
    public (double Least, double Most)? Lag { get; internal set; }

    /// <summary>What it would have got of CPUs that could be divided without end; null where that was not followed.</summary>
    public double? FluidNanoseconds { get; internal set; }
}

/// <summary>What came of a simulation.</summary>
public sealed class SimulationResult
{
    internal SimulationResult(string scheduler, IReadOnlyList<SimulatedBooks> vcpus) => (Scheduler, VCpus) = (scheduler, vcpus);

    /// <summary>The policy's name.</summary>
    public string Scheduler { get; }

    /// <summary>The vCPUs, in order of their numbers.</summary>
    public IReadOnlyList<SimulatedBooks> VCpus { get; }

    /// <summary>Simulated nanoseconds.</summary>
    public long Elapsed { get; internal set; }

    /// <summary>Nanoseconds CPUs ran vCPUs, all together.</summary>
    public long Busy { get; internal set; }

    /// <summary>Nanoseconds CPUs had nothing to run.</summary>
    public long Idle { get; internal set; }

    /// <summary>Nanoseconds CPUs spent on switching.</summary>
    public long Overhead { get; internal set; }

    /// <summary>Times a policy was asked who runs next.</summary>
    public long Decisions { get; internal set; }

    /// <summary>Times a CPU went on to another vCPU than it ran before.</summary>
    public long Switches { get; internal set; }

    /// <summary>A hash of who ran where and when: equal schedules have equal hashes.</summary>
    public ulong TraceHash { get; internal set; } = 14695981039346656037;

    /// <summary>
    /// Jain's index of what each got over what it was due: 1 where all were served alike, 1/n where one got all. Null where
    /// fluid shares were not followed.
    /// </summary>
    public double? JainIndex
    {
        get
        {
            double sum = 0;
            double squares = 0;
            int count = 0;
            foreach (SimulatedBooks vcpu in VCpus)
            {
                if (vcpu.FluidNanoseconds is not { } due)
                    return null;
                if (due <= 0)
                    continue;
                double ratio = vcpu.RunNanoseconds / due;
                sum += ratio;
                squares += ratio * ratio;
                count++;
            }

            return squares > 0 ? sum * sum / (count * squares) : null;
        }
    }
}
