using System.Runtime.InteropServices;

namespace Hypervisor.Core.Hart;

/// <summary>Privilege levels, numbered as in the privileged specification, section 1.2.</summary>
internal enum PrivilegeMode : byte
{
    User = 0,
    Supervisor = 1,
    Machine = 3,
}

/// <summary>
/// The machine- and supervisor-level control and status registers of a hart. One lives in every <see cref="HartState"/>;
/// trap-and-emulate keeps a second, virtual one and runs the same CSR logic over it.
/// </summary>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct PrivilegedState
{
    public ulong Mstatus, Misa, Medeleg, Mideleg, Mie, Mtvec, Mscratch, Mepc, Mcause, Mtval;
    public ulong Mcounteren, Mcountinhibit, Menvcfg, Mseccfg, Mhartid;
    public ulong Stvec, Sscratch, Sepc, Scause, Stval, Satp, Scounteren, Senvcfg;

    /// <summary>Sstc deadline in ticks of the time CSR; <see cref="ulong.MaxValue"/> when unarmed.</summary>
    public ulong Stimecmp;

    /// <summary>Pending interrupts. Devices on other threads set and clear bits: always through Interlocked.</summary>
    public ulong Mip;

    /// <summary>
    /// The SEIP bit that machine-mode software set: kept apart from the interrupt controller's, because a read of mip shows
    /// the OR of both while a read-modify-write changes only this one (privileged specification, section 3.1.9).
    /// </summary>
    public ulong SoftwareSeip;

    /// <summary>Offsets that a guest's writes to mcycle and minstret put on the hart's counters.</summary>
    public ulong McycleOffset, MinstretOffset;

    public fixed byte PmpConfig[16];
    public fixed ulong PmpAddress[16];

    /// <summary>
    /// The widest range that PMP leaves wholly to supervisor and user mode, kept by <see cref="Pmp"/>: nearly every check falls
    /// into it. Empty where there is none.
    /// </summary>
    public ulong PmpOpenStart, PmpOpenBytes;

    public PrivilegeMode Mode;
}
