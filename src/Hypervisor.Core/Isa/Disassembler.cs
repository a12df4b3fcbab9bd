using System.Globalization;
using Hypervisor.Core.Isa.Vector;

namespace Hypervisor.Core.Isa;

/// <summary>Writes instructions as the GNU tools write them.</summary>
public static class Disassembler
{
    private static readonly string[] s_roundingModes = ["rne", "rtz", "rdn", "rup", "rmm", "unknown", "unknown", "dyn"];

    /// <summary>
    /// The instruction's text: mnemonic, a space, operands separated by commas. A compressed instruction is written as the
    /// 32-bit instruction it stands for.
    /// </summary>
    /// <param name="instruction">The instruction.</param>
    /// <param name="pc">Its address, from which branch and jump targets are computed.</param>
    /// <param name="aliases">
    /// Whether common special cases get their usual names (<c>li</c>, <c>mv</c>, <c>ret</c>, <c>csrr</c> …), as objdump
    /// does unless told <c>no-aliases</c>.
    /// </param>
    public static string Format(in Instruction instruction, ulong pc, bool aliases = true)
    {
        if (instruction.Opcode == Opcode.Illegal)
        {
            return instruction.Length == 2 ? $".2byte 0x{instruction.Raw:x}" : $".4byte 0x{instruction.Raw:x}";
        }

        if (aliases && Aliases.Find(instruction, pc) is { } alias)
        {
            return alias;
        }

        ref readonly var row = ref InstructionTable.Get(instruction.Opcode);
        if (VectorText.Format(instruction, row, aliases) is { } vector)
        {
            return vector;
        }

        var operands = Operands(instruction, row, pc);
        var mnemonic = row.Format is InstructionFormat.Atomic or InstructionFormat.LoadReserved
            ? row.Mnemonic + Ordering(instruction.Immediate)
            : row.Mnemonic;
        return operands.Length == 0 ? mnemonic : $"{mnemonic} {operands}";
    }

    /// <summary>The text of a branch or jump target.</summary>
    internal static string Target(in Instruction instruction, ulong pc)
        => $"0x{unchecked(pc + (ulong)instruction.Immediate):x}";

    /// <summary>The text of a CSR operand: its name, or its number where it has none.</summary>
    internal static string Csr(int number) => CsrNumber.Name((ushort)number) ?? $"0x{number:x}";

    /// <summary>The default rounding mode in assembly: the dynamic one, or zero where the result is always exact.</summary>
    internal static byte DefaultRoundingMode(Opcode opcode)
        => opcode is Opcode.FcvtDW or Opcode.FcvtDWu or Opcode.FcvtDS or Opcode.FcvtSH or Opcode.FcvtDH ? (byte)0 : (byte)7;

    /// <summary>Finds a rounding mode by its name; the reserved ones have none.</summary>
    internal static bool TryParseRoundingMode(string name, out byte mode)
    {
        var index = Array.IndexOf(s_roundingModes, name);
        mode = (byte)index;
        return index is >= 0 and not (5 or 6);
    }

    private static string Operands(in Instruction i, in InstructionRow row, ulong pc)
    {
        var immediate = i.Immediate.ToString(CultureInfo.InvariantCulture);
        string rd = Registers.Name(i.Rd), rs1 = Registers.Name(i.Rs1), rs2 = Registers.Name(i.Rs2);
        string frd = Registers.FloatName(i.Rd), frs1 = Registers.FloatName(i.Rs1), frs2 = Registers.FloatName(i.Rs2);
        return row.Format switch
        {
            InstructionFormat.Upper => $"{rd},0x{(uint)i.Immediate >> 12:x}",
            InstructionFormat.Jump => $"{rd},{Target(i, pc)}",
            InstructionFormat.JumpRegister or InstructionFormat.Load => $"{rd},{immediate}({rs1})",
            InstructionFormat.Branch => $"{rs1},{rs2},{Target(i, pc)}",
            InstructionFormat.Store => $"{rs2},{immediate}({rs1})",
            InstructionFormat.Immediate => $"{rd},{rs1},{immediate}",
            InstructionFormat.Shift or InstructionFormat.ShiftWord or InstructionFormat.KeyRound => $"{rd},{rs1},0x{i.Immediate:x}",
            InstructionFormat.Register => $"{rd},{rs1},{rs2}",
            InstructionFormat.ByteSelect => $"{rd},{rs1},{rs2},0x{i.Immediate:x}",
            InstructionFormat.Unary => $"{rd},{rs1}",
            InstructionFormat.Fence => FenceSets(i.Immediate),
            InstructionFormat.Csr => $"{rd},{Csr(i.Immediate)},{rs1}",
            InstructionFormat.CsrImmediate => $"{rd},{Csr(i.Immediate)},{i.Rs1}",
            InstructionFormat.AddressFence => $"{rs1},{rs2}",
            InstructionFormat.LoadReserved => $"{rd},({rs1})",
            InstructionFormat.Atomic => $"{rd},{rs2},({rs1})",
            InstructionFormat.CacheBlock => $"({rs1})",
            InstructionFormat.Prefetch => $"{immediate}({rs1})",
            InstructionFormat.FloatLoad => $"{frd},{immediate}({rs1})",
            InstructionFormat.FloatStore => $"{frs2},{immediate}({rs1})",
            InstructionFormat.FloatFused => $"{frd},{frs1},{frs2},{Registers.FloatName(i.Rs3)}{Rounding(i)}",
            InstructionFormat.FloatArithmetic => $"{frd},{frs1},{frs2}{Rounding(i)}",
            InstructionFormat.FloatUnary => $"{frd},{frs1}{Rounding(i)}",
            InstructionFormat.FloatRegister => $"{frd},{frs1},{frs2}",
            InstructionFormat.FloatCompare => $"{rd},{frs1},{frs2}",
            InstructionFormat.FloatToInteger => $"{rd},{frs1}{Rounding(i)}",
            InstructionFormat.IntegerToFloat => $"{frd},{rs1}{Rounding(i)}",
            InstructionFormat.FloatBitsToInteger => $"{rd},{frs1}",
            InstructionFormat.IntegerBitsToFloat => $"{frd},{rs1}",
            _ => "",
        };
    }

    private static string Rounding(in Instruction i)
        => i.RoundingMode == DefaultRoundingMode(i.Opcode) ? "" : "," + s_roundingModes[i.RoundingMode];

    private static string Ordering(int immediate) => (immediate & 3) switch
    {
        1 => ".rl",
        2 => ".aq",
        3 => ".aqrl",
        _ => "",
    };

    // A fence mode (fm) other than plain has no operand syntax but "tso", an alias; the rest is reserved and acts as plain.
    private static string FenceSets(int immediate) => $"{FenceSet(immediate >> 4)},{FenceSet(immediate)}";

    private static string FenceSet(int bits)
    {
        var set = ((bits & 8) != 0 ? "i" : "") + ((bits & 4) != 0 ? "o" : "")
            + ((bits & 2) != 0 ? "r" : "") + ((bits & 1) != 0 ? "w" : "");
        return set.Length == 0 ? "0" : set;
    }
}
