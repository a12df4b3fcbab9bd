using System.Globalization;
using System.Text;
using Hypervisor.Core.Isa.Assembly;

namespace Hypervisor.Core.Isa.Vector;

/// <summary>Writes and reads vector instructions as the GNU tools do.</summary>
internal static class VectorText
{
    private static readonly string?[] s_widths = ["e8", "e16", "e32", "e64", null, null, null, null];
    private static readonly string?[] s_groups = ["m1", "m2", "m4", "m8", null, "mf8", "mf4", "mf2"];

    /// <summary>The instruction's text; null where its format is none of vectors.</summary>
    public static string? Format(in Instruction i, in InstructionRow row, bool aliases)
    {
        if (VectorOperands.Of(row.Format) is not { } pattern)
            return null;
        if (aliases && Alias(in i) is { } alias)
            return alias;
        var text = new StringBuilder(Mnemonic(in i, in row));
        char separator = ' ';
        foreach (char operand in pattern)
        {
            if (Operand(in i, operand) is not { } written)
                continue;
            text.Append(separator).Append(written);
            separator = ',';
        }

        return text.ToString();
    }

    /// <summary>Puts the instruction that a pseudo-instruction stands for in its place.</summary>
    public static bool TryExpand(ref string mnemonic, ref List<string> operands)
    {
        (string Mnemonic, string? Operand, int Repeats)? real = mnemonic switch
        {
            "vnot.v" => ("vxor.vi", "-1", 0),
            "vneg.v" => ("vrsub.vx", "zero", 0),
            "vwcvt.x.x.v" => ("vwadd.vx", "zero", 0),
            "vwcvtu.x.x.v" => ("vwaddu.vx", "zero", 0),
            "vncvt.x.x.w" => ("vnsrl.wx", "zero", 0),
            "vfneg.v" => ("vfsgnjn.vv", null, 1),
            "vfabs.v" => ("vfsgnjx.vv", null, 1),
            "vmmv.m" => ("vmand.mm", null, 1),
            "vmnot.m" => ("vmnand.mm", null, 1),
            "vmclr.m" => ("vmxor.mm", null, 2),
            "vmset.m" => ("vmxnor.mm", null, 2),
            "vl1r.v" or "vl2r.v" or "vl4r.v" or "vl8r.v" => ($"{mnemonic[..4]}e8.v", null, 0),
            _ => null,
        };
        if (real is not { } found || operands.Count == 0)
            return false;
        mnemonic = found.Mnemonic;
        operands = [.. operands];

        // The last register once more, or a constant, before the mask.
        int at = operands.Count > 1 && operands[^1] == "v0.t" ? operands.Count - 1 : operands.Count;
        for (int i = 0; i < found.Repeats; i++)
            operands.Insert(at, operands[at - 1]);
        if (found.Operand is { } constant)
            operands.Insert(at, constant);
        return true;
    }

    /// <summary>Finds the row of a mnemonic that names a number of fields, such as vlseg3e8.v or vl4re16.v.</summary>
    public static bool TryFind(string mnemonic, out InstructionRow row, out byte modifiers)
    {
        modifiers = 0;
        row = default;
        if (mnemonic.Length < 6 || mnemonic[0] != 'v')
            return false;
        int at = mnemonic.IndexOf("seg", StringComparison.Ordinal);
        if (at > 0 && at + 3 < mnemonic.Length && mnemonic[at + 3] is >= '2' and <= '8')
        {
            modifiers = (byte)((mnemonic[at + 3] - '1') << 1);
            return InstructionTable.TryFind(mnemonic[..at] + mnemonic[(at + 4)..], out row) && VectorOperands.HasFields(row.Format);
        }

        if (mnemonic[1] is not ('l' or 's') || mnemonic[2] is not ('2' or '4' or '8') || mnemonic[3] != 'r')
            return false;
        modifiers = (byte)((mnemonic[2] - '1') << 1);
        return InstructionTable.TryFind($"{mnemonic[..2]}1{mnemonic[3..]}", out row) && row.Format == InstructionFormat.VectorWhole;
    }

    /// <summary>Reads the operands of a vector instruction.</summary>
    public static Instruction Assemble(in InstructionRow row, byte modifiers, List<string> operands, AssemblyContext context)
    {
        var i = new Instruction { Opcode = row.Opcode, Rs3 = (byte)(modifiers | 1) };
        int at = 0;
        foreach (char operand in VectorOperands.Of(row.Format)!)
        {
            if (operand == 'm' && at == operands.Count)
                continue;
            if (operand == 't')
                return i with { Rs3 = 0, Immediate = Type(operands[Math.Min(at, operands.Count)..], row.Format == InstructionFormat.VectorSet ? 0x7ff : 0x3ff, context) };
            if (at == operands.Count)
                throw new AssemblyErrorException($"'{row.Mnemonic}' takes more operands");
            string text = operands[at++];
            i = operand switch
            {
                'd' => i with { Rd = Vector(text) },
                '1' => i with { Rs1 = Vector(text) },
                '2' => i with { Rs2 = Vector(text) },
                'x' => i with { Rs1 = Assembly.Operand.Integer(text) },
                'f' => i with { Rs1 = Assembly.Operand.Float(text) },
                'X' => i with { Rd = Assembly.Operand.Integer(text) },
                'F' => i with { Rd = Assembly.Operand.Float(text) },
                's' => i with { Rs2 = Assembly.Operand.Integer(text) },
                'a' => i with { Rs1 = Address(text) },
                'i' => i with { Rs1 = (byte)(Number(text, -16, 15, context) & 31) },
                'u' => i with { Rs1 = (byte)Number(text, 0, 31, context) },
                'm' when text == "v0.t" => i with { Rs3 = modifiers },
                '0' when text == "v0" => i with { Rs3 = modifiers },
                _ => throw new AssemblyErrorException($"'{text}' is no mask: {(operand == '0' ? "v0" : "v0.t")}"),
            };
        }

        return at == operands.Count ? i : throw new AssemblyErrorException($"'{row.Mnemonic}' takes {at} operands, not {operands.Count}");
    }

    private static string Mnemonic(in Instruction i, in InstructionRow row)
    {
        int fields = (i.Rs3 >> 1) + 1;
        if (fields == 1 || !VectorOperands.HasFields(row.Format))
            return row.Mnemonic;
        if (row.Format == InstructionFormat.VectorWhole)
            return $"{row.Mnemonic[..2]}{fields}{row.Mnemonic[3..]}";
        int element = row.Mnemonic.LastIndexOf('e');
        return $"{row.Mnemonic[..element]}seg{fields}{row.Mnemonic[element..]}";
    }

    private static string? Operand(in Instruction i, char operand) => operand switch
    {
        'd' => $"v{i.Rd}",
        '1' => $"v{i.Rs1}",
        '2' => $"v{i.Rs2}",
        'x' => Registers.Name(i.Rs1),
        'f' => Registers.FloatName(i.Rs1),
        'X' => Registers.Name(i.Rd),
        'F' => Registers.FloatName(i.Rd),
        's' => Registers.Name(i.Rs2),
        'a' => $"({Registers.Name(i.Rs1)})",
        'i' => i.Immediate.ToString(CultureInfo.InvariantCulture),
        'u' => i.Rs1.ToString(CultureInfo.InvariantCulture),
        'm' => (i.Rs3 & 1) == 0 ? "v0.t" : null,
        '0' => "v0",
        _ => TypeText(i.Immediate),
    };

    private static string TypeText(int type)
        => type >> 8 == 0 && s_widths[type >> 3 & 7] is { } width && s_groups[type & 7] is { } group
            ? $"{width},{group},{((type & 0x40) != 0 ? "ta" : "tu")},{((type & 0x80) != 0 ? "ma" : "mu")}"
            : type.ToString(CultureInfo.InvariantCulture);

    private static string? Alias(in Instruction i)
    {
        string mask = (i.Rs3 & 1) == 0 ? ",v0.t" : "";
        string pair = $"v{i.Rd},v{i.Rs2}";
        return i.Opcode switch
        {
            Opcode.VxorVi when i.Immediate == -1 => $"vnot.v {pair}{mask}",
            Opcode.VrsubVx when i.Rs1 == 0 => $"vneg.v {pair}{mask}",
            Opcode.VwaddVx when i.Rs1 == 0 => $"vwcvt.x.x.v {pair}{mask}",
            Opcode.VwadduVx when i.Rs1 == 0 => $"vwcvtu.x.x.v {pair}{mask}",
            Opcode.VnsrlWx when i.Rs1 == 0 => $"vncvt.x.x.w {pair}{mask}",
            Opcode.VfsgnjnVv when i.Rs1 == i.Rs2 => $"vfneg.v {pair}{mask}",
            Opcode.VfsgnjxVv when i.Rs1 == i.Rs2 => $"vfabs.v {pair}{mask}",
            Opcode.VmandMm when i.Rs1 == i.Rs2 => $"vmmv.m {pair}",
            Opcode.VmnandMm when i.Rs1 == i.Rs2 => $"vmnot.m {pair}",
            Opcode.VmxorMm when i.Rs1 == i.Rs2 && i.Rd == i.Rs2 => $"vmclr.m v{i.Rd}",
            Opcode.VmxnorMm when i.Rs1 == i.Rs2 && i.Rd == i.Rs2 => $"vmset.m v{i.Rd}",
            Opcode.Vl1re8V => $"vl{(i.Rs3 >> 1) + 1}r.v v{i.Rd},({Registers.Name(i.Rs1)})",
            _ => null,
        };
    }

    private static byte Vector(string text)
        => text.Length is 2 or 3 && text[0] == 'v' && byte.TryParse(text.AsSpan(1), NumberStyles.None, CultureInfo.InvariantCulture, out byte number) && number < 32
            ? number
            : throw new AssemblyErrorException($"'{text}' is not a vector register");

    private static byte Address(string text)
        => Assembly.Operand.TrySplitAddress(text, out string offset, out byte register) && offset.Length == 0
            ? register
            : throw new AssemblyErrorException($"'{text}' must be a plain address like (a0)");

    private static long Number(string text, long least, long most, AssemblyContext context)
        => context.Constant(text, "the immediate") is var value && value >= least && value <= most
            ? value
            : throw new AssemblyErrorException($"immediate {text} is out of range {least}..{most}");

    /// <summary>A vtype as a number, or as width, group and policies, which default to undisturbed.</summary>
    private static int Type(List<string> parts, int limit, AssemblyContext context)
    {
        if (parts.Count == 0)
            throw new AssemblyErrorException("a vector type is missing, such as e8,m1,ta,ma");
        int width = Array.IndexOf(s_widths, parts[0]);
        if (width < 0)
            return parts.Count == 1 ? (int)Number(parts[0], 0, limit, context) : throw new AssemblyErrorException($"'{parts[0]}' is not an element width (e8, e16, e32, e64)");
        int type = width << 3;
        foreach (string part in parts[1..])
        {
            type |= part switch
            {
                "ta" => 0x40,
                "ma" => 0x80,
                "tu" or "mu" => 0,
                _ => Array.IndexOf(s_groups, part) is >= 0 and var group ? group : throw new AssemblyErrorException($"'{part}' does not belong in a vector type"),
            };
        }

        return type;
    }
}
