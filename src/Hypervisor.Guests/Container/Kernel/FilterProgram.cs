using System.Buffers.Binary;

namespace Hypervisor.Guests.Container.Kernel;

/// <summary>
/// A program of the classic packet filter's machine that decides about system calls (seccomp(2)): checked once, as Linux checks it,
/// so that running it neither fails nor goes round for ever.
/// </summary>
internal sealed class FilterProgram
{
    /// <summary>Instructions of one program, and of all that a task has together.</summary>
    public const int MostInstructions = 4096, MostTogether = 32768;

    /// <summary>Bytes of <c>struct seccomp_data</c>, which it reads.</summary>
    public const int DataBytes = 64;

    private const int Slots = 16;

    // Classes, sizes, modes, operations and sources of an instruction's code (bpf_common.h).
    private const ushort Load = 0, LoadX = 1, Store = 2, StoreX = 3, Arithmetic = 4, Jump = 5, Return = 6, Other = 7;
    private const ushort Immediate = 0x00, Absolute = 0x20, Memory = 0x60, Length = 0x80;
    private const ushort Add = 0x00, Subtract = 0x10, Multiply = 0x20, Divide = 0x30, Or = 0x40, And = 0x50, ShiftLeft = 0x60, ShiftRight = 0x70, Negate = 0x80, ExclusiveOr = 0xA0;
    private const ushort Always = 0x00, IfEqual = 0x10, IfGreater = 0x20, IfGreaterOrEqual = 0x30, IfAnySet = 0x40;
    private const ushort WithX = 0x08, FromA = 0x10, ToA = 0x80;

    private readonly FilterInstruction[] _code;

    private FilterProgram(FilterInstruction[] code) => _code = code;

    public int Count => _code.Length;

    /// <summary>A program, or null where one of its instructions may not be.</summary>
    public static FilterProgram? Check(FilterInstruction[] code)
    {
        if (code.Length is 0 or > MostInstructions)
            return null;
        for (int i = 0; i < code.Length; i++)
        {
            if (!IsKnown(code[i], i, code.Length))
                return null;
        }

        return (code[^1].Code & 7) == Return && ReadsWhatItWrote(code) ? new FilterProgram(code) : null;
    }

    /// <summary>What it decides about a call.</summary>
    public uint Run(ReadOnlySpan<byte> data)
    {
        uint a = 0, x = 0;
        Span<uint> memory = stackalloc uint[Slots];
        memory.Clear();
        for (int i = 0; ; i++)
        {
            FilterInstruction at = _code[i];
            uint k = at.Value;
            uint operand = (at.Code & WithX) != 0 ? x : k;
            switch (at.Code & 7)
            {
                case Load:
                    a = (at.Code & 0xE0) switch
                    {
                        Absolute => BinaryPrimitives.ReadUInt32LittleEndian(data[(int)k..]),
                        Memory => memory[(int)k],
                        Length => DataBytes,
                        _ => k,
                    };
                    break;
                case LoadX:
                    x = (at.Code & 0xE0) switch { Memory => memory[(int)k], Length => DataBytes, _ => k };
                    break;
                case Store:
                    memory[(int)k] = a;
                    break;
                case StoreX:
                    memory[(int)k] = x;
                    break;
                case Arithmetic:
                    if ((at.Code & 0xF0) == Divide && operand == 0)
                        return 0;
                    a = (at.Code & 0xF0) switch
                    {
                        Add => a + operand,
                        Subtract => a - operand,
                        Multiply => a * operand,
                        Divide => a / operand,
                        Or => a | operand,
                        And => a & operand,
                        ShiftLeft => a << (int)(operand & 31),
                        ShiftRight => a >> (int)(operand & 31),
                        ExclusiveOr => a ^ operand,
                        _ => 0 - a,
                    };
                    break;
                case Jump:
                    if ((at.Code & 0xF0) == Always)
                    {
                        i += (int)k;
                        break;
                    }

                    bool holds = (at.Code & 0xF0) switch
                    {
                        IfEqual => a == operand,
                        IfGreater => a > operand,
                        IfGreaterOrEqual => a >= operand,
                        _ => (a & operand) != 0,
                    };
                    i += holds ? at.JumpTrue : at.JumpFalse;
                    break;
                case Return:
                    return (at.Code & 0x18) == FromA ? a : k;
                default:
                    if (at.Code == (Other | ToA))
                        a = x;
                    else
                        x = a;
                    break;
            }
        }
    }

    private static bool IsKnown(FilterInstruction at, int index, int count)
    {
        int left = count - index - 1;
        switch (at.Code)
        {
            case Load | Absolute:
                return at.Value < DataBytes && (at.Value & 3) == 0;
            case Load | Immediate or Load | Length or LoadX | Immediate or LoadX | Length or Return or Return | FromA or Other or Other | ToA or Arithmetic | Negate:
                return true;
            case Load | Memory or LoadX | Memory or Store or StoreX:
                return at.Value < Slots;
            case Arithmetic | Divide:
                return at.Value != 0;
            case Arithmetic | ShiftLeft or Arithmetic | ShiftRight:
                return at.Value < 32;
            case Arithmetic | Add or Arithmetic | Subtract or Arithmetic | Multiply or Arithmetic | And or Arithmetic | Or or Arithmetic | ExclusiveOr:
            case Arithmetic | Add | WithX or Arithmetic | Subtract | WithX or Arithmetic | Multiply | WithX or Arithmetic | Divide | WithX or Arithmetic | And | WithX:
            case Arithmetic | Or | WithX or Arithmetic | ExclusiveOr | WithX or Arithmetic | ShiftLeft | WithX or Arithmetic | ShiftRight | WithX:
                return true;
            case Jump | Always:
                return at.Value < (uint)left;
            case Jump | IfEqual or Jump | IfGreater or Jump | IfGreaterOrEqual or Jump | IfAnySet:
            case Jump | IfEqual | WithX or Jump | IfGreater | WithX or Jump | IfGreaterOrEqual | WithX or Jump | IfAnySet | WithX:
                return at.JumpTrue < left && at.JumpFalse < left;
            default:
                return false;
        }
    }

    /// <summary>Whether on every way to a load from memory something was stored there.</summary>
    private static bool ReadsWhatItWrote(FilterInstruction[] code)
    {
        var known = new ushort[code.Length];
        Array.Fill(known, ushort.MaxValue);
        ushort written = 0;
        for (int i = 0; i < code.Length; i++)
        {
            written &= known[i];
            FilterInstruction at = code[i];
            switch (at.Code)
            {
                case Store or StoreX:
                    written |= (ushort)(1 << (int)at.Value);
                    break;
                case Load | Memory or LoadX | Memory:
                    if ((written & 1 << (int)at.Value) == 0)
                        return false;
                    break;
                case Jump | Always:
                    known[i + 1 + (int)at.Value] &= written;
                    written = ushort.MaxValue;
                    break;
                default:
                    if ((at.Code & 7) != Jump)
                        break;
                    known[i + 1 + at.JumpTrue] &= written;
                    known[i + 1 + at.JumpFalse] &= written;
                    written = ushort.MaxValue;
                    break;
            }
        }

        return true;
    }
}
