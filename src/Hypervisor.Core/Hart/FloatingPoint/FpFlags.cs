namespace Hypervisor.Core.Hart.FloatingPoint;

/// <summary>The accrued exception flags, as the low five bits of <c>fcsr</c> (RISC-V F, "Floating-Point Control and Status Register").</summary>
internal static class FpFlags
{
    /// <summary>Inexact.</summary>
    public const uint NX = 1;

    /// <summary>Underflow: tiny after rounding, and inexact.</summary>
    public const uint UF = 2;

    /// <summary>Overflow.</summary>
    public const uint OF = 4;

    /// <summary>Division of a finite non-zero number by zero.</summary>
    public const uint DZ = 8;

    /// <summary>Invalid operation.</summary>
    public const uint NV = 16;
}

/// <summary>Resolved rounding modes, as encoded in the <c>rm</c> field and in <c>frm</c>. Never "dynamic": the caller resolves it.</summary>
internal static class FpRounding
{
    /// <summary>To nearest, ties to even.</summary>
    public const int RNE = 0;

    /// <summary>Towards zero.</summary>
    public const int RTZ = 1;

    /// <summary>Towards minus infinity.</summary>
    public const int RDN = 2;

    /// <summary>Towards plus infinity.</summary>
    public const int RUP = 3;

    /// <summary>To nearest, ties away from zero.</summary>
    public const int RMM = 4;
}
