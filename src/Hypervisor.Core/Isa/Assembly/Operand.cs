namespace Hypervisor.Core.Isa.Assembly;

/// <summary>Reads single operands.</summary>
internal static class Operand
{
    internal static byte Integer(string operand)
        => Registers.TryParse(operand, out var number)
            ? number
            : throw new AssemblyErrorException($"'{operand}' is not an integer register");

    internal static byte Float(string operand)
        => Registers.TryParseFloat(operand, out var number)
            ? number
            : throw new AssemblyErrorException($"'{operand}' is not a floating-point register");

    /// <summary>The bits of a fence operand such as <c>rw</c>; <c>0</c> is the empty set.</summary>
    internal static int FenceSet(string operand)
    {
        if (operand == "0")
        {
            return 0;
        }

        var bits = 0;
        var last = -1;
        foreach (var c in operand)
        {
            var index = "iorw".IndexOf(c, StringComparison.Ordinal);
            if (index <= last)
            {
                bits = 0;
                break;
            }

            bits |= 8 >> index;
            last = index;
        }

        return bits != 0 ? bits : throw new AssemblyErrorException($"'{operand}' is not a set of i, o, r, w in this order");
    }

    /// <summary>Splits <c>offset(register)</c>; the offset may be empty. False where the operand is not of this form.</summary>
    internal static bool TrySplitAddress(string operand, out string offset, out byte register)
    {
        (offset, register) = ("", 0);
        var open = operand.LastIndexOf('(');
        if (open < 0 || !operand.EndsWith(')') || !Registers.TryParse(operand[(open + 1)..^1].Trim(), out register))
        {
            return false;
        }

        offset = operand[..open].Trim();
        return true;
    }
}
