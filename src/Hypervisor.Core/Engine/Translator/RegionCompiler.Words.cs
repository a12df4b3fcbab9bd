using System.Reflection.Emit;
using Hypervisor.Core.Isa;

namespace Hypervisor.Core.Engine.Translator;

/// <summary>
/// Results of 32 bits, which the guest has sign-extended. Those that are overwritten within the block before the region can be left stay in
/// locals of their own size: mostly other operations on words are all that reads them, and then they are never extended.
/// </summary>
internal sealed partial class RegionCompiler
{
    private readonly LocalBuilder?[] _narrow = new LocalBuilder?[32];
    private readonly HashSet<int> _transient = [];

    /// <summary>Registers whose values are in their narrow locals only.</summary>
    private uint _narrowed;

    /// <summary>Registers that are known to hold a sign-extended word, narrow or not.</summary>
    private uint _words;

    /// <summary>Finds the results of the block that are overwritten before the region can be left.</summary>
    private void FindTransient()
    {
        _transient.Clear();
        uint overwritten = 0;
        for (int k = _block.Instructions.Count - 1; k >= 0; k--)
        {
            Instruction i = _block.Instructions[k];
            if (!IsComputation(i.Opcode) && i.Opcode is not (Opcode.Lui or Opcode.Auipc))
            {
                overwritten = 0;
                continue;
            }

            if ((overwritten >> i.Rd & 1) != 0)
                _transient.Add(k);
            overwritten |= 1U << i.Rd;
        }
    }

    private bool IsWord(byte register) => (_words >> register & 1) != 0;

    private bool IsNarrow(byte register) => (_narrowed >> register & 1) != 0;

    /// <summary>Emits an operation of which 32 bits come out, from 32 bits; false where it is none.</summary>
    private bool TryEmitWord(in Instruction i)
    {
        switch (i.Opcode)
        {
            case Opcode.Addw or Opcode.Addiw:
                Word(in i, OpCodes.Add);
                return true;
            case Opcode.Subw:
                Word(in i, OpCodes.Sub);
                return true;
            case Opcode.Mulw:
                Word(in i, OpCodes.Mul);
                return true;
            case Opcode.Sllw or Opcode.Slliw:
                WordShift(in i, OpCodes.Shl);
                return true;
            case Opcode.Srlw or Opcode.Srliw:
                WordShift(in i, OpCodes.Shr_Un);
                return true;
            case Opcode.Sraw or Opcode.Sraiw:
                WordShift(in i, OpCodes.Shr);
                return true;
            case Opcode.Addi when i.Immediate == 0 && IsNarrow(i.Rs1):
                Word(in i, OpCodes.Add);
                return true;
            case Opcode.And or Opcode.Andi when IsNarrowPair(in i):
                Word(in i, OpCodes.And);
                return true;
            case Opcode.Or or Opcode.Ori when IsNarrowPair(in i):
                Word(in i, OpCodes.Or);
                return true;
            case Opcode.Xor or Opcode.Xori when IsNarrowPair(in i):
                Word(in i, OpCodes.Xor);
                return true;
            default:
                return false;
        }
    }

    /// <summary>Whether an operation that works on each bit by itself has words for operands, one of them narrow: then its result is a word.</summary>
    private bool IsNarrowPair(in Instruction i)
        => OperandKinds.Of(i.Opcode).ReadsRs2
            ? IsWord(i.Rs1) && IsWord(i.Rs2) && (IsNarrow(i.Rs1) || IsNarrow(i.Rs2))
            : IsNarrow(i.Rs1);

    /// <summary>Whether an operation on all bits gives a word: asked before it is emitted.</summary>
    private bool GivesWord(in Instruction i) => i.Opcode switch
    {
        Opcode.Slt or Opcode.Slti or Opcode.Sltu or Opcode.Sltiu => true,
        Opcode.Addi => IsWord(i.Rs1) && (i.Immediate == 0 || i.Rs1 == 0),
        Opcode.Andi => i.Immediate >= 0 || IsWord(i.Rs1),
        Opcode.Ori or Opcode.Xori or Opcode.Srai => IsWord(i.Rs1),
        Opcode.And or Opcode.Or or Opcode.Xor => IsWord(i.Rs1) && IsWord(i.Rs2),
        _ => false,
    };

    private void Word(in Instruction i, OpCode operation)
    {
        LoadNarrow(i.Rs1);
        if (OperandKinds.Of(i.Opcode).ReadsRs2)
        {
            LoadNarrow(i.Rs2);
            _il.Emit(operation);
        }
        else if (i.Immediate != 0 || operation == OpCodes.And)
        {
            _il.Emit(OpCodes.Ldc_I4, i.Immediate);
            _il.Emit(operation);
        }

        StoreNarrow(i.Rd);
    }

    private void WordShift(in Instruction i, OpCode operation)
    {
        LoadNarrow(i.Rs1);
        Shift(in i, operation, 31);
        StoreNarrow(i.Rd);
    }

    /// <summary>The low half of a register.</summary>
    private void LoadNarrow(byte register)
    {
        if (IsNarrow(register))
        {
            _il.Emit(OpCodes.Ldloc, _narrow[register]!);
            return;
        }

        Load(register);
        _il.Emit(OpCodes.Conv_I4);
    }

    private void StoreNarrow(byte register)
    {
        if (_transient.Contains(_instruction))
        {
            _il.Emit(OpCodes.Stloc, _narrow[register] ??= _il.DeclareLocal(typeof(int)));
            _narrowed |= 1U << register;
        }
        else
        {
            _il.Emit(OpCodes.Conv_I8);
            Store(register);
        }

        _words |= 1U << register;
    }

    /// <summary>Something reads all bits.</summary>
    private void Widen(byte register)
    {
        _il.Emit(OpCodes.Ldloc, _narrow[register]!);
        _il.Emit(OpCodes.Conv_I8);
        _narrowed &= ~(1U << register);
        Put(register);
    }
}
