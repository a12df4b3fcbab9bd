namespace Hypervisor.Lockstep;

/// <summary>What is compared of a hart between two instructions.</summary>
internal sealed class HartSnapshot
{
    /// <summary>The CSRs compared, in the order of <see cref="Csrs"/>, as both sides name them.</summary>
    public static readonly string[] CsrNames =
    [
        "mstatus", "mip", "mie", "mideleg", "medeleg", "mtvec", "stvec", "mepc", "sepc", "mcause", "scause", "mtval", "stval",
        "mscratch", "sscratch", "satp",
    ];

    public ulong Pc { get; set; }

    /// <summary>The privilege mode: 0, 1 or 3.</summary>
    public int Mode { get; set; }

    public ulong[] X { get; } = new ulong[32];

    public ulong[] Csrs { get; } = new ulong[CsrNames.Length];

    public void CopyFrom(HartSnapshot other)
    {
        Pc = other.Pc;
        Mode = other.Mode;
        other.X.CopyTo(X, 0);
        other.Csrs.CopyTo(Csrs, 0);
    }
}
