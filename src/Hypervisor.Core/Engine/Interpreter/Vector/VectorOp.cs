using System.Numerics;
using System.Runtime.CompilerServices;
using Hypervisor.Core.Hart;
using Hypervisor.Core.Hart.FloatingPoint;
using Hypervisor.Core.Isa;
using Hypervisor.Core.Isa.Vector;
using Hypervisor.Core.Memory;
using static Hypervisor.Core.Hart.RegisterFile;

namespace Hypervisor.Core.Engine.Interpreter.Vector;

/// <summary>
/// The fields of a vector operation in an <see cref="Op"/>: register numbers stand in their own bytes as the instruction has them,
/// the rest in the immediate.
/// </summary>
internal static unsafe class VectorOp
{
    /// <summary>Kernels of an operation: one for each element width, and those that refuse: for an illegal type, and where vectors are off.</summary>
    public const int Kinds = 8;

    private const int KernelMask = 0xFFF;
    private const int UnmaskedBit = 1 << 12;
    private const int FieldsShift = 13;
    private const int FormShift = 16;
    private const int UnsignedBit = 1 << 19;

    // The values of funct3 that tell forms apart (unprivileged specification, section 30.10.1).
    private const int FormImmediate = 3, FormFloat = 5;

    /// <summary>The immediate for an instruction.</summary>
    public static int Encode(in Instruction i)
    {
        InstructionFormat format = InstructionTable.Get(i.Opcode).Format;
        int kernel = i.Opcode - Opcode.Vsetvli;
        if (format is InstructionFormat.VectorSet or InstructionFormat.VectorSetImmediate or InstructionFormat.Register)
            return kernel | i.Immediate << 12;
        return kernel | (i.Rs3 & 1) << 12 | i.Rs3 >> 1 << FieldsShift | (int)(i.Raw >> 12 & 7) << FormShift
            | (format == InstructionFormat.VectorVu ? UnsignedBit : 0);
    }

    /// <summary>Whether rd is an integer register, whose number zero takes no write.</summary>
    public static bool WritesInteger(Opcode opcode) => opcode <= Opcode.Vsetvl || opcode is Opcode.VmvXS or Opcode.VcpopM or Opcode.VfirstM;

    /// <summary>Which kernels an operation has.</summary>
    public static int Kernel(Op* op) => op->Imm & KernelMask;

    /// <summary>The vtype of a vsetvli or vsetivli.</summary>
    public static ulong Type(Op* op) => (uint)op->Imm >> 12;

    /// <summary>Whether v0 masks the operation.</summary>
    public static bool IsMasked(Op* op) => (op->Imm & UnmaskedBit) == 0;

    /// <summary>Fields of a segment.</summary>
    public static int Fields(Op* op) => (op->Imm >> FieldsShift & 7) + 1;

    /// <summary>Whether the first operand is a vector register (OPIVV, OPFVV, OPMVV).</summary>
    public static bool IsVectorForm(Op* op) => (op->Imm >> FormShift & 7) < FormImmediate;

    /// <summary>Whether the first operand is a floating-point register.</summary>
    public static bool IsFloatForm(Op* op) => (op->Imm >> FormShift & 7) == FormFloat;

    /// <summary>
    /// The first operand's elements: a vector register's with a step of 1, or the scalar, stored where <paramref name="scalar"/> says, with
    /// a step of 0.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static T* Operand<T>(Op* op, HartState* s, T* scalar, out nint step)
        where T : unmanaged, IBinaryInteger<T>
    {
        bool isVector = IsVectorForm(op);
        *scalar = isVector ? default : T.CreateTruncating(Scalar(op, s, sizeof(T)));
        step = isVector ? 1 : 0;
        return isVector ? (T*)Register(s, op->Rs1) : scalar;
    }

    /// <summary>The scalar operand: a register or an immediate, cut or extended to an element.</summary>
    public static ulong Scalar(Op* op, HartState* s, int bytes)
    {
        int form = op->Imm >> FormShift & 7;
        if (form == FormImmediate)
            return (op->Imm & UnsignedBit) != 0 ? op->Rs1 : (ulong)((sbyte)(op->Rs1 << 3) >> 3);
        if (form != FormFloat)
            return X(s)[op->Rs1];
        ulong value = F(s)[op->Rs1];
        return bytes switch
        {
            2 => NanBox.UnboxHalf(value),
            4 => NanBox.Unbox(value),
            _ => value,
        };
    }

    /// <summary>The first byte of a register.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static byte* Register(HartState* s, int number) => s->V + number * s->Vlenb;

    /// <summary>Whether an element is active under a mask; null masks nothing.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool IsActive(byte* mask, nint index) => mask == null || (mask[index >> 3] >> (int)(index & 7) & 1) != 0;

    /// <summary>The mask that an operation is under; null where it is under none.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static byte* Mask(Op* op, HartState* s) => IsMasked(op) ? s->V : null;

    /// <summary>The instruction is done.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool Done(HartState* s)
    {
        s->Vstart = 0;
        s->VectorDirty = 1;
        return true;
    }
}

/// <summary>csrr of vl and vlenb, which loops over vectors are full of.</summary>
internal readonly unsafe struct VectorLength : IStep
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool Execute(Op* op, HartState* s, TlbEntry* tlb)
    {
        if (s->VectorSelect == VectorUnit.Off)
            return false;
        X(s)[op->Rd] = op->Imm == CsrNumber.Vl ? s->Vl : (uint)s->Vlenb;
        return true;
    }
}

/// <summary>
/// Every vector instruction: calls the kernel of its operation for the element width in force. False, as from a kernel, where the
/// dispatcher must look: the instruction is illegal as things stand, or an access needs a translation.
/// </summary>
internal readonly unsafe struct VectorStep : IStep
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool Execute(Op* op, HartState* s, TlbEntry* tlb)
    {
        if (s->VectorSelect == VectorUnit.Off)
            return false;
        var kernel = (delegate*<Op*, HartState*, TlbEntry*, bool>)((nint*)s->VectorKernels)[(op->Imm & 0xFFF) * VectorOp.Kinds + s->VectorSelect];
        return kernel(op, s, tlb);
    }
}
