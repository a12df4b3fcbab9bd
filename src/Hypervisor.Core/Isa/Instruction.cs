namespace Hypervisor.Core.Isa;

/// <summary>One decoded instruction: the operation and its operand fields, 16 bytes, no references.</summary>
/// <remarks>
/// What a field does not mean for an instruction's format is zero. A compressed instruction appears as the 32-bit
/// instruction it stands for, with <see cref="Length"/> 2 and its own 16 bits in <see cref="Raw"/>.
/// </remarks>
public readonly record struct Instruction
{
    /// <summary>
    /// The immediate, ready to use: I, S, B and J values sign-extended; U values already shifted left by 12; a shift
    /// amount; a CSR number; the 12 bits fm, predecessor and successor of a FENCE; acquire (bit 1) and release (bit 0)
    /// of an atomic.
    /// </summary>
    public int Immediate { get; init; }

    /// <summary>The instruction's own bits, a compressed one zero-extended from 16.</summary>
    public uint Raw { get; init; }

    /// <summary>The operation.</summary>
    public Opcode Opcode { get; init; }

    /// <summary>Destination register, integer or floating point as the operation says.</summary>
    public byte Rd { get; init; }

    /// <summary>First source register; for the CSR immediate forms the 5-bit immediate itself.</summary>
    public byte Rs1 { get; init; }

    /// <summary>Second source register.</summary>
    public byte Rs2 { get; init; }

    /// <summary>
    /// Third source register of a fused multiply-add. Of a vector instruction bit 0 is vm, clear where v0 masks it, and bits 3:1
    /// are one less than the number of fields or registers.
    /// </summary>
    public byte Rs3 { get; init; }

    /// <summary>The rm field of a floating-point instruction that has one, reserved values 5 and 6 included: they trap when run.</summary>
    public byte RoundingMode { get; init; }

    /// <summary>Length in bytes: 2 or 4. An illegal word also has the length its low bits announce.</summary>
    public byte Length { get; init; }

    /// <summary>Whether an atomic has acquire ordering.</summary>
    public bool IsAcquire => (Immediate & 2) != 0;

    /// <summary>Whether an atomic has release ordering.</summary>
    public bool IsRelease => (Immediate & 1) != 0;
}
