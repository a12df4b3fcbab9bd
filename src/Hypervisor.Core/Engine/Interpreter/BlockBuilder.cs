using System.Runtime.CompilerServices;
using Hypervisor.Core.Engine.Interpreter.Vector;
using Hypervisor.Core.Hart;
using Hypervisor.Core.Isa;
using Hypervisor.Core.Memory;

namespace Hypervisor.Core.Engine.Interpreter;

/// <summary>
/// Decodes traces: up to <see cref="MaxInstructions"/> instructions of one page, through branches not taken and direct
/// jumps within the page. A trace ends in a jump, an indirect jump, or an op of the dispatcher's that never falls through.
/// </summary>
/// <remarks>Invariant for the unsafe code: at most <see cref="MaxSlots"/> slots are written, each instruction emitting at most four.</remarks>
internal sealed unsafe class BlockBuilder
{
    /// <summary>Longest trace; also the budget below which handlers return to the dispatcher.</summary>
    public const int MaxInstructions = 64;

    private const int MaxSlots = 240;
    private const int MaxJumpsFollowed = 8;

    /// <summary>A jump from handler to handler, in parts of which each access that needs no look into the TLB of its own saves one.</summary>
    private const int One = 4;

    /// <summary>Stand for two and for three accesses with one base register among the lengths of fused handlers.</summary>
    private const int Twice = 100;

    private const int Thrice = 101;

    private readonly HandlerTable _handlers;
    private readonly StateMemory _opMemory = new((MaxSlots + 8) * sizeof(Op));
    private readonly Op* _ops;
    private readonly OpInfo[] _infos = new OpInfo[MaxSlots + 8];
    private readonly FusedKind[] _kinds = new FusedKind[MaxSlots + 8];
    private readonly int[] _jumps = new int[MaxSlots + 16];
    private readonly byte[] _fused = new byte[MaxSlots + 8];
    private int _slots;

    public BlockBuilder(HandlerTable handlers, bool fuse)
    {
        _ops = (Op*)_opMemory.Start;
        _handlers = handlers;
        Fuses = fuse;
    }

    /// <summary>Whether pairs are fused.</summary>
    public bool Fuses { get; set; }

    /// <summary>Decodes the trace at an address.</summary>
    /// <param name="code">Where to put it.</param>
    /// <param name="pc">Virtual address, even.</param>
    /// <param name="physical">Guest-physical address of the same byte, in RAM.</param>
    /// <param name="page">Host address of the page.</param>
    /// <param name="secondPage">Host address of the next virtual page where it is needed: null otherwise.</param>
    /// <param name="secondPhysical">Its guest-physical address, or 0.</param>
    /// <param name="limit">Instructions at most; below <see cref="MaxInstructions"/> the trace is for this once and not findable.</param>
    public Op* Build(CodeCache code, ulong pc, ulong physical, byte* page, byte* secondPage, ulong secondPhysical, int limit)
    {
        _slots = 0;
        int start = (int)(physical & 0xFFF);
        int offset = start;
        int lowest = start;
        int highest = start;
        int count = 0;
        int jumps = 0;
        bool straddles = false;
        while (true)
        {
            if (count == limit || _slots > MaxSlots - 8)
            {
                EmitJump(offset - start, count, ref _infos[_slots]);
                break;
            }

            if (offset >= GuestMemory.PageSize - 1)
            {
                EmitJump(offset - start, count, ref _infos[_slots]);
                break;
            }

            // One read of four bytes where they are there: another hart that stores an aligned instruction is seen whole (Ziccif).
            bool whole = offset + 4 <= GuestMemory.PageSize;
            uint word = whole ? Unsafe.ReadUnaligned<uint>(page + offset) : Unsafe.ReadUnaligned<ushort>(page + offset);
            if (!whole && (word & 3) == 3)
            {
                if (count > 0 || secondPage == null)
                {
                    EmitJump(offset - start, count, ref _infos[_slots]);
                    break;
                }
                else
                {
                    word |= (uint)Unsafe.ReadUnaligned<ushort>(secondPage) << 16;
                    straddles = true;
                }
            }

            // Where translated code begins the trace hands over to it.
            if (count > 0 && code.Regions is { Count: > 0 } regions && regions.IsEntry(pc + (ulong)(long)(offset - start), (physical & ~0xFFFUL) + (uint)offset))
            {
                EmitJump(offset - start, count, ref _infos[_slots]);
                break;
            }

            if (code.Breakpoints is { } breakpoints && breakpoints.Contains(pc + (ulong)(long)(offset - start)))
            {
                // The instruction may lie on two pages of which one is to be mapped yet: it is not looked at.
                _infos[_slots] = new OpInfo { PcDelta = (short)((offset - start) / 2), Retired = (byte)count };
                Op* stop = NextSlot(FusedKind.None);
                stop->Handler = _handlers.Break;
                lowest = Math.Min(lowest, offset);
                highest = Math.Max(highest, offset + 2);
                count++;
                break;
            }

            Instruction instruction = Decoder.Decode(word);
            lowest = Math.Min(lowest, offset);
            highest = Math.Max(highest, offset + instruction.Length);
            int from = _slots;
            var info = new OpInfo
            {
                PcDelta = (short)((offset - start) / 2),
                Retired = (byte)count,
                Length = instruction.Length,
                Opcode = instruction.Opcode,
                Raw = instruction.Raw,
            };
            count++;
            if (code.CountsAccesses && MemoryShape.Of(instruction.Opcode).Size != 0)
            {
                Op* counter = NextSlot(FusedKind.None);
                counter->Handler = _handlers.Count;
            }

            Flow flow = Emit(in instruction, pc, offset - start, count);
            for (int i = from; i < _slots; i++)
                _infos[i] = info;
            if (flow == Flow.Ends)
                break;
            offset += instruction.Length;
            if (flow == Flow.Jumps)
            {
                int target = offset - instruction.Length + instruction.Immediate;
                bool follow = target is >= 0 and < GuestMemory.PageSize - 1 && target != start
                    && jumps++ < MaxJumpsFollowed && count < limit && !straddles;
                if (!follow)
                {
                    EmitJump(target - start, count, ref info);
                    break;
                }

                offset = target;
            }
            else if (straddles)
            {
                EmitJump(offset - start, count, ref info);
                break;
            }
        }

        return Place(code, pc, physical, count, lowest, highest, straddles ? secondPhysical : 0, limit == MaxInstructions);
    }

    private enum Flow
    {
        FallsThrough,
        Jumps,
        Ends,
    }

    private Flow Emit(in Instruction i, ulong pc, int delta, int count)
    {
        ulong address = pc + (ulong)(long)delta;
        switch (i.Opcode)
        {
            case Opcode.Lui:
                if (i.Rd != 0)
                    EmitConstant(i.Rd, (ulong)(long)i.Immediate);
                return Flow.FallsThrough;

            case Opcode.Auipc:
                if (i.Rd != 0)
                    EmitConstant(i.Rd, address + (ulong)(long)i.Immediate);
                return Flow.FallsThrough;

            case Opcode.Jal:
                if (i.Rd != 0)
                    EmitConstant(i.Rd, address + i.Length);
                return Flow.Jumps;

            case Opcode.Jalr:
            {
                Op* op = NextSlot(FusedKind.JumpRegister);
                *op = new Op { Handler = _handlers.Single(Opcode.Jalr, false), Rd = Destination(i.Rd), Rs1 = i.Rs1, Index = op->Index, Imm = i.Immediate };
                var payload = (OpPayload*)NextSlot(FusedKind.None);
                *payload = new OpPayload { Value = address + i.Length, Count = count };
                return Flow.Ends;
            }

            case Opcode.Beq or Opcode.Bne or Opcode.Blt or Opcode.Bge or Opcode.Bltu or Opcode.Bgeu:
            {
                Op* op = NextSlot(FusedPairs.KindOf(i.Opcode));
                *op = new Op { Handler = _handlers.Single(i.Opcode, false), Rs1 = i.Rs1, Rs2 = i.Rs2, Index = op->Index };
                EmitLink(delta + i.Immediate, count);
                return Flow.FallsThrough;
            }

            case Opcode.Ecall:
            {
                // Where it is and what comes before it is with the op: the most frequent exit there is.
                Op* op = NextSlot(FusedKind.None);
                *op = new Op { Handler = _handlers.Call, Rd = (byte)(count - 1), Index = op->Index, Imm = delta };
                return Flow.Ends;
            }

            case Opcode.Ebreak or Opcode.Mret or Opcode.Sret or Opcode.Wfi or Opcode.Illegal
                or Opcode.FenceI or Opcode.SfenceVma or Opcode.SinvalVma or Opcode.SfenceWInval or Opcode.SfenceInvalIr:
                EmitPlain(in i, _handlers.Slow);
                return Flow.Ends;

            case Opcode.Csrrs when i.Rs1 == 0 && i.Immediate is CsrNumber.Vl or CsrNumber.Vlenb:
                EmitPlain(in i, _handlers.ReadVectorLength);
                return Flow.FallsThrough;

            case Opcode.Csrrw or Opcode.Csrrs or Opcode.Csrrc or Opcode.Csrrwi or Opcode.Csrrsi or Opcode.Csrrci:
                EmitPlain(in i, _handlers.Slow);
                return Flow.FallsThrough;

            // Waits are hints that a hart spins. One for a reservation may end at any time, and so ends at once.
            case Opcode.Pause or Opcode.WrsNto or Opcode.WrsSto:
                EmitPlain(in i, _handlers.Slow);
                return Flow.FallsThrough;

            case Opcode.PrefetchI or Opcode.PrefetchR or Opcode.PrefetchW:
                return Flow.FallsThrough;

            case Opcode.Addi when i.Rd != 0 && i.Immediate == 0:
                EmitPlain(in i, _handlers.Move, FusedKind.Move);
                return Flow.FallsThrough;

            case Opcode.Add when i.Rd != 0 && i.Rs1 == 0:
                EmitPlain(i with { Rs1 = i.Rs2, Rs2 = 0 }, _handlers.Move, FusedKind.Move);
                return Flow.FallsThrough;

            case Opcode.Addi when i.Rd != 0 && i.Rs1 == 0:
                EmitConstant(i.Rd, (ulong)(long)i.Immediate);
                return Flow.FallsThrough;
        }

        if (i.Opcode >= Opcode.Vsetvli)
        {
            EmitVector(in i);
            return Flow.FallsThrough;
        }

        if (i.Rd == 0 && WritesOnlyIntegerRegister(i.Opcode))
            return Flow.FallsThrough;
        bool rounds = RoundsByMode(i.Opcode);
        bool dynamic = rounds && i.RoundingMode == 7;
        EmitPlain(in i, _handlers.Single(i.Opcode, dynamic), dynamic ? FusedPairs.KindOfRounded(i.Opcode) : FusedPairs.KindOf(i.Opcode));
        return Flow.FallsThrough;
    }

    private void EmitPlain(in Instruction i, nint handler, FusedKind kind = FusedKind.None)
    {
        Op* op = NextSlot(kind);
        *op = Plain(in i, handler, op->Index);
    }

    private void EmitVector(in Instruction i)
    {
        Op* op = NextSlot(FusedKind.None);
        *op = Vector(in i, _handlers.OfVectors(i.Opcode), op->Index);
    }

    /// <summary>The op of a vector instruction.</summary>
    internal static Op Vector(in Instruction i, nint handler, byte index) => new()
    {
        Handler = handler,
        Rd = VectorOp.WritesInteger(i.Opcode) ? Destination(i.Rd) : i.Rd,
        Rs1 = i.Rs1,
        Rs2 = i.Rs2,
        Index = index,
        Imm = VectorOp.Encode(in i),
    };

    /// <summary>The op of an instruction that only computes or accesses memory.</summary>
    internal static Op Plain(in Instruction i, nint handler, byte index) => new()
    {
        Handler = handler,
        Rd = WritesFloat(i.Opcode) ? i.Rd : Destination(i.Rd),
        Rs1 = i.Rs1,
        Rs2 = i.Rs2,
        Index = index,
        Imm = RoundsByMode(i.Opcode) ? i.RoundingMode | i.Rs3 << 8 : i.Immediate,
    };

    private void EmitConstant(byte rd, ulong value)
    {
        if ((long)value == (int)value)
        {
            Op* op = NextSlot(FusedKind.Constant);
            *op = new Op { Handler = _handlers.Single(Opcode.Lui, false), Rd = rd, Index = op->Index, Imm = (int)value };
            return;
        }

        Op* wide = NextSlot(FusedKind.None);
        *wide = new Op { Handler = _handlers.WideConstant, Rd = rd, Index = wide->Index };
        *(OpPayload*)NextSlot(FusedKind.None) = new OpPayload { Value = value };
    }

    private void EmitJump(int delta, int count, ref OpInfo info)
    {
        int from = _slots;
        OpInfo copy = info;
        Op* op = NextSlot(FusedKind.Jump);
        *op = new Op { Handler = _handlers.Single(Opcode.Jal, false), Index = op->Index };
        EmitLink(delta, count);
        for (int i = from; i < _slots; i++)
            _infos[i] = copy;
    }

    private void EmitLink(int delta, int count)
    {
        var link = (OpLink*)NextSlot(FusedKind.None);
        Op* stub = NextSlot(FusedKind.None);
        stub->Handler = 0; // Chosen in Place, when it is known whether the target lies in the page.
        stub->Imm = delta;
        *link = new OpLink { Count = count };
    }

    private Op* NextSlot(FusedKind kind)
    {
        Op* op = _ops + _slots;
        *op = new Op { Index = (byte)_slots };
        _kinds[_slots] = kind;
        _slots++;
        return op;
    }

    private Op* Place(CodeCache code, ulong pc, ulong physical, int count, int lowest, int highest, ulong secondPhysical, bool findable)
    {
        if (Fuses)
            Fuse();
        int bytes = sizeof(BlockHeader) + _slots * (sizeof(Op) + sizeof(OpInfo));
        var header = (BlockHeader*)(findable ? code.Allocate(bytes) : code.Scratch);
        *header = new BlockHeader
        {
            Pc = pc,
            PhysicalPc = physical,
            Slots = _slots,
            Instructions = (short)count,
            Unlinkable = (byte)(findable && secondPhysical == 0 ? 0 : 1),
            SecondPhysical = secondPhysical,
        };
        for (int i = 0; i < _slots; i++)
            _infos[i].Kind = _kinds[i];
        Op* ops = BlockHeader.FirstOp(header);
        new Span<Op>(_ops, _slots).CopyTo(new Span<Op>(ops, _slots));
        _infos.AsSpan(0, _slots).CopyTo(new Span<OpInfo>(ops + _slots, _slots));
        int start = (int)(physical & 0xFFF);
        for (int i = 0; i < _slots; i++)
        {
            if (!IsLinked(i))
                continue;
            var link = (OpLink*)(ops + i + 1);
            int target = start + ops[i + 2].Imm;
            link->Target = ops + i + 2;

            // What begins with a page's last two bytes is likely to lie across pages, and cannot be linked: it is left to the jump cache too.
            (ops + i + 2)->Handler = target is >= 0 and < GuestMemory.PageSize - 2 && header->Unlinkable == 0
                ? _handlers.LinkMiss
                : _handlers.CrossPage;
            i += 2;
        }

        if (findable)
        {
            if (code.Traces is { } traces && secondPhysical == 0)
            {
                header->Own = ops->Handler;
                header->Countdown = traces.Threshold;
                ops->Handler = _handlers.Warm;
            }

            code.Add(header, lowest, highest, secondPhysical);
            if (secondPhysical == 0)
                code.Regions?.Enter(header);
        }

        return ops;
    }

    private bool IsLinked(int slot) => _kinds[slot] is >= FusedKind.Beq and <= FusedKind.Jump;

    /// <summary>Whether two slots are accesses of one kind with one base register, which the first leaves as it is.</summary>
    private bool IsTwice(int slot)
        => _kinds[slot] == _kinds[slot + 1] && _ops[slot].Rs1 == _ops[slot + 1].Rs1
            && (_kinds[slot] is FusedKind.Sw or FusedKind.Sd
                || (_kinds[slot] is FusedKind.Lw or FusedKind.Ld && _ops[slot].Rd != _ops[slot].Rs1));

    /// <summary>Chooses which slots to fuse, so that the trace takes the fewest jumps from handler to handler. From its end, as the rest of a trace is.</summary>
    private void Fuse()
    {
        for (int i = 1; i < 4; i++)
            _jumps[_slots + i - 1] = 0;
        for (int i = _slots - 1; i >= 0; i--)
        {
            FusedKind first = _kinds[i];
            int best = One + _jumps[i + (IsLinked(i) ? 3 : 1)];
            int taken = 1;
            if (first is not FusedKind.None and < FusedKind.Beq && i + 1 < _slots && _kinds[i + 1] != FusedKind.None)
            {
                FusedKind second = _kinds[i + 1];
                int after = _jumps[i + (IsLinked(i + 1) ? 4 : 2)];
                bool isTwice = IsTwice(i);
                if (isTwice)
                    Take(One - 1 + after, Twice, ref best, ref taken);
                else if (_handlers.IsPair(first, second))
                    Take(One + after, 2, ref best, ref taken);
                if (isTwice && i + 2 < _slots && IsTwice(i + 1))
                    Take(One - 2 + _jumps[i + 3], Thrice, ref best, ref taken);
                else if (second < FusedKind.Beq && i + 2 < _slots && _kinds[i + 2] != FusedKind.None && _handlers.IsSequence(first, second, _kinds[i + 2]))
                    Take(One + _jumps[i + (IsLinked(i + 2) ? 5 : 3)], 3, ref best, ref taken);
            }

            _jumps[i] = best;
            _fused[i] = (byte)taken;
        }

        for (int i = 0; i < _slots;)
        {
            int length = _fused[i];
            if (length == Twice)
            {
                _ops[i].Handler = _handlers.Twice(_kinds[i]);
                length = 2;
            }
            else if (length == Thrice)
            {
                _ops[i].Handler = _handlers.Thrice(_kinds[i]);
                length = 3;
            }
            else if (length == 2)
            {
                _ops[i].Handler = _handlers.Pair(_kinds[i], _kinds[i + 1]);
            }
            else if (length == 3)
            {
                _ops[i].Handler = _handlers.Sequence(_kinds[i], _kinds[i + 1], _kinds[i + 2]);
            }

            i += length + (IsLinked(i + length - 1) ? 2 : 0);
        }
    }

    private static void Take(int jumps, int fused, ref int best, ref int taken)
    {
        if (jumps >= best)
            return;
        best = jumps;
        taken = fused;
    }

    private static byte Destination(byte rd) => rd == 0 ? HartState.Sink : rd;

    private static bool WritesFloat(Opcode opcode) => opcode is Opcode.Flw or Opcode.Fld
        or (>= Opcode.FmaddS and <= Opcode.FmaxS) or (>= Opcode.FmaddD and <= Opcode.FmaxD)
        or (>= Opcode.FcvtSW and <= Opcode.FcvtSLu) or Opcode.FmvWX
        or (>= Opcode.FcvtDW and <= Opcode.FcvtDLu) or Opcode.FmvDX or Opcode.FcvtSD or Opcode.FcvtDS
        or Opcode.Flh or (>= Opcode.FmaddH and <= Opcode.FmaxH) or (>= Opcode.FcvtHW and <= Opcode.FcvtHLu)
        or (>= Opcode.FmvHX and <= Opcode.FcvtDH);

    internal static bool RoundsByMode(Opcode opcode) => opcode is (>= Opcode.FmaddS and <= Opcode.FsqrtS)
        or (>= Opcode.FmaddD and <= Opcode.FsqrtD)
        or (>= Opcode.FcvtWS and <= Opcode.FcvtSLu) or (>= Opcode.FcvtWD and <= Opcode.FcvtDLu)
        or Opcode.FcvtSD or Opcode.FcvtDS
        or (>= Opcode.FmaddH and <= Opcode.FsqrtH) or (>= Opcode.FcvtWH and <= Opcode.FcvtHLu)
        or (>= Opcode.FcvtHS and <= Opcode.FcvtDH);

    /// <summary>Computations that may be dropped where they write x0. Everything else has effects beside its destination.</summary>
    private static bool WritesOnlyIntegerRegister(Opcode opcode) => opcode is (>= Opcode.Addi and <= Opcode.Sraw)
        or (>= Opcode.Mul and <= Opcode.Remuw) or (>= Opcode.Sh1add and <= Opcode.CzeroNez)
        or (>= Opcode.Clmul and <= Opcode.Xperm8) or (>= Opcode.Aes64Ds and <= Opcode.Sm3P1);
}
