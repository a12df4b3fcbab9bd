namespace Hypervisor.Guests.Container.Oci;

/// <summary>How a rule compares an argument (config-linux.md, "Seccomp").</summary>
internal enum SeccompOperator
{
    NotEqual,
    Less,
    LessOrEqual,
    Equal,
    GreaterOrEqual,
    Greater,

    /// <summary>The argument under a mask equals the second value.</summary>
    MaskedEqual,
}

/// <summary>A comparison of one argument of a call, all 64 bits without sign.</summary>
/// <param name="Index">The argument, 0 to 5.</param>
/// <param name="Operator">How it is compared.</param>
/// <param name="Value">What with; for a masked comparison the mask.</param>
/// <param name="Second">What a masked argument must be.</param>
internal readonly record struct SeccompComparison(int Index, SeccompOperator Operator, ulong Value, ulong Second);

/// <summary>What becomes of some calls whose arguments pass all of its comparisons.</summary>
/// <param name="Names">The calls. Names that riscv64 has no call of mean nothing.</param>
/// <param name="Action">What becomes of them, as a filter returns it.</param>
/// <param name="Comparisons">What their arguments must pass; none for whatever they are.</param>
internal sealed record SeccompRule(IReadOnlyList<string> Names, uint Action, IReadOnlyList<SeccompComparison> Comparisons);
