using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics.X86;
using Hypervisor.Core.Engine.Interpreter;
using Hypervisor.Core.Hart;
using Hypervisor.Core.Isa;
using Hypervisor.Core.Memory;

namespace Hypervisor.Core.Engine.Native;

/// <summary>
/// Makes x64 code of one of the interpreter's traces. What it makes is a handler like any other: it takes a handler's arguments in a
/// handler's registers, stands in an op's place, and goes on by a jump through the next op. It does exactly what the ops do, so
/// that neither results nor budgets tell them apart. What it does not know it leaves to the op's own handler, and goes on behind it.
/// </summary>
/// <remarks>
/// <para>
/// Invariants for the unsafe code: those of <see cref="Handlers"/>; addresses of ops and links are constants of the code, which is dropped
/// with their arena; nothing is called but <see cref="TlbRefill"/> and nothing is left on the stack, so that the runtime never finds this code on it.
/// </para>
/// <para>
/// The runtime cannot stop a thread in here. Who runs traces must therefore look in between, after a bounded number of instructions
/// (<see cref="TraceCode.LetRuntimeIn"/>).
/// </para>
/// </remarks>
internal sealed unsafe partial class TraceCompiler
{
    private static readonly int s_pc;
    private static readonly int s_limit;
    private static readonly int s_leaveHandler;
    private static readonly int s_budget;
    private static readonly int s_eventOp;
    private static readonly int s_event;
    private static readonly int s_jumpCache;
    private static readonly int s_keyBits;
    private static readonly int s_tlb;
    private static readonly int s_fpEnabled;
    private static readonly int s_fpDirty;
    private static readonly int s_floats;

    private readonly X64Emitter _code = new();
    private readonly TraceRegisters _registers;
    private readonly HandlerTable _handlers;
    private readonly List<Way> _ways = [];
    private readonly List<(int Slot, int Offset)> _entries = [];
    private BlockHeader* _header;
    private Op* _ops;
    private OpInfo* _infos;
    private int _slots;

    /// <summary>Where the code of the whole trace begins, while that is what is made; otherwise -1.</summary>
    private int _start;
    private bool _floatsChecked;

    static TraceCompiler()
    {
        HartState state;
        byte* start = (byte*)&state;
        s_pc = (int)((byte*)&state.Pc - start);
        s_limit = (int)((byte*)&state.Limit - start);
        s_leaveHandler = (int)((byte*)&state.LeaveHandler - start);
        s_budget = (int)((byte*)&state.Budget - start);
        s_eventOp = (int)((byte*)&state.EventOp - start);
        s_event = (int)((byte*)&state.Event - start);
        s_jumpCache = (int)((byte*)&state.JumpCache - start);
        s_keyBits = (int)((byte*)&state.KeyBits - start);
        s_tlb = (int)((byte*)&state.Tlb - start);
        s_fpEnabled = (int)(&state.FpEnabled - start);
        s_fpDirty = (int)(&state.FpDirty - start);
        s_floats = (int)((byte*)&state.F[0] - start);
    }

    public TraceCompiler(HandlerTable handlers)
    {
        _handlers = handlers;
        _registers = new TraceRegisters(_code);
    }

    /// <summary>A way out of the trace, written behind it: ways that are seldom taken, and those of branches.</summary>
    /// <param name="Jump">The jump that leads to it.</param>
    /// <param name="Slot">The op at which it begins.</param>
    /// <param name="Kind">Where to.</param>
    /// <param name="Unwritten">What is to be written back.</param>
    /// <param name="InLoop">The same, where the way goes around a loop.</param>
    /// <param name="Refill">What is tried first, where it is a miss of the TLB.</param>
    private readonly record struct Way(int Jump, int Slot, WayKind Kind, Unwritten Unwritten, Unwritten InLoop, Refill Refill);

    /// <summary>A miss of the TLB: see <see cref="TlbRefill"/>.</summary>
    /// <param name="Routine">What makes the entry; 0 for none.</param>
    /// <param name="Back">Where the look is that missed.</param>
    /// <param name="Tag">What was looked for.</param>
    /// <param name="Place">Where.</param>
    private readonly record struct Refill(nint Routine, int Back, Reg Tag, Reg Place);

    private enum WayKind
    {
        /// <summary>To a branch's target.</summary>
        Branch,

        /// <summary>To the dispatcher, which does the op.</summary>
        Slow,

        /// <summary>To the op's own handler, and on from there.</summary>
        Interpret,
    }

    /// <summary>Whether this host's code can be made.</summary>
    public static bool IsSupported => OperatingSystem.IsLinux() && RuntimeInformation.ProcessArchitecture == Architecture.X64 && Bmi1.X64.IsSupported && Bmi2.X64.IsSupported;

    /// <summary>The routine that makes the entry for a load that the TLB lacks, or 0 for none.</summary>
    public nint LoadRefill { get; set; }

    /// <summary>The same for stores.</summary>
    public nint StoreRefill { get; set; }

    /// <summary>The code that was made: good until the next call.</summary>
    public ReadOnlySpan<byte> Code => _code.Code;

    /// <summary>Instructions of the trace.</summary>
    public int Ops { get; private set; }

    /// <summary>Those of floating point and vectors among them that are left to handlers.</summary>
    public int Left { get; private set; }

    /// <summary>Which slots lead into the code, and where.</summary>
    public IReadOnlyList<(int Slot, int Offset)> Entries => _entries;

    /// <summary>Writes the routines for the misses of the TLB, one behind the other.</summary>
    /// <returns>Where the second begins, which is that for stores.</returns>
    public int WriteRefills()
    {
        _code.Clear();
        TlbRefill.Write(_code, isStore: false);
        int second = _code.Length;
        TlbRefill.Write(_code, isStore: true);
        return second;
    }

    /// <summary>Makes the code of a trace. False where it would not be worth it, or is too long.</summary>
    public bool Compile(BlockHeader* header)
    {
        _header = header;
        _ops = BlockHeader.FirstOp(header);
        _slots = header->Slots;
        _infos = (OpInfo*)(_ops + _slots);
        _code.Clear();
        _ways.Clear();
        _entries.Clear();
        (Ops, Left) = (header->Instructions, 0);
        for (int slot = 0; slot < _slots;)
        {
            if (!IsKnown(slot))
            {
                // Floating point and vectors: what regions do themselves, and what programs have much of.
                Left += _infos[slot].Opcode >= Opcode.Flw ? 1 : 0;
                slot++;
                continue;
            }

            int next = Part(slot);
            if (next < 0)
                return false;
            slot = next;
        }

        return _entries.Count != 0;
    }

    /// <summary>Makes code from a slot on until the trace ends or an op is not known. The slot behind, or -1 where there is no room.</summary>
    private int Part(int first)
    {
        _registers.Start();
        _ways.Clear();
        _floatsChecked = false;
        _loads = default;
        _stores = default;
        _entries.Add((first, _code.Length));
        _start = -1;
        if (first == 0)
            PrepareLoop();
        int slot = first;
        while (slot < _slots)
        {
            if (!_code.HasRoom)
                return -1;
            _registers.Begin();
            EndGroups(slot);
            if (!IsKnown(slot))
            {
                LeaveToHandler(slot);
                break;
            }

            int next = Emit(slot);
            if (next < 0)
            {
                slot = _slots;
                break;
            }

            slot = next;
        }

        return WriteWays() ? slot : -1;
    }

    /// <summary>
    /// Where the trace leads back to its own beginning: what it uses most gets registers that it keeps around the loop. They are loaded here, and the
    /// loop begins behind that.
    /// </summary>
    private void PrepareLoop()
    {
        int last = -1;
        for (int slot = 0; slot < _slots && IsKnown(slot); slot += Slots(slot))
        {
            if (Kind(slot) is >= FusedKind.Beq and <= FusedKind.Jump && _ops[slot + 2].Imm == 0)
                last = slot;
        }

        if (last < 0)
            return;
        Span<int> uses = stackalloc int[HartState.Sink + 1];
        uses.Clear();
        ulong written = 0;
        for (int slot = 0; slot <= last; slot += Slots(slot))
        {
            FusedKind kind = Kind(slot);
            ref Op op = ref _ops[slot];
            if (kind is FusedKind.Jump or FusedKind.JumpRegister)
                break;
            bool isConstant = kind == FusedKind.Constant || IsWide(slot);
            MemoryShape shape = isConstant || kind == FusedKind.Move ? default : MemoryShape.Of(_infos[slot].Opcode);
            if (!isConstant)
                uses[op.Rs1]++;
            if (!isConstant && kind != FusedKind.Move && (shape.Size == 0 || (shape.IsStore && !shape.IsFloat)) && HasSecond(slot))
                uses[op.Rs2]++;
            if (kind is not (>= FusedKind.Beq and <= FusedKind.Bgeu) && WritesInteger(slot, shape))
            {
                uses[op.Rd]++;
                written |= 1UL << op.Rd;
            }
        }

        uses[0] = 0;
        uses[HartState.Sink] = 0;
        Span<int> chosen = stackalloc int[TraceRegisters.MostFixed];
        int count = 0;
        while (count < chosen.Length)
        {
            int best = 0;
            for (int guest = 1; guest < HartState.Sink; guest++)
            {
                if (uses[guest] > uses[best])
                    best = guest;
            }

            if (best == 0)
                break;
            uses[best] = 0;
            chosen[count++] = best;
        }

        _registers.Fix(chosen[..count], written);
        _start = _code.Length;
    }

    /// <summary>Whether an op reads a second integer register: of those that have none its number is 0, or a floating-point register's.</summary>
    private bool HasSecond(int slot) => _infos[slot].Opcode is not (Opcode.FmvXD or Opcode.FmvDX or Opcode.FsgnjD);

    /// <summary>How many slots an op has with what belongs to it.</summary>
    private int Slots(int slot) => Kind(slot) is >= FusedKind.Beq and <= FusedKind.Jump ? 3 : IsWide(slot) || Kind(slot) == FusedKind.JumpRegister ? 2 : 1;

    /// <summary>Whether an op's code can be made here.</summary>
    private bool IsKnown(int slot) => Kind(slot) switch
    {
        FusedKind.Constant or FusedKind.Move or FusedKind.JumpRegister or (>= FusedKind.Beq and <= FusedKind.Jump) => true,
        _ => IsWide(slot) || IsKnown(_infos[slot].Opcode),
    };

    private FusedKind Kind(int slot) => _infos[slot].Kind;

    /// <summary>Whether an op takes its constant from the next slot. The first op's handler is not in its place.</summary>
    private bool IsWide(int slot) => Kind(slot) == FusedKind.None && OwnHandler(slot) == _handlers.WideConstant;

    private nint OwnHandler(int slot) => slot == 0 ? _header->Own : _ops[slot].Handler;

    /// <summary>The op's own handler does it. Where it was fused with what follows it is so no longer, if what follows is made here.</summary>
    private void LeaveToHandler(int slot)
    {
        _registers.Flush();
        _registers.Restore();
        _code.Constant(Reg.Rdi, (long)(_ops + slot));
        _code.JumpThrough(Reg.Rdi, 0);
        if (slot + 1 < _slots && Kind(slot) != FusedKind.None && IsKnown(slot + 1))
        {
            Opcode opcode = _infos[slot].Opcode;
            _ops[slot].Handler = _handlers.Single(opcode, BlockBuilder.RoundsByMode(opcode) && (_ops[slot].Imm & 7) == 7);
        }
    }

    /// <summary>Makes the code of one op; the slot behind it, or -1 where the trace ends.</summary>
    private int Emit(int slot)
    {
        ref Op op = ref _ops[slot];
        switch (Kind(slot))
        {
            case FusedKind.Constant:
                SetConstant(op.Rd, op.Imm);
                return slot + 1;

            case FusedKind.Move:
            {
                Reg from = _registers.Use(op.Rs1);
                Reg to = _registers.Take();
                _code.Move(to, from);
                _registers.Define(op.Rd, to);
                return slot + 1;
            }

            case FusedKind.Jump:
                FollowLink(slot, _registers.Unwritten, _registers.UnwrittenInLoop);
                return -1;

            case >= FusedKind.Beq and <= FusedKind.Bgeu:
                EmitBranch(slot);
                return slot + 3;

            case FusedKind.JumpRegister:
                EmitJumpRegister(slot);
                return -1;
        }

        if (IsWide(slot))
        {
            SetConstant(op.Rd, (long)((OpPayload*)_ops)[slot + 1].Value);
            return slot + 2;
        }

        EmitPlain(slot, _infos[slot].Opcode);
        return slot + 1;
    }

    private void SetConstant(int guest, long value)
    {
        Reg to = _registers.Take();
        _code.Constant(to, value);
        _registers.Define(guest, to);
    }

    private void EmitBranch(int slot)
    {
        ref Op op = ref _ops[slot];
        Reg a = _registers.Use(op.Rs1);
        if (op.Rs2 == 0)
            _code.Test(a, a);
        else
            _code.Operate(Alu.Cmp, a, _registers.Use(op.Rs2));
        Leave(Kind(slot) switch
        {
            FusedKind.Beq => Condition.Equal,
            FusedKind.Bne => Condition.NotEqual,
            FusedKind.Blt => Condition.Less,
            FusedKind.Bge => Condition.GreaterOrEqual,
            FusedKind.Bltu => Condition.Below,
            _ => Condition.AboveOrEqual,
        }, slot, WayKind.Branch);
    }

    /// <summary>Leaves the trace where a condition holds.</summary>
    private void Leave(Condition condition, int slot, WayKind kind, Refill refill = default)
        => _ways.Add(new Way(_code.JumpIf(condition), slot, kind, _registers.Unwritten, _registers.UnwrittenInLoop, refill));

    /// <summary>Charges what was run and goes on at a link's target, or leaves where the budget or attention wants a look.</summary>
    /// <param name="slot">The branch or jump.</param>
    /// <param name="unwritten">What is to be written back.</param>
    /// <param name="inLoop">The same, where it goes around a loop.</param>
    private void FollowLink(int slot, Unwritten unwritten, Unwritten inLoop)
    {
        var link = (OpLink*)(_ops + slot + 1);
        if (_start >= 0 && _ops[slot + 2].Imm == 0)
        {
            // Around the loop, without a jump through memory and with what is fixed in its place.
            TraceRegisters.Write(_code, inLoop);
            _code.Operate(Alu.Sub, Reg.Rcx, checked((int)link->Count));
            _code.Operate(Alu.Cmp, Reg.Rcx, Reg.Rsi, s_limit);
            _code.JumpIf(Condition.GreaterOrEqual, _start);
            TraceRegisters.Write(_code, unwritten);
            _registers.Restore();
            _code.Constant(Reg.Rdi, (long)_ops);
            _code.JumpThrough(Reg.Rsi, s_leaveHandler);
            return;
        }

        TraceRegisters.Write(_code, unwritten);
        _registers.Restore();
        _code.Operate(Alu.Sub, Reg.Rcx, checked((int)link->Count));
        if (_ops[slot + 2].Handler == _handlers.CrossPage)
        {
            FollowIntoOtherPage(_header->Pc + (ulong)(long)_ops[slot + 2].Imm);
            return;
        }

        _code.Constant(Reg.Rdi, (long)&link->Target);
        _code.Load(Reg.Rdi, Reg.Rdi, 0);
        _code.Operate(Alu.Cmp, Reg.Rcx, Reg.Rsi, s_limit);
        int leave = _code.JumpIf(Condition.Less);
        _code.JumpThrough(Reg.Rdi, 0);
        _code.Land(leave);
        _code.JumpThrough(Reg.Rsi, s_leaveHandler);
    }

    /// <summary>As <see cref="Handlers.CrossPage"/>: the place in the jump cache is known.</summary>
    private void FollowIntoOtherPage(ulong target)
    {
        _code.Operate(Alu.Cmp, Reg.Rcx, Reg.Rsi, s_limit);
        int leave = _code.JumpIf(Condition.Less);
        _code.Load(Reg.Rdi, Reg.Rsi, s_jumpCache);
        _code.Constant(Reg.Rax, (long)target);
        _code.Operate(Alu.Or, Reg.Rax, Reg.Rsi, s_keyBits);
        int notFirst = GoWhereFound((int)JumpCacheEntry.IndexOf(target) * sizeof(JumpCacheEntry));
        _code.Land(notFirst);
        int miss = GoWhereFound((int)JumpCacheEntry.OtherIndexOf(target) * sizeof(JumpCacheEntry));
        _code.Land(leave);
        _code.Land(miss);
        _code.Constant(Reg.Rax, (long)target);
        LeaveTo(Reg.Rax);
    }

    /// <summary>Goes on at the op of an entry of the jump cache (rdi) if it has the key (rax). The jump that is taken if not.</summary>
    private int GoWhereFound(int place)
    {
        _code.Operate(Alu.Cmp, Reg.Rax, Reg.Rdi, place);
        int miss = _code.JumpIf(Condition.NotEqual);
        _code.Load(Reg.Rdi, Reg.Rdi, place + 8);
        _code.JumpThrough(Reg.Rdi, 0);
        return miss;
    }

    /// <summary>As the handlers leave for an address.</summary>
    private void LeaveTo(Reg target)
    {
        _code.Store(target, Reg.Rsi, s_pc, wide: true);
        _code.Store(Reg.Rcx, Reg.Rsi, s_budget, wide: true);
        _code.StoreConstant(Reg.Rsi, s_event, (int)EngineEvent.Lookup, isByte: false);
        _code.Return();
    }

    /// <summary>jalr: the target's block comes from the jump cache, as in <see cref="Handlers.JumpRegister"/>.</summary>
    private void EmitJumpRegister(int slot)
    {
        ref Op op = ref _ops[slot];
        ref OpPayload payload = ref ((OpPayload*)_ops)[slot + 1];
        Reg from = _registers.Use(op.Rs1);
        Reg target = _registers.Take();
        _code.Address(target, from, op.Imm);
        _code.Operate(Alu.And, target, -2);
        if (op.Rd != HartState.Sink)
            SetConstant(op.Rd, (long)payload.Value);
        _registers.Flush();

        // Its place is not one of those that are put back.
        if (target is not (Reg.Rax or Reg.Rdi or Reg.R8 or Reg.R9 or Reg.R10 or Reg.R11))
        {
            _code.Move(Reg.Rax, target);
            target = Reg.Rax;
        }

        _registers.Restore();
        _code.Operate(Alu.Sub, Reg.Rcx, checked((int)payload.Count));
        Reg key = target == Reg.R8 ? Reg.R9 : Reg.R8;
        Reg entry = target == Reg.R10 ? Reg.R11 : Reg.R10;
        _code.Move(entry, target);
        _code.Move(key, target);
        _code.ShiftBy(Shift.Right, entry, 1);
        _code.ShiftBy(Shift.Right, key, JumpCacheEntry.HighShift);
        _code.Operate(Alu.Xor, entry, key);
        _code.Operate(Alu.And, entry, JumpCacheEntry.Count - 1, wide: false);
        _code.ShiftBy(Shift.Left, entry, 4, wide: false);
        _code.Operate(Alu.Add, entry, Reg.Rsi, s_jumpCache);
        _code.Move(key, target);
        _code.Operate(Alu.Or, key, Reg.Rsi, s_keyBits);
        _code.Operate(Alu.Cmp, key, entry, 0);
        int notFirst = _code.JumpIf(Condition.NotEqual);
        int found = _code.Length;
        _code.Operate(Alu.Cmp, Reg.Rcx, Reg.Rsi, s_limit);
        int leave = _code.JumpIf(Condition.Less);
        _code.Load(Reg.Rdi, entry, 8);
        _code.JumpThrough(Reg.Rdi, 0);

        // The other place: see JumpCacheEntry.OtherIndexOf.
        _code.Land(notFirst);
        _code.Move(entry, target);
        _code.ShiftBy(Shift.Right, entry, 1);
        Reg factor = target == Reg.Rax ? Reg.Rdi : Reg.Rax;
        _code.Constant(factor, JumpCacheEntry.OtherFactor);
        _code.Multiply(entry, factor, wide: false);
        _code.ShiftBy(Shift.Right, entry, JumpCacheEntry.OtherShift, wide: false);
        _code.ShiftBy(Shift.Left, entry, 4, wide: false);
        _code.Operate(Alu.Add, entry, Reg.Rsi, s_jumpCache);
        _code.Operate(Alu.Cmp, key, entry, 0);
        _code.JumpIf(Condition.Equal, found);
        _code.Land(leave);
        LeaveTo(target);
    }

    /// <summary>Writes the ways out of a part. False where there is no room.</summary>
    private bool WriteWays()
    {
        int common = -1;
        foreach (Way way in CollectionsMarshal.AsSpan(_ways))
        {
            if (!_code.HasRoom)
                return false;
            _code.Land(way.Jump);
            if (way.Kind == WayKind.Branch)
            {
                FollowLink(way.Slot, way.Unwritten, way.InLoop);
                continue;
            }

            if (way.Refill.Routine != 0)
            {
                TlbRefill.WriteCall(_code, way.Refill.Routine, way.Refill.Tag, way.Refill.Place);
                _code.JumpIf(Condition.Equal, way.Refill.Back);
            }

            TraceRegisters.Write(_code, way.Unwritten);
            _registers.Restore();
            _code.Constant(Reg.Rdi, (long)(_ops + way.Slot));
            if (way.Kind == WayKind.Interpret)
            {
                // A constant, as this code may come to stand in the handler's place.
                _code.Constant(Reg.Rax, OwnHandler(way.Slot));
                _code.Jump(Reg.Rax);
                continue;
            }

            if (common >= 0)
            {
                _code.Jump(common);
                continue;
            }

            // As Handlers.Slow.
            common = _code.Length;
            _code.Store(Reg.Rcx, Reg.Rsi, s_budget, wide: true);
            _code.Store(Reg.Rdi, Reg.Rsi, s_eventOp, wide: true);
            _code.StoreConstant(Reg.Rsi, s_event, (int)EngineEvent.Slow, isByte: false);
            _code.Return();
        }

        return true;
    }
}
