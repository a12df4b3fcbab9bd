using System.Reflection;
using System.Reflection.Emit;
using Hypervisor.Core.Engine.Interpreter;
using Hypervisor.Core.Engine.Interpreter.Steps;
using Hypervisor.Core.Isa;
using Hypervisor.Core.Memory;

namespace Hypervisor.Core.Engine.Translator;

/// <summary>Instructions, one by one.</summary>
internal sealed unsafe partial class RegionCompiler
{
    /// <summary>Operations whose CIL is a call of the interpreter's own, which the JIT takes in line.</summary>
    private static readonly Dictionary<Opcode, MethodInfo> s_shared = new()
    {
        [Opcode.Mulh] = Apply<Mulh>(), [Opcode.Mulhsu] = Apply<Mulhsu>(), [Opcode.Mulhu] = Apply<Mulhu>(),
        [Opcode.Div] = Apply<Div>(), [Opcode.Divu] = Apply<Divu>(), [Opcode.Rem] = Apply<Rem>(), [Opcode.Remu] = Apply<Remu>(),
        [Opcode.Sh1add] = Apply<Sh1add>(), [Opcode.Sh2add] = Apply<Sh2add>(), [Opcode.Sh3add] = Apply<Sh3add>(),
        [Opcode.Sh1addUw] = Apply<Sh1addUw>(), [Opcode.Sh2addUw] = Apply<Sh2addUw>(), [Opcode.Sh3addUw] = Apply<Sh3addUw>(),
        [Opcode.AddUw] = Apply<AddUw>(), [Opcode.SlliUw] = Apply<SlliUw>(), [Opcode.Andn] = Apply<Andn>(), [Opcode.Orn] = Apply<Orn>(),
        [Opcode.Xnor] = Apply<Xnor>(), [Opcode.Min] = Apply<Min>(), [Opcode.Minu] = Apply<Minu>(), [Opcode.Max] = Apply<Max>(),
        [Opcode.Maxu] = Apply<Maxu>(), [Opcode.Rol] = Apply<Rol>(), [Opcode.Ror] = Apply<Ror>(),
        [Opcode.Rori] = Apply<Ror>(), [Opcode.Roriw] = Apply<Rorw>(), [Opcode.Clz] = Apply<Clz>(),
        [Opcode.Ctz] = Apply<Ctz>(), [Opcode.Cpop] = Apply<Cpop>(), [Opcode.Clzw] = Apply<Clzw>(), [Opcode.Ctzw] = Apply<Ctzw>(),
        [Opcode.Cpopw] = Apply<Cpopw>(), [Opcode.SextB] = Apply<SextB>(), [Opcode.SextH] = Apply<SextH>(), [Opcode.ZextH] = Apply<ZextH>(),
        [Opcode.OrcB] = Apply<OrcB>(), [Opcode.Rev8] = Apply<Rev8>(), [Opcode.Bclr] = Apply<Bclr>(), [Opcode.Bext] = Apply<Bext>(),
        [Opcode.Binv] = Apply<Binv>(), [Opcode.Bset] = Apply<Bset>(), [Opcode.Bclri] = Apply<Bclr>(), [Opcode.Bexti] = Apply<Bext>(),
        [Opcode.Binvi] = Apply<Binv>(), [Opcode.Bseti] = Apply<Bset>(), [Opcode.CzeroEqz] = Apply<CzeroEqz>(), [Opcode.CzeroNez] = Apply<CzeroNez>(),
        [Opcode.Clmul] = Apply<Clmul>(), [Opcode.Clmulr] = Apply<Clmulr>(), [Opcode.Clmulh] = Apply<Clmulh>(), [Opcode.Pack] = Apply<Pack>(),
        [Opcode.Packh] = Apply<Packh>(), [Opcode.Packw] = Apply<Packw>(), [Opcode.Brev8] = Apply<Brev8>(), [Opcode.Xperm4] = Apply<Xperm4>(),
        [Opcode.Xperm8] = Apply<Xperm8>(),
        [Opcode.Aes64Ds] = Apply<Aes64Ds>(), [Opcode.Aes64Dsm] = Apply<Aes64Dsm>(), [Opcode.Aes64Es] = Apply<Aes64Es>(), [Opcode.Aes64Esm] = Apply<Aes64Esm>(),
        [Opcode.Aes64Ks2] = Apply<Aes64Ks2>(), [Opcode.Aes64Ks1i] = Apply<Aes64Ks1i>(), [Opcode.Aes64Im] = Apply<Aes64Im>(), [Opcode.Sha256Sum0] = Apply<Sha256Sum0>(),
        [Opcode.Sha256Sum1] = Apply<Sha256Sum1>(), [Opcode.Sha256Sig0] = Apply<Sha256Sig0>(), [Opcode.Sha256Sig1] = Apply<Sha256Sig1>(), [Opcode.Sha512Sum0] = Apply<Sha512Sum0>(),
        [Opcode.Sha512Sum1] = Apply<Sha512Sum1>(), [Opcode.Sha512Sig0] = Apply<Sha512Sig0>(), [Opcode.Sha512Sig1] = Apply<Sha512Sig1>(), [Opcode.Sm3P0] = Apply<Sm3P0>(),
        [Opcode.Sm3P1] = Apply<Sm3P1>(),
    };

    private static readonly Dictionary<Opcode, MethodInfo> s_words = new()
    {
        [Opcode.Divw] = Word(nameof(WordOperations.Divide)), [Opcode.Divuw] = Word(nameof(WordOperations.DivideUnsigned)),
        [Opcode.Remw] = Word(nameof(WordOperations.Remainder)), [Opcode.Remuw] = Word(nameof(WordOperations.RemainderUnsigned)),
        [Opcode.Rolw] = Word(nameof(WordOperations.RotateLeft)), [Opcode.Rorw] = Word(nameof(WordOperations.RotateRight)),
    };

    private static readonly MethodInfo s_fence = typeof(Interlocked).GetMethod(nameof(Interlocked.MemoryBarrier))!;

    /// <summary>Whether an instruction is translated. The others leave the region before them.</summary>
    public static bool CanTranslate(in Instruction i) => IsVectorLength(in i) || CanTranslate(i.Opcode);

    private static bool CanTranslate(Opcode opcode) => opcode switch
    {
        Opcode.Lui or Opcode.Auipc or Opcode.Jal or Opcode.Jalr => true,
        >= Opcode.Beq and <= Opcode.Bgeu => true,
        >= Opcode.Lb and <= Opcode.Sd => true,
        _ when NeedsStep(opcode) || IsVector(opcode) => true,
        >= Opcode.Addi and <= Opcode.Sraw => true,
        Opcode.Mul or Opcode.Mulw => true,
        Opcode.Fence or Opcode.PrefetchI or Opcode.PrefetchR or Opcode.PrefetchW => true,
        _ => s_shared.ContainsKey(opcode) || s_words.ContainsKey(opcode),
    };

    private static MethodInfo Word(string name) => typeof(WordOperations).GetMethod(name)!;

    private static MethodInfo Apply<T>() where T : struct, IBinary => typeof(T).GetMethod("Apply")!;

    private void EmitInstruction(in Instruction i, ulong pc)
    {
        switch (i.Opcode)
        {
            case Opcode.Lui:
                SetConstant(i.Rd, (ulong)(long)i.Immediate);
                return;

            case Opcode.Auipc:
                SetConstant(i.Rd, pc + (ulong)(long)i.Immediate);
                return;

            case Opcode.Jal:
            case Opcode.Jalr when _block.End == BlockEnd.Jumps:
                SetConstant(i.Rd, pc + i.Length);
                EmitEdge(_block.Taken);
                return;

            case Opcode.Jalr:
                Load(i.Rs1);
                _il.Emit(OpCodes.Ldc_I8, (long)i.Immediate);
                _il.Emit(OpCodes.Add);
                _il.Emit(OpCodes.Ldc_I8, ~1L);
                _il.Emit(OpCodes.And);
                _il.Emit(OpCodes.Stloc, _pc);
                SetConstant(i.Rd, pc + i.Length);
                EmitIndirect();
                return;

            case >= Opcode.Beq and <= Opcode.Bgeu:
                EmitBranch(in i);
                return;

            case Opcode.Fence:
                _il.Emit(OpCodes.Call, s_fence);
                return;

            case Opcode.PrefetchI or Opcode.PrefetchR or Opcode.PrefetchW:
                return;

            case Opcode.Csrrs:
                EmitVectorLength(in i);
                return;

            case >= Opcode.Vsetvli:
                EmitVector(in i);
                return;
        }

        MemoryShape shape = MemoryShape.Of(i.Opcode);
        if (NeedsStep(i.Opcode))
        {
            EmitFloat(in i, shape);
            return;
        }

        if (shape.Size != 0)
        {
            EmitMemory(in i, shape);
            return;
        }

        if (i.Rd == 0)
            return;
        KeepRotated(in i);
        if (_unused.Contains(_instruction))
            return;
        if (_rotations.TryGetValue(_instruction, out (int Slot, int Right) rotation))
            EmitRotation(i.Rd, rotation.Slot, rotation.Right);
        else
            EmitComputation(in i);
    }

    private void EmitBranch(in Instruction i)
    {
        (OpCode holds, OpCode fails) = i.Opcode switch
        {
            Opcode.Beq => (OpCodes.Beq, OpCodes.Bne_Un),
            Opcode.Bne => (OpCodes.Bne_Un, OpCodes.Beq),
            Opcode.Blt => (OpCodes.Blt, OpCodes.Bge),
            Opcode.Bge => (OpCodes.Bge, OpCodes.Blt),
            Opcode.Bltu => (OpCodes.Blt_Un, OpCodes.Bge_Un),
            _ => (OpCodes.Bge_Un, OpCodes.Blt_Un),
        };
        Load(i.Rs1);
        Load(i.Rs2);
        if (_block.Taken.Block < 0)
        {
            _il.Emit(holds, ExitTo(_block.Taken.Pc, _flow.WrittenAfter(_blockIndex)));
        }
        else if (IsPlain(_block.Taken))
        {
            _il.Emit(holds, _labels[_block.Taken.Block]);
        }
        else
        {
            Label not = _il.DefineLabel();
            _il.Emit(fails, not);
            EmitEdge(_block.Taken);
            if (_block.Taken.Block == _blockIndex + 1)
                _il.Emit(OpCodes.Br, _labels[_block.Taken.Block]);
            _il.MarkLabel(not);
        }
    }

    private void EmitComputation(in Instruction i)
    {
        bool immediate = !OperandKinds.Of(i.Opcode).ReadsRs2;
        long constant = i.Immediate;
        if (s_shared.TryGetValue(i.Opcode, out MethodInfo? shared))
        {
            Load(i.Rs1);
            if (immediate)
                _il.Emit(OpCodes.Ldc_I8, constant);
            else
                Load(i.Rs2);
            _il.Emit(OpCodes.Call, shared);
            Store(i.Rd);
            return;
        }

        if (s_words.TryGetValue(i.Opcode, out MethodInfo? word))
        {
            // Through locals of their own size: see WordOperations.
            LoadNarrow(i.Rs1);
            _il.Emit(OpCodes.Stloc, _word1);
            LoadNarrow(i.Rs2);
            _il.Emit(OpCodes.Stloc, _word2);
            _il.Emit(OpCodes.Ldloc, _word1);
            _il.Emit(OpCodes.Ldloc, _word2);
            _il.Emit(OpCodes.Call, word);
            StoreNarrow(i.Rd);
            return;
        }

        if (TryEmitWord(in i))
            return;
        bool isWord = GivesWord(in i);
        Load(i.Rs1);
        switch (i.Opcode)
        {
            case Opcode.Add or Opcode.Addi:
                if (!immediate || constant != 0)
                    Binary(in i, OpCodes.Add);
                break;
            case Opcode.Sub:
                Binary(in i, OpCodes.Sub);
                break;
            case Opcode.Mul:
                Binary(in i, OpCodes.Mul);
                break;
            case Opcode.And or Opcode.Andi:
                Binary(in i, OpCodes.And);
                break;
            case Opcode.Or or Opcode.Ori:
                Binary(in i, OpCodes.Or);
                break;
            case Opcode.Xor or Opcode.Xori:
                Binary(in i, OpCodes.Xor);
                break;
            case Opcode.Slt or Opcode.Slti:
                Binary(in i, OpCodes.Clt);
                _il.Emit(OpCodes.Conv_U8);
                break;
            case Opcode.Sltu or Opcode.Sltiu:
                Binary(in i, OpCodes.Clt_Un);
                _il.Emit(OpCodes.Conv_U8);
                break;
            case Opcode.Sll or Opcode.Slli:
                Shift(in i, OpCodes.Shl, 63);
                break;
            case Opcode.Srl or Opcode.Srli:
                Shift(in i, OpCodes.Shr_Un, 63);
                break;
            default: // Sra, Srai
                Shift(in i, OpCodes.Shr, 63);
                break;
        }

        Store(i.Rd);
        if (isWord)
            _words |= 1U << i.Rd;
    }

    private void Binary(in Instruction i, OpCode operation)
    {
        if (OperandKinds.Of(i.Opcode).ReadsRs2)
            Load(i.Rs2);
        else
            _il.Emit(OpCodes.Ldc_I8, (long)i.Immediate);
        _il.Emit(operation);
    }

    private void Shift(in Instruction i, OpCode operation, int mask)
    {
        if (OperandKinds.Of(i.Opcode).ReadsRs2)
        {
            LoadNarrow(i.Rs2);
            _il.Emit(OpCodes.Ldc_I4, mask);
            _il.Emit(OpCodes.And);
        }
        else
        {
            _il.Emit(OpCodes.Ldc_I4, i.Immediate & mask);
        }

        _il.Emit(operation);
    }

    /// <summary>A load or store whose TLB entry hits; otherwise the interpreter does it.</summary>
    private void EmitMemory(in Instruction i, MemoryShape shape)
    {
        Label slow = Slow();
        EmitProbe(in i, shape, slow);
        if (shape.IsStore)
        {
            if (shape.Size <= 4)
                LoadNarrow(i.Rs2);
            else
                Load(i.Rs2);
            _il.Emit(shape.Size switch { 1 => OpCodes.Stind_I1, 2 => OpCodes.Stind_I2, 4 => OpCodes.Stind_I4, _ => OpCodes.Stind_I8 });
            return;
        }

        _il.Emit(i.Opcode switch
        {
            Opcode.Lb => OpCodes.Ldind_I1,
            Opcode.Lbu => OpCodes.Ldind_U1,
            Opcode.Lh => OpCodes.Ldind_I2,
            Opcode.Lhu => OpCodes.Ldind_U2,
            Opcode.Lw => OpCodes.Ldind_I4,
            Opcode.Lwu => OpCodes.Ldind_U4,
            _ => OpCodes.Ldind_I8,
        });
        if (shape.Size < 8)
            _il.Emit(i.Opcode is Opcode.Lbu or Opcode.Lhu or Opcode.Lwu ? OpCodes.Conv_U8 : OpCodes.Conv_I8);
        if (i.Rd == 0)
        {
            _il.Emit(OpCodes.Pop);
            return;
        }

        Store(i.Rd);
        if (i.Opcode is not (Opcode.Lwu or Opcode.Ld))
            _words |= 1U << i.Rd;
    }

    private void LoadField(int offset)
    {
        if (offset == 0)
            return;
        _il.Emit(OpCodes.Ldc_I4, offset);
        _il.Emit(OpCodes.Add);
    }

    private void SetConstant(byte rd, ulong value)
    {
        if (rd == 0)
            return;
        _il.Emit(OpCodes.Ldc_I8, (long)value);
        Store(rd);
        if ((long)value == (int)value)
            _words |= 1U << rd;
    }

    private void Load(byte register)
    {
        if (IsNarrow(register))
            Widen(register);
        if (register == 0)
            _il.Emit(OpCodes.Ldc_I8, 0L);
        else if (IsCached(register))
            _il.Emit(OpCodes.Ldloc, _registers[register]!);
        else
            LoadWord(8 * register);
    }

    /// <summary>Whether the block in progress has an integer register in a local.</summary>
    private bool IsCached(byte register) => (_flow.Cached[_blockIndex] >> register & 1) != 0;

    private void LoadWord(int offset)
    {
        LoadState(offset);
        _il.Emit(OpCodes.Ldind_I8);
    }

    private void Store(byte register)
    {
        _narrowed &= ~(1U << register);
        _words &= ~(1U << register);
        Put(register);
    }

    private void Put(byte register)
    {
        if (IsCached(register))
        {
            _il.Emit(OpCodes.Stloc, _registers[register]!);
            return;
        }

        _il.Emit(OpCodes.Stloc, _value);
        LoadState(8 * register);
        _il.Emit(OpCodes.Ldloc, _value);
        _il.Emit(OpCodes.Stind_I8);
    }
}

/// <summary>Which integer registers an instruction that is translated reads and writes.</summary>
internal readonly record struct OperandKinds(bool ReadsRs1, bool ReadsRs2, bool WritesRd)
{
    public static OperandKinds Of(Opcode opcode) => opcode switch
    {
        Opcode.Lui or Opcode.Auipc or Opcode.Jal => new(false, false, true),
        Opcode.Jalr or (>= Opcode.Addi and <= Opcode.Srai) or (>= Opcode.Addiw and <= Opcode.Sraiw) => new(true, false, true),
        >= Opcode.Beq and <= Opcode.Bgeu => new(true, true, false),
        >= Opcode.Lb and <= Opcode.Lwu => new(true, false, true),
        >= Opcode.Sb and <= Opcode.Sd => new(true, true, false),
        Opcode.Flw or Opcode.Fld or Opcode.Flh or Opcode.Fsw or Opcode.Fsd or Opcode.Fsh => new(true, false, false),
        Opcode.LrW or Opcode.LrD => new(true, false, true),
        (>= Opcode.ScW and <= Opcode.AmoMaxuW) or (>= Opcode.ScD and <= Opcode.AmoMaxuD) => new(true, true, true),
        (>= Opcode.FeqS and <= Opcode.FcvtLuS) or Opcode.FmvXW or Opcode.FclassS or (>= Opcode.FeqD and <= Opcode.FcvtLuD) or Opcode.FmvXD
            or Opcode.FclassD or (>= Opcode.FeqH and <= Opcode.FcvtLuH) or Opcode.FmvXH or Opcode.FclassH => new(false, false, true),
        Opcode.Csrrs => new(false, false, true), // Of translated code only those that read a vector's length.
        >= Opcode.Vsetvli => VectorFields.Of(opcode).Integers,
        (>= Opcode.FcvtSW and <= Opcode.FcvtSLu) or Opcode.FmvWX or (>= Opcode.FcvtDW and <= Opcode.FcvtDLu) or Opcode.FmvDX
            or (>= Opcode.FcvtHW and <= Opcode.FcvtHLu) or Opcode.FmvHX => new(true, false, false),
        (>= Opcode.Add and <= Opcode.And) or (>= Opcode.Addw and <= Opcode.Sraw) or (>= Opcode.Mul and <= Opcode.Remuw) => new(true, true, true),
        Opcode.SlliUw or Opcode.Rori or Opcode.Roriw or Opcode.Bclri or Opcode.Bexti or Opcode.Binvi or Opcode.Bseti
            or (>= Opcode.Clz and <= Opcode.Rev8) or Opcode.Brev8 or (>= Opcode.Aes64Ks1i and <= Opcode.Sm3P1) => new(true, false, true),
        (>= Opcode.Sh1add and <= Opcode.CzeroNez) or (>= Opcode.Clmul and <= Opcode.Xperm8)
            or (>= Opcode.Aes64Ds and <= Opcode.Aes64Ks2) => new(true, true, true),
        _ => default,
    };
}
