namespace Hypervisor.Core.Machine;

/// <summary>What a physical CPU did: run vCPUs or idle.</summary>
public sealed class PhysicalCpu
{
    internal PhysicalCpu(int number) => Number = number;

    /// <summary>Its number, from 0.</summary>
    public int Number { get; }

    /// <summary>Nanoseconds it ran vCPUs.</summary>
    public long BusyNanoseconds { get; internal set; }

    /// <summary>Nanoseconds it had nothing to run.</summary>
    public long IdleNanoseconds { get; internal set; }

    /// <summary>Slices it ran.</summary>
    public long Slices { get; internal set; }

    /// <summary>In virtual time, how far it has come.</summary>
    internal long LocalTime { get; set; }

    /// <summary>In virtual time, picoseconds of its last slice that are no whole nanosecond.</summary>
    internal long LocalPicoseconds { get; set; }

    internal bool IsIdle { get; set; }

    /// <summary>The timer by which an idle CPU picks again when the policy said so.</summary>
    internal int LookTimer { get; set; }

    /// <summary>Whether that timer is armed.</summary>
    internal bool LooksAgain { get; set; }

    internal VCpu? Current { get; set; }

    /// <summary>When the slice in progress ends at the latest.</summary>
    internal long SliceEnd { get; set; }

    /// <summary>In virtual time, what was run of the slice in progress: timers interrupt a slice and do not end it.</summary>
    internal long SliceUsed { get; set; }

    /// <summary>In virtual time, how the slice ended, where that has not been told to the policy yet.</summary>
    internal SliceEnd? EndedBy { get; set; }

    /// <summary>In virtual time, when the policy wants the slice in progress to end.</summary>
    internal long StopAt { get; set; }

    /// <summary>In virtual time, up to when the vCPU in guest code may go on.</summary>
    internal long Horizon { get; set; }
}
