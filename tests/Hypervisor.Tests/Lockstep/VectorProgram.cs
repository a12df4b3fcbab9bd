using System.Buffers.Binary;
using Hypervisor.Core.Isa;

namespace Hypervisor.Tests.Lockstep;

/// <summary>
/// A Linux program of random vector instructions, each after a random type, length and registers, and followed by a dump of all
/// vector registers and what goes with them. Instructions that are illegal are skipped by a signal handler, which counts them, so
/// that what is legal is compared too.
/// </summary>
internal sealed class VectorProgram
{
    public const ulong CodeBase = 0x10_0000;
    public const ulong DataBase = 0x1000_0000;

    /// <summary>Where vl, vtype, vcsr, fflags, the scalar results and the count of illegal instructions begin in a dump.</summary>
    public const int ScalarBytes = 8 * 16;

    private const int ScratchBytes = 0x2_0000;
    private const int OffsetBytes = 0x4000;
    private const int PoolBytes = 0x10000;
    private const uint Base = 31, Pointer = 30, Stride = 29, Scratch = 28, Type = 27;

    // QEMU 7.2 fails an assertion of its own on the conversions that have a rounding mode in their name: those have unit tests.
    private static readonly InstructionRow[] s_rows = InstructionTable.Rows.ToArray()
        .Where(row => row.Extension == IsaExtension.V && !row.Mnemonic.Contains(".rtz.", StringComparison.Ordinal) && !row.Mnemonic.Contains(".rod.", StringComparison.Ordinal)).ToArray();

    private readonly Random _random;
    private readonly List<byte> _code = [];
    private readonly List<(int From, int To, string Setting)> _steps = [];
    private readonly byte[] _pool = new byte[PoolBytes];
    private readonly byte[] _offsets = new byte[OffsetBytes];
    private readonly int _vectorBytes;

    /// <param name="seed">What is random in it.</param>
    /// <param name="rounds">How often every instruction is tried.</param>
    /// <param name="vectorBits">The length of registers it will meet.</param>
    public VectorProgram(int seed, int rounds, int vectorBits)
    {
        _random = new Random(seed);
        _vectorBytes = vectorBits / 8;
        FillPool();
        FillOffsets(_offsets);
        EmitHandler();
        foreach (int _ in Enumerable.Range(0, rounds))
        {
            foreach (InstructionRow row in s_rows)
                EmitStep(row);
        }

        EmitAddress(11, OutputBase);
        EmitAddress(12, (ulong)(_steps.Count * DumpBytes));
        Emit(0x0010_0513);             // li a0, 1
        Emit(0x0400_0893);             // li a7, 64: write
        Emit(0x0000_0073);
        Emit(0x0000_0513);             // li a0, 0
        Emit(0x05d0_0893);             // li a7, 93: exit
        Emit(0x0000_0073);
    }

    /// <summary>Bytes that each step leaves.</summary>
    public int DumpBytes => ScalarBytes + 32 * _vectorBytes + ScratchDump;

    public int Steps => _steps.Count;

    public int DataBytes => ScratchBytes + PoolBytes + OffsetBytes + _steps.Count * DumpBytes;

    public ReadOnlySpan<byte> Code => System.Runtime.InteropServices.CollectionsMarshal.AsSpan(_code);

    private const int ScratchDump = 1024;

    private static ulong PoolBase => DataBase + ScratchBytes;

    private static ulong OffsetsBase => PoolBase + PoolBytes;

    private static ulong OutputBase => OffsetsBase + OffsetBytes;

    public byte[] Data()
    {
        var data = new byte[ScratchBytes + PoolBytes + OffsetBytes];
        new Random(1).NextBytes(data.AsSpan(0, ScratchBytes));
        _pool.CopyTo(data, ScratchBytes);
        _offsets.CopyTo(data, ScratchBytes + PoolBytes);
        return data;
    }

    public byte[] ToElf() => ProgramImage.Build(Code, CodeBase, Data(), DataBase, DataBytes);

    /// <summary>Which step an offset of the output belongs to, and what of it.</summary>
    public string Describe(int offset)
    {
        int step = offset / DumpBytes;
        int within = offset % DumpBytes;
        string what = within < ScalarBytes ? ((string[])["vl", "vtype", "vcsr", "vstart", "fcsr", "x10", "f10", "illegal", "-", "-", "-", "-", "-", "-", "-", "-"])[within / 8]
            : within < ScalarBytes + 32 * _vectorBytes ? $"v{(within - ScalarBytes) / _vectorBytes} byte {(within - ScalarBytes) % _vectorBytes}"
            : $"memory {within - ScalarBytes - 32 * _vectorBytes}";
        (int from, int to, string setting) = _steps[step];
        var listing = new System.Text.StringBuilder();
        for (int at = from; at < to; at += 4)
            listing.Append('\n').Append(Disassembler.Format(Decoder.Decode(BinaryPrimitives.ReadUInt32LittleEndian(Code[at..])), 0));
        return $"step {step} ({setting}), {what}, after{listing}\n";
    }

    /// <summary>Numbers of every kind: small, at edges, floating-point specials of each width, and random bits.</summary>
    private void FillPool()
    {
        for (int i = 0; i < PoolBytes; i += 8)
        {
            ulong value = _random.Next(8) switch
            {
                0 => (ulong)(long)_random.Next(-4, 5),
                1 => Repeat((ushort)new[] { 0, 0x8000, 0x3c00, 0x7c00, 0xfc00, 0x7e00, 0x7c01, 1, 0x400, 0x7bff, 0x3ff }[_random.Next(11)]),
                2 => Repeat(new uint[] { 0u, 0x8000_0000, 0x3f80_0000, 0x7f80_0000, 0xff80_0000, 0x7fc0_0000, 0x7f80_0001, 1, 0x0080_0000, 0x7f7f_ffff, 0x4f00_0000, 0x0040_0000 }[_random.Next(12)]),
                3 => new ulong[] { 0ul, 1ul << 63, 0x3ff0_0000_0000_0000, 0x7ff0_0000_0000_0000, 0xfff0_0000_0000_0000, 0x7ff8_0000_0000_0000, 0x7ff0_0000_0000_0001, 1, 0x0010_0000_0000_0000, 0x7fef_ffff_ffff_ffff, 0x0004_0000_0000_0000 }[_random.Next(11)],
                4 => BitConverter.SingleToUInt32Bits(_random.Next(-1000, 1000) / 8f) * 0x1_0000_0001UL,
                5 => BitConverter.DoubleToUInt64Bits(_random.Next(-1000, 1000) / 8.0),
                6 => 0x8080_8080_8080_8080 ^ (ulong)_random.NextInt64() & 0x0101_0101_0101_0101,
                _ => (ulong)_random.NextInt64(long.MinValue, long.MaxValue),
            };
            BinaryPrimitives.WriteUInt64LittleEndian(_pool.AsSpan(i), value);
        }
    }

    private static ulong Repeat(ushort value) => value * 0x0001_0001_0001_0001UL;

    private static ulong Repeat(uint value) => value * 0x1_0000_0001UL;

    /// <summary>rt_sigaction(SIGILL, handler); the handler steps over the instruction and counts it in x9.</summary>
    private void EmitHandler()
    {
        const uint Jump = 0x0000_006f;
        Emit(Jump | 32 << 20);                                  // over the handler
        // a2 is the ucontext: pc at 176, and x9 behind it.
        Emit(0x0b06_3283);                                      // ld t0, 176(a2)
        Emit(0x0042_8293);                                      // addi t0, t0, 4
        Emit(0x0a56_3823);                                      // sd t0, 176(a2)
        Emit(0x0f86_3283);                                      // ld t0, 248(a2)
        Emit(0x0012_8293);                                      // addi t0, t0, 1
        Emit(0x0e56_3c23);                                      // sd t0, 248(a2)
        Emit(0x0000_8067);                                      // ret, to what the kernel put there
        // struct { handler, flags, mask } on the stack
        EmitAddress(5, CodeBase + 4);
        Emit(0xfc01_0113);                                      // addi sp, sp, -64
        Emit(0x0051_3023);                                      // sd t0, 0(sp)
        Emit(0x0040_0293);                                      // li t0, 4: SA_SIGINFO
        Emit(0x0051_3423);                                      // sd t0, 8(sp)
        Emit(0x0001_3823);                                      // sd zero, 16(sp)
        Emit(0x0040_0513);                                      // li a0, 4
        Emit(0x0001_0593);                                      // mv a1, sp
        Emit(0x0000_0613);                                      // li a2, 0
        Emit(0x0080_0693);                                      // li a3, 8
        Emit(0x0860_0893);                                      // li a7, 134: rt_sigaction
        Emit(0x0000_0073);
        Emit(0x0000_0493);                                      // li s1, 0
    }

    private void EmitStep(in InstructionRow row)
    {
        // All registers from the pool.
        EmitAddress(Base, PoolBase + (ulong)(_random.Next((PoolBytes - 32 * _vectorBytes - 64) / 8) * 8));
        for (uint v = 0; v < 32; v += 8)
        {
            Emit(0xe280_0007 | Base << 15 | v << 7);            // vl8re8.v
            EmitAdd(Base, 8 * _vectorBytes);
        }

        // A type, mostly one that is legal; a length, mostly below the largest.
        int width = _random.Next(4);
        int group = _random.Next(10) == 0 ? _random.Next(8) : new[] { 0, 1, 2, 3, 5, 6, 7 }[_random.Next(7)];
        uint type = (uint)(width << 3 | group | _random.Next(4) << 6);
        EmitConstant(Type, type);
        int most = 8 * _vectorBytes;
        EmitConstant(Scratch, (uint)(_random.Next(5) == 0 ? most : _random.Next(8) == 0 ? 0 : _random.Next(1 + Math.Min(most, 1 << _random.Next(1, 10)))));
        Emit(0x8000_7057 | Scratch << 15 | Type << 20);         // vsetvl x0, x28, x27

        EmitConstant(Scratch, (uint)_random.Next(8));
        Emit(0x00f0_1073 | Scratch << 15);                      // csrw vcsr
        EmitConstant(Scratch, (uint)(_random.Next(20) == 0 ? 7 : _random.Next(5)) << 5 | (uint)_random.Next(32) & (uint)_random.Next(32));
        Emit(0x0030_1073 | Scratch << 15);                      // csrw fcsr
        uint word = row.Match | ((uint)_random.NextInt64() & ~row.Mask);
        EmitLoadPool(10);
        Emit(0x0000_3507 | Base << 15);                         // fld fa0
        if (_random.Next(2) == 0)
            Emit(0xf000_0053 | 10 << 7 | 10 << 15);             // fmv.w.x fa0, a0: boxed

        bool memory = row.Format is InstructionFormat.VectorLoad or InstructionFormat.VectorWhole or InstructionFormat.VectorStrided or InstructionFormat.VectorIndexed;
        EmitAddress(Pointer, DataBase + ScratchBytes / 2 + (ulong)_random.Next(64));
        EmitConstant(Stride, (uint)_random.Next(-64, 65));
        if (memory)
        {
            word = (word & ~(31u << 15)) | Pointer << 15;
            if (row.Format == InstructionFormat.VectorStrided)
                word = (word & ~(31u << 20)) | Stride << 20;
            if (_random.Next(3) != 0 && row.Format != InstructionFormat.VectorWhole)
                word &= 0x1fff_ffff;                            // one field
            if (row.Format == InstructionFormat.VectorWhole)
                word = (word & 0x1fff_ffff) | (uint)new[] { 0, 1, 3, 7 }[_random.Next(4)] << 29;
            if (row.Format == InstructionFormat.VectorIndexed)
                EmitOffsets(word >> 20 & 31, row.Match >> 12 & 7);
        }
        else if (row.Format is InstructionFormat.VectorVx or InstructionFormat.VectorVxAdd or InstructionFormat.VectorVxm or InstructionFormat.VectorMoveX
            or InstructionFormat.VectorVf or InstructionFormat.VectorVfAdd or InstructionFormat.VectorVfm or InstructionFormat.VectorMoveF)
        {
            word = (word & ~(31u << 15)) | 10 << 15;
        }

        if (row.Format is InstructionFormat.VectorToInteger or InstructionFormat.VectorToFloat)
            word = (word & ~(31u << 7)) | 10 << 7;
        if (row.Format is InstructionFormat.VectorSet or InstructionFormat.VectorSetImmediate or InstructionFormat.Register)
        {
            word = (word & ~(31u << 7)) | (_random.Next(3) == 0 ? 0u : 10) << 7;
            if (row.Format != InstructionFormat.VectorSetImmediate)
                word = (word & ~(31u << 15)) | (_random.Next(3) == 0 ? 0u : 10) << 15;
            word = row.Format == InstructionFormat.Register ? (word & ~(31u << 20)) | Type << 20
                : _random.Next(4) == 0 ? word : (word & 0xc00f_ffff) | type << 20;
        }
        else if (_random.Next(8) != 0 && row.Format is not (InstructionFormat.VectorToInteger or InstructionFormat.VectorToFloat))
        {
            // Mostly registers that groups may begin with.
            uint clear = group <= 3 ? (1u << (_random.Next(3) == 0 ? Math.Min(3, group + 1) : group)) - 1 : 0;
            word &= ~(clear << 7);
            if (!memory)
                word &= ~(clear << 20);
            if (row.Format is InstructionFormat.VectorVv or InstructionFormat.VectorVvAdd or InstructionFormat.VectorVvm or InstructionFormat.VectorMoveV)
                word &= ~(clear << 15);
        }

        word = (word & ~row.Mask) | row.Match;
        // QEMU 7.2 dies of moves of whole registers that start elsewhere.
        if (_random.Next(10) == 0 && row.Opcode is not (>= Opcode.Vmv1rV and <= Opcode.Vmv8rV))
        {
            EmitConstant(Scratch, (uint)_random.Next(12));
            Emit(0x0080_1073 | Scratch << 15);                  // csrw vstart
        }

        // Where a jump through a register leads a translator that is told to translates at once, and not only what follows it.
        Emit(0x0000_0017 | Scratch << 7);                       // auipc
        Emit(0x00c0_0067 | Scratch << 15);                      // jr 12(x28)
        Emit(0x0010_0073);                                      // ebreak, never reached

        int from = _code.Count;
        Emit(word);
        _steps.Add((from, _code.Count, $"type 0x{type:x}"));
        EmitDump();
    }

    /// <summary>Puts offsets of a width into the registers of a group, so that indexed accesses stay within the scratch memory.</summary>
    private void EmitOffsets(uint first, uint width)
    {
        EmitAddress(Base, OffsetsBase + (width switch { 0 => 0u, 5 => 1u, 6 => 2u, _ => 3u }) * OffsetBytes / 4);
        for (uint k = 0; k < 8; k++)
        {
            Emit(0x0280_0007 | 1 << 25 | Base << 15 | (first + k & 31) << 7);   // vl1re8.v
            EmitAdd(Base, _vectorBytes);
        }
    }

    private void FillOffsets(Span<byte> area)
    {
        for (int width = 0; width < 4; width++)
        {
            Span<byte> part = area.Slice(width * OffsetBytes / 4, OffsetBytes / 4);
            for (int i = 0; i < part.Length; i += 1 << width)
            {
                int offset = _random.Next(width == 0 ? 256 : 640);
                part[i] = (byte)offset;
                if (width > 0)
                    part[i + 1] = (byte)(offset >> 8);
            }
        }
    }

    private void EmitDump()
    {
        EmitAddress(Base, OutputBase + (ulong)((_steps.Count - 1) * DumpBytes));
        uint slot = 0;
        foreach (uint csr in (uint[])[0xC20, 0xC21, 0x00F, 0x008, 0x003])
        {
            Emit(csr << 20 | 2 << 12 | Scratch << 7 | 0x73);    // csrr x28
            EmitStore(0x0000_3023, Scratch, slot++ * 8);
        }

        EmitStore(0x0000_3023, 10, slot++ * 8);
        EmitStore(0x0000_3027, 10, slot++ * 8);
        EmitStore(0x0000_3023, 9, slot * 8);
        Emit(0x0080_5073);                                      // csrwi vstart, 0
        EmitAdd(Base, ScalarBytes);
        for (uint v = 0; v < 32; v += 8)
        {
            Emit(0xe280_0027 | Base << 15 | v << 7);            // vs8r.v
            EmitAdd(Base, 8 * _vectorBytes);
        }

        // What stores left.
        EmitAddress(Pointer, DataBase + ScratchBytes / 2 - 256);
        for (uint i = 0; i < ScratchDump; i += 8)
        {
            Emit(0x0000_3003 | Scratch << 7 | Pointer << 15 | i << 20);
            EmitStore(0x0000_3023, Scratch, i);
        }
    }

    private void EmitLoadPool(uint register)
    {
        EmitAddress(Base, PoolBase + (ulong)(_random.Next(PoolBytes / 8 - 1) * 8));
        Emit(0x0000_3003 | register << 7 | Base << 15);
    }

    private void EmitConstant(uint register, uint value)
    {
        int number = (int)value;
        if (number is >= -2048 and < 2048)
            Emit(0x0000_0013 | register << 7 | (value & 0xFFF) << 20);
        else
            EmitAddress(register, value);
    }

    private void EmitAdd(uint register, int value)
    {
        while (value > 0)
        {
            int part = Math.Min(value, 2040);
            Emit(0x0000_0013 | register << 7 | register << 15 | (uint)part << 20);
            value -= part;
        }
    }

    private void EmitStore(uint match, uint register, uint offset)
        => Emit(match | Base << 15 | register << 20 | (offset & 31) << 7 | offset >> 5 << 25);

    private void EmitAddress(uint register, ulong value)
    {
        uint low = (uint)value & 0xFFF;
        uint high = (uint)(value + 0x800) & 0xFFFF_F000;
        Emit(0x37 | register << 7 | high);                      // lui
        Emit(0x1b | register << 7 | register << 15 | low << 20); // addiw
    }

    private void Emit(uint word)
    {
        Span<byte> bytes = stackalloc byte[4];
        BinaryPrimitives.WriteUInt32LittleEndian(bytes, word);
        _code.AddRange(bytes);
    }
}
