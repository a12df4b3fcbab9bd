using System.Runtime.CompilerServices;
using Hypervisor.Core.Engine.Native;
using Hypervisor.Core.Engine.Translator;
using Hypervisor.Core.Hart;
using Hypervisor.Core.Isa;
using Hypervisor.Core.Memory;
using unsafe Next = delegate*<Hypervisor.Core.Engine.Interpreter.Op*, Hypervisor.Core.Hart.HartState*, Hypervisor.Core.Memory.TlbEntry*, long, void>;

namespace Hypervisor.Core.Engine.Interpreter;

/// <summary>
/// The threaded interpreter. Handler chains run until something needs ordinary code; this class is that code: it finds and
/// builds blocks, does the slow half of memory accesses, executes privileged instructions, delivers traps, and returns exits.
/// Holds no per-guest state: one instance serves any number of vCPUs and threads.
/// </summary>
internal sealed unsafe partial class Interpreter : IExecutionEngine
{
    private readonly HandlerTable _handlers = new();
    private readonly bool _fuse;
    private readonly long _grace;
    private readonly TranslatorTier? _tier;
    private readonly TraceTier? _traces;
    private readonly int[] _prepared = new int[2];

    /// <summary>Creates an interpreter.</summary>
    /// <param name="fuse">Whether to use fused pairs; off only to measure what they bring.</param>
    /// <param name="tier">What translates code that is hot; null for nothing.</param>
    /// <param name="traces">What makes host code of traces that are warm; null for nothing.</param>
    /// <param name="grace">
    /// Instructions that each code cache runs before pairs are fused and traces made: what that needs of our own code takes longer to load than a small
    /// program gains by it.
    /// </param>
    public Interpreter(bool fuse = true, TranslatorTier? tier = null, TraceTier? traces = null, long grace = 0)
    {
        _grace = grace;
        TailCallProbe.Require();
        _fuse = fuse;
        _tier = tier;
        _traces = traces;
    }

    public string Name => _tier is null || !TranslatorTier.IsSupported ? "interpreter" : "translator";

    /// <summary>
    /// Has all handlers compiled ahead of their first use, on a thread of low priority. A whole system meets nearly all of
    /// them while it boots, and a processor that is idle then may as well compile them; a small program needs few, and is
    /// better off without.
    /// </summary>
    /// <param name="vectors">Whether its harts have vectors, whose commonest kernels are then compiled too.</param>
    public void PrepareInBackground(bool vectors = false)
    {
        // Once is enough for all machines of the engine.
        if ((!_fuse && !vectors) || Environment.ProcessorCount == 1 || Interlocked.Exchange(ref _prepared[vectors ? 1 : 0], 1) != 0)
            return;
        new Thread(() => _handlers.Prepare(vectors, _fuse)) { IsBackground = true, Name = "handlers", Priority = ThreadPriority.BelowNormal }.Start();
    }

    public VmExit Run(HartContext hart, CodeCache code, long budget)
    {
        HartState* s = hart.State;
        if (hart.Code != code)
            hart.Code = code;
        Attach(hart, code);
        RegionCache? regions = code.Regions;
        if (regions is null && code.Traces is null)
        {
            s->BudgetAtEntry = budget;
            s->Budget = budget;
            s->Reserve = 0;
        }
        else
        {
            long grant = Math.Min(budget, regions is null ? TraceTier.Interval : regions.UntilSample);
            s->BudgetAtEntry = grant;
            s->Budget = grant;
            if (regions is not null)
                regions.Granted = grant;
            s->Reserve = budget - grant;
        }

        hart.ProgressInRun = 0;

        // The exit is written once, where the caller wants it: a copy of what was just stored in pieces waits for every one of them.
        if (hart.Controls.DeliverInterrupts || hart.ContextStale || Volatile.Read(ref s->Limit) != BlockBuilder.MaxInstructions
            || (regions is not null && (s->Budget < RegionPlan.MaxInstructions || regions.Settings.Eager)))
        {
            return Run(hart, code, regions, hasLeft: false);
        }

        // Most runs are of a hart of which nobody wants anything and end in an environment call. They are done here, by a method that needs
        // few of the host's registers and little of its stack.
        long fewest = regions is null ? 1 : RegionPlan.MaxInstructions;
        while (true)
        {
            Op* op = FindQuickly(s);
            if (op == null)
                return Run(hart, code, regions, hasLeft: false);
            ((Next)op->Handler)(op, s, (TlbEntry*)s->Tlb, s->Budget);
            uint cause = (uint)TrapCause.EcallFromU + (uint)s->Privileged.Mode;
            if (s->Event != (int)EngineEvent.Call || (hart.Controls.Exceptions >> (int)cause & 1) == 0)
                return Run(hart, code, regions, hasLeft: true);
            SettleAtCall(s);
            if (!TryCall(hart))
                return new VmExit(VmExitReason.EnvironmentCall, Account(hart), cause, instruction: 0x73, length: 4, opcode: (ushort)Opcode.Ecall);
            if (s->Budget < fewest || Volatile.Read(ref s->Limit) != BlockBuilder.MaxInstructions)
                return Run(hart, code, regions, hasLeft: false);
        }
    }

    /// <summary>Runs, with a budget that is granted in parts so that between them a look can be taken at what is hot.</summary>
    /// <param name="hart">Who runs.</param>
    /// <param name="code">Its code.</param>
    /// <param name="regions">What of it is translated.</param>
    /// <param name="hasLeft">Whether a chain of handlers has run already, and said why it came back.</param>
    [SkipLocalsInit]
    private VmExit Run(HartContext hart, CodeCache code, RegionCache? regions, bool hasLeft)
    {
        HartState* s = hart.State;
        if (hart.Controls.DeliverInterrupts)
            TakeInterrupt(hart);
        Op* op = null;
        bool interpret = false;
        bool sample = false;
        while (true)
        {
            if (!hasLeft)
            {
                if (op == null)
                {
                    if (Volatile.Read(ref s->Limit) != BlockBuilder.MaxInstructions && hart.ConsumeAttention())
                        return Leave(hart, VmExitReason.Attention);
                    if (s->Reserve > 0 && s->Budget < RegionPlan.MaxInstructions)
                    {
                        code.Traces?.LetRuntimeIn();
                        long grant = Math.Min(s->Reserve, regions is null ? TraceTier.Interval : regions.Settings.SampleInterval);
                        s->Reserve -= grant;
                        s->Budget += grant;
                        s->BudgetAtEntry += grant;
                        if (regions is not null)
                        {
                            regions.UntilSample = regions.Settings.SampleInterval;
                            regions.Granted = s->Budget;
                            sample = true;
                        }
                    }

                    if (s->Budget <= 0)
                        return Leave(hart, VmExitReason.BudgetExpired);
                    TranslationStatus status = TranslationStatus.Ok;
                    ulong exitValue = 0;
                    op = hart.ContextStale || code.Jumps.Number != hart.FetchNumber ? null : FindQuickly(s);
                    if (op == null)
                        op = Find(hart, code, out status, out exitValue);
                    if (op == null)
                    {
                        if (status == TranslationStatus.Exit)
                            return LeaveOnMiss(hart, exitValue, AccessKind.Fetch, null);
                        TrapCause cause = status == TranslationStatus.PageFault ? TrapCause.InstructionPageFault : TrapCause.InstructionAccessFault;
                        if (Raise(hart, null, cause, exitValue, out VmExit fetchExit))
                            return fetchExit;
                        continue;
                    }

                    if (sample || regions is { Settings.Eager: true })
                    {
                        sample = false;
                        regions!.Sample(hart, op);
                    }
                }

                nint handler = op->Handler;
                if (interpret)
                {
                    interpret = false;
                    if (op->Index == 0 && BlockHeader.Of(op)->Original != 0)
                        handler = BlockHeader.Of(op)->Original;
                }

                ((Next)handler)(op, s, (TlbEntry*)s->Tlb, s->Budget);
            }

            hasLeft = false;
            switch ((EngineEvent)s->Event)
            {
                case EngineEvent.Link:
                    op = Link(hart, code);
                    break;

                case EngineEvent.Interpret:
                    op = null;
                    interpret = true;
                    break;

                case EngineEvent.Slow:
                    op = (Op*)s->EventOp;
                    switch (DoSlow(hart, code, op, out VmExit exit))
                    {
                        case SlowOutcome.Next:
                            // What the instruction itself asked for, as a store to an interrupt controller does, is seen behind it
                            // and not at the end of its trace: where that lies depends on slices and tiers.
                            if (Volatile.Read(ref s->Limit) == BlockBuilder.MaxInstructions)
                            {
                                op++;
                                break;
                            }

                            Retire(s, op);
                            op = null;
                            break;
                        case SlowOutcome.Again:
                            break;
                        case SlowOutcome.Lookup:
                            op = null;
                            break;
                        default:
                            return exit;
                    }

                    break;

                case EngineEvent.Call:
                {
                    // The most frequent exit there is, kept short.
                    op = (Op*)s->EventOp;
                    uint cause = (uint)TrapCause.EcallFromU + (uint)hart.State->Privileged.Mode;
                    if ((hart.Controls.Exceptions >> (int)cause & 1) != 0)
                    {
                        SettleAtCall(s);
                        op = null;
                        if (TryCall(hart))
                            break;
                        return new VmExit(VmExitReason.EnvironmentCall, Account(hart), cause, instruction: 0x73, length: 4, opcode: (ushort)Opcode.Ecall);
                    }

                    Trap(hart, op, (TrapCause)cause, 0, out _);
                    op = null;
                    break;
                }

                case EngineEvent.Warm:
                    op = (Op*)s->EventOp;
                    code.Traces!.Make(op, _handlers);
                    break;

                case EngineEvent.Break:
                    SettleAt(s, (Op*)s->EventOp);
                    return new VmExit(VmExitReason.Debug, Account(hart), value: s->Pc, access: AccessKind.Fetch);

                default:
                    op = null;
                    break;
            }
        }
    }

    /// <summary>What comes after an op that the dispatcher did.</summary>
    private enum SlowOutcome
    {
        /// <summary>Go on with the op after it.</summary>
        Next,

        /// <summary>Run it again: its translation is there now.</summary>
        Again,

        /// <summary>Look up <see cref="HartState.Pc"/>; the budget is settled.</summary>
        Lookup,

        /// <summary>Return the exit.</summary>
        Exit,
    }

    private void Attach(HartContext hart, CodeCache code)
    {
        BlockBuilder builder = code.Builder ??= new BlockBuilder(_handlers, _fuse && _grace == 0);
        if (_fuse && !builder.Fuses && code.Retired >= _grace)
            StartFusing(code, builder);
        if (code.IsUnsettled || hart.InstructionFencePending)
        {
            code.Settle(_handlers.Stale, fence: hart.InstructionFencePending);
            hart.InstructionFencePending = false;
        }

        if (_traces is not null && code.Traces is null && code.Retired >= _grace && code.Breakpoints is null && !code.CountsAccesses)
        {
            // What was decoded before does not count its uses.
            code.Traces = new TraceCode(_traces);
            if (code.BlocksBuilt != 0)
                code.Clear();
        }

        if (_tier is not null)
            _tier.Attach(code, _handlers);
        hart.State->JumpCache = code.Jumps.Of(hart.FetchNumber);
        if (hart.Engine == this)
            return;
        hart.Engine = this;
        hart.State->VectorKernels = _handlers.VectorKernels;
        hart.State->LeaveHandler = _handlers.LeaveAt;
    }

    /// <summary>From here on code is decoded with fused pairs, and what was decoded before is decoded anew, unless it is translated already.</summary>
    private static void StartFusing(CodeCache code, BlockBuilder builder)
    {
        builder.Fuses = true;
        if (code.Regions is null)
            code.Clear();
    }

    /// <summary>The first op at the program counter, where the jump cache in the hart's state has it; null where it has to be looked for.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Op* FindQuickly(HartState* s)
    {
        JumpCacheEntry* cached = JumpCacheEntry.For(s, s->Pc);
        if (cached->Key != (s->Pc | s->KeyBits))
        {
            cached = JumpCacheEntry.Other(s, s->Pc);
            if (cached->Key != (s->Pc | s->KeyBits))
                return null;
        }

        return BlockHeader.Of(cached->Op)->Instructions <= s->Budget ? cached->Op : null;
    }

    /// <summary>The first op at the program counter, found or built; null with the reason where the address cannot be fetched.</summary>
    private Op* Find(HartContext hart, CodeCache code, out TranslationStatus status, out ulong exitValue)
    {
        HartState* s = hart.State;
        status = TranslationStatus.Ok;
        exitValue = 0;
        if (hart.ContextStale)
            hart.UpdateContext();
        s->JumpCache = code.Jumps.Of(hart.FetchNumber);
        ulong pc = s->Pc;
        Op* known = FindQuickly(s);
        if (known != null)
            return known;

        if (!hart.TryFetchPage(pc, out ulong page))
        {
            status = hart.Translator.Translate(s, pc, AccessKind.Fetch, hart.Context, out Translation translation);
            if (status != TranslationStatus.Ok)
            {
                exitValue = status == TranslationStatus.Exit ? translation.ExitValue : pc;
                return null;
            }

            page = translation.GuestPhysical & ~0xFFFUL;
            if (hart.Memory.HostPage(page) == null)
            {
                status = TranslationStatus.AccessFault;
                exitValue = pc;
                return null;
            }

            hart.NotePageSize(pc, translation.PageShift);
            hart.NoteFetchPage(pc, page);
        }

        // A translation may have brought the page into memory that held other code before, of a program that has ended: what was
        // decoded from that must not be found.
        code.Settle(_handlers.Stale, fence: false);
        ulong physical = page | (pc & 0xFFF);
        Op* op = code.Find(pc, physical);
        if (op != null && BlockHeader.Of(op)->SecondPhysical != 0)
        {
            if (!TryFetchSecond(hart, pc, out _, out ulong second, ref status, ref exitValue))
                return null;
            if (second != BlockHeader.Of(op)->SecondPhysical)
            {
                code.Forget(op, _handlers.Stale);
                op = null;
            }
        }

        if (op == null)
        {
            if (code.IsFull)
                code.Clear();
            code.Regions?.Adopt(hart, pc, physical);
            op = Build(hart, code, pc, physical, BlockBuilder.MaxInstructions, ref status, ref exitValue);
            if (op == null)
                return null;
        }

        if (BlockHeader.Of(op)->Instructions > s->Budget)
            return Build(hart, code, pc, physical, (int)Math.Min(s->Budget, BlockBuilder.MaxInstructions - 1), ref status, ref exitValue);
        code.Jumps.Note(pc | s->KeyBits, op);
        return op;
    }

    private static Op* Build(HartContext hart, CodeCache code, ulong pc, ulong physical, int limit, ref TranslationStatus status, ref ulong exitValue)
    {
        byte* host = hart.Memory.HostPage(physical);
        byte* secondHost = null;
        ulong secondPhysical = 0;
        if ((pc & 0xFFF) == 0xFFE && (host[0xFFE] & 3) == 3 && !TryFetchSecond(hart, pc, out secondHost, out secondPhysical, ref status, ref exitValue))
            return null;
        return code.Builder!.Build(code, pc, physical, host, secondHost, secondPhysical, limit);
    }

    /// <summary>Finds the page that the second half of an instruction at the end of a page lies in.</summary>
    private static bool TryFetchSecond(HartContext hart, ulong pc, out byte* host, out ulong physical, ref TranslationStatus status, ref ulong exitValue)
    {
        if (hart.TryFetchPage(pc + 2, out physical))
        {
            host = hart.Memory.HostPage(physical);
            return true;
        }

        status = hart.Translator.Translate(hart.State, pc + 2, AccessKind.Fetch, hart.Context, out Translation second);
        if (status == TranslationStatus.Ok && second.HostPage == null)
            status = TranslationStatus.AccessFault;
        host = second.HostPage;
        physical = second.GuestPhysical & ~0xFFFUL;
        if (status != TranslationStatus.Ok)
        {
            // The part of the instruction that faulted is what mtval tells, not its start.
            exitValue = status == TranslationStatus.Exit ? second.ExitValue : pc + 2;
            return false;
        }

        hart.NotePageSize(pc + 2, second.PageShift);
        hart.NoteFetchPage(pc + 2, physical);
        return true;
    }

    /// <summary>Finds the target of a link and, where it lies in the page of its source, makes the link.</summary>
    private Op* Link(HartContext hart, CodeCache code)
    {
        HartState* s = hart.State;
        var stub = (Op*)s->EventOp;
        BlockHeader* source = BlockHeader.Of(stub);
        if (Volatile.Read(ref s->Limit) != BlockBuilder.MaxInstructions || code.Regions is { Settings.Eager: true })
            return null;
        ulong physical = (source->PhysicalPc & ~0xFFFUL) | (s->Pc & 0xFFF);
        Op* target = code.Find(s->Pc, physical);
        if (target == null || BlockHeader.Of(target)->Unlinkable != 0)
            return FindAndLink(hart, code, stub);
        ((OpLink*)(stub - 1))->Target = target;
        return target;
    }

    private Op* FindAndLink(HartContext hart, CodeCache code, Op* stub)
    {
        long blocks = code.BlocksBuilt;
        bool wasFull = code.IsFull;
        Op* target = Find(hart, code, out TranslationStatus status, out _);

        // A failed fetch is looked up again, and reported, by the main loop. A cleared cache took the stub with it.
        if (status != TranslationStatus.Ok || wasFull || target == null)
            return null;
        if (blocks != code.BlocksBuilt && BlockHeader.Of(target)->Unlinkable == 0)
            ((OpLink*)(stub - 1))->Target = target;
        return target;
    }

    /// <summary>
    /// Has the environment call at the program counter made here, for the unit of budget that it takes if it leaves; false where it is to
    /// leave. The last unit's leaves, so that the budget ends where the call ends.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static bool TryCall(HartContext hart)
    {
        HartState* s = hart.State;
        if (hart.Calls is not { } calls || s->Budget <= 1)
            return false;
        hart.ProgressInRun = s->BudgetAtEntry - s->Budget;
        if (!calls.TryMake(hart))
            return false;
        s->Budget--;
        s->BudgetAtEntry--;
        hart.UsedInSlice++;
        return true;
    }

    private static VmExit Leave(HartContext hart, VmExitReason reason) => new(reason, Account(hart));

    /// <summary>Closes the books of a run and says how much of the budget it used.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static long Account(HartContext hart)
    {
        HartState* s = hart.State;
        long used = s->BudgetAtEntry - s->Budget;
        s->UsedBefore += (ulong)used;
        s->BudgetAtEntry = s->Budget;
        hart.Code!.Retired += used;
        hart.Code.Traces?.Note(used);
        if (hart.Code.Regions is { } regions)
        {
            regions.UntilSample = Math.Max(1, regions.UntilSample - (regions.Granted - s->Budget));
            regions.Granted = s->Budget;
        }

        hart.ProgressInRun = 0;
        return used;
    }

    /// <summary>Puts the program counter at an op's instruction and charges what the trace retired before it.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void SettleAt(HartState* s, Op* op)
    {
        OpInfo* info = BlockHeader.InfoOf(op);
        s->Pc = AddressOf(op, info);
        s->Budget -= info->Retired;
    }

    /// <summary>The same at an environment call, whose op tells both.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void SettleAtCall(HartState* s)
    {
        var op = (Op*)s->EventOp;
        s->Pc = BlockHeader.Of(op)->Pc + (ulong)(long)op->Imm;
        s->Budget -= op->Rd;
    }

    private static ulong AddressOf(Op* op, OpInfo* info) => BlockHeader.Of(op)->Pc + (ulong)((long)info->PcDelta * 2);

    /// <summary>Retires the op's instruction and goes on behind it.</summary>
    private static SlowOutcome Retire(HartState* s, Op* op)
    {
        OpInfo* info = BlockHeader.InfoOf(op);
        s->Pc = AddressOf(op, info) + info->Length;
        s->Budget -= info->Retired + 1;
        return SlowOutcome.Lookup;
    }

    /// <summary>
    /// Takes an exception at an op (or at the program counter, for a fetch): true with the exit where the controls send it
    /// out, else it is delivered to the guest. Delivery takes one unit of budget, so that a guest which only traps ends.
    /// </summary>
    private bool Raise(HartContext hart, Op* op, TrapCause cause, ulong value, out VmExit exit)
    {
        HartState* s = hart.State;
        OpInfo info = default;
        if (op != null)
        {
            info = *BlockHeader.InfoOf(op);
            SettleAt(s, op);
        }

        if ((hart.Controls.Exceptions >> (int)cause & 1) != 0)
        {
            exit = new VmExit(ReasonOf(cause, info.Opcode), Account(hart), (ulong)cause, value,
                instruction: info.Raw, length: info.Length, access: AccessOf(cause), opcode: (ushort)info.Opcode);
            return true;
        }

        exit = default;
        TrapUnit.Enter(s, ref s->Privileged, (ulong)cause, value);
        hart.ContextStale = true;
        s->Budget--;
        s->TrapsTaken++;
        return false;
    }

    private static VmExitReason ReasonOf(TrapCause cause, Opcode opcode) => cause switch
    {
        TrapCause.EcallFromU or TrapCause.EcallFromS or TrapCause.EcallFromVs or TrapCause.EcallFromM => VmExitReason.EnvironmentCall,
        TrapCause.Breakpoint => VmExitReason.Breakpoint,
        TrapCause.IllegalInstruction => opcode is (>= Opcode.Csrrw and <= Opcode.Csrrci) or (>= Opcode.Mret and <= Opcode.SfenceInvalIr)
            ? VmExitReason.PrivilegedInstruction
            : VmExitReason.IllegalInstruction,
        TrapCause.InstructionPageFault or TrapCause.LoadPageFault or TrapCause.StorePageFault => VmExitReason.PageFault,
        _ => VmExitReason.AccessFault,
    };

    private static AccessKind AccessOf(TrapCause cause) => cause switch
    {
        TrapCause.InstructionPageFault or TrapCause.InstructionAccessFault or TrapCause.InstructionAddressMisaligned => AccessKind.Fetch,
        TrapCause.StorePageFault or TrapCause.StoreAccessFault or TrapCause.StoreAddressMisaligned => AccessKind.Store,
        _ => AccessKind.Load,
    };

    private static VmExit LeaveOnMiss(HartContext hart, ulong value, AccessKind access, Op* op)
    {
        OpInfo info = default;
        if (op != null)
        {
            info = *BlockHeader.InfoOf(op);
            SettleAt(hart.State, op);
        }

        return new VmExit(VmExitReason.TranslationMiss, Account(hart), value: value, instruction: info.Raw, length: info.Length,
            access: access, opcode: (ushort)info.Opcode);
    }

    /// <summary>Delivers the most urgent interrupt that is pending and enabled, if any; the program counter is at an instruction's start.</summary>
    private static bool TakeInterrupt(HartContext hart)
    {
        HartState* s = hart.State;
        if (hart.HoldsInterrupts || !TrapUnit.HasWakeup(in s->Privileged))
            return false;
        int cause = TrapUnit.PendingInterrupt(in s->Privileged);
        if (cause < 0)
            return false;
        TrapUnit.Enter(s, ref s->Privileged, 1UL << 63 | (uint)cause, 0);
        hart.ContextStale = true;
        return true;
    }
}
