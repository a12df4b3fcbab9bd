using Hypervisor.Core.Isa.Vector;

namespace Hypervisor.Core.Isa.Assembly;

/// <summary>Assembles instructions: reads operands as a format has them, encodes, and notes what waits for addresses.</summary>
internal sealed class InstructionAssembler(AssemblyContext context)
{
    private readonly List<Instruction> _sequence = [];

    /// <summary>Assembles one instruction or pseudo-instruction at the current place.</summary>
    internal void Assemble(string mnemonic, List<string> operands)
    {
        if (!context.Section.IsExecutable)
        {
            throw new AssemblyErrorException($"instruction in section {context.Section.Name}, which is not executable");
        }

        if ((context.Section.Size & 1) != 0)
        {
            throw new AssemblyErrorException("instruction at an odd address; put .balign 4 before it");
        }

        if (TryAddressPseudo(mnemonic, operands))
        {
            return;
        }

        if (PseudoInstructions.TryExpand(mnemonic, operands, out var realMnemonic, out var realOperands))
        {
            Assemble(realMnemonic, realOperands);
            return;
        }

        if (!TryFind(mnemonic, out var row, out var ordering))
        {
            if (VectorText.TryExpand(ref mnemonic, ref operands))
            {
                Assemble(mnemonic, operands);
                return;
            }

            if (VectorText.TryFind(mnemonic, out row, out var modifiers))
            {
                context.EmitWord(Encoder.Encode(VectorText.Assemble(row, modifiers, operands, context)));
                return;
            }

            throw new AssemblyErrorException(PseudoInstructions.Exists(mnemonic)
                ? $"'{mnemonic}' does not take {operands.Count} operands"
                : $"unknown instruction '{mnemonic}'");
        }

        AssembleRow(row, ordering, operands);
    }

    private static bool TryFind(string mnemonic, out InstructionRow row, out int ordering)
    {
        ordering = 0;
        if (InstructionTable.TryFind(mnemonic, out row))
        {
            return true;
        }

        var dot = mnemonic.LastIndexOf('.');
        ordering = (dot < 0 ? "" : mnemonic[dot..]) switch
        {
            ".rl" => 1,
            ".aq" => 2,
            ".aqrl" => 3,
            _ => 0,
        };
        return ordering != 0 && InstructionTable.TryFind(mnemonic[..dot], out row)
            && row.Format is InstructionFormat.Atomic or InstructionFormat.LoadReserved;
    }

    /// <summary>The pseudo-instructions that make several instructions.</summary>
    private bool TryAddressPseudo(string mnemonic, List<string> operands)
    {
        switch (mnemonic)
        {
            case "li":
                Expect(mnemonic, operands, 2);
                var value = context.Constant(operands[1], "the value of li");
                _sequence.Clear();
                LoadImmediate.Expand(value, Operand.Integer(operands[0]), _sequence);
                foreach (var instruction in _sequence)
                {
                    context.EmitWord(Encoder.Encode(instruction));
                }

                return true;
            case "la" or "lla":
                Expect(mnemonic, operands, 2);
                var register = Operand.Integer(operands[0]);
                EmitPair(register, operands[1], new Instruction { Opcode = Opcode.Addi, Rd = register, Rs1 = register });
                return true;
            case "call" when operands.Count == 2:
                var link = Operand.Integer(operands[0]);
                EmitPair(link, operands[1], new Instruction { Opcode = Opcode.Jalr, Rd = link, Rs1 = link });
                return true;
            case "call":
                Expect(mnemonic, operands, 1);
                const byte ra = Registers.ReturnAddress;
                EmitPair(ra, operands[0], new Instruction { Opcode = Opcode.Jalr, Rd = ra, Rs1 = ra });
                return true;
            case "tail":
                Expect(mnemonic, operands, 1);
                EmitPair(6, operands[0], new Instruction { Opcode = Opcode.Jalr, Rs1 = 6 });
                return true;
            case "jump":
                Expect(mnemonic, operands, 2);
                var through = Operand.Integer(operands[1]);
                EmitPair(through, operands[0], new Instruction { Opcode = Opcode.Jalr, Rs1 = through });
                return true;
            case "fence.tso":
                Expect(mnemonic, operands, 0);
                context.EmitWord(Encoder.Encode(new Instruction { Opcode = Opcode.Fence, Immediate = 0x833 }));
                return true;
            default:
                return false;
        }
    }

    // The AUIPC gets the register that carries the upper part; the second instruction adds the lower.
    private void EmitPair(byte carrier, string target, in Instruction second)
    {
        context.AddFixup(FixupKind.Pair, context.Parse(target), second.Opcode);
        context.EmitWord(Encoder.Encode(new Instruction { Opcode = Opcode.Auipc, Rd = carrier }));
        context.EmitWord(Encoder.Encode(second));
    }

    private void AssembleRow(in InstructionRow row, int ordering, List<string> operands)
    {
        if (row.Format >= InstructionFormat.VectorSet)
        {
            context.EmitWord(Encoder.Encode(VectorText.Assemble(row, 0, operands, context)));
            return;
        }

        var i = new Instruction { Opcode = row.Opcode, Immediate = ordering };
        switch (row.Format)
        {
            case InstructionFormat.None:
                Expect(row.Mnemonic, operands, 0);
                break;
            case InstructionFormat.Upper:
                Expect(row.Mnemonic, operands, 2);
                i = i with { Rd = Operand.Integer(operands[0]), Immediate = Immediate(row.Opcode, operands[1]) };
                break;
            case InstructionFormat.Jump:
                Expect(row.Mnemonic, operands, 2);
                i = i with { Rd = Operand.Integer(operands[0]) };
                context.AddFixup(FixupKind.Target, context.Parse(operands[1]), row.Opcode);
                break;
            case InstructionFormat.Branch:
                Expect(row.Mnemonic, operands, 3);
                i = i with { Rs1 = Operand.Integer(operands[0]), Rs2 = Operand.Integer(operands[1]) };
                context.AddFixup(FixupKind.Target, context.Parse(operands[2]), row.Opcode);
                break;
            case InstructionFormat.JumpRegister:
                i = JumpRegister(i, operands);
                break;
            case InstructionFormat.Load or InstructionFormat.FloatLoad or InstructionFormat.Store or InstructionFormat.FloatStore:
                LoadOrStore(row, operands);
                return;
            case InstructionFormat.Immediate or InstructionFormat.Shift or InstructionFormat.ShiftWord or InstructionFormat.KeyRound:
                Expect(row.Mnemonic, operands, 3);
                i = i with
                {
                    Rd = Operand.Integer(operands[0]),
                    Rs1 = Operand.Integer(operands[1]),
                    Immediate = Immediate(row.Opcode, operands[2]),
                };
                break;
            case InstructionFormat.Register:
                Expect(row.Mnemonic, operands, 3);
                if (!Registers.TryParse(operands[2], out var rs2) && TryImmediateForm(row.Mnemonic, out var immediateRow))
                {
                    AssembleRow(immediateRow, 0, operands);
                    return;
                }

                i = i with { Rd = Operand.Integer(operands[0]), Rs1 = Operand.Integer(operands[1]), Rs2 = Operand.Integer(operands[2]) };
                break;
            case InstructionFormat.ByteSelect:
                Expect(row.Mnemonic, operands, 4);
                i = i with
                {
                    Rd = Operand.Integer(operands[0]),
                    Rs1 = Operand.Integer(operands[1]),
                    Rs2 = Operand.Integer(operands[2]),
                    Immediate = Immediate(row.Opcode, operands[3]),
                };
                break;
            case InstructionFormat.Unary:
                Expect(row.Mnemonic, operands, 2);
                i = i with { Rd = Operand.Integer(operands[0]), Rs1 = Operand.Integer(operands[1]) };
                break;
            case InstructionFormat.Fence:
                Expect(row.Mnemonic, operands, 2);
                i = i with { Immediate = Operand.FenceSet(operands[0]) << 4 | Operand.FenceSet(operands[1]) };
                break;
            case InstructionFormat.Csr or InstructionFormat.CsrImmediate:
                i = Csr(row, operands);
                break;
            case InstructionFormat.AddressFence:
                Expect(row.Mnemonic, operands, 2);
                i = i with { Rs1 = Operand.Integer(operands[0]), Rs2 = Operand.Integer(operands[1]) };
                break;
            case InstructionFormat.LoadReserved:
                Expect(row.Mnemonic, operands, 2);
                i = i with { Rd = Operand.Integer(operands[0]), Rs1 = Address(operands[1]) };
                break;
            case InstructionFormat.Atomic:
                Expect(row.Mnemonic, operands, 3);
                i = i with { Rd = Operand.Integer(operands[0]), Rs2 = Operand.Integer(operands[1]), Rs1 = Address(operands[2]) };
                break;
            case InstructionFormat.Prefetch:
                Expect(row.Mnemonic, operands, 1);
                if (!Operand.TrySplitAddress(operands[0], out var offset, out var at))
                {
                    throw new AssemblyErrorException($"'{operands[0]}' must be an address like 32(a0)");
                }

                i = i with { Rs1 = at, Immediate = offset.Length == 0 ? 0 : Immediate(row.Opcode, offset) };
                break;
            case InstructionFormat.CacheBlock:
                Expect(row.Mnemonic, operands, 1);
                i = i with { Rs1 = Address(operands[0]) };
                break;
            default:
                i = Float(row, i, operands);
                break;
        }

        context.EmitWord(Encoder.Encode(i));
    }

    private static Instruction Float(in InstructionRow row, Instruction i, List<string> operands)
    {
        var (count, hasRounding) = row.Format switch
        {
            InstructionFormat.FloatFused => (4, true),
            InstructionFormat.FloatArithmetic => (3, true),
            InstructionFormat.FloatRegister or InstructionFormat.FloatCompare => (3, false),
            InstructionFormat.FloatUnary or InstructionFormat.FloatToInteger or InstructionFormat.IntegerToFloat => (2, true),
            _ => (2, false),
        };
        if (hasRounding)
        {
            i = i with { RoundingMode = Disassembler.DefaultRoundingMode(row.Opcode) };
            if (operands.Count == count + 1)
            {
                i = Disassembler.TryParseRoundingMode(operands[count], out var mode)
                    ? i with { RoundingMode = mode }
                    : throw new AssemblyErrorException($"'{operands[count]}' is not a rounding mode (rne, rtz, rdn, rup, rmm, dyn)");
                count++;
            }
        }

        Expect(row.Mnemonic, operands, count);
        var toInteger = row.Format is InstructionFormat.FloatCompare or InstructionFormat.FloatToInteger or InstructionFormat.FloatBitsToInteger;
        var fromInteger = row.Format is InstructionFormat.IntegerToFloat or InstructionFormat.IntegerBitsToFloat;
        return i with
        {
            Rd = toInteger ? Operand.Integer(operands[0]) : Operand.Float(operands[0]),
            Rs1 = fromInteger ? Operand.Integer(operands[1]) : Operand.Float(operands[1]),
            Rs2 = row.Format is InstructionFormat.FloatFused or InstructionFormat.FloatArithmetic
                or InstructionFormat.FloatRegister or InstructionFormat.FloatCompare ? Operand.Float(operands[2]) : (byte)0,
            Rs3 = row.Format == InstructionFormat.FloatFused ? Operand.Float(operands[3]) : (byte)0,
        };
    }

    private Instruction Csr(in InstructionRow row, List<string> operands)
    {
        Expect(row.Mnemonic, operands, 3);
        var number = CsrNumber.TryParse(operands[1], out var named)
            ? named
            : Ranges.Check(Opcode.Csrrw, context.Constant(operands[1], "the CSR"));
        var rd = Operand.Integer(operands[0]);
        if (row.Format == InstructionFormat.Csr && Registers.TryParse(operands[2], out var rs1))
        {
            return new Instruction { Opcode = row.Opcode, Rd = rd, Rs1 = rs1, Immediate = number };
        }

        // With a number for a register the immediate form is meant, as in csrw sscratch, 0.
        var opcode = row.Format == InstructionFormat.Csr ? row.Opcode + (Opcode.Csrrwi - Opcode.Csrrw) : row.Opcode;
        var value = Ranges.Check(opcode, context.Constant(operands[2], "the immediate"));
        return new Instruction { Opcode = opcode, Rd = rd, Rs1 = (byte)value, Immediate = number };
    }

    private Instruction JumpRegister(Instruction i, List<string> operands)
    {
        if (operands.Count is not (2 or 3))
        {
            Expect("jalr", operands, 2);
        }

        i = i with { Rd = Operand.Integer(operands[0]) };
        if (operands.Count == 3)
        {
            return i with { Rs1 = Operand.Integer(operands[1]), Immediate = Immediate(i.Opcode, operands[2]) };
        }

        return Operand.TrySplitAddress(operands[1], out var offset, out var register)
            ? i with { Rs1 = register, Immediate = offset.Length == 0 ? 0 : Immediate(i.Opcode, offset) }
            : i with { Rs1 = Operand.Integer(operands[1]) };
    }

    private void LoadOrStore(in InstructionRow row, List<string> operands)
    {
        var isFloat = row.Format is InstructionFormat.FloatLoad or InstructionFormat.FloatStore;
        var isStore = row.Format is InstructionFormat.Store or InstructionFormat.FloatStore;
        if (operands.Count is not (2 or 3))
        {
            Expect(row.Mnemonic, operands, 2);
        }

        var value = isFloat ? Operand.Float(operands[0]) : Operand.Integer(operands[0]);
        var i = new Instruction { Opcode = row.Opcode, Rd = isStore ? (byte)0 : value, Rs2 = isStore ? value : (byte)0 };
        if (operands.Count == 2 && Operand.TrySplitAddress(operands[1], out var offset, out var register))
        {
            i = i with { Rs1 = register, Immediate = offset.Length == 0 ? 0 : Immediate(row.Opcode, offset) };
            context.EmitWord(Encoder.Encode(i));
            return;
        }

        // Of a symbol: an integer load goes through its own destination, all others name a register to go through.
        var needsTemporary = isStore || isFloat;
        if (needsTemporary != (operands.Count == 3))
        {
            throw new AssemblyErrorException(needsTemporary
                ? $"'{row.Mnemonic}' needs an address like 8(sp), or a symbol and a register to reach it through"
                : $"'{row.Mnemonic}' with a symbol takes two operands");
        }

        var carrier = needsTemporary ? Operand.Integer(operands[2]) : value;
        EmitPair(carrier, operands[1], i with { Rs1 = carrier });
    }

    /// <summary>An immediate: its value, or 0 after noting what to fill in later.</summary>
    private int Immediate(Opcode opcode, string text)
    {
        if (text.StartsWith('%'))
        {
            var open = text.IndexOf('(');
            FixupKind? kind = (open < 0 ? text : text[..open].TrimEnd()) switch
            {
                "%hi" => FixupKind.High,
                "%lo" => FixupKind.Low,
                "%pcrel_hi" => FixupKind.PcHigh,
                "%pcrel_lo" => FixupKind.PcLow,
                _ => null,
            };
            var isUpper = InstructionTable.Get(opcode).Format == InstructionFormat.Upper;
            if (kind is not { } known || open < 0 || !text.EndsWith(')'))
            {
                throw new AssemblyErrorException($"'{text}' is not one of %hi(x), %lo(x), %pcrel_hi(x), %pcrel_lo(x)");
            }

            if (isUpper != known is FixupKind.High or FixupKind.PcHigh)
            {
                throw new AssemblyErrorException($"'{text}' does not belong in '{InstructionTable.Get(opcode).Mnemonic}'");
            }

            context.AddFixup(known, context.Parse(text.AsSpan(open + 1, text.Length - open - 2)), opcode);
            return 0;
        }

        var expression = context.Parse(text);
        if (expression.Evaluate(context.Symbols, final: false) is { Section: null, Number: var number })
        {
            return Ranges.Check(opcode, number);
        }

        context.AddFixup(FixupKind.Immediate, expression, opcode);
        return 0;
    }

    private byte Address(string operand)
        => Operand.TrySplitAddress(operand, out var offset, out var register)
            && (offset.Length == 0 || context.Constant(offset, "the offset") == 0)
            ? register
            : throw new AssemblyErrorException($"'{operand}' must be a plain address like (a0)");

    private static bool TryImmediateForm(string mnemonic, out InstructionRow row)
    {
        var name = mnemonic[^1] is 'w' || mnemonic == "sltu" ? $"{mnemonic[..^1]}i{mnemonic[^1]}" : mnemonic + "i";
        return InstructionTable.TryFind(name, out row);
    }

    private static void Expect(string mnemonic, List<string> operands, int count)
    {
        if (operands.Count != count)
        {
            throw new AssemblyErrorException($"'{mnemonic}' takes {count} operand{(count == 1 ? "" : "s")}, not {operands.Count}");
        }
    }
}
