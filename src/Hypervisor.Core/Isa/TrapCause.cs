namespace Hypervisor.Core.Isa;

/// <summary>
/// The values of <c>mcause</c>, <c>scause</c> and <c>vscause</c> (privileged specification, tables 14 and 28): exceptions by
/// their number, interrupts with bit 63 set.
/// </summary>
public enum TrapCause : ulong
{
    /// <summary>Instruction address misaligned.</summary>
    InstructionAddressMisaligned = 0,

    /// <summary>Instruction access fault.</summary>
    InstructionAccessFault = 1,

    /// <summary>Illegal instruction.</summary>
    IllegalInstruction = 2,

    /// <summary>Breakpoint.</summary>
    Breakpoint = 3,

    /// <summary>Load address misaligned.</summary>
    LoadAddressMisaligned = 4,

    /// <summary>Load access fault.</summary>
    LoadAccessFault = 5,

    /// <summary>Store or AMO address misaligned.</summary>
    StoreAddressMisaligned = 6,

    /// <summary>Store or AMO access fault.</summary>
    StoreAccessFault = 7,

    /// <summary>Environment call from U-mode or VU-mode.</summary>
    EcallFromU = 8,

    /// <summary>Environment call from S-mode (HS-mode).</summary>
    EcallFromS = 9,

    /// <summary>Environment call from VS-mode.</summary>
    EcallFromVs = 10,

    /// <summary>Environment call from M-mode.</summary>
    EcallFromM = 11,

    /// <summary>Instruction page fault.</summary>
    InstructionPageFault = 12,

    /// <summary>Load page fault.</summary>
    LoadPageFault = 13,

    /// <summary>Store or AMO page fault.</summary>
    StorePageFault = 15,

    /// <summary>Instruction guest-page fault.</summary>
    InstructionGuestPageFault = 20,

    /// <summary>Load guest-page fault.</summary>
    LoadGuestPageFault = 21,

    /// <summary>Virtual instruction.</summary>
    VirtualInstruction = 22,

    /// <summary>Store or AMO guest-page fault.</summary>
    StoreGuestPageFault = 23,

    /// <summary>The bit that marks an interrupt.</summary>
    InterruptFlag = 1UL << 63,

    /// <summary>Supervisor software interrupt.</summary>
    SupervisorSoftwareInterrupt = InterruptFlag | 1,

    /// <summary>Virtual supervisor software interrupt.</summary>
    VirtualSupervisorSoftwareInterrupt = InterruptFlag | 2,

    /// <summary>Machine software interrupt.</summary>
    MachineSoftwareInterrupt = InterruptFlag | 3,

    /// <summary>Supervisor timer interrupt.</summary>
    SupervisorTimerInterrupt = InterruptFlag | 5,

    /// <summary>Virtual supervisor timer interrupt.</summary>
    VirtualSupervisorTimerInterrupt = InterruptFlag | 6,

    /// <summary>Machine timer interrupt.</summary>
    MachineTimerInterrupt = InterruptFlag | 7,

    /// <summary>Supervisor external interrupt.</summary>
    SupervisorExternalInterrupt = InterruptFlag | 9,

    /// <summary>Virtual supervisor external interrupt.</summary>
    VirtualSupervisorExternalInterrupt = InterruptFlag | 10,

    /// <summary>Machine external interrupt.</summary>
    MachineExternalInterrupt = InterruptFlag | 11,

    /// <summary>Supervisor guest external interrupt.</summary>
    SupervisorGuestExternalInterrupt = InterruptFlag | 12,

    /// <summary>Local counter overflow interrupt.</summary>
    LocalCounterOverflowInterrupt = InterruptFlag | 13,
}
