using System.Numerics;
using System.Runtime.CompilerServices;
using Hypervisor.Core.Isa.Vector;

namespace Hypervisor.Core.Isa;

/// <summary>Turns instruction words into <see cref="Instruction"/> values.</summary>
public static class Decoder
{
    // Where the word's funct7 takes part in the choice, a major opcode has 1,024 slots (funct7, funct3), else eight.
    private const uint MajorsWithFunct7 =
        1u << 0x01 | 1u << 0x09 | 1u << 0x15 | 1u << 0x04 | 1u << 0x06 | 1u << 0x0b | 1u << 0x0c | 1u << 0x0e | 1u << 0x14 | 1u << 0x1c;

    private static readonly int[] s_slotBase = new int[32];
    private static readonly uint[] s_funct7Mask = new uint[32];
    private static readonly short[] s_slots = BuildSlots(out s_nodes);
    private static readonly Node[] s_nodes;

    /// <summary>Decodes the instruction at the start of <paramref name="word"/>.</summary>
    /// <param name="word">
    /// The 32 bits at the program counter; of a compressed instruction only the low 16 are looked at.
    /// </param>
    /// <returns>
    /// The instruction; a reserved or unknown encoding gives <see cref="Opcode.Illegal"/> with the right length.
    /// </returns>
    public static Instruction Decode(uint word)
    {
        if ((word & 3) != 3)
        {
            return CompressedDecoder.Decode((ushort)word);
        }

        var major = word >> 2 & 0x1f;
        var slot = s_slotBase[major] + (int)((word >> 12 & 7) | (word >> 25 & s_funct7Mask[major]) << 3);
        for (int index = s_slots[slot]; index >= 0;)
        {
            ref readonly var node = ref s_nodes[index];
            if ((word & node.Mask) == node.Match)
            {
                return Fields(node.Opcode, node.Format, word);
            }

            index = node.Next;
        }

        return new Instruction { Opcode = Opcode.Illegal, Raw = word, Length = 4 };
    }

    private static Instruction Fields(Opcode opcode, InstructionFormat format, uint word)
    {
        var rd = (byte)(word >> 7 & 31);
        var rs1 = (byte)(word >> 15 & 31);
        var rs2 = (byte)(word >> 20 & 31);
        var rm = (byte)(word >> 12 & 7);
        switch (format)
        {
            case InstructionFormat.Upper:
                return Make(opcode, word, rd, immediate: (int)(word & 0xfffff000));
            case InstructionFormat.Jump:
                return Make(opcode, word, rd, immediate: JumpOffset(word));
            case InstructionFormat.Immediate:
            case InstructionFormat.JumpRegister:
            case InstructionFormat.Load:
            case InstructionFormat.FloatLoad:
                return Make(opcode, word, rd, rs1, immediate: (int)word >> 20);
            case InstructionFormat.Branch:
                return Make(opcode, word, rs1: rs1, rs2: rs2, immediate: BranchOffset(word));
            case InstructionFormat.Store:
            case InstructionFormat.FloatStore:
                return Make(opcode, word, rs1: rs1, rs2: rs2, immediate: (int)(word & 0xfe000000) >> 20 | rd);
            case InstructionFormat.Shift:
                return Make(opcode, word, rd, rs1, immediate: (int)(word >> 20 & 63));
            case InstructionFormat.ShiftWord:
                return Make(opcode, word, rd, rs1, immediate: rs2);
            case InstructionFormat.KeyRound:
                // Rounds past the last are reserved.
                return rs2 > 26 ? Make(Opcode.Illegal, word) : Make(opcode, word, rd, rs1, immediate: rs2 & 15);
            case InstructionFormat.ByteSelect:
                return Make(opcode, word, rd, rs1, rs2, immediate: (int)(word >> 30));
            case InstructionFormat.Register:
            case InstructionFormat.FloatRegister:
            case InstructionFormat.FloatCompare:
                return Make(opcode, word, rd, rs1, rs2);
            case InstructionFormat.Unary:
            case InstructionFormat.FloatBitsToInteger:
            case InstructionFormat.IntegerBitsToFloat:
                return Make(opcode, word, rd, rs1);
            case InstructionFormat.FloatUnary:
            case InstructionFormat.FloatToInteger:
            case InstructionFormat.IntegerToFloat:
                return Make(opcode, word, rd, rs1, rm: rm);
            case InstructionFormat.FloatArithmetic:
                return Make(opcode, word, rd, rs1, rs2, rm: rm);
            case InstructionFormat.FloatFused:
                return Make(opcode, word, rd, rs1, rs2, (byte)(word >> 27), rm);
            case InstructionFormat.Fence:
                return Make(opcode, word, immediate: (int)(word >> 20));
            case InstructionFormat.Csr:
            case InstructionFormat.CsrImmediate:
                return Make(opcode, word, rd, rs1, immediate: (int)(word >> 20));
            case InstructionFormat.AddressFence:
                return Make(opcode, word, rs1: rs1, rs2: rs2);
            case InstructionFormat.LoadReserved:
                return Make(opcode, word, rd, rs1, immediate: (int)(word >> 25 & 3));
            case InstructionFormat.Atomic:
                return Make(opcode, word, rd, rs1, rs2, immediate: (int)(word >> 25 & 3));
            case InstructionFormat.Prefetch:
                return Make(opcode, word, rs1: rs1, immediate: (int)(word & 0xfe000000) >> 20);
            case InstructionFormat.CacheBlock:
                return Make(opcode, word, rs1: rs1);
            case >= InstructionFormat.VectorSet:
                return VectorOperands.Decode(opcode, format, word);
            default:
                return Make(opcode, word);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Instruction Make(
        Opcode opcode, uint word, byte rd = 0, byte rs1 = 0, byte rs2 = 0, byte rs3 = 0, byte rm = 0, int immediate = 0)
        => new()
        {
            Opcode = opcode,
            Raw = word,
            Rd = rd,
            Rs1 = rs1,
            Rs2 = rs2,
            Rs3 = rs3,
            RoundingMode = rm,
            Immediate = immediate,
            Length = 4,
        };

    private static int JumpOffset(uint word)
        => (int)word >> 31 << 20 | (int)(word & 0x000ff000 | word >> 9 & 0x800 | word >> 20 & 0x7fe);

    private static int BranchOffset(uint word)
        => (int)word >> 31 << 12 | (int)(word << 4 & 0x800 | word >> 20 & 0x7e0 | word >> 7 & 0x1e);

    private static short[] BuildSlots(out Node[] nodes)
    {
        var total = 0;
        for (var major = 0; major < 32; major++)
        {
            s_slotBase[major] = total;
            s_funct7Mask[major] = (MajorsWithFunct7 >> major & 1) != 0 ? 0x7fu : 0;
            total += 8 * ((int)s_funct7Mask[major] + 1);
        }

        // The rows are put in front of a slot's chain from the least to the most specific, so that the latter win.
        // In buckets by the bits they fix: a sort of the library's has no code ahead of time for our type.
        var rows = new InstructionRow[InstructionTable.Rows.Length - 1];
        var place = 0;
        for (var bits = 0; bits <= 32; bits++)
        {
            foreach (ref readonly var row in InstructionTable.Rows[1..])
            {
                if (BitOperations.PopCount(row.Mask) == bits)
                    rows[place++] = row;
            }
        }

        var slots = new short[total];
        for (var i = 0; i < slots.Length; i++)
        {
            slots[i] = -1;
        }

        // In an array of its own, as above.
        var built = new Node[rows.Length * 2];
        var count = 0;
        foreach (ref readonly var row in rows.AsSpan())
        {
            var major = row.Match >> 2 & 0x1f;
            short previousHead = -1, previousNode = -1;

            // Each value of the bits of funct7 and funct3 that the row leaves open.
            var open = ~row.Mask & (s_funct7Mask[major] << 25 | 0x7000);
            var bits = 0u;
            do
            {
                var funct7 = (row.Match | bits) >> 25 & s_funct7Mask[major];
                var funct3 = (row.Match | bits) >> 12 & 7;
                ref var head = ref slots[s_slotBase[major] + funct3 + (funct7 << 3)];
                if (previousNode < 0 || head != previousHead)
                {
                    previousHead = head;
                    previousNode = (short)count;
                    if (count == built.Length)
                        Array.Resize(ref built, 2 * count);
                    built[count++] = new Node(row.Mask, row.Match, row.Opcode, row.Format, head);
                }

                head = previousNode;
                bits = (bits - open) & open;
            }
            while (bits != 0);
        }

        nodes = built;
        return slots;
    }

    private readonly record struct Node(uint Mask, uint Match, Opcode Opcode, InstructionFormat Format, short Next);
}
