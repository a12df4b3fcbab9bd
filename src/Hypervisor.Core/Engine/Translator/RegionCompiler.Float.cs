using System.Reflection;
using System.Reflection.Emit;
using Hypervisor.Core.Engine.Interpreter;
using Hypervisor.Core.Isa;

namespace Hypervisor.Core.Engine.Translator;

/// <summary>
/// Floating point and atomics. Floating-point registers are locals too. The frequent operations are done by the host's where it
/// is certain to give result and flags, and otherwise left to the interpreter; the others call the interpreter's own step.
/// </summary>
internal sealed unsafe partial class RegionCompiler
{
    private const int FloatRegisters = 33 * 8;
    private const long Magnitude = long.MaxValue;
    private const long Infinity = 0x7ff0_0000_0000_0000;
    private const long AboveSmallest = 0x0010_0000_0000_0001;

    /// <summary>fflags and frm as one word: nearest rounding with inexact accrued, whatever the other flags.</summary>
    private const long NearestMask = unchecked((long)0xFFFF_FFFF_0000_0001);

    private static readonly MethodInfo s_runStep = typeof(RegionExits).GetMethod(nameof(RegionExits.RunStep))!;
    private static readonly MethodInfo s_doubleBits = typeof(BitConverter).GetMethod(nameof(BitConverter.DoubleToInt64Bits))!;
    private static readonly MethodInfo s_bitsDouble = typeof(BitConverter).GetMethod(nameof(BitConverter.Int64BitsToDouble))!;
    private static readonly MethodInfo s_sqrt = typeof(Math).GetMethod(nameof(Math.Sqrt))!;
    private static readonly MethodInfo s_fma = typeof(Math).GetMethod(nameof(Math.FusedMultiplyAdd))!;

    private readonly LocalBuilder?[] _floats = new LocalBuilder?[32];
    private bool _floatEnabled;
    private bool _floatDirty;
    private int _floatNearest;

    private static bool NeedsStep(Opcode opcode)
        => opcode is (>= Opcode.LrW and <= Opcode.AmoMaxuD) or (>= Opcode.Flw and <= Opcode.FcvtDS) or (>= Opcode.Flh and <= Opcode.FcvtDH);

    private void EmitFloat(in Instruction i, MemoryShape shape)
    {
        if (shape.IsFloat && shape.Size >= 4)
        {
            EmitFloatMemory(in i, shape);
            return;
        }

        switch (i.Opcode)
        {
            case Opcode.FaddD:
                EmitDouble(in i, OpCodes.Add, ordinary: false);
                return;
            case Opcode.FsubD:
                EmitDouble(in i, OpCodes.Sub, ordinary: false);
                return;
            case Opcode.FmulD:
                EmitDouble(in i, OpCodes.Mul, ordinary: true);
                return;
            case Opcode.FdivD:
                EmitDouble(in i, OpCodes.Div, ordinary: true);
                return;
            case Opcode.FsqrtD:
                EmitDouble(in i, OpCodes.Call, ordinary: true);
                return;
            case Opcode.FmaddD or Opcode.FmsubD or Opcode.FnmsubD or Opcode.FnmaddD when Hart.FloatingPoint.HostArithmetic.HasFusedMultiplyAdd:
                EmitDouble(in i, OpCodes.Call, ordinary: true);
                return;
            case Opcode.FsgnjD or Opcode.FsgnjnD or Opcode.FsgnjxD:
                EmitSign(in i);
                return;
            case Opcode.FmvXD or Opcode.FmvXW or Opcode.FmvDX or Opcode.FmvWX:
                EmitFloatMove(in i);
                return;
            case Opcode.FeqD or Opcode.FltD or Opcode.FleD:
                EmitCompare(in i);
                return;
            case Opcode.FcvtDW or Opcode.FcvtDWu:
                RequireFloat();
                Load(i.Rs1);
                _il.Emit(OpCodes.Conv_I4);
                if (i.Opcode == Opcode.FcvtDWu)
                    _il.Emit(OpCodes.Conv_U8);
                _il.Emit(OpCodes.Conv_R8);
                StoreDouble(i.Rd);
                MarkFloatDirty();
                return;
        }

        Label slow = Slow();
        EmitStep(in i, slow);
        _floatDirty |= !shape.IsAtomic && !shape.IsStore;
        _floatEnabled |= !shape.IsAtomic;
    }

    /// <summary>The interpreter's handler for the instruction, called: registers go there and come back through the state.</summary>
    private void EmitStep(in Instruction i, Label slow)
    {
        SpillOperands(in i);
        LoadPointer(_tables.Step(in i));
        _il.Emit(OpCodes.Ldarg_1);
        _il.Emit(OpCodes.Ldarg_2);
        _il.Emit(OpCodes.Call, s_runStep);
        _il.Emit(OpCodes.Brfalse, slow);
        ReadResult(in i);
    }

    /// <summary>Puts what an instruction reads where the interpreter's code finds it.</summary>
    private void SpillOperands(in Instruction i)
    {
        OperandKinds kinds = OperandKinds.Of(i.Opcode);
        FloatOperands floats = FloatOperands.Of(i.Opcode);
        if (kinds.ReadsRs1 && IsCached(i.Rs1))
            Spill(i.Rs1);
        if (kinds.ReadsRs2 && IsCached(i.Rs2))
            Spill(i.Rs2);
        if (floats.Rs1 && IsFloatCached(i.Rs1))
            SpillFloat(i.Rs1);
        if (floats.Rs2 && IsFloatCached(i.Rs2))
            SpillFloat(i.Rs2);
        if (floats.Rs3 && IsFloatCached(i.Rs3))
            SpillFloat(i.Rs3);
    }

    /// <summary>Takes what the interpreter's code wrote into its local.</summary>
    private void ReadResult(in Instruction i)
    {
        if (FloatOperands.Of(i.Opcode).Rd && IsFloatCached(i.Rd))
        {
            LoadState(FloatRegisters + 8 * i.Rd);
            _il.Emit(OpCodes.Ldind_R8);
            StoreDouble(i.Rd);
        }

        if (!OperandKinds.Of(i.Opcode).WritesRd || i.Rd == 0 || !IsCached(i.Rd))
            return;
        LoadState(8 * i.Rd);
        _il.Emit(OpCodes.Ldind_I8);
        Store(i.Rd);
    }

    private void Spill(byte register)
    {
        if (register == 0)
            return;
        LoadState(8 * register);
        _il.Emit(OpCodes.Ldloc, _registers[register]!);
        _il.Emit(OpCodes.Stind_I8);
    }

    private void SpillFloat(byte register)
    {
        LoadState(FloatRegisters + 8 * register);
        _il.Emit(OpCodes.Ldloc, _floats[register]!);
        _il.Emit(OpCodes.Stind_R8);
    }

    private void EmitFloatMemory(in Instruction i, MemoryShape shape)
    {
        RequireFloat();
        EmitProbe(in i, shape, Slow());
        if (shape.IsStore)
        {
            LoadBits(i.Rs2);
            _il.Emit(shape.Size == 4 ? OpCodes.Stind_I4 : OpCodes.Stind_I8);
            return;
        }

        if (shape.Size == 4)
        {
            _il.Emit(OpCodes.Ldind_U4);
            _il.Emit(OpCodes.Conv_U8);
            StoreBoxed(i.Rd);
        }
        else
        {
            _il.Emit(OpCodes.Ldind_R8);
            StoreDouble(i.Rd);
        }

        MarkFloatDirty();
    }

    /// <summary>
    /// Arithmetic by the host: right where rounding is to nearest, inexact has accrued already, and the result is such that no
    /// other flag can have been raised (see <see cref="Hart.FloatingPoint.HostArithmetic"/>). Otherwise the interpreter does it.
    /// </summary>
    private void EmitDouble(in Instruction i, OpCode operation, bool ordinary)
    {
        RequireFloat();
        if (i.RoundingMode is not (0 or 7))
        {
            EmitStep(in i, Slow());
            MarkFloatDirty();
            return;
        }

        Label slow = Slow();
        RequireNearest(i.RoundingMode, slow);
        bool fused = i.Opcode is >= Opcode.FmaddD and <= Opcode.FnmaddD;
        LoadDouble(i.Rs1);
        if (i.Opcode is Opcode.FnmsubD or Opcode.FnmaddD)
            _il.Emit(OpCodes.Neg);
        if (i.Opcode != Opcode.FsqrtD)
            LoadDouble(i.Rs2);
        if (fused)
        {
            LoadDouble(i.Rs3);
            if (i.Opcode is Opcode.FmsubD or Opcode.FnmaddD)
                _il.Emit(OpCodes.Neg);
        }

        if (operation == OpCodes.Call)
            _il.Emit(OpCodes.Call, fused ? s_fma : s_sqrt);
        else
            _il.Emit(operation);
        _il.Emit(OpCodes.Stloc, _double);
        _il.Emit(OpCodes.Ldloc, _double);
        _il.Emit(OpCodes.Call, s_doubleBits);
        _il.Emit(OpCodes.Ldc_I8, Magnitude);
        _il.Emit(OpCodes.And);
        if (!ordinary)
        {
            _il.Emit(OpCodes.Ldc_I8, Infinity);
            _il.Emit(OpCodes.Bge_Un, slow);
        }
        else
        {
            Label good = _il.DefineLabel();
            byte rs1 = i.Rs1;
            byte rs2 = i.Rs2;
            bool product = i.Opcode == Opcode.FmulD;
            Label check = product ? OutOfLine(() => EmitZeroProduct(rs1, rs2, good, slow)) : slow;
            _il.Emit(OpCodes.Ldc_I8, AboveSmallest);
            _il.Emit(OpCodes.Sub);
            _il.Emit(OpCodes.Ldc_I8, Infinity - AboveSmallest);
            _il.Emit(OpCodes.Bge_Un, check);
            _il.MarkLabel(good);
        }

        _il.Emit(OpCodes.Ldloc, _double);
        StoreDouble(i.Rd);
        MarkFloatDirty();
    }

    /// <summary>Zero times a finite number is zero, exactly.</summary>
    private void EmitZeroProduct(byte rs1, byte rs2, Label good, Label slow)
    {
        _il.Emit(OpCodes.Ldloc, _double);
        _il.Emit(OpCodes.Ldc_R8, 0.0);
        _il.Emit(OpCodes.Bne_Un, slow);
        LoadDouble(rs1);
        _il.Emit(OpCodes.Ldc_R8, 0.0);
        _il.Emit(OpCodes.Beq, good);
        LoadDouble(rs2);
        _il.Emit(OpCodes.Ldc_R8, 0.0);
        _il.Emit(OpCodes.Beq, good);
        _il.Emit(OpCodes.Br, slow);
    }

    private void RequireNearest(int roundingMode, Label slow)
    {
        if (_floatNearest >= (roundingMode == 7 ? 2 : 1))
            return;
        _floatNearest = roundingMode == 7 ? 2 : 1;
        LoadState(Offsets.Fflags);
        _il.Emit(OpCodes.Ldind_I8);
        _il.Emit(OpCodes.Ldc_I8, roundingMode == 7 ? NearestMask : 1L);
        _il.Emit(OpCodes.And);
        _il.Emit(OpCodes.Ldc_I8, 1L);
        _il.Emit(OpCodes.Bne_Un, slow);
    }

    private void EmitSign(in Instruction i)
    {
        RequireFloat();
        if (i.Rs1 == i.Rs2 && i.Opcode != Opcode.FsgnjxD)
        {
            LoadDouble(i.Rs1);
            if (i.Opcode == Opcode.FsgnjnD)
                _il.Emit(OpCodes.Neg);
            StoreDouble(i.Rd);
            MarkFloatDirty();
            return;
        }

        LoadBits(i.Rs1);
        if (i.Opcode != Opcode.FsgnjxD)
        {
            _il.Emit(OpCodes.Ldc_I8, Magnitude);
            _il.Emit(OpCodes.And);
        }

        LoadBits(i.Rs2);
        if (i.Opcode == Opcode.FsgnjnD)
            _il.Emit(OpCodes.Not);
        _il.Emit(OpCodes.Ldc_I8, long.MinValue);
        _il.Emit(OpCodes.And);
        _il.Emit(i.Opcode == Opcode.FsgnjxD ? OpCodes.Xor : OpCodes.Or);
        StoreBits(i.Rd);
        MarkFloatDirty();
    }

    private void EmitFloatMove(in Instruction i)
    {
        RequireFloat();
        switch (i.Opcode)
        {
            case Opcode.FmvXD or Opcode.FmvXW:
                if (i.Rd == 0)
                    break;
                LoadBits(i.Rs1);
                if (i.Opcode == Opcode.FmvXW)
                {
                    _il.Emit(OpCodes.Conv_I4);
                    _il.Emit(OpCodes.Conv_I8);
                }

                Store(i.Rd);
                break;

            case Opcode.FmvDX:
                Load(i.Rs1);
                StoreBits(i.Rd);
                break;

            default:
                Load(i.Rs1);
                StoreBoxed(i.Rd);
                break;
        }

        MarkFloatDirty();
    }

    /// <summary>A comparison of doubles; where one is not a number, the interpreter knows the flags.</summary>
    private void EmitCompare(in Instruction i)
    {
        RequireFloat();
        Label slow = Slow();
        foreach (byte register in (ReadOnlySpan<byte>)[i.Rs1, i.Rs2])
        {
            LoadDouble(register);
            LoadDouble(register);
            _il.Emit(OpCodes.Bne_Un, slow);
        }

        LoadDouble(i.Rs1);
        LoadDouble(i.Rs2);
        switch (i.Opcode)
        {
            case Opcode.FeqD:
                _il.Emit(OpCodes.Ceq);
                break;
            case Opcode.FltD:
                _il.Emit(OpCodes.Clt);
                break;
            default:
                _il.Emit(OpCodes.Cgt);
                _il.Emit(OpCodes.Ldc_I4_0);
                _il.Emit(OpCodes.Ceq);
                break;
        }

        _il.Emit(OpCodes.Conv_U8);
        if (i.Rd == 0)
            _il.Emit(OpCodes.Pop);
        else
            Store(i.Rd);
        MarkFloatDirty();
    }

    /// <summary>Floating point may be off: looked at once in a block, as nothing in a region changes it.</summary>
    private void RequireFloat()
    {
        if (_floatEnabled)
            return;
        _floatEnabled = true;
        LoadState(Offsets.FpEnabled);
        _il.Emit(OpCodes.Ldind_U1);
        _il.Emit(OpCodes.Brfalse, Slow());
    }

    /// <summary>Once in a block, behind its first instruction that writes floating-point state.</summary>
    private void MarkFloatDirty()
    {
        if (_floatDirty)
            return;
        _floatDirty = true;
        LoadState(Offsets.FpDirty);
        _il.Emit(OpCodes.Ldc_I4_1);
        _il.Emit(OpCodes.Stind_I1);
    }

    private bool IsFloatCached(byte register) => (_flow.Cached[_blockIndex] >> 32 >> register & 1) != 0;

    private void LoadDouble(byte register)
    {
        if (IsFloatCached(register))
        {
            _il.Emit(OpCodes.Ldloc, _floats[register]!);
            return;
        }

        LoadState(FloatRegisters + 8 * register);
        _il.Emit(OpCodes.Ldind_R8);
    }

    private void StoreDouble(byte register)
    {
        if (IsFloatCached(register))
        {
            _il.Emit(OpCodes.Stloc, _floats[register]!);
            return;
        }

        _il.Emit(OpCodes.Stloc, _result);
        LoadState(FloatRegisters + 8 * register);
        _il.Emit(OpCodes.Ldloc, _result);
        _il.Emit(OpCodes.Stind_R8);
    }

    private void LoadBits(byte register)
    {
        LoadDouble(register);
        _il.Emit(OpCodes.Call, s_doubleBits);
    }

    private void StoreBits(byte register)
    {
        _il.Emit(OpCodes.Call, s_bitsDouble);
        StoreDouble(register);
    }

    private void StoreBoxed(byte register)
    {
        _il.Emit(OpCodes.Ldc_I8, unchecked((long)0xFFFF_FFFF_0000_0000));
        _il.Emit(OpCodes.Or);
        StoreBits(register);
    }
}

/// <summary>Which operands of an instruction are floating-point registers.</summary>
internal readonly record struct FloatOperands(bool Rs1, bool Rs2, bool Rs3, bool Rd)
{
    public static FloatOperands Of(Opcode opcode) => opcode switch
    {
        Opcode.Flw or Opcode.Fld or Opcode.Flh => new(false, false, false, true),
        Opcode.Fsw or Opcode.Fsd or Opcode.Fsh => new(false, true, false, false),
        (>= Opcode.FmaddS and <= Opcode.FnmaddS) or (>= Opcode.FmaddD and <= Opcode.FnmaddD) or (>= Opcode.FmaddH and <= Opcode.FnmaddH) => new(true, true, true, true),
        Opcode.FsqrtS or Opcode.FsqrtD or Opcode.FsqrtH => new(true, false, false, true),
        (>= Opcode.FaddS and <= Opcode.FmaxS) or (>= Opcode.FaddD and <= Opcode.FmaxD) or (>= Opcode.FaddH and <= Opcode.FmaxH) => new(true, true, false, true),
        (>= Opcode.FeqS and <= Opcode.FleS) or (>= Opcode.FeqD and <= Opcode.FleD) or (>= Opcode.FeqH and <= Opcode.FleH) => new(true, true, false, false),
        (>= Opcode.FcvtWS and <= Opcode.FcvtLuS) or (>= Opcode.FcvtWD and <= Opcode.FcvtLuD) or (>= Opcode.FcvtWH and <= Opcode.FcvtLuH)
            or Opcode.FmvXW or Opcode.FmvXD or Opcode.FmvXH or Opcode.FclassS or Opcode.FclassD or Opcode.FclassH => new(true, false, false, false),
        (>= Opcode.FcvtSW and <= Opcode.FcvtSLu) or (>= Opcode.FcvtDW and <= Opcode.FcvtDLu) or (>= Opcode.FcvtHW and <= Opcode.FcvtHLu)
            or Opcode.FmvWX or Opcode.FmvDX or Opcode.FmvHX => new(false, false, false, true),
        >= Opcode.Vsetvli => VectorFields.Of(opcode).Floats,
        Opcode.FcvtSD or Opcode.FcvtDS or Opcode.FcvtHS or Opcode.FcvtHD or Opcode.FcvtSH or Opcode.FcvtDH => new(true, false, false, true),
        _ => default,
    };
}
