using System.Buffers.Binary;
using Hypervisor.Core.Isa;

namespace Hypervisor.Tests.Lockstep;

/// <summary>
/// A Linux program of many short random sequences, each run from registers of its own and followed by a dump of all
/// registers, floating-point flags included. What it writes to standard output is the state after every sequence, so that two
/// processors that agree on the output agree on every instruction in it.
/// </summary>
internal sealed class RandomProgram
{
    public const ulong CodeBase = 0x10_0000;
    public const ulong DataBase = 0x1000_0000;
    private const int ScratchBytes = 0x4000;
    private const int InputBytes = 520;
    private const int OutputBytes = 520;
    private const uint ScratchRegister = 30;
    private const uint BaseRegister = 31;

    // QEMU 7.2 has no Zicond, and its ctzw counts past bit 31 (mended in 8.0): those have unit tests of their own. System
    // instructions and cache blocks are held elsewhere.
    private static readonly InstructionRow[] s_rows = InstructionTable.Rows.ToArray()
        .Where(row => row.Format is not (InstructionFormat.None or InstructionFormat.Csr or InstructionFormat.CsrImmediate
                or InstructionFormat.AddressFence or InstructionFormat.CacheBlock or InstructionFormat.JumpRegister)
            && row.Extension is not (IsaExtension.Zicond or IsaExtension.V) && row.Opcode is not (Opcode.ScW or Opcode.ScD or Opcode.Ctzw))
        .ToArray();

    private readonly Random _random;
    private readonly List<byte> _code = [];
    private readonly List<byte> _inputs = [];
    private readonly List<int> _sequenceAt = [];
    private readonly List<int> _sequenceEnd = [];

    /// <summary>Makes a program.</summary>
    /// <param name="seed">Of all that is random.</param>
    /// <param name="sequences">How many sequences.</param>
    /// <param name="length">Random instructions in each.</param>
    /// <param name="pattern">What instructions a sequence has instead: null for one at random, a copy of a register for <see cref="Opcode.Illegal"/>.</param>
    public RandomProgram(int seed, int sequences, int length, Func<int, Opcode[]>? pattern = null)
    {
        _random = new Random(seed);
        Sequences = sequences;
        ulong inputs = DataBase + ScratchBytes;
        ulong outputs = inputs + (ulong)(sequences * InputBytes);
        for (int i = 0; i < sequences; i++)
        {
            WriteInput();
            EmitLoads(inputs + (ulong)(i * InputBytes));
            _sequenceAt.Add(_code.Count);
            foreach (Opcode opcode in pattern?.Invoke(i) ?? [])
            {
                if (opcode == Opcode.Illegal)
                    Emit(0x0000_0013 | (uint)_random.Next(1, 30) << 7 | (uint)_random.Next(1, 30) << 15);
                else
                    EmitRandom(s_rows.First(row => row.Opcode == opcode));
            }

            for (int k = 0; k < length; k++)
                EmitRandom(s_rows[i < s_rows.Length && k < length / 2 ? i : _random.Next(s_rows.Length)]);
            _sequenceEnd.Add(_code.Count);
            EmitDump(outputs + (ulong)(i * OutputBytes));
        }

        EmitAddress(11, outputs);
        EmitAddress(12, (ulong)(sequences * OutputBytes));
        Emit(0x0010_0513);             // li a0, 1
        Emit(0x0400_0893);             // li a7, 64: write
        Emit(0x0000_0073);
        Emit(0x0000_0513);             // li a0, 0
        Emit(0x05d0_0893);             // li a7, 93: exit
        Emit(0x0000_0073);
        DataBytes = ScratchBytes + sequences * (InputBytes + OutputBytes);
    }

    public int Sequences { get; }

    public int DataBytes { get; }

    public ReadOnlySpan<byte> Code => System.Runtime.InteropServices.CollectionsMarshal.AsSpan(_code);

    /// <summary>The program as a static executable.</summary>
    public byte[] ToElf() => ProgramImage.Build(Code, CodeBase, Data(), DataBase, DataBytes);

    /// <summary>The initial data, from <see cref="DataBase"/>.</summary>
    public byte[] Data()
    {
        var data = new byte[ScratchBytes + _inputs.Count];
        new Random(1).NextBytes(data.AsSpan(0, ScratchBytes));
        _inputs.CopyTo(data, ScratchBytes);
        return data;
    }

    /// <summary>Which sequence an offset of the output belongs to, and which register.</summary>
    public string Describe(int offset)
    {
        int slot = offset % OutputBytes / 8;
        string register = slot < 31 ? $"x{slot}" : slot < 63 ? $"f{slot - 31}" : "fcsr";
        int sequence = offset / OutputBytes;
        var listing = new System.Text.StringBuilder();
        for (int at = _sequenceAt[sequence]; at < _sequenceEnd[sequence];)
        {
            uint word = BinaryPrimitives.ReadUInt32LittleEndian(Code[at..]);
            listing.Append(System.Globalization.CultureInfo.InvariantCulture, $"\n{CodeBase + (ulong)at:x}: {Disassembler.Format(Decoder.Decode(word), CodeBase + (ulong)at)}");
            at += Decoder.Decode(word).Length;
        }

        return $"sequence {sequence}, {register}, after{listing}\n";
    }

    private void WriteInput()
    {
        for (int i = 0; i < 32; i++)
            Input(_random.Next(3) == 0 ? 0xffff_ffff_0000_0000 | Edge32() : EdgeDouble());
        Input((uint)_random.Next(5) << 5 | (uint)_random.Next(32));
        for (int i = 1; i < 33; i++)
            Input(Edge64());
    }

    private ulong Edge64() => _random.Next(6) switch
    {
        0 => (ulong)(long)_random.Next(-3, 4),
        1 => 1UL << _random.Next(64),
        2 => (1UL << _random.Next(64)) - 1,
        3 => (ulong)(int)_random.NextInt64(),
        _ => (ulong)_random.NextInt64(long.MinValue, long.MaxValue),
    };

    private uint Edge32() => _random.Next(4) switch
    {
        0 when _random.Next(3) == 0 => 0xFFFF_0000 | (uint)_random.Next(1 << 16),
        0 => new uint[] { 0, 0x8000_0000, 0x3f80_0000, 0x7f80_0000, 0xff80_0000, 0x7fc0_0000, 0x7f80_0001, 1, 0x0080_0000, 0x7f7f_ffff, 0x4f00_0000 }[_random.Next(11)],
        1 => BitConverter.SingleToUInt32Bits(_random.Next(-1000, 1000) / 8f),
        _ => (uint)_random.NextInt64(),
    };

    private ulong EdgeDouble() => _random.Next(4) switch
    {
        0 => new ulong[] { 0, 1UL << 63, 0x3ff0 << 12, 0x3ff0_0000_0000_0000, 0x7ff0_0000_0000_0000, 0xfff0_0000_0000_0000, 0x7ff8_0000_0000_0000, 0x7ff0_0000_0000_0001, 1, 0x0010_0000_0000_0000, 0x7fef_ffff_ffff_ffff, 0x43e0_0000_0000_0000 }[_random.Next(12)],
        1 => BitConverter.DoubleToUInt64Bits(_random.Next(-1000, 1000) / 8.0),
        _ => (ulong)_random.NextInt64(long.MinValue, long.MaxValue),
    };

    private void Input(ulong value)
    {
        Span<byte> bytes = stackalloc byte[8];
        BinaryPrimitives.WriteUInt64LittleEndian(bytes, value);
        _inputs.AddRange(bytes);
    }

    private void EmitLoads(ulong input)
    {
        EmitAddress(BaseRegister, input);
        for (uint i = 0; i < 32; i++)
            Emit(0x0000_3007 | i << 7 | BaseRegister << 15 | i * 8 << 20);          // fld
        Emit(0x0000_3003 | 1 << 7 | BaseRegister << 15 | 256 << 20);                // ld x1
        Emit(0x0030_9073);                                                          // fscsr x1
        for (uint i = 1; i < ScratchRegister; i++)
            Emit(0x0000_3003 | i << 7 | BaseRegister << 15 | (256 + i * 8) << 20);  // ld
        EmitAddress(ScratchRegister, DataBase + ScratchBytes / 2);
    }

    private void EmitDump(ulong output)
    {
        EmitAddress(BaseRegister, output);
        for (uint i = 0; i < 31; i++)
            EmitStore(0x0000_3023, i, i * 8);
        for (uint i = 0; i < 32; i++)
            EmitStore(0x0000_3027, i, (31 + i) * 8);
        Emit(0x0030_20f3);                                                          // frcsr x1
        EmitStore(0x0000_3023, 1, 63 * 8);
    }

    private void EmitStore(uint match, uint register, uint offset)
        => Emit(match | BaseRegister << 15 | register << 20 | (offset & 31) << 7 | offset >> 5 << 25);

    private void EmitAddress(uint register, ulong value)
    {
        uint low = (uint)value & 0xFFF;
        uint high = (uint)(value + 0x800) & 0xFFFF_F000;
        Emit(0x37 | register << 7 | high);                                          // lui
        Emit(0x1b | register << 7 | register << 15 | low << 20);                    // addiw
    }

    private void EmitRandom(InstructionRow row)
    {
        uint word = row.Match | ((uint)_random.NextInt64() & ~row.Mask);
        if (row.Format == InstructionFormat.KeyRound)
            word = row.Match | (word & 0xf_ffff & ~row.Mask) | (uint)_random.Next(11) << 20;
        uint rd = (uint)_random.Next(30);
        bool atomic = row.Format is InstructionFormat.Atomic or InstructionFormat.LoadReserved;
        switch (row.Format)
        {
            case InstructionFormat.Branch:
                EmitForwardBranch(word & 0x01ff_f07f);
                return;
            case InstructionFormat.Jump:
                Emit(0x6f | rd << 7 | 8 << 20);
                Emit(0x0000_0013 | (uint)_random.Next(1, 30) << 7 | 7 << 20, together: true);
                return;
            case InstructionFormat.Load or InstructionFormat.FloatLoad:
                word = (word & 0x0000_7fff) | ScratchRegister << 15 | ((uint)_random.Next(-1024, 1016) & 0xFFF) << 20;
                break;
            case InstructionFormat.Store or InstructionFormat.FloatStore:
            {
                uint offset = (uint)_random.Next(-1024, 1016) & 0xFFF;
                Emit((word & 0x01f0_707f) | ScratchRegister << 15 | (offset & 31) << 7 | offset >> 5 << 25);
                return;
            }
        }

        if (atomic)
            word = (word & 0xfff0_7fff) | ScratchRegister << 15;
        if (HasRoundingField(row))
        {
            uint rm = (uint)_random.Next(6);
            word = (word & ~0x7000u) | (rm == 5 ? 7 : rm) << 12;
        }

        if (!WritesFloat(row))
            word = (word & ~0xf80u) | rd << 7;
        Emit(word);
        if (row.Opcode is Opcode.LrW or Opcode.LrD && _random.Next(2) == 0)
        {
            uint sc = row.Opcode == Opcode.LrW ? 0x1800_202fu : 0x1800_302fu;
            Emit(sc | rd << 7 | ScratchRegister << 15 | (uint)_random.Next(30) << 20);
        }
    }

    private void EmitForwardBranch(uint word)
    {
        Emit((word & ~0xf80u) | 4 << 8);                                            // to the instruction after the next
        Emit(0x0000_0013 | (uint)_random.Next(1, 30) << 7 | (uint)_random.Next(2048) << 20, together: true);
    }

    private static bool HasRoundingField(InstructionRow row) => (row.Mask & 0x7000) == 0
        && row.Format is InstructionFormat.FloatFused or InstructionFormat.FloatArithmetic or InstructionFormat.FloatUnary
            or InstructionFormat.FloatToInteger or InstructionFormat.IntegerToFloat;

    private static bool WritesFloat(InstructionRow row) => row.Format is InstructionFormat.FloatLoad or InstructionFormat.FloatFused
        or InstructionFormat.FloatArithmetic or InstructionFormat.FloatUnary or InstructionFormat.FloatRegister
        or InstructionFormat.IntegerToFloat or InstructionFormat.IntegerBitsToFloat;

    private void Emit(uint word, bool together = false)
    {
        // Now and then two bytes between: 32-bit instructions then lie at odd halfwords and cross pages.
        if (!together && _random.Next(16) == 0)
            _code.AddRange([0x01, 0x00]);                                           // c.nop
        Span<byte> bytes = stackalloc byte[4];
        BinaryPrimitives.WriteUInt32LittleEndian(bytes, word);
        _code.AddRange(bytes);
    }
}
