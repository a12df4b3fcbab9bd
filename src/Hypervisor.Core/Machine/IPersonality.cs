using Hypervisor.Core.Engine;

namespace Hypervisor.Core.Machine;

/// <summary>What a personality decided about an exit.</summary>
internal enum ExitVerdict : byte
{
    /// <summary>Handled: run on at the program counter as it now stands.</summary>
    Resume,

    /// <summary>Give up the rest of the slice, stay runnable.</summary>
    Yield,

    /// <summary>Sleep until somebody wakes the vCPU.</summary>
    Block,

    /// <summary>The vCPU will never run again.</summary>
    Stop,
}

/// <summary>
/// What makes a mode a mode, beside its exit controls and its translator: what an exit means. One object may serve many
/// vCPUs of its machine; all calls for one vCPU come from the thread that runs it.
/// </summary>
internal interface IPersonality
{
    /// <summary>The mode's name: bare, full, assisted, para or container.</summary>
    string Name { get; }

    /// <summary>
    /// Called when a slice begins: whether the vCPU may run in it. Any verdict but Resume ends the slice as one of an exit would: Block keeps the
    /// vCPU off until it is woken, as a limit on its processor time does.
    /// </summary>
    ExitVerdict BeforeSlice(VCpu vcpu);

    /// <summary>Called before the engine is entered after a wait, a kick or a slice edge: inject what is pending.</summary>
    void PrepareRun(VCpu vcpu);

    /// <summary>Handles an exit. Never called for an expired budget or for attention.</summary>
    ExitVerdict OnExit(VCpu vcpu, in VmExit exit);

    /// <summary>
    /// Called with Block, after the vCPU is marked as waiting: true where something arrived meanwhile that must wake it.
    /// </summary>
    bool HasPendingWork(VCpu vcpu);
}
