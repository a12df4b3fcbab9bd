using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Hypervisor.Core.Engine.Native;

/// <summary>The integer registers of x64 by their numbers in instructions.</summary>
internal enum Reg : byte
{
    Rax, Rcx, Rdx, Rbx, Rsp, Rbp, Rsi, Rdi, R8, R9, R10, R11, R12, R13, R14, R15,
}

/// <summary>Operations of two operands, by the opcode of the form that writes the operand in memory or the second register.</summary>
internal enum Alu : byte
{
    Add = 0x01,
    Or = 0x09,
    And = 0x21,
    Sub = 0x29,
    Xor = 0x31,
    Cmp = 0x39,
}

/// <summary>Shifts by a constant, by the number that extends their opcode.</summary>
internal enum Shift : byte
{
    RotateRight = 1,
    Left = 4,
    Right = 5,
    Arithmetic = 7,
}

/// <summary>Conditions of jumps and settings; flipping the lowest bit negates one.</summary>
internal enum Condition : byte
{
    Below = 2,
    AboveOrEqual = 3,
    Equal = 4,
    NotEqual = 5,
    Above = 7,
    Less = 12,
    GreaterOrEqual = 13,
}

/// <summary>A place in memory: base + index + displacement.</summary>
internal readonly record struct Place(Reg Base, int Displacement, Reg Index = Reg.Rsp)
{
    /// <summary>The stack pointer cannot be an index, and stands for none.</summary>
    public bool HasIndex => Index != Reg.Rsp;
}

/// <summary>
/// Writes x64 instructions into a buffer (Intel 64 and IA-32 Architectures Software Developer's Manual, volume 2). All jumps are relative to the
/// code itself, so that it may be copied anywhere.
/// </summary>
/// <remarks>Invariant for the unsafe code: the caller asks <see cref="HasRoom"/> before each guest instruction and each way out, which take less than <see cref="Margin"/>.</remarks>
internal sealed unsafe class X64Emitter
{
    /// <summary>Bytes that one guest instruction, or one way out, takes at most.</summary>
    public const int Margin = 512;

    private const int Capacity = 64 << 10;

    private readonly byte[] _buffer = GC.AllocateUninitializedArray<byte>(Capacity, pinned: true);
    private readonly byte* _start;
    private byte* _at;

    public X64Emitter()
    {
        _start = (byte*)Unsafe.AsPointer(ref MemoryMarshal.GetArrayDataReference(_buffer));
        _at = _start;
    }

    /// <summary>How much was written.</summary>
    public int Length => (int)(_at - _start);

    public bool HasRoom => Length < Capacity - Margin;

    public ReadOnlySpan<byte> Code => _buffer.AsSpan(0, Length);

    public void Clear() => _at = _start;

    /// <summary>register = other register, all 64 bits.</summary>
    public void Move(Reg to, Reg from) => RegisterForm(0x89, from, to, wide: true);

    /// <summary>register = other register's low 32 bits, the high ones zero.</summary>
    public void Move32(Reg to, Reg from) => RegisterForm(0x89, from, to, wide: false);

    /// <summary>register = low 32 bits of another, extended by their sign.</summary>
    public void SignExtend32(Reg to, Reg from) => RegisterForm(0x63, to, from, wide: true);

    public void SignExtend8(Reg to, Reg from) => TwoByteForm(0xBE, to, from, wide: true);

    public void SignExtend16(Reg to, Reg from) => TwoByteForm(0xBF, to, from, wide: true);

    public void ZeroExtend8(Reg to, Reg from) => TwoByteForm(0xB6, to, from, wide: true);

    public void ZeroExtend16(Reg to, Reg from) => TwoByteForm(0xB7, to, from, wide: true);

    /// <summary>register = constant. Flags may change.</summary>
    public void Constant(Reg to, long value)
    {
        if (value == 0)
        {
            RegisterForm((byte)Alu.Xor, to, to, wide: false);
        }
        else if (value == (uint)value)
        {
            Rex(false, 0, 0, (int)to);
            Byte(0xB8 + ((int)to & 7));
            Int((int)value);
        }
        else if (value == (int)value)
        {
            Rex(true, 0, 0, (int)to);
            Byte(0xC7);
            Byte(0xC0 | ((int)to & 7));
            Int((int)value);
        }
        else
        {
            Rex(true, 0, 0, (int)to);
            Byte(0xB8 + ((int)to & 7));
            Long(value);
        }
    }

    /// <summary>to = to op from.</summary>
    public void Operate(Alu operation, Reg to, Reg from, bool wide = true) => RegisterForm((byte)operation, from, to, wide);

    /// <summary>to = to op memory.</summary>
    public void Operate(Alu operation, Reg to, Reg memory, int displacement) => MemoryForm((byte)operation + 2, to, memory, displacement, wide: true);

    /// <summary>to = to op constant of 32 bits, extended by its sign.</summary>
    public void Operate(Alu operation, Reg to, int value, bool wide = true)
    {
        int extension = (int)operation >> 3;
        Rex(wide, 0, 0, (int)to);
        bool small = value == (sbyte)value;
        Byte(small ? 0x83 : 0x81);
        Byte(0xC0 | extension << 3 | ((int)to & 7));
        if (small)
            Byte(value);
        else
            Int(value);
    }

    /// <summary>Sets flags by to &amp; from.</summary>
    public void Test(Reg to, Reg from, bool wide = true) => RegisterForm(0x85, from, to, wide);

    public void ShiftBy(Shift operation, Reg to, int count, bool wide = true)
    {
        Rex(wide, 0, 0, (int)to);
        Byte(0xC1);
        Byte(0xC0 | (int)operation << 3 | ((int)to & 7));
        Byte(count);
    }

    /// <summary>to = from shifted by a register's low bits (BMI2).</summary>
    public void ShiftBy(Shift operation, Reg to, Reg from, Reg count, bool wide)
    {
        int prefix = operation switch
        {
            Shift.Left => 1,
            Shift.Right => 3,
            _ => 2,
        };
        Vex(2, prefix, wide, 0xF7, to, count, from);
    }

    /// <summary>to = from rotated right by a constant; no flags (BMI2).</summary>
    public void RotateRight(Reg to, Reg from, int count, bool wide)
    {
        Vex(3, 3, wide, 0xF0, to, Reg.Rax, from);
        Byte(count);
    }

    /// <summary>to = ~negated &amp; other (BMI1).</summary>
    public void AndNot(Reg to, Reg negated, Reg other) => Vex(2, 0, true, 0xF2, to, negated, other);

    /// <summary>high:low = rdx * other, unsigned (BMI2).</summary>
    public void MultiplyHigh(Reg high, Reg low, Reg other) => Vex(2, 3, true, 0xF6, high, low, other);

    /// <summary>to = to * from.</summary>
    public void Multiply(Reg to, Reg from, bool wide = true) => TwoByteForm(0xAF, to, from, wide);

    /// <summary>rax, rdx = rdx:rax divided by a register, and the rest.</summary>
    public void Divide(Reg by, bool signed, bool wide)
    {
        Rex(wide, 0, 0, (int)by);
        Byte(0xF7);
        Byte(0xC0 | (signed ? 7 : 6) << 3 | ((int)by & 7));
    }

    /// <summary>rdx = the sign of rax, in all bits.</summary>
    public void SpreadSign(bool wide)
    {
        Rex(wide, 0, 0, 0);
        Byte(0x99);
    }

    public void Negate(Reg to, bool wide = true)
    {
        Rex(wide, 0, 0, (int)to);
        Byte(0xF7);
        Byte(0xC0 | 3 << 3 | ((int)to & 7));
    }

    public void Not(Reg to)
    {
        Rex(true, 0, 0, (int)to);
        Byte(0xF7);
        Byte(0xC0 | 2 << 3 | ((int)to & 7));
    }

    /// <summary>The bytes in the other order.</summary>
    public void SwapBytes(Reg to)
    {
        Rex(true, 0, 0, (int)to);
        Byte(0x0F);
        Byte(0xC8 | ((int)to & 7));
    }

    /// <summary>to = from where the condition holds.</summary>
    public void MoveIf(Condition condition, Reg to, Reg from) => TwoByteForm(0x40 + (int)condition, to, from, wide: true);

    /// <summary>to = base + displacement.</summary>
    public void Address(Reg to, Reg @base, int displacement) => MemoryForm(0x8D, to, @base, displacement, wide: true);

    /// <summary>to = base + (index &lt;&lt; scale).</summary>
    public void Address(Reg to, Reg @base, Reg index, int scale) => IndexedForm(0x8D, to, @base, index, scale, 0, wide: true);

    /// <summary>to = memory[base + displacement], 64 bits.</summary>
    public void Load(Reg to, Reg @base, int displacement) => MemoryForm(0x8B, to, @base, displacement, wide: true);

    /// <summary>Loads of every width and extension, by base, index and displacement.</summary>
    /// <param name="to">Where to.</param>
    /// <param name="place">Where from.</param>
    /// <param name="size">Bytes: 1, 2, 4 or 8.</param>
    /// <param name="signed">Whether the value is extended by its sign.</param>
    public void Load(Reg to, in Place place, int size, bool signed)
    {
        bool extends = size < 4;
        Rex(size != 4 || signed, (int)to, place.HasIndex ? (int)place.Index : 0, (int)place.Base);
        if (extends)
            Byte(0x0F);
        Byte(size switch
        {
            1 or 2 => (signed ? 0xBE : 0xB6) + (size - 1),
            4 when signed => 0x63,
            _ => 0x8B,
        });
        Operand((int)to, place);
    }

    /// <summary>memory = the low bytes of a register.</summary>
    public void Store(Reg from, in Place place, int size)
    {
        if (size == 2)
            Byte(0x66);
        Rex(size == 8, (int)from, place.HasIndex ? (int)place.Index : 0, (int)place.Base);
        Byte(size == 1 ? 0x88 : 0x89);
        Operand((int)from, place);
    }

    /// <summary>memory[base + displacement] = register, 64 bits.</summary>
    public void Store(Reg from, Reg @base, int displacement, bool wide) => MemoryForm(0x89, from, @base, displacement, wide);

    /// <summary>memory[base + displacement] = constant, of 32 or 8 bits.</summary>
    public void StoreConstant(Reg @base, int displacement, int value, bool isByte)
    {
        Rex(false, 0, 0, (int)@base);
        Byte(isByte ? 0xC6 : 0xC7);
        Operand(0, @base, displacement);
        if (isByte)
            Byte(value);
        else
            Int(value);
    }

    /// <summary>Sets flags by a byte in memory compared with a constant.</summary>
    public void CompareByte(Reg @base, int displacement, int value)
    {
        Rex(false, 0, 0, (int)@base);
        Byte(0x80);
        Operand(7, @base, displacement);
        Byte(value);
    }

    /// <summary>Sets flags by a register compared with memory[base + index].</summary>
    public void CompareIndexed(Reg left, Reg @base, Reg index, int displacement) => IndexedForm((byte)Alu.Cmp + 2, left, @base, index, 0, displacement, wide: true);

    /// <summary>to = memory[base + index + displacement].</summary>
    public void LoadIndexed(Reg to, Reg @base, Reg index, int displacement) => IndexedForm(0x8B, to, @base, index, 0, displacement, wide: true);

    /// <summary>register = 1 where the condition holds, otherwise 0.</summary>
    public void SetIf(Condition condition, Reg to)
    {
        // With a prefix always, so that numbers 4 to 7 mean the low bytes.
        *_at++ = (byte)(0x40 | ((int)to >> 3));
        Byte(0x0F);
        Byte(0x90 + (int)condition);
        Byte(0xC0 | ((int)to & 7));
        ZeroExtend8(to, to);
    }

    /// <summary>A jump on a condition, to be led somewhere by <see cref="Land"/>.</summary>
    public int JumpIf(Condition condition)
    {
        Byte(0x0F);
        Byte(0x80 + (int)condition);
        Int(0);
        return Length;
    }

    /// <summary>A jump on a condition to what was written before.</summary>
    public void JumpIf(Condition condition, int target)
    {
        Byte(0x0F);
        Byte(0x80 + (int)condition);
        Int(target - (Length + 4));
    }

    /// <summary>A jump, to be led somewhere by <see cref="Land"/>.</summary>
    public int Jump()
    {
        Byte(0xE9);
        Int(0);
        return Length;
    }

    public void Jump(int target)
    {
        Byte(0xE9);
        Int(target - (Length + 4));
    }

    /// <summary>A jump to the address in a register.</summary>
    public void Jump(Reg target)
    {
        Rex(false, 0, 0, (int)target);
        Byte(0xFF);
        Byte(0xE0 | ((int)target & 7));
    }

    /// <summary>Leads a jump to here.</summary>
    public void Land(int jump) => *(int*)(_start + jump - 4) = Length - jump;

    /// <summary>A jump to the address in memory[base + displacement].</summary>
    public void JumpThrough(Reg @base, int displacement)
    {
        Rex(false, 0, 0, (int)@base);
        Byte(0xFF);
        Operand(4, @base, displacement);
    }

    public void Call(Reg target)
    {
        Rex(false, 0, 0, (int)target);
        Byte(0xFF);
        Byte(0xD0 | ((int)target & 7));
    }

    public void Return() => Byte(0xC3);

    public void Push(Reg register)
    {
        Rex(false, 0, 0, (int)register);
        Byte(0x50 | ((int)register & 7));
    }

    public void Pop(Reg register)
    {
        Rex(false, 0, 0, (int)register);
        Byte(0x58 | ((int)register & 7));
    }

    /// <summary>Orders all accesses before against all behind.</summary>
    public void Fence()
    {
        // lock or dword [rsp], 0: what compilers emit, and cheaper than mfence.
        Byte(0xF0);
        Byte(0x83);
        Byte(0x0C);
        Byte(0x24);
        Byte(0);
    }

    private void RegisterForm(int opcode, Reg reg, Reg rm, bool wide)
    {
        Rex(wide, (int)reg, 0, (int)rm);
        Byte(opcode);
        Byte(0xC0 | ((int)reg & 7) << 3 | ((int)rm & 7));
    }

    private void TwoByteForm(int opcode, Reg reg, Reg rm, bool wide)
    {
        Rex(wide, (int)reg, 0, (int)rm);
        Byte(0x0F);
        Byte(opcode);
        Byte(0xC0 | ((int)reg & 7) << 3 | ((int)rm & 7));
    }

    private void MemoryForm(int opcode, Reg reg, Reg @base, int displacement, bool wide)
    {
        Rex(wide, (int)reg, 0, (int)@base);
        Byte(opcode);
        Operand((int)reg, @base, displacement);
    }

    private void IndexedForm(int opcode, Reg reg, Reg @base, Reg index, int scale, int displacement, bool wide)
    {
        Rex(wide, (int)reg, (int)index, (int)@base);
        Byte(opcode);
        Indexed((int)reg, @base, index, scale, displacement);
    }

    private void Indexed(int reg, Reg @base, Reg index, int scale, int displacement)
    {
        bool none = displacement == 0 && ((int)@base & 7) != 5;
        bool small = displacement == (sbyte)displacement;
        Byte((none ? 0x04 : small ? 0x44 : 0x84) | (reg & 7) << 3);
        Byte(scale << 6 | ((int)index & 7) << 3 | ((int)@base & 7));
        if (none)
            return;
        if (small)
            Byte(displacement);
        else
            Int(displacement);
    }

    private void Operand(int reg, in Place place)
    {
        if (!place.HasIndex)
        {
            Operand(reg, place.Base, place.Displacement);
            return;
        }

        Indexed(reg, place.Base, place.Index, 0, place.Displacement);
    }

    private void Operand(int reg, Reg @base, int displacement)
    {
        int low = (int)@base & 7;
        bool none = displacement == 0 && low != 5;
        bool small = displacement == (sbyte)displacement;
        Byte((none ? 0 : small ? 0x40 : 0x80) | (reg & 7) << 3 | low);
        if (low == 4)
            Byte(0x24);
        if (none)
            return;
        if (small)
            Byte(displacement);
        else
            Int(displacement);
    }

    /// <summary>A prefix that is always there: 64 bits or not, and the high bits of three registers' numbers.</summary>
    private void Rex(bool wide, int reg, int index, int rm) => *_at++ = (byte)(0x40 | (wide ? 8 : 0) | (reg >> 3) << 2 | (index >> 3) << 1 | (rm >> 3));

    private void Vex(int map, int prefix, bool wide, int opcode, Reg reg, Reg second, Reg rm)
    {
        // RotateRight has no second register: its field's complement must be all ones, as that of number 0 is.
        Byte(0xC4);
        Byte(((~(int)reg >> 3 & 1) << 7) | 1 << 6 | ((~(int)rm >> 3 & 1) << 5) | map);
        Byte((wide ? 0x80 : 0) | (~(int)second & 15) << 3 | prefix);
        Byte(opcode);
        Byte(0xC0 | ((int)reg & 7) << 3 | ((int)rm & 7));
    }

    private void Byte(int value) => *_at++ = (byte)value;

    private void Int(int value)
    {
        *(int*)_at = value;
        _at += 4;
    }

    private void Long(long value)
    {
        *(long*)_at = value;
        _at += 8;
    }
}
