namespace Hypervisor.Core.Scheduling;

/// <summary>What may run where, beyond affinities.</summary>
internal interface IRunFilter
{
    /// <summary>Whether one may run on a CPU now.</summary>
    bool MayRun(int vcpu, int cpu);

    /// <summary>One that is the next in order may not run on a CPU.</summary>
    void Refused(int vcpu)
    {
    }
}

/// <summary>For policies whose entities use several CPUs at once.</summary>
internal interface IGangFilter : IRunFilter
{
    /// <summary>The same, of one that is not the next in order.</summary>
    bool Fits(int vcpu);

    /// <summary>Until when one that is taken now runs, which by itself would run until a moment: what is taken within a round ends with it.</summary>
    long RunsUntil(long until);

    /// <summary>The most CPUs that one may come to use in a run.</summary>
    int MostCpus(int vcpu);
}
