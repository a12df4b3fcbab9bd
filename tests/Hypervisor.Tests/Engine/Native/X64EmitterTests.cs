using System.Globalization;
using Hypervisor.Core.Engine.Native;
using Hypervisor.Tests.Support;

namespace Hypervisor.Tests.Engine.Native;

/// <summary>What the emitter writes, read by GNU's disassembler.</summary>
public sealed class X64EmitterTests : IDisposable
{
    private static readonly string[] s_wide = ["rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15"];
    private static readonly string[] s_narrow = ["eax", "ecx", "edx", "ebx", "esp", "ebp", "esi", "edi", "r8d", "r9d", "r10d", "r11d", "r12d", "r13d", "r14d", "r15d"];
    private static readonly string[] s_bytes = ["al", "cl", "dl", "bl", "spl", "bpl", "sil", "dil", "r8b", "r9b", "r10b", "r11b", "r12b", "r13b", "r14b", "r15b"];
    private static readonly string[] s_words = ["ax", "cx", "dx", "bx", "sp", "bp", "si", "di", "r8w", "r9w", "r10w", "r11w", "r12w", "r13w", "r14w", "r15w"];

    private readonly TemporaryFolder _folder = new();
    private readonly X64Emitter _code = new();
    private readonly List<string> _expected = [];

    public void Dispose() => _folder.Dispose();

    [TracesFact("objdump")]
    public void Registers_OfEveryNumber_AreWhatTheDisassemblerReads()
    {
        foreach (Reg a in Enum.GetValues<Reg>())
        {
            Reg b = (Reg)(((int)a * 7 + 5) % 16);
            Reg c = (Reg)(((int)a * 3 + 9) % 16);
            Write(() => _code.Move(a, b), $"mov {Wide(a)},{Wide(b)}");
            Write(() => _code.Move32(a, b), $"mov {Narrow(a)},{Narrow(b)}");
            Write(() => _code.SignExtend32(a, b), $"movsxd {Wide(a)},{Narrow(b)}");
            Write(() => _code.SignExtend8(a, b), $"movsx {Wide(a)},{s_bytes[(int)b]}");
            Write(() => _code.SignExtend16(a, b), $"movsx {Wide(a)},{s_words[(int)b]}");
            Write(() => _code.ZeroExtend8(a, b), $"movzx {Wide(a)},{s_bytes[(int)b]}");
            Write(() => _code.ZeroExtend16(a, b), $"movzx {Wide(a)},{s_words[(int)b]}");
            foreach (Alu alu in Enum.GetValues<Alu>())
            {
                string name = alu.ToString().ToLowerInvariant();
                Write(() => _code.Operate(alu, a, b), $"{name} {Wide(a)},{Wide(b)}");
                Write(() => _code.Operate(alu, a, b, wide: false), $"{name} {Narrow(a)},{Narrow(b)}");
                Write(() => _code.Operate(alu, a, 0x1234), $"{name} {Wide(a)},0x1234");
                Write(() => _code.Operate(alu, a, -2), $"{name} {Wide(a)},0xfffffffffffffffe");
                Write(() => _code.Operate(alu, a, -4096), $"{name} {Wide(a)},0xfffffffffffff000");
                Write(() => _code.Operate(alu, a, 255, wide: false), $"{name} {Narrow(a)},0xff");
                Write(() => _code.Operate(alu, a, b, 0x210), $"{name} {Wide(a)},QWORD PTR {Memory(b, 0x210)}");
            }

            foreach ((Shift shift, string name) in new[] { (Shift.Left, "shl"), (Shift.Right, "shr"), (Shift.Arithmetic, "sar"), (Shift.RotateRight, "ror") })
            {
                Write(() => _code.ShiftBy(shift, a, 63), $"{name} {Wide(a)},0x3f");
                Write(() => _code.ShiftBy(shift, a, 31, wide: false), $"{name} {Narrow(a)},0x1f");
            }

            foreach ((Shift shift, string name) in new[] { (Shift.Left, "shlx"), (Shift.Right, "shrx"), (Shift.Arithmetic, "sarx") })
            {
                Write(() => _code.ShiftBy(shift, a, b, c, wide: true), $"{name} {Wide(a)},{Wide(b)},{Wide(c)}");
                Write(() => _code.ShiftBy(shift, a, b, c, wide: false), $"{name} {Narrow(a)},{Narrow(b)},{Narrow(c)}");
            }

            Write(() => _code.RotateRight(a, b, 8, wide: true), $"rorx {Wide(a)},{Wide(b)},0x8");
            Write(() => _code.AndNot(a, b, c), $"andn {Wide(a)},{Wide(b)},{Wide(c)}");
            Write(() => _code.MultiplyHigh(a, b, c), $"mulx {Wide(a)},{Wide(b)},{Wide(c)}");
            Write(() => _code.Multiply(a, b), $"imul {Wide(a)},{Wide(b)}");
            Write(() => _code.Multiply(a, b, wide: false), $"imul {Narrow(a)},{Narrow(b)}");
            Write(() => _code.Divide(a, signed: true, wide: true), $"idiv {Wide(a)}");
            Write(() => _code.Divide(a, signed: false, wide: false), $"div {Narrow(a)}");
            Write(() => _code.Negate(a), $"neg {Wide(a)}");
            Write(() => _code.Not(a), $"not {Wide(a)}");
            Write(() => _code.SwapBytes(a), $"bswap {Wide(a)}");
            Write(() => _code.Test(a, b), $"test {Wide(a)},{Wide(b)}");
            Write(() => _code.Call(a), $"call {Wide(a)}");
            Write(() => _code.Push(a), $"push {Wide(a)}");
            Write(() => _code.Pop(a), $"pop {Wide(a)}");
            Write(() => _code.Jump(a), $"jmp {Wide(a)}");
            Write(() => _code.JumpThrough(a, 0x18), $"jmp QWORD PTR {Memory(a, 0x18)}");
            foreach ((Condition condition, string name) in new[]
            {
                (Condition.Below, "b"), (Condition.AboveOrEqual, "ae"), (Condition.Equal, "e"), (Condition.NotEqual, "ne"), (Condition.Above, "a"),
                (Condition.Less, "l"), (Condition.GreaterOrEqual, "ge"),
            })
            {
                Write(() => _code.MoveIf(condition, a, b), $"cmov{name} {Wide(a)},{Wide(b)}");
                Write(() => _code.SetIf(condition, a), $"set{name} {s_bytes[(int)a]}", $"movzx {Wide(a)},{s_bytes[(int)a]}");
            }
        }

        Write(() => _code.SpreadSign(wide: true), "cqo");
        Write(() => _code.SpreadSign(wide: false), "cdq");
        Write(_code.Return, "ret");
        Write(_code.Fence, "lock or DWORD PTR [rsp],0x0");
        Check();
    }

    [TracesFact("objdump")]
    public void Constants_OfEveryWidth_AreWhatTheDisassemblerReads()
    {
        foreach (Reg a in new[] { Reg.Rax, Reg.Rdi, Reg.R8, Reg.R13 })
        {
            Write(() => _code.Constant(a, 0), $"xor {Narrow(a)},{Narrow(a)}");
            Write(() => _code.Constant(a, 1), $"mov {Narrow(a)},0x1");
            Write(() => _code.Constant(a, 0xFFFF_FFFF), $"mov {Narrow(a)},0xffffffff");
            Write(() => _code.Constant(a, -1), $"mov {Wide(a)},0xffffffffffffffff");
            Write(() => _code.Constant(a, int.MinValue), $"mov {Wide(a)},0xffffffff80000000");
            Write(() => _code.Constant(a, 0x1234_5678_9ABC_DEF0), $"movabs {Wide(a)},0x123456789abcdef0");
        }

        Check();
    }

    [TracesFact("objdump")]
    public void Memory_OfEverySizeAndForm_IsWhatTheDisassemblerReads()
    {
        foreach (Reg a in Enum.GetValues<Reg>())
        {
            Reg b = (Reg)(((int)a * 7 + 5) % 16);
            Reg index = b == Reg.Rsp ? Reg.Rax : b;
            foreach (int displacement in new[] { 0, 8, -8, 127, 128, -128, -129, 0x2000 })
            {
                foreach (Place place in new[] { new Place(a, displacement), new Place(a, displacement, index) })
                {
                    string memory = place.HasIndex ? Memory(a, displacement, index) : Memory(a, displacement);
                    Write(() => _code.Load(b, place, 8, signed: false), $"mov {Wide(b)},QWORD PTR {memory}");
                    Write(() => _code.Load(b, place, 4, signed: true), $"movsxd {Wide(b)},DWORD PTR {memory}");
                    Write(() => _code.Load(b, place, 4, signed: false), $"mov {Narrow(b)},DWORD PTR {memory}");
                    Write(() => _code.Load(b, place, 2, signed: true), $"movsx {Wide(b)},WORD PTR {memory}");
                    Write(() => _code.Load(b, place, 2, signed: false), $"movzx {Wide(b)},WORD PTR {memory}");
                    Write(() => _code.Load(b, place, 1, signed: true), $"movsx {Wide(b)},BYTE PTR {memory}");
                    Write(() => _code.Load(b, place, 1, signed: false), $"movzx {Wide(b)},BYTE PTR {memory}");
                    Write(() => _code.Store(b, place, 8), $"mov QWORD PTR {memory},{Wide(b)}");
                    Write(() => _code.Store(b, place, 4), $"mov DWORD PTR {memory},{Narrow(b)}");
                    Write(() => _code.Store(b, place, 2), $"mov WORD PTR {memory},{s_words[(int)b]}");
                    Write(() => _code.Store(b, place, 1), $"mov BYTE PTR {memory},{s_bytes[(int)b]}");
                }

                Write(() => _code.Load(b, a, displacement), $"mov {Wide(b)},QWORD PTR {Memory(a, displacement)}");
                Write(() => _code.Store(b, a, displacement, wide: true), $"mov QWORD PTR {Memory(a, displacement)},{Wide(b)}");
                Write(() => _code.Address(b, a, displacement), $"lea {Wide(b)},{Memory(a, displacement)}");
                Write(() => _code.CompareIndexed(b, a, index, displacement), $"cmp {Wide(b)},QWORD PTR {Memory(a, displacement, index)}");
                Write(() => _code.LoadIndexed(b, a, index, displacement), $"mov {Wide(b)},QWORD PTR {Memory(a, displacement, index)}");
                Write(() => _code.StoreConstant(a, displacement, 3, isByte: false), $"mov DWORD PTR {Memory(a, displacement)},0x3");
                Write(() => _code.StoreConstant(a, displacement, 1, isByte: true), $"mov BYTE PTR {Memory(a, displacement)},0x1");
                Write(() => _code.CompareByte(a, displacement, 0), $"cmp BYTE PTR {Memory(a, displacement)},0x0");
            }

            for (int scale = 0; scale < 4; scale++)
                Write(() => _code.Address(b, a, index, scale), $"lea {Wide(b)},{Memory(a, 0, index, scale)}");
        }

        Check();
    }

    [TracesFact("objdump")]
    public void Jumps_ForwardAndBack_LandWhereTheyAreLed()
    {
        int back = _code.Length;
        Write(_code.Return, "ret");
        int forward = 0;
        Write(() => forward = _code.JumpIf(Condition.NotEqual), "jne 0x12");
        Write(() => _code.JumpIf(Condition.Below, back), "jb 0x0");
        Write(() => _code.Jump(back), "jmp 0x0");
        _code.Land(forward);
        Write(_code.Return, "ret");
        Check();
    }

    private static string Wide(Reg register) => s_wide[(int)register];

    private static string Narrow(Reg register) => s_narrow[(int)register];

    /// <summary>A place in memory as the disassembler writes it.</summary>
    private static string Memory(Reg @base, int displacement, Reg? index = null, int scale = 0)
    {
        string places = index is { } register ? $"{Wide(@base)}+{Wide(register)}*{1 << scale}" : Wide(@base);

        // These two bases have no form without displacement.
        bool always = ((int)@base & 7) == 5;
        string distance = displacement == 0 && !always ? "" : displacement < 0 ? $"-0x{-displacement:x}" : $"+0x{displacement:x}";
        return $"[{places}{distance}]";
    }

    private void Write(Action emit, params string[] expected)
    {
        emit();
        _expected.AddRange(expected);
        if (_code.HasRoom)
            return;
        Check();
        _code.Clear();
        _expected.Clear();
    }

    private void Check()
    {
        File.WriteAllBytes(_folder["code"], _code.Code.ToArray());
        string[] actual = [.. Peer.Run("objdump", "-D", "-b", "binary", "-m", "i386:x86-64", "-M", "intel", "--no-show-raw-insn", "-w", _folder["code"])
            .Split('\n').Select(Text).OfType<string>()];
        Assert.Equal(_expected.Count, actual.Length);
        for (int i = 0; i < actual.Length; i++)
        {
            Assert.True(_expected[i] == actual[i], string.Create(CultureInfo.InvariantCulture, $"instruction {i}: written for '{_expected[i]}', read as '{actual[i]}'"));
        }
    }

    /// <summary>One instruction without its address, prefixes that are not needed, and the padding.</summary>
    private static string? Text(string line)
    {
        int colon = line.IndexOf(":\t", StringComparison.Ordinal);
        if (colon < 0)
            return null;
        string text = string.Join(' ', line[(colon + 2)..].Split(' ', StringSplitOptions.RemoveEmptyEntries)).Trim();
        return text.StartsWith("rex ", StringComparison.Ordinal) || text.StartsWith("rex.", StringComparison.Ordinal) ? text[(text.IndexOf(' ', StringComparison.Ordinal) + 1)..] : text;
    }
}
