namespace Hypervisor.Guests.Common.Sbi;

/// <summary>One call of a supervisor to its execution environment: the registers of the SBI calling convention.</summary>
internal readonly struct SbiCall
{
    /// <summary>The calling hart.</summary>
    public readonly int Hart;

    /// <summary>Whether the call is an entry of a batch, so that it must come back at once.</summary>
    public readonly bool Nested;

    /// <summary>Extension number, a7.</summary>
    public readonly ulong Extension;

    /// <summary>Function number, a6.</summary>
    public readonly ulong Function;

    /// <summary>Arguments, a0 to a5.</summary>
    public readonly ulong A0, A1, A2, A3, A4, A5;

    public SbiCall(int hart, ulong extension, ulong function,
        ulong a0 = 0, ulong a1 = 0, ulong a2 = 0, ulong a3 = 0, ulong a4 = 0, ulong a5 = 0, bool nested = false)
    {
        Hart = hart;
        Nested = nested;
        Extension = extension;
        Function = function;
        A0 = a0;
        A1 = a1;
        A2 = a2;
        A3 = a3;
        A4 = a4;
        A5 = a5;
    }
}
