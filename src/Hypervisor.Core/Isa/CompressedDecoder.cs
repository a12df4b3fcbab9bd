namespace Hypervisor.Core.Isa;

/// <summary>Expands the compressed instructions of RV64C with D (unprivileged specification, chapter 28).</summary>
/// <remarks>
/// Hints expand to the instruction without effect that they look like; encodings the specification marks reserved, and
/// the all-zero halfword, are illegal.
/// </remarks>
internal static class CompressedDecoder
{
    internal static Instruction Decode(ushort half)
    {
        uint c = half;
        return (c & 3) switch
        {
            0 => Quadrant0(c),
            1 => Quadrant1(c),
            _ => Quadrant2(c),
        };
    }

    private static Instruction Quadrant0(uint c)
    {
        var rd = (byte)(8 + (c >> 2 & 7));
        var rs1 = (byte)(8 + (c >> 7 & 7));
        var word = (int)(c >> 7 & 0x38 | c << 1 & 0x40 | c >> 4 & 0x04);
        var doubleWord = (int)(c >> 7 & 0x38 | c << 1 & 0xc0);
        switch (c >> 13)
        {
            case 0:
                // c.addi4spn; a zero immediate is reserved, the all-zero halfword being the defined illegal instruction.
                var offset = (int)(c >> 7 & 0x30 | c >> 1 & 0x3c0 | c >> 4 & 0x04 | c >> 2 & 0x08);
                return offset == 0 ? Illegal(c) : Make(Opcode.Addi, c, rd, Registers.StackPointer, 0, offset);
            case 1:
                return Make(Opcode.Fld, c, rd, rs1, 0, doubleWord);
            case 2:
                return Make(Opcode.Lw, c, rd, rs1, 0, word);
            case 3:
                return Make(Opcode.Ld, c, rd, rs1, 0, doubleWord);
            case 5:
                return Make(Opcode.Fsd, c, 0, rs1, rd, doubleWord);
            case 6:
                return Make(Opcode.Sw, c, 0, rs1, rd, word);
            case 7:
                return Make(Opcode.Sd, c, 0, rs1, rd, doubleWord);
            default:
                return Illegal(c);
        }
    }

    private static Instruction Quadrant1(uint c)
    {
        var rd = (byte)(c >> 7 & 31);
        var rs1 = (byte)(8 + (c >> 7 & 7));
        var immediate = (int)(c << 19) >> 31 << 5 | (int)(c >> 2 & 31);
        switch (c >> 13)
        {
            case 0:
                return Make(Opcode.Addi, c, rd, rd, 0, immediate);
            case 1:
                return rd == 0 ? Illegal(c) : Make(Opcode.Addiw, c, rd, rd, 0, immediate);
            case 2:
                return Make(Opcode.Addi, c, rd, 0, 0, immediate);
            case 3 when rd == Registers.StackPointer:
                var adjust = (int)(c << 19) >> 31 << 9
                    | (int)(c >> 2 & 0x10 | c << 1 & 0x40 | c << 4 & 0x180 | c << 3 & 0x20);
                return adjust == 0 ? Illegal(c) : Make(Opcode.Addi, c, rd, rd, 0, adjust);
            case 3:
                return immediate == 0 ? Illegal(c) : Make(Opcode.Lui, c, rd, 0, 0, immediate << 12);
            case 4:
                return Arithmetic(c, rs1, immediate);
            case 5:
                var target = (int)(c << 19) >> 31 << 11
                    | (int)(c << 2 & 0x400 | c >> 1 & 0x300 | c << 1 & 0x80 | c >> 1 & 0x40 | c << 3 & 0x20
                        | c >> 7 & 0x10 | c >> 2 & 0x0e);
                return Make(Opcode.Jal, c, 0, 0, 0, target);
            default:
                var branch = (int)(c << 19) >> 31 << 8
                    | (int)(c << 1 & 0xc0 | c << 3 & 0x20 | c >> 7 & 0x18 | c >> 2 & 0x06);
                return Make(c >> 13 == 6 ? Opcode.Beq : Opcode.Bne, c, 0, rs1, 0, branch);
        }
    }

    private static Instruction Arithmetic(uint c, byte rd, int immediate)
    {
        switch (c >> 10 & 3)
        {
            case 0:
                return Make(Opcode.Srli, c, rd, rd, 0, immediate & 63);
            case 1:
                return Make(Opcode.Srai, c, rd, rd, 0, immediate & 63);
            case 2:
                return Make(Opcode.Andi, c, rd, rd, 0, immediate);
        }

        var opcode = ((c >> 12 & 1) << 2 | c >> 5 & 3) switch
        {
            0 => Opcode.Sub,
            1 => Opcode.Xor,
            2 => Opcode.Or,
            3 => Opcode.And,
            4 => Opcode.Subw,
            5 => Opcode.Addw,
            _ => Opcode.Illegal,
        };
        return opcode == Opcode.Illegal ? Illegal(c) : Make(opcode, c, rd, rd, (byte)(8 + (c >> 2 & 7)), 0);
    }

    private static Instruction Quadrant2(uint c)
    {
        var rd = (byte)(c >> 7 & 31);
        var rs2 = (byte)(c >> 2 & 31);
        var doubleWord = (int)(c >> 7 & 0x20 | c >> 2 & 0x18 | c << 4 & 0x1c0);
        var storeDoubleWord = (int)(c >> 7 & 0x38 | c >> 1 & 0x1c0);
        switch (c >> 13)
        {
            case 0:
                return Make(Opcode.Slli, c, rd, rd, 0, (int)(c >> 7 & 0x20 | c >> 2 & 0x1f));
            case 1:
                return Make(Opcode.Fld, c, rd, Registers.StackPointer, 0, doubleWord);
            case 2:
                return rd == 0
                    ? Illegal(c)
                    : Make(Opcode.Lw, c, rd, Registers.StackPointer, 0, (int)(c >> 7 & 0x20 | c >> 2 & 0x1c | c << 4 & 0xc0));
            case 3:
                return rd == 0 ? Illegal(c) : Make(Opcode.Ld, c, rd, Registers.StackPointer, 0, doubleWord);
            case 4:
                return JumpMoveAdd(c, rd, rs2);
            case 5:
                return Make(Opcode.Fsd, c, 0, Registers.StackPointer, rs2, storeDoubleWord);
            case 6:
                return Make(Opcode.Sw, c, 0, Registers.StackPointer, rs2, (int)(c >> 7 & 0x3c | c >> 1 & 0xc0));
            default:
                return Make(Opcode.Sd, c, 0, Registers.StackPointer, rs2, storeDoubleWord);
        }
    }

    private static Instruction JumpMoveAdd(uint c, byte rd, byte rs2)
    {
        var second = (c & 0x1000) != 0;
        if (rs2 != 0)
        {
            return Make(Opcode.Add, c, rd, second ? rd : (byte)0, rs2, 0);
        }

        if (rd != 0)
        {
            return Make(Opcode.Jalr, c, second ? Registers.ReturnAddress : (byte)0, rd, 0, 0);
        }

        return second ? Make(Opcode.Ebreak, c, 0, 0, 0, 0) : Illegal(c);
    }

    private static Instruction Illegal(uint c) => new() { Opcode = Opcode.Illegal, Raw = c, Length = 2 };

    private static Instruction Make(Opcode opcode, uint c, byte rd, byte rs1, byte rs2, int immediate)
        => new()
        {
            Opcode = opcode,
            Raw = c,
            Rd = rd,
            Rs1 = rs1,
            Rs2 = rs2,
            Immediate = immediate,
            Length = 2,
        };
}
