using Hypervisor.Core.Hart;

namespace Hypervisor.Core.Engine.Interpreter.Vector;

/// <summary>
/// Which registers an operation may name under the group size in force (unprivileged specification, sections 30.3.4.2, 30.5.2 and
/// 30.5.3). Everything reserved there is illegal here.
/// </summary>
internal static unsafe class VectorRules
{
    private const int MaximumGroup = 3, MinimumGroup = -3;

    /// <summary>Elements of one width: groups of the size in force, and a masked result that is not the mask itself.</summary>
    public static bool Plain(Op* op, HartState* s)
    {
        int registers = op->Rd | op->Rs2 | (VectorOp.IsVectorForm(op) ? op->Rs1 : 0);
        return (registers & s->GroupMask) == 0 && MaskIsFree(op);
    }

    /// <summary>One vector operand, vs2, and a result like it.</summary>
    public static bool PlainUnary(Op* op, HartState* s) => ((op->Rd | op->Rs2) & s->GroupMask) == 0 && MaskIsFree(op);

    /// <summary>A masked operation does not write over its mask.</summary>
    public static bool MaskIsFree(Op* op) => !VectorOp.IsMasked(op) || op->Rd != 0;

    /// <summary>Whether a register begins a group of 2^size registers.</summary>
    public static bool IsGroup(int register, int size) => size <= 0 || (register & ((1 << size) - 1)) == 0;

    /// <summary>Whether a group size exists.</summary>
    public static bool IsSize(int size) => size is >= MinimumGroup and <= MaximumGroup;

    /// <summary>
    /// Whether a result may stand where it does beside a source of another element width: not over it, but for the part that is
    /// read before it is written.
    /// </summary>
    public static bool Apart(int result, int resultSize, int source, int sourceSize)
    {
        int results = Registers(resultSize), sources = Registers(sourceSize);
        if (results > sources && result < source && sourceSize >= 0
            && Overlap(result, results, source, sources) && !Overlap(result, results, source + sources, sources))
            return true;
        return !Overlap(result, results, source, sources);
    }

    /// <summary>Results of twice the width: vd is twice the group, vs2 and vs1 are not, or vs2 is too.</summary>
    public static bool Widening(Op* op, HartState* s, bool wideSource)
    {
        int group = s->VectorGroup;
        if (group >= MaximumGroup || s->VectorSelect > 2 || !IsGroup(op->Rd, group + 1) || !MaskIsFree(op))
            return false;
        if (wideSource ? !IsGroup(op->Rs2, group + 1) : !IsGroup(op->Rs2, group) || !Apart(op->Rd, group + 1, op->Rs2, group))
            return false;
        return !VectorOp.IsVectorForm(op) || (IsGroup(op->Rs1, group) && Apart(op->Rd, group + 1, op->Rs1, group));
    }

    /// <summary>A widening operation with vs2 alone.</summary>
    public static bool WideningUnary(Op* op, HartState* s)
    {
        int group = s->VectorGroup;
        return group < MaximumGroup && s->VectorSelect <= 2 && IsGroup(op->Rd, group + 1) && MaskIsFree(op)
            && IsGroup(op->Rs2, group) && Apart(op->Rd, group + 1, op->Rs2, group);
    }

    /// <summary>Results of half the width of vs2.</summary>
    public static bool Narrowing(Op* op, HartState* s, bool unary = false)
    {
        int group = s->VectorGroup;
        if (group >= MaximumGroup || s->VectorSelect > 2 || !IsGroup(op->Rs2, group + 1) || !IsGroup(op->Rd, group) || !MaskIsFree(op))
            return false;
        if (op->Rd != op->Rs2 && !Apart(op->Rd, group, op->Rs2, group + 1))
            return false;
        return unary || !VectorOp.IsVectorForm(op) || IsGroup(op->Rs1, group);
    }

    /// <summary>A mask computed from elements.</summary>
    public static bool ToMask(Op* op, HartState* s)
    {
        int group = s->VectorGroup;
        if (!IsGroup(op->Rs2, group) || (op->Rd != op->Rs2 && !Apart(op->Rd, 0, op->Rs2, group)))
            return false;
        return !VectorOp.IsVectorForm(op) || (IsGroup(op->Rs1, group) && (op->Rd == op->Rs1 || Apart(op->Rd, 0, op->Rs1, group)));
    }

    /// <summary>Whether floating point is on, its rounding mode valid, and the elements of a width that it has.</summary>
    public static bool Float(HartState* s, int bytes) => s->FpEnabled != 0 && s->Frm <= 4 && bytes >= 2;

    /// <summary>Registers that a group takes up.</summary>
    public static int Registers(int size) => size <= 0 ? 1 : 1 << size;

    private static bool Overlap(int a, int countA, int b, int countB)
        => Math.Max(a + countA, b + countB) - Math.Min(a, b) < countA + countB;
}
