using System.Diagnostics;
using Hypervisor.Core.Engine.Interpreter;
using Hypervisor.Core.Hart;
using Hypervisor.Core.Isa;
using Hypervisor.Core.Memory;

namespace Hypervisor.Core.Engine.Native;

/// <summary>The instructions that only compute, and those that access memory.</summary>
internal sealed unsafe partial class TraceCompiler
{
    private static bool IsKnown(Opcode opcode) => opcode switch
    {
        >= Opcode.Lb and <= Opcode.Fence => true,
        >= Opcode.Mul and <= Opcode.Remuw => true,
        Opcode.Fld or Opcode.Fsd or Opcode.Flw or Opcode.Fsw => true,
        Opcode.FmvXD or Opcode.FmvDX or Opcode.FsgnjD => true,
        Opcode.Sh1add or Opcode.Sh2add or Opcode.Sh3add or Opcode.AddUw or Opcode.Sh1addUw or Opcode.Sh2addUw or Opcode.Sh3addUw or Opcode.SlliUw => true,
        Opcode.Andn or Opcode.Orn or Opcode.Xnor or Opcode.Min or Opcode.Minu or Opcode.Max or Opcode.Maxu => true,
        Opcode.SextB or Opcode.SextH or Opcode.ZextH or Opcode.Rev8 or Opcode.Rori or Opcode.Roriw => true,
        _ => false,
    };

    private void EmitPlain(int slot, Opcode opcode)
    {
        ref Op op = ref _ops[slot];
        switch (opcode)
        {
            case Opcode.Add or Opcode.And or Opcode.Or or Opcode.Xor:
                Commutative(op.Rd, op.Rs1, op.Rs2, AluOf(opcode));
                break;
            case Opcode.Sub or Opcode.Subw:
                Subtract(op.Rd, op.Rs1, op.Rs2, isWord: opcode == Opcode.Subw);
                break;
            case Opcode.Addw:
            {
                Reg a = _registers.Use(op.Rs1);
                Reg b = _registers.Use(op.Rs2);
                Reg to = _registers.Take();
                _code.Address(to, a, b, 0);
                _code.SignExtend32(to, to);
                _registers.Define(op.Rd, to);
                break;
            }

            case Opcode.Addi:
            {
                Reg a = _registers.Use(op.Rs1);
                if (op.Rd == op.Rs1)
                {
                    _code.Operate(Alu.Add, a, op.Imm);
                    _registers.Define(op.Rd, a);
                    break;
                }

                Reg to = _registers.Take();
                _code.Address(to, a, op.Imm);
                _registers.Define(op.Rd, to);
                break;
            }

            case Opcode.Addiw:
            {
                Reg a = _registers.Use(op.Rs1);
                Reg to = _registers.Take();
                if (op.Imm == 0)
                {
                    _code.SignExtend32(to, a);
                }
                else
                {
                    _code.Address(to, a, op.Imm);
                    _code.SignExtend32(to, to);
                }

                _registers.Define(op.Rd, to);
                break;
            }

            case Opcode.Andi or Opcode.Ori or Opcode.Xori:
                WithConstant(op.Rd, op.Rs1, AluOf(opcode), op.Imm);
                break;
            case Opcode.Slli or Opcode.Srli or Opcode.Srai or Opcode.Rori:
                ShiftByConstant(op.Rd, op.Rs1, ShiftOf(opcode), op.Imm);
                break;
            case Opcode.Slliw or Opcode.Srliw or Opcode.Sraiw or Opcode.Roriw:
                ShiftWordByConstant(op.Rd, op.Rs1, ShiftOf(opcode), op.Imm);
                break;
            case Opcode.Sll or Opcode.Srl or Opcode.Sra:
                ShiftByRegister(op.Rd, op.Rs1, op.Rs2, ShiftOf(opcode), isWord: false);
                break;
            case Opcode.Sllw or Opcode.Srlw or Opcode.Sraw:
                ShiftByRegister(op.Rd, op.Rs1, op.Rs2, ShiftOf(opcode), isWord: true);
                break;
            case Opcode.Slt or Opcode.Sltu:
            {
                Reg a = _registers.Use(op.Rs1);
                Reg b = _registers.Use(op.Rs2);
                Reg to = _registers.Take();
                _code.Operate(Alu.Cmp, a, b);
                _code.SetIf(opcode == Opcode.Slt ? Condition.Less : Condition.Below, to);
                _registers.Define(op.Rd, to);
                break;
            }

            case Opcode.Slti or Opcode.Sltiu:
            {
                Reg a = _registers.Use(op.Rs1);
                Reg to = _registers.Take();
                _code.Operate(Alu.Cmp, a, op.Imm);
                _code.SetIf(opcode == Opcode.Slti ? Condition.Less : Condition.Below, to);
                _registers.Define(op.Rd, to);
                break;
            }

            case Opcode.Fence:
                _code.Fence();
                break;
            case >= Opcode.Mul and <= Opcode.Remuw:
                EmitMultiplyOrDivide(ref op, opcode);
                break;
            case Opcode.FmvXD or Opcode.FmvDX or Opcode.FsgnjD:
                EmitFloatMove(slot, opcode);
                break;
            case Opcode.Fld or Opcode.Fsd or Opcode.Flw or Opcode.Fsw or (>= Opcode.Lb and <= Opcode.Sd):
                EmitAccess(slot, opcode);
                break;
            default:
                EmitBits(ref op, opcode);
                break;
        }
    }

    private static Alu AluOf(Opcode opcode) => opcode switch
    {
        Opcode.Add => Alu.Add,
        Opcode.And or Opcode.Andi => Alu.And,
        Opcode.Or or Opcode.Ori => Alu.Or,
        _ => Alu.Xor,
    };

    private static Shift ShiftOf(Opcode opcode) => opcode switch
    {
        Opcode.Sll or Opcode.Slli or Opcode.Sllw or Opcode.Slliw => Shift.Left,
        Opcode.Srl or Opcode.Srli or Opcode.Srlw or Opcode.Srliw => Shift.Right,
        Opcode.Sra or Opcode.Srai or Opcode.Sraw or Opcode.Sraiw => Shift.Arithmetic,
        _ => Shift.RotateRight,
    };

    /// <summary>Zba and Zbb: each is made in a register of its own, so that its sources stay.</summary>
    private void EmitBits(ref Op op, Opcode opcode)
    {
        Reg a = _registers.Use(op.Rs1);
        Reg b = opcode is Opcode.SlliUw or Opcode.SextB or Opcode.SextH or Opcode.ZextH or Opcode.Rev8 ? a : _registers.Use(op.Rs2);
        Reg to = _registers.Take();
        switch (opcode)
        {
            case Opcode.Sh1add:
                _code.Address(to, b, a, 1);
                break;
            case Opcode.Sh2add:
                _code.Address(to, b, a, 2);
                break;
            case Opcode.Sh3add:
                _code.Address(to, b, a, 3);
                break;
            case Opcode.AddUw or Opcode.Sh1addUw or Opcode.Sh2addUw or Opcode.Sh3addUw:
                _code.Move32(to, a);
                _code.Address(to, b, to, opcode switch
                {
                    Opcode.Sh1addUw => 1,
                    Opcode.Sh2addUw => 2,
                    Opcode.Sh3addUw => 3,
                    _ => 0,
                });
                break;
            case Opcode.SlliUw:
                _code.Move32(to, a);
                _code.ShiftBy(Shift.Left, to, op.Imm);
                break;
            case Opcode.Andn:
                _code.AndNot(to, b, a);
                break;
            case Opcode.Orn or Opcode.Xnor:
                _code.Move(to, b);
                _code.Not(to);
                _code.Operate(opcode == Opcode.Orn ? Alu.Or : Alu.Xor, to, a);
                break;
            case Opcode.Min or Opcode.Minu or Opcode.Max or Opcode.Maxu:
                _code.Move(to, a);
                _code.Operate(Alu.Cmp, b, a);
                _code.MoveIf(opcode switch
                {
                    Opcode.Min => Condition.Less,
                    Opcode.Minu => Condition.Below,
                    Opcode.Max => Condition.GreaterOrEqual,
                    _ => Condition.AboveOrEqual,
                }, to, b);
                break;
            case Opcode.SextB:
                _code.SignExtend8(to, a);
                break;
            case Opcode.SextH:
                _code.SignExtend16(to, a);
                break;
            case Opcode.ZextH:
                _code.ZeroExtend16(to, a);
                break;
            case Opcode.Rev8:
                _code.Move(to, a);
                _code.SwapBytes(to);
                break;
            default:
                throw new UnreachableException($"{opcode} is said to be known to traces");
        }

        _registers.Define(op.Rd, to);
    }

    private void Commutative(int rd, int rs1, int rs2, Alu operation)
    {
        Reg a = _registers.Use(rs1);
        Reg b = _registers.Use(rs2);
        if (rd == rs1 || rd == rs2)
        {
            Reg own = rd == rs1 ? a : b;
            _code.Operate(operation, own, rd == rs1 ? b : a);
            _registers.Define(rd, own);
            return;
        }

        Reg to = _registers.Take();
        if (operation == Alu.Add)
        {
            _code.Address(to, a, b, 0);
        }
        else
        {
            _code.Move(to, a);
            _code.Operate(operation, to, b);
        }

        _registers.Define(rd, to);
    }

    private void Subtract(int rd, int rs1, int rs2, bool isWord)
    {
        Reg a = _registers.Use(rs1);
        Reg b = _registers.Use(rs2);
        Reg to = a;
        if (rd != rs1)
        {
            to = _registers.Take();
            _code.Move(to, a);
        }

        _code.Operate(Alu.Sub, to, b, wide: !isWord);
        if (isWord)
            _code.SignExtend32(to, to);
        _registers.Define(rd, to);
    }

    private void WithConstant(int rd, int rs1, Alu operation, int value)
    {
        Reg a = _registers.Use(rs1);
        Reg to = a;
        if (rd != rs1)
        {
            to = _registers.Take();
            if (operation == Alu.And && value == 0xFF)
            {
                _code.ZeroExtend8(to, a);
                _registers.Define(rd, to);
                return;
            }

            _code.Move(to, a);
        }

        if (operation == Alu.Xor && value == -1)
            _code.Not(to);
        else
            _code.Operate(operation, to, value);
        _registers.Define(rd, to);
    }

    private void ShiftByConstant(int rd, int rs1, Shift shift, int count)
    {
        Reg a = _registers.Use(rs1);
        Reg to = a;
        if (rd != rs1)
        {
            to = _registers.Take();
            _code.Move(to, a);
        }

        _code.ShiftBy(shift, to, count & 63);
        _registers.Define(rd, to);
    }

    private void ShiftWordByConstant(int rd, int rs1, Shift shift, int count)
    {
        Reg a = _registers.Use(rs1);
        Reg to = _registers.Take();
        _code.Move32(to, a);
        _code.ShiftBy(shift, to, count & 31, wide: false);
        _code.SignExtend32(to, to);
        _registers.Define(rd, to);
    }

    private void ShiftByRegister(int rd, int rs1, int rs2, Shift shift, bool isWord)
    {
        Reg a = _registers.Use(rs1);
        Reg b = _registers.Use(rs2);
        Reg to = _registers.Take();
        _code.ShiftBy(shift, to, a, b, wide: !isWord);
        if (isWord)
            _code.SignExtend32(to, to);
        _registers.Define(rd, to);
    }

    private void EmitMultiplyOrDivide(ref Op op, Opcode opcode)
    {
        switch (opcode)
        {
            case Opcode.Mul or Opcode.Mulw:
            {
                Reg a = _registers.Use(op.Rs1);
                Reg b = _registers.Use(op.Rs2);
                Reg to = _registers.Take();
                _code.Move(to, a);
                _code.Multiply(to, b, wide: opcode == Opcode.Mul);
                if (opcode == Opcode.Mulw)
                    _code.SignExtend32(to, to);
                _registers.Define(op.Rd, to);
                break;
            }

            case Opcode.Mulh or Opcode.Mulhu or Opcode.Mulhsu:
            {
                Reg a = _registers.Use(op.Rs1);
                Reg b = _registers.Use(op.Rs2);
                Reg high = _registers.Take();
                Reg other = _registers.Take();
                _code.Move(Reg.Rdx, a);
                _code.MultiplyHigh(high, other, b);
                _code.Load(Reg.Rdx, Reg.Rsi, s_tlb);
                if (opcode != Opcode.Mulhu)
                    TakeWhereNegative(high, other, a, b);
                if (opcode == Opcode.Mulh)
                    TakeWhereNegative(high, other, b, a);
                _registers.Define(op.Rd, high);
                break;
            }

            default:
                EmitDivide(ref op, opcode);
                break;
        }
    }

    /// <summary>A signed product's high half is the unsigned one's less one factor where the other is negative.</summary>
    private void TakeWhereNegative(Reg high, Reg scratch, Reg sign, Reg factor)
    {
        _code.Move(scratch, sign);
        _code.ShiftBy(Shift.Arithmetic, scratch, 63);
        _code.Operate(Alu.And, scratch, factor);
        _code.Operate(Alu.Sub, high, scratch);
    }

    /// <summary>Division by zero and overflow give what the specification says, and the host never traps (unprivileged specification, section 13.2).</summary>
    private void EmitDivide(ref Op op, Opcode opcode)
    {
        bool isWord = opcode is Opcode.Divw or Opcode.Divuw or Opcode.Remw or Opcode.Remuw;
        bool isSigned = opcode is Opcode.Div or Opcode.Rem or Opcode.Divw or Opcode.Remw;
        bool isRest = opcode is Opcode.Rem or Opcode.Remu or Opcode.Remw or Opcode.Remuw;
        _registers.Claim(Reg.Rax);
        Reg a = _registers.Use(op.Rs1);
        Reg b = _registers.Use(op.Rs2);
        _code.Move(Reg.Rax, a);
        _code.Test(b, b, wide: !isWord);
        int byZero = _code.JumpIf(Condition.Equal);
        int byMinusOne = -1;
        if (isSigned)
        {
            _code.Operate(Alu.Cmp, b, -1, wide: !isWord);
            byMinusOne = _code.JumpIf(Condition.Equal);
            _code.SpreadSign(wide: !isWord);
        }
        else
        {
            _code.Constant(Reg.Rdx, 0);
        }

        _code.Divide(b, isSigned, wide: !isWord);
        if (isRest)
            _code.Move(Reg.Rax, Reg.Rdx);
        int done = _code.Jump();
        int alsoDone = -1;
        if (isSigned)
        {
            _code.Land(byMinusOne);
            if (isRest)
                _code.Constant(Reg.Rax, 0);
            else
                _code.Negate(Reg.Rax, wide: !isWord);
            alsoDone = _code.Jump();
        }

        _code.Land(byZero);
        if (!isRest)
            _code.Constant(Reg.Rax, -1);
        _code.Land(done);
        if (isSigned)
            _code.Land(alsoDone);
        if (isWord)
            _code.SignExtend32(Reg.Rax, Reg.Rax);
        _code.Load(Reg.Rdx, Reg.Rsi, s_tlb);
        _registers.Define(op.Rd, Reg.Rax);
    }

    private void EmitFloatMove(int slot, Opcode opcode)
    {
        RequireFloats(slot);
        ref Op op = ref _ops[slot];
        if (opcode == Opcode.FmvDX)
        {
            _code.Store(_registers.Use(op.Rs1), Reg.Rsi, s_floats + op.Rd * 8, wide: true);
        }
        else
        {
            Reg value = _registers.Take();
            _code.Load(value, Reg.Rsi, s_floats + op.Rs1 * 8);
            if (opcode == Opcode.FmvXD)
            {
                _registers.Define(op.Rd, value);
            }
            else
            {
                // The sign is the second register's: most are moves, whose registers are the same.
                if (op.Rs1 != op.Rs2)
                {
                    Reg sign = _registers.Take();
                    _code.Load(sign, Reg.Rsi, s_floats + op.Rs2 * 8);
                    _code.ShiftBy(Shift.Right, sign, 63);
                    _code.ShiftBy(Shift.Left, value, 1);
                    _code.Operate(Alu.Or, value, sign);
                    _code.ShiftBy(Shift.RotateRight, value, 1);
                }

                _code.Store(value, Reg.Rsi, s_floats + op.Rd * 8, wide: true);
            }
        }

        _code.StoreConstant(Reg.Rsi, s_fpDirty, 1, isByte: true);
    }

    /// <summary>Leaves where floating point is off. Nothing in a part turns it off, so that one look is enough.</summary>
    private void RequireFloats(int slot)
    {
        if (_floatsChecked)
            return;
        _floatsChecked = true;
        _code.CompareByte(Reg.Rsi, s_fpEnabled, 0);
        Leave(Condition.Equal, slot, WayKind.Slow);
    }
}
