using Hypervisor.Core.Isa.Vector;

namespace Hypervisor.Core.Isa;

/// <summary>Turns the fields of an <see cref="Instruction"/> back into its 32-bit word: the decoder's inverse.</summary>
internal static class Encoder
{
    /// <summary>
    /// Encodes the instruction in 32 bits, whatever its own length. The caller has checked that the fields are in range;
    /// bits that do not fit are cut off.
    /// </summary>
    internal static uint Encode(in Instruction instruction)
    {
        ref readonly var row = ref InstructionTable.Get(instruction.Opcode);
        var immediate = (uint)instruction.Immediate;
        var rd = (uint)instruction.Rd << 7;
        var rs1 = (uint)instruction.Rs1 << 15;
        var rs2 = (uint)instruction.Rs2 << 20;
        var rm = (uint)instruction.RoundingMode << 12;
        return row.Match | ImmediateBits(row.Format, immediate) | row.Format switch
        {
            InstructionFormat.Upper or InstructionFormat.Jump => rd,
            InstructionFormat.Fence => 0,
            InstructionFormat.FloatFused => rd | rs1 | rs2 | rm | (uint)instruction.Rs3 << 27,
            >= InstructionFormat.VectorSet => rd | rs1 | rs2 | VectorOperands.ModifierBits(instruction.Rs3),
            _ => rd | rs1 | rs2 | rm,
        };
    }

    /// <summary>The bits that an immediate takes in the word of a format; zero for formats without one.</summary>
    internal static uint ImmediateBits(InstructionFormat format, uint immediate) => format switch
    {
        InstructionFormat.Upper => immediate & 0xfffff000,
        InstructionFormat.Jump => JumpBits(immediate),
        InstructionFormat.Immediate or InstructionFormat.JumpRegister or InstructionFormat.Load
            or InstructionFormat.FloatLoad or InstructionFormat.Csr or InstructionFormat.CsrImmediate
            or InstructionFormat.Fence => immediate << 20,
        InstructionFormat.Branch => BranchBits(immediate),
        InstructionFormat.Store or InstructionFormat.FloatStore
            => (immediate & 31) << 7 | (immediate >> 5 & 0x7f) << 25,
        InstructionFormat.Prefetch => immediate << 20 & 0xfe000000,
        InstructionFormat.Shift => (immediate & 63) << 20,
        InstructionFormat.ShiftWord => (immediate & 31) << 20,
        InstructionFormat.VectorSet => (immediate & 0x7ff) << 20,
        InstructionFormat.VectorSetImmediate => (immediate & 0x3ff) << 20,
        InstructionFormat.KeyRound => (immediate & 15) << 20,
        InstructionFormat.ByteSelect => (immediate & 3) << 30,
        InstructionFormat.Atomic or InstructionFormat.LoadReserved => (immediate & 3) << 25,
        _ => 0,
    };

    private static uint JumpBits(uint offset)
        => (offset >> 20 & 1) << 31 | (offset >> 1 & 0x3ff) << 21 | (offset >> 11 & 1) << 20 | offset & 0xff000;

    private static uint BranchBits(uint offset)
        => (offset >> 12 & 1) << 31 | (offset >> 5 & 0x3f) << 25 | (offset >> 1 & 0xf) << 8 | (offset >> 11 & 1) << 7;
}
