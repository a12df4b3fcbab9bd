using System.Buffers.Binary;

namespace Hypervisor.Core.Isa.Assembly;

/// <summary>How a value that waits for addresses enters the bytes.</summary>
internal enum FixupKind : byte
{
    /// <summary>Data of one to eight bytes.</summary>
    Data8,
    Data16,
    Data32,
    Data64,

    /// <summary>The plain immediate of the instruction.</summary>
    Immediate,

    /// <summary>A branch or jump target: the distance from the instruction.</summary>
    Target,

    /// <summary>%hi: the upper 20 bits, rounded so that a sign-extended low part completes them.</summary>
    High,

    /// <summary>%lo: the low 12 bits.</summary>
    Low,

    /// <summary>%pcrel_hi: as %hi, of the distance from this instruction.</summary>
    PcHigh,

    /// <summary>%pcrel_lo: the low 12 bits of the distance that the named AUIPC has the upper bits of.</summary>
    PcLow,

    /// <summary>An AUIPC and the instruction after it, which together reach the target.</summary>
    Pair,
}

/// <summary>A place in the output that waits for a value.</summary>
internal readonly record struct Fixup(
    FixupKind Kind, SectionBuffer Section, long Offset, Expression Value, Opcode Opcode, int Line, string Where);

/// <summary>Fills in the waiting places once all addresses are known.</summary>
internal sealed class FixupWriter(SymbolTable symbols, IReadOnlyList<Fixup> fixups)
{
    private Dictionary<(SectionBuffer, long), Fixup>? _pcHighs;

    /// <summary>Evaluates a fixup and writes it; throws <see cref="AssemblyErrorException"/> where it does not fit.</summary>
    internal void Write(in Fixup fixup)
    {
        var bytes = fixup.Section.Bytes[(int)fixup.Offset..];
        var pc = (long)fixup.Section.Address + fixup.Offset;
        if (fixup.Kind == FixupKind.PcLow)
        {
            Patch(bytes, fixup.Opcode, SignExtend12(PcLowDistance(fixup)));
            return;
        }

        var value = Number(fixup.Value);
        switch (fixup.Kind)
        {
            case FixupKind.Data8:
                bytes[0] = (byte)Ranges.CheckData(value, 8);
                break;
            case FixupKind.Data16:
                BinaryPrimitives.WriteUInt16LittleEndian(bytes, (ushort)Ranges.CheckData(value, 16));
                break;
            case FixupKind.Data32:
                BinaryPrimitives.WriteUInt32LittleEndian(bytes, (uint)Ranges.CheckData(value, 32));
                break;
            case FixupKind.Data64:
                BinaryPrimitives.WriteInt64LittleEndian(bytes, value);
                break;
            case FixupKind.Immediate:
                Patch(bytes, fixup.Opcode, Ranges.Check(fixup.Opcode, value));
                break;
            case FixupKind.Target:
                Patch(bytes, fixup.Opcode, Ranges.CheckTarget(fixup.Opcode, unchecked(value - pc)));
                break;
            case FixupKind.High:
                Patch(bytes, fixup.Opcode, Upper(value));
                break;
            case FixupKind.Low:
                Patch(bytes, fixup.Opcode, SignExtend12(value));
                break;
            case FixupKind.PcHigh:
                Patch(bytes, fixup.Opcode, Upper(unchecked(value - pc)));
                break;
            default:
                var distance = unchecked(value - pc);
                Patch(bytes, Opcode.Auipc, Upper(distance));
                Patch(bytes[4..], fixup.Opcode, SignExtend12(distance));
                break;
        }
    }

    private long Number(Expression expression)
        => expression.Evaluate(symbols, final: true)?.Number
            ?? throw new AssemblyErrorException("the expression has no value");

    private long PcLowDistance(in Fixup fixup)
    {
        _pcHighs ??= fixups.Where(f => f.Kind is FixupKind.PcHigh).ToDictionary(f => (f.Section, f.Offset));
        // Evaluated before addresses are added, the label gives the place of its AUIPC.
        if (fixup.Value.Evaluate(symbols, final: false) is { Section: { } section, Number: var offset }
            && _pcHighs.TryGetValue((section, offset), out var high))
        {
            return unchecked(Number(high.Value) - (long)section.Address - offset);
        }

        // An undefined label is the more likely mistake, and evaluation names it.
        _ = Number(fixup.Value);
        throw new AssemblyErrorException("%pcrel_lo needs the label of an instruction with %pcrel_hi");
    }

    private static int Upper(long value)
    {
        var rounded = unchecked(value + 0x800);
        return rounded >= int.MinValue && rounded <= int.MaxValue
            ? (int)rounded & ~0xfff
            : throw new AssemblyErrorException($"0x{value:x} is out of reach: the target must lie within 2 GiB");
    }

    private static int SignExtend12(long value) => (int)value << 20 >> 20;

    private static void Patch(Span<byte> bytes, Opcode opcode, int immediate)
    {
        var word = BinaryPrimitives.ReadUInt32LittleEndian(bytes);
        word |= Encoder.ImmediateBits(InstructionTable.Get(opcode).Format, (uint)immediate);
        BinaryPrimitives.WriteUInt32LittleEndian(bytes, word);
    }
}

/// <summary>What values fit where, and the messages for those that do not.</summary>
internal static class Ranges
{
    /// <summary>Checks a data item of 8, 16 or 32 bits: signed or unsigned, either may be meant.</summary>
    internal static long CheckData(long value, int bits)
        => value >= -(1L << bits - 1) && value < 1L << bits
            ? value
            : throw new AssemblyErrorException(
                $"value {value} is out of range {-(1L << bits - 1)}..{(1L << bits) - 1} for {bits} bits");

    /// <summary>Checks the immediate as written in the source and returns it as <see cref="Instruction.Immediate"/> has it.</summary>
    internal static int Check(Opcode opcode, long value)
    {
        ref readonly var row = ref InstructionTable.Get(opcode);
        var (minimum, maximum) = row.Format switch
        {
            InstructionFormat.Upper => (0, 0xfffff),
            InstructionFormat.Shift => (0, 63),
            InstructionFormat.ShiftWord => (0, 31),
            InstructionFormat.KeyRound => (0, 10),
            InstructionFormat.ByteSelect => (0, 3),
            InstructionFormat.Csr => (0, 4095),
            InstructionFormat.CsrImmediate => (0, 31),
            _ => (-2048, 2047),
        };
        if (value < minimum || value > maximum)
        {
            throw new AssemblyErrorException($"immediate {value} is out of range {minimum}..{maximum} for '{row.Mnemonic}'");
        }

        if (row.Format == InstructionFormat.Prefetch && (value & 31) != 0)
        {
            throw new AssemblyErrorException($"immediate {value} must be a multiple of 32 for '{row.Mnemonic}'");
        }

        return row.Format == InstructionFormat.Upper ? (int)value << 12 : (int)value;
    }

    /// <summary>Checks the distance of a branch or jump.</summary>
    internal static int CheckTarget(Opcode opcode, long distance)
    {
        var mnemonic = InstructionTable.Get(opcode).Mnemonic;
        var reach = opcode == Opcode.Jal ? 1L << 20 : 1L << 12;
        if (distance < -reach || distance >= reach)
        {
            throw new AssemblyErrorException(
                $"target is {distance} bytes away, out of range {-reach}..{reach - 2} for '{mnemonic}'");
        }

        return (distance & 1) == 0
            ? (int)distance
            : throw new AssemblyErrorException($"target of '{mnemonic}' is at an odd distance ({distance})");
    }
}
