using Hypervisor.Core.Isa;

namespace Hypervisor.Tests.Isa;

/// <summary>Random instruction words of a table row, within what binutils itself will write.</summary>
internal static class RandomWords
{
    // Smcdeleg and Smrnmi have had names in binutils since 2.41 only.
    private static readonly ushort[] s_named =
    [
        .. Enumerable.Range(0, 4096).Select(number => (ushort)number)
            .Where(number => CsrNumber.Name(number) is not null && number is not 0x120 and not (>= 0x740 and <= 0x744)),
    ];

    /// <summary>
    /// A word of the row. Every second one has small register numbers, so that special cases (zero register, equal
    /// sources, aliases) come up often.
    /// </summary>
    public static uint Of(in InstructionRow row, Random random, int index)
    {
        var operands = (uint)random.NextInt64(1L << 32);
        if (index % 2 == 1)
        {
            // Keep one bit of each of rd, rs1 and rs2, so that most are x0, x1 or equal.
            operands &= 0x00108080 | 0xfe007000;
        }

        operands &= row.Opcode switch
        {
            // Reserved fields and values have no assembly syntax; the conversions that are always exact have no rounding mode.
            Opcode.FenceI => 0,
            Opcode.Fence => 0x0ff00000,
            Opcode.FcvtDW or Opcode.FcvtDWu or Opcode.FcvtDS or Opcode.FcvtSH or Opcode.FcvtDH => ~0x7000u,
            _ => uint.MaxValue,
        };
        if (row.Format is InstructionFormat.Csr or InstructionFormat.CsrImmediate)
        {
            // Named registers, and custom ones that will never have a name.
            var number = index % 4 == 0 ? (ushort)random.Next(0x8c0, 0x8d0) : s_named[random.Next(s_named.Length)];
            operands = operands & 0xfffff | (uint)number << 20;
        }

        var word = operands & ~row.Mask | row.Match;
        if (row.Opcode == Opcode.Fence)
        {
            // An empty set has no name in objdump, and w,0 is another instruction (pause).
            word |= 0x01100000;
        }
        else if (row.Opcode == Opcode.Ori)
        {
            // Into x0 it may be a prefetch.
            word |= 0x80;
        }
        else if (row.Opcode == Opcode.Packw)
        {
            // Of x0 it is zext.h.
            word |= 0x100000;
        }

        else if (row.Format == InstructionFormat.VectorWhole)
        {
            // One, two, four or eight registers.
            word = word & 0x1fffffff | (1u << random.Next(4)) - 1 << 29;
        }
        else if (row.Opcode == Opcode.Aes64Ks1i && (word >> 20 & 15) > 10)
        {
            // Rounds past the tenth are reserved.
            word &= ~0x00700000u;
        }

        return word;
    }
}
