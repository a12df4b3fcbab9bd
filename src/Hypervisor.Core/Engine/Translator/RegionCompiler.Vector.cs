using System.Collections.Frozen;
using System.Reflection;
using System.Reflection.Emit;
using Hypervisor.Core.Engine.Interpreter;
using Hypervisor.Core.Engine.Interpreter.Vector;
using Hypervisor.Core.Hart;
using Hypervisor.Core.Isa;
using Hypervisor.Core.Isa.Vector;

namespace Hypervisor.Core.Engine.Translator;

/// <summary>
/// Vector instructions: calls of the interpreter's kernels, of which the element width in force chooses one. What a kernel cannot do
/// (an illegal type, an access without a TLB entry) is the interpreter's, which goes on at the element that the kernel came to.
/// </summary>
internal sealed unsafe partial class RegionCompiler
{
    private static readonly Type[] s_kernelSignature = [typeof(nint), typeof(nint), typeof(nint)];
    private static readonly MethodInfo s_move = typeof(VectorMemory).GetMethod(nameof(VectorMemory.Move))!;

    private readonly LocalBuilder _length;

    /// <summary>The vtype that is known to be in force, legal, with vstart 0: what a block has set.</summary>
    private ulong? _vectorType;

    private static bool IsVector(Opcode opcode) => opcode >= Opcode.Vsetvli;

    /// <summary>Whether an instruction is csrr of vl or vlenb, which loops over vectors are full of.</summary>
    private static bool IsVectorLength(in Instruction i) => i.Opcode == Opcode.Csrrs && i.Rs1 == 0 && i.Immediate is CsrNumber.Vl or CsrNumber.Vlenb;

    private void EmitVector(in Instruction i)
    {
        Label refused = Refused(Slow());
        if (i.Opcode is Opcode.Vsetvli or Opcode.Vsetivli)
            EmitConfiguration(in i, refused);
        else if (_vectorType is { } type && IsUnitStride(in i, type))
            EmitUnitStride(in i, type, refused);
        else
            EmitKernel(in i, refused);
        if (i.Opcode == Opcode.Vsetvl)
            _vectorType = null;
    }

    private void EmitKernel(in Instruction i, Label refused)
    {
        SpillOperands(in i);
        nint op = _tables.Vector(in i);
        LoadPointer(op);
        _il.Emit(OpCodes.Ldarg_1);
        _il.Emit(OpCodes.Ldarg_2);
        LoadPointer(op + sizeof(Op));
        LoadState(Offsets.VectorSelect);
        _il.Emit(OpCodes.Ldind_U1);
        _il.Emit(OpCodes.Ldc_I4_8);
        _il.Emit(OpCodes.Mul);
        _il.Emit(OpCodes.Conv_U);
        _il.Emit(OpCodes.Add);
        _il.Emit(OpCodes.Ldind_I);
        _il.EmitCalli(OpCodes.Calli, CallingConventions.Standard, typeof(bool), s_kernelSignature, null);
        _il.Emit(OpCodes.Brfalse, refused);
        ReadResult(in i);
    }

    /// <summary>A type that is in force already, as in every round of a loop but the first: only the length is new.</summary>
    private void EmitConfiguration(in Instruction i, Label refused)
    {
        var type = (ulong)i.Immediate;
        if (!VectorUnit.IsLegal(type))
        {
            EmitKernel(in i, refused);
            _vectorType = null;
            return;
        }

        Instruction whole = i;
        Label done = _il.DefineLabel();
        Label changes = OutOfLine(() =>
        {
            EmitKernel(in whole, refused);
            _il.Emit(OpCodes.Br, done);
        });
        LoadState(Offsets.Vtype);
        _il.Emit(OpCodes.Ldind_I8);
        _il.Emit(OpCodes.Ldc_I8, (long)type);
        _il.Emit(OpCodes.Bne_Un, changes);
        LoadState(Offsets.VectorSelect);
        _il.Emit(OpCodes.Ldind_U1);
        _il.Emit(OpCodes.Ldc_I4, VectorUnit.WidthOf(type));
        _il.Emit(OpCodes.Bne_Un, changes);
        LoadState(Offsets.Vstart);
        _il.Emit(OpCodes.Ldc_I8, 0L);
        _il.Emit(OpCodes.Stind_I8);
        LoadState(Offsets.VectorDirty);
        _il.Emit(OpCodes.Ldc_I4_1);
        _il.Emit(OpCodes.Stind_I1);
        bool immediate = i.Opcode == Opcode.Vsetivli;
        if (immediate || i.Rs1 != 0 || i.Rd != 0)
        {
            LoadWord(Offsets.VectorMaximum);
            if (immediate)
                _il.Emit(OpCodes.Ldc_I8, (long)i.Rs1);
            else if (i.Rs1 != 0)
                Load(i.Rs1);
            if (immediate || i.Rs1 != 0)
                _il.Emit(OpCodes.Call, s_shared[Opcode.Minu]);
            _il.Emit(OpCodes.Stloc, _length);
            LoadState(Offsets.Vl);
            _il.Emit(OpCodes.Ldloc, _length);
            _il.Emit(OpCodes.Stind_I8);
            if (i.Rd != 0)
            {
                _il.Emit(OpCodes.Ldloc, _length);
                Store(i.Rd);
            }
        }

        _il.MarkLabel(done);
        _vectorType = type;
    }

    /// <summary>Whether an access is of the plainest kind: all elements, of the type's own width and unmasked, of one register group.</summary>
    private static bool IsUnitStride(in Instruction i, ulong type)
    {
        const int unmaskedOneField = 1;
        int width = i.Opcode switch
        {
            Opcode.Vle8V or Opcode.Vle8ffV or Opcode.Vse8V => 0,
            Opcode.Vle16V or Opcode.Vle16ffV or Opcode.Vse16V => 1,
            Opcode.Vle32V or Opcode.Vle32ffV or Opcode.Vse32V => 2,
            Opcode.Vle64V or Opcode.Vle64ffV or Opcode.Vse64V => 3,
            _ => -1,
        };
        return width == VectorUnit.WidthOf(type) && i.Rs3 == unmaskedOneField && (i.Rd & VectorUnit.GroupMaskOf(type)) == 0;
    }

    /// <summary>Bytes of one page with a TLB entry, under a type that is known to be in force with vstart 0; others are the kernel's.</summary>
    private void EmitUnitStride(in Instruction i, ulong type, Label refused)
    {
        bool store = i.Opcode is Opcode.Vse8V or Opcode.Vse16V or Opcode.Vse32V or Opcode.Vse64V;
        Instruction whole = i;
        Label done = _il.DefineLabel();
        Label kernel = OutOfLine(() =>
        {
            EmitKernel(in whole, refused);
            _il.Emit(OpCodes.Br, done);
        });
        LoadWord(Offsets.Vl);
        _il.Emit(OpCodes.Ldc_I4, VectorUnit.WidthOf(type));
        _il.Emit(OpCodes.Shl);
        _il.Emit(OpCodes.Stloc, _length);
        Load(i.Rs1);
        _il.Emit(OpCodes.Stloc, _address);
        _il.Emit(OpCodes.Ldloc, _address);
        _il.Emit(OpCodes.Ldc_I8, 0xFFFL);
        _il.Emit(OpCodes.And);
        _il.Emit(OpCodes.Ldloc, _length);
        _il.Emit(OpCodes.Add);
        _il.Emit(OpCodes.Ldc_I8, 0x1000L);
        _il.Emit(OpCodes.Bgt_Un, kernel);
        EmitFind(1, store, kernel);
        if (store)
            LoadHost(store);
        LoadWord(Offsets.V);
        LoadState(Offsets.Vlenb);
        _il.Emit(OpCodes.Ldind_I4);
        _il.Emit(OpCodes.Ldc_I4, (int)i.Rd);
        _il.Emit(OpCodes.Mul);
        _il.Emit(OpCodes.Conv_I8);
        _il.Emit(OpCodes.Add);
        _il.Emit(OpCodes.Conv_U);
        if (!store)
            LoadHost(store);
        _il.Emit(OpCodes.Ldloc, _length);
        _il.Emit(OpCodes.Call, s_move);
        _il.MarkLabel(done);
    }

    /// <summary>The interpreter finds out again what a kernel lacked; nobody else shall think that something is lacking.</summary>
    private Label Refused(Label slow) => OutOfLine(() =>
    {
        LoadState(Offsets.HasVectorMiss);
        _il.Emit(OpCodes.Ldc_I4_0);
        _il.Emit(OpCodes.Stind_I1);
        _il.Emit(OpCodes.Br, slow);
    });

    private void EmitVectorLength(in Instruction i)
    {
        LoadState(Offsets.VectorSelect);
        _il.Emit(OpCodes.Ldind_U1);
        _il.Emit(OpCodes.Ldc_I4, (int)VectorUnit.Off);
        _il.Emit(OpCodes.Beq, Slow());
        if (i.Rd == 0)
            return;
        LoadState(i.Immediate == CsrNumber.Vl ? Offsets.Vl : Offsets.Vlenb);
        _il.Emit(i.Immediate == CsrNumber.Vl ? OpCodes.Ldind_I8 : OpCodes.Ldind_U4);
        _il.Emit(OpCodes.Conv_U8);
        Store(i.Rd);
    }
}

/// <summary>Which scalar registers a vector instruction reads and writes, as the operands of its format tell.</summary>
internal static class VectorFields
{
    private static readonly FrozenDictionary<InstructionFormat, (OperandKinds, FloatOperands)> s_byFormat = Enum.GetValues<InstructionFormat>()
        .Where(format => VectorOperands.Of(format) is not null).ToFrozenDictionary(format => format, format => Find(VectorOperands.Of(format)!));

    public static (OperandKinds Integers, FloatOperands Floats) Of(Opcode opcode)
        => opcode == Opcode.Vsetvl ? (new(true, true, true), default) : s_byFormat[InstructionTable.Get(opcode).Format];

    private static (OperandKinds, FloatOperands) Find(string operands)
        => (new(operands.AsSpan().ContainsAny('x', 'a'), operands.Contains('s'), operands.Contains('X')),
            new(operands.Contains('f'), false, false, operands.Contains('F')));
}
