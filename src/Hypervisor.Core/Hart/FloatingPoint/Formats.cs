namespace Hypervisor.Core.Hart.FloatingPoint;

/// <summary>
/// An IEEE 754 binary interchange format of at most 64 bits. Implemented by empty structs only, so that the JIT compiles
/// <see cref="SoftFloat{TFormat}"/> once per format with these as constants.
/// </summary>
internal interface IFormat
{
    /// <summary>Stored significand bits, without the hidden one.</summary>
    static abstract int FractionBits { get; }

    /// <summary>Exponent bits.</summary>
    static abstract int ExponentBits { get; }
}

/// <summary>IEEE 754 binary16.</summary>
internal readonly struct Binary16 : IFormat
{
    /// <inheritdoc/>
    public static int FractionBits => 10;

    /// <inheritdoc/>
    public static int ExponentBits => 5;
}

/// <summary>IEEE 754 binary32.</summary>
internal readonly struct Binary32 : IFormat
{
    /// <inheritdoc/>
    public static int FractionBits => 23;

    /// <inheritdoc/>
    public static int ExponentBits => 8;
}

/// <summary>IEEE 754 binary64.</summary>
internal readonly struct Binary64 : IFormat
{
    /// <inheritdoc/>
    public static int FractionBits => 52;

    /// <inheritdoc/>
    public static int ExponentBits => 11;
}
