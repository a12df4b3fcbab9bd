namespace Hypervisor.Core.Isa.Assembly;

/// <summary>Finds the instructions that put a 64-bit constant into a register (<c>li</c>).</summary>
internal static class LoadImmediate
{
    /// <summary>
    /// Adds the sequence for <paramref name="value"/>: one ADDI for 12 bits, LUI and ADDIW for 32, and for more the upper
    /// part first, then shifts that each make room for twelve bits (or more, over zeros) and additions.
    /// </summary>
    internal static void Expand(long value, byte register, List<Instruction> sequence)
    {
        if (value is >= -2048 and <= 2047)
        {
            sequence.Add(new Instruction { Opcode = Opcode.Addi, Rd = register, Immediate = (int)value });
            return;
        }

        Build(value, register, sequence);
    }

    private static void Build(long value, byte register, List<Instruction> sequence)
    {
        var low = (int)value << 20 >> 20;
        var rest = unchecked(value - low);
        if (value == (int)value)
        {
            // The LUI's value may wrap to a negative number; ADDIW wraps it back.
            if (rest != 0)
            {
                sequence.Add(new Instruction { Opcode = Opcode.Lui, Rd = register, Immediate = (int)rest });
            }

            if (low != 0 || rest == 0)
            {
                var source = rest != 0 ? register : (byte)0;
                sequence.Add(new Instruction { Opcode = Opcode.Addiw, Rd = register, Rs1 = source, Immediate = low });
            }

            return;
        }

        var shift = Math.Max(12, System.Numerics.BitOperations.TrailingZeroCount(rest));
        Build(rest >> shift, register, sequence);
        sequence.Add(new Instruction { Opcode = Opcode.Slli, Rd = register, Rs1 = register, Immediate = shift });
        if (low != 0)
        {
            sequence.Add(new Instruction { Opcode = Opcode.Addi, Rd = register, Rs1 = register, Immediate = low });
        }
    }
}
