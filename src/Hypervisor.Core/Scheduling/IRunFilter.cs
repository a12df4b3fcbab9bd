namespace Hypervisor.Core.Scheduling;

/// <summary>What may run where, beyond affinities.</summary>
internal interface IRunFilter
{
    /// <summary>Whether one may run on a CPU now.</summary>
    bool MayRun(int vcpu, int cpu);
}
