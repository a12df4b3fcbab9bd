namespace Hypervisor.Core.Hart;

/// <summary>The hart's running counters at the moment of a CSR access, before the guest's own offsets.</summary>
/// <param name="Cycle">Cycles.</param>
/// <param name="Time">Ticks of the time CSR.</param>
/// <param name="Retired">Instructions retired, the accessing one not included.</param>
internal readonly record struct CsrCounters(ulong Cycle, ulong Time, ulong Retired);

/// <summary>What must be looked at again after a CSR write.</summary>
[Flags]
internal enum CsrEffects : byte
{
    None = 0,

    /// <summary>SUM, MXR, MPRV, MPP or FS changed: the address context in force may be another.</summary>
    ContextChanged = 1,

    /// <summary>Cached translations may be wrong (satp, PMP, menvcfg).</summary>
    TranslationChanged = 2,

    /// <summary>An interrupt may have become deliverable.</summary>
    InterruptsChanged = 4,

    /// <summary>The supervisor timer's deadline changed: see <see cref="CsrFile.TimerDeadline"/>.</summary>
    TimerChanged = 8,
}

/// <summary>The three ways in which the CSR instructions combine old value and operand.</summary>
internal enum CsrOperation : byte
{
    /// <summary>csrrw, csrrwi: the operand replaces the value.</summary>
    Write,

    /// <summary>csrrs, csrrsi: the operand's bits are set.</summary>
    Set,

    /// <summary>csrrc, csrrci: the operand's bits are cleared.</summary>
    Clear,
}

/// <summary>Bits of mip and mie (privileged specification, section 3.1.9).</summary>
internal static class InterruptBits
{
    public const ulong Ssi = 1UL << 1;
    public const ulong Msi = 1UL << 3;
    public const ulong Sti = 1UL << 5;
    public const ulong Mti = 1UL << 7;
    public const ulong Sei = 1UL << 9;
    public const ulong Mei = 1UL << 11;
    public const ulong Supervisor = Ssi | Sti | Sei;
    public const ulong All = Supervisor | Msi | Mti | Mei;
}
