namespace Hypervisor.Core.Isa.Vector;

/// <summary>
/// How the operands of vector instructions are written, in order, a letter each: d, 1 and 2 the vector registers vd, vs1 and vs2;
/// x and f the scalar register rs1; X and F the scalar register rd; i and u its field as a signed or unsigned immediate;
/// a the address in rs1; s the stride in rs2; t a vtype; m the mask, which may be left out; 0 the mask, which may not.
/// </summary>
internal static class VectorOperands
{
    /// <summary>The letters of a format; null where it is no vector format.</summary>
    public static string? Of(InstructionFormat format) => format switch
    {
        InstructionFormat.VectorVv => "d21m",
        InstructionFormat.VectorVx => "d2xm",
        InstructionFormat.VectorVi => "d2im",
        InstructionFormat.VectorVu => "d2um",
        InstructionFormat.VectorVf => "d2fm",
        InstructionFormat.VectorVvAdd => "d12m",
        InstructionFormat.VectorVxAdd => "dx2m",
        InstructionFormat.VectorVfAdd => "df2m",
        InstructionFormat.VectorUnary => "d2m",
        InstructionFormat.VectorVvm => "d210",
        InstructionFormat.VectorVxm => "d2x0",
        InstructionFormat.VectorVim => "d2i0",
        InstructionFormat.VectorVfm => "d2f0",
        InstructionFormat.VectorMoveV => "d1",
        InstructionFormat.VectorMoveX => "dx",
        InstructionFormat.VectorMoveI => "di",
        InstructionFormat.VectorMoveF => "df",
        InstructionFormat.VectorToInteger => "X2m",
        InstructionFormat.VectorToFloat => "F2",
        InstructionFormat.VectorNullary => "dm",
        InstructionFormat.VectorLoad => "dam",
        InstructionFormat.VectorWhole => "da",
        InstructionFormat.VectorStrided => "dasm",
        InstructionFormat.VectorIndexed => "da2m",
        InstructionFormat.VectorSet => "Xxt",
        InstructionFormat.VectorSetImmediate => "Xut",
        _ => null,
    };

    /// <summary>The bits of a word that <see cref="Instruction.Rs3"/> holds: vm, and above it the number of fields.</summary>
    public static byte Modifiers(uint word) => (byte)(word >> 25 & 1 | word >> 28 & 0xe);

    /// <summary>The inverse of <see cref="Modifiers"/>.</summary>
    public static uint ModifierBits(byte modifiers) => (modifiers & 1u) << 25 | (modifiers & 0xeu) << 28;

    /// <summary>Whether the number of fields is an operand, written into the mnemonic.</summary>
    public static bool HasFields(InstructionFormat format) => format is InstructionFormat.VectorLoad or InstructionFormat.VectorStrided
        or InstructionFormat.VectorIndexed or InstructionFormat.VectorWhole;

    /// <summary>The decoded fields of a word.</summary>
    public static Instruction Decode(Opcode opcode, InstructionFormat format, uint word)
    {
        var rs1 = (byte)(word >> 15 & 31);
        if (format == InstructionFormat.VectorWhole && word >> 29 is not (0 or 1 or 3 or 7))
        {
            // Only one, two, four or eight registers go at once.
            opcode = Opcode.Illegal;
        }

        return new Instruction
        {
            Opcode = opcode,
            Raw = word,
            Rd = (byte)(word >> 7 & 31),
            Rs1 = rs1,
            Rs2 = format is InstructionFormat.VectorSet or InstructionFormat.VectorSetImmediate ? (byte)0 : (byte)(word >> 20 & 31),
            Rs3 = format is InstructionFormat.VectorSet or InstructionFormat.VectorSetImmediate ? (byte)0 : Modifiers(word),
            Immediate = format switch
            {
                InstructionFormat.VectorSet => (int)(word >> 20 & 0x7ff),
                InstructionFormat.VectorSetImmediate => (int)(word >> 20 & 0x3ff),
                InstructionFormat.VectorVu => rs1,
                InstructionFormat.VectorVi or InstructionFormat.VectorVim or InstructionFormat.VectorMoveI => (sbyte)(rs1 << 3) >> 3,
                _ => 0,
            },
            Length = 4,
        };
    }
}
