using System.Reflection.Emit;
using Hypervisor.Core.Engine.Interpreter;
using Hypervisor.Core.Isa;

namespace Hypervisor.Core.Engine.Translator;

/// <summary>
/// Rotations as programs write them that may not count on Zbb: two word shifts of one value, by amounts that make 32 together, and
/// their union. The host has one instruction for it, and what the shifts leave is mostly not used any more.
/// </summary>
internal sealed partial class RegionCompiler
{
    private const int MostRotations = 8;

    private readonly Dictionary<int, (int Slot, int Right)> _rotations = [];
    private readonly Dictionary<int, List<int>> _rotated = [];
    private readonly HashSet<int> _unused = [];
    private readonly LocalBuilder?[] _rotating = new LocalBuilder?[MostRotations];

    /// <summary>Finds the rotations of the block that is to be emitted.</summary>
    private void FindRotations()
    {
        _rotations.Clear();
        _rotated.Clear();
        var defined = new int[32];
        var before = new int[_block.Instructions.Count];
        Array.Fill(defined, -1);
        for (int k = 0; k < _block.Instructions.Count; k++)
        {
            Instruction i = _block.Instructions[k];
            before[k] = defined[i.Rs1];
            if (i.Opcode is Opcode.Or or Opcode.Xor or Opcode.Add or Opcode.Addw && i.Rs1 != 0 && i.Rs2 != 0 && _rotations.Count < MostRotations
                && TryFindRotation(defined[i.Rs1], defined[i.Rs2], before, out int first, out int right))
            {
                if (!_rotated.TryGetValue(first, out List<int>? slots))
                    _rotated[first] = slots = [];
                slots.Add(_rotations.Count);
                _rotations[k] = (_rotations.Count, right);
            }

            if (OperandKinds.Of(i.Opcode).WritesRd)
                defined[i.Rd] = k;
        }
    }

    /// <summary>Whether two instructions of the block shift the same value, one to each side, so that the other's bits are where the one's are not.</summary>
    private bool TryFindRotation(int one, int other, int[] before, out int first, out int right)
    {
        first = Math.Min(one, other);
        right = 0;
        if (first < 0 || one == other)
            return false;
        Instruction a = _block.Instructions[one];
        Instruction b = _block.Instructions[other];
        if (a.Opcode == Opcode.Slliw)
            (a, b) = (b, a);
        right = a.Immediate;
        return a.Opcode == Opcode.Srliw && b.Opcode == Opcode.Slliw && a.Rs1 == b.Rs1 && before[one] == before[other]
            && right > 0 && right + b.Immediate == 32;
    }

    /// <summary>Keeps the value that a rotation is of, where the first of its shifts stands.</summary>
    private void KeepRotated(in Instruction i)
    {
        if (!_rotated.TryGetValue(_instruction, out List<int>? slots))
            return;
        foreach (int slot in slots)
        {
            LoadNarrow(i.Rs1);
            _il.Emit(OpCodes.Stloc, _rotating[slot] ??= _il.DeclareLocal(typeof(int)));
        }
    }

    /// <summary>
    /// Finds the computations of the block whose results nothing reads before they are overwritten, and which no place to leave lies behind:
    /// the shifts of rotations, for the most part. The JIT drops them too, but not where a register is kept in the hart's state.
    /// </summary>
    private void FindUnused()
    {
        _unused.Clear();
        uint used = uint.MaxValue;
        for (int k = _block.Instructions.Count - 1; k >= 0; k--)
        {
            Instruction i = _block.Instructions[k];
            if (!IsComputation(i.Opcode))
            {
                used = uint.MaxValue;
                continue;
            }

            OperandKinds kinds = OperandKinds.Of(i.Opcode);
            uint reads = (kinds.ReadsRs1 ? 1U << i.Rs1 : 0) | (kinds.ReadsRs2 ? 1U << i.Rs2 : 0);
            if (_rotations.ContainsKey(k))
                reads = 0;
            if ((used >> i.Rd & 1) == 0)
            {
                _unused.Add(k);
                reads = 0;
            }

            used &= ~(1U << i.Rd);
            used |= reads | (_rotated.ContainsKey(k) ? 1U << i.Rs1 : 0);
        }
    }

    /// <summary>Whether an instruction does nothing but write its result, and cannot leave the region.</summary>
    private static bool IsComputation(Opcode opcode)
        => !NeedsStep(opcode) && opcode is not (Opcode.Csrrs or >= Opcode.Vsetvli) && MemoryShape.Of(opcode).Size == 0 && OperandKinds.Of(opcode).WritesRd && opcode is not (Opcode.Jal or Opcode.Jalr or Opcode.Lui or Opcode.Auipc);

    private void EmitRotation(byte rd, int slot, int right)
    {
        LocalBuilder value = _rotating[slot]!;
        _il.Emit(OpCodes.Ldloc, value);
        _il.Emit(OpCodes.Ldc_I4, right);
        _il.Emit(OpCodes.Shr_Un);
        _il.Emit(OpCodes.Ldloc, value);
        _il.Emit(OpCodes.Ldc_I4, 32 - right);
        _il.Emit(OpCodes.Shl);
        _il.Emit(OpCodes.Or);
        StoreNarrow(rd);
    }
}
