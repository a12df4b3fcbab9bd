using System.Reflection;
using System.Reflection.Emit;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Hypervisor.Core.Engine.Interpreter;
using Hypervisor.Core.Hart;
using Hypervisor.Core.Isa;
using Hypervisor.Core.Memory;

namespace Hypervisor.Core.Engine.Translator;

/// <summary>
/// Translates a plan to CIL, one method with the signature of the interpreter's handlers. Guest registers are locals, read at
/// the entry and written back where the method is left, which is always at the beginning of an instruction. Whatever is not
/// plain (a TLB miss, a misaligned access, an instruction that traps) leaves to the interpreter at that instruction.
/// </summary>
/// <remarks>
/// Each block charges its instructions when it begins. What a run has left is compared where control goes backwards or
/// indirectly, and covers the longest way from there to the next such place; who leaves in mid-block gives back the rest.
/// Invariant for the unsafe code: the emitted code touches the hart's state by its layout, guest memory through a TLB entry
/// that hit, and the region's own tables within their bounds.
/// </remarks>
internal sealed unsafe partial class RegionCompiler
{
    private static readonly Type[] s_signature = [typeof(nint), typeof(nint), typeof(nint), typeof(long)];
    private static readonly MethodInfo s_continueAt = typeof(RegionExits).GetMethod(nameof(RegionExits.ContinueAt))!;
    private static readonly MethodInfo s_leaveAt = typeof(RegionExits).GetMethod(nameof(RegionExits.LeaveAt))!;
    private static readonly MethodInfo s_leaveBlock = typeof(RegionExits).GetMethod(nameof(RegionExits.LeaveBlock))!;
    private static readonly MethodInfo s_validate = typeof(RegionExits).GetMethod(nameof(RegionExits.Validate))!;

    private delegate void Handler(nint op, nint state, nint tlb, long budget);

    private readonly RegionPlan _plan;
    private readonly ILGenerator _il;
    private readonly LocalBuilder?[] _registers = new LocalBuilder?[32];
    private readonly LocalBuilder _cell;
    private readonly LocalBuilder _budget;
    private readonly LocalBuilder _pc;
    private readonly LocalBuilder _address;
    private readonly LocalBuilder _entry;
    private readonly LocalBuilder _index;
    private readonly LocalBuilder _mask;
    private readonly LocalBuilder _valid;
    private readonly LocalBuilder _double;
    private readonly LocalBuilder _result;
    private readonly LocalBuilder _value;
    private readonly LocalBuilder _word1;
    private readonly LocalBuilder _word2;
    private readonly Label[] _labels;
    private readonly Label _linkExit;
    private readonly Label _slowExit;
    private readonly Label _dispatch;
    private readonly List<RegionLeave> _leaves = [];
    private readonly List<Action> _outOfLine = [];
    private readonly Tables _tables;
    private readonly long _bias;
    private readonly RegionFlow _flow;
    private readonly RegionWindows _windows;
    private PlanBlock _block = null!;
    private int _blockIndex;
    private int _instruction;
    private ulong _instructionPc;

    private RegionCompiler(RegionPlan plan, ILGenerator il)
    {
        _plan = plan;
        _il = il;
        var loops = new RegionLoops(plan);
        _windows = new RegionWindows(plan, loops);
        _tables = new Tables(plan);
        _flow = new RegionFlow(plan, loops);
        _distance = il.DeclareLocal(typeof(ulong));
        _length = il.DeclareLocal(typeof(ulong));
        _bias = Math.Max(0, LongestWay(plan) - BlockBuilder.MaxInstructions);
        _cell = il.DeclareLocal(typeof(nint));
        _budget = il.DeclareLocal(typeof(long));
        _pc = il.DeclareLocal(typeof(ulong));
        _address = il.DeclareLocal(typeof(ulong));
        _entry = il.DeclareLocal(typeof(nint));
        _index = il.DeclareLocal(typeof(int));
        _mask = il.DeclareLocal(typeof(ulong));
        _valid = il.DeclareLocal(typeof(ulong));
        _double = il.DeclareLocal(typeof(double));
        _result = il.DeclareLocal(typeof(double));
        _value = il.DeclareLocal(typeof(ulong));
        _word1 = il.DeclareLocal(typeof(int));
        _word2 = il.DeclareLocal(typeof(int));
        _labels = [.. plan.Blocks.Select(_ => il.DefineLabel())];
        _linkExit = il.DefineLabel();
        _slowExit = il.DefineLabel();
        _dispatch = il.DefineLabel();
    }

    private bool HasManyPages => _plan.Pages.Count > 1;

    /// <summary>Whether the runtime tells the address of a method made at run time.</summary>
    public static bool IsSupported { get; } = Probe();

    /// <summary>Compiles a plan. The longest step of all: milliseconds, by the JIT.</summary>
    public static RegionCode Compile(RegionPlan plan)
    {
        var method = new DynamicMethod($"region_{plan.Pc:x}", typeof(void), s_signature, typeof(RegionCompiler).Module, skipVisibility: true);
        method.InitLocals = false;
        var compiler = new RegionCompiler(plan, method.GetILGenerator(16 << 10));
        compiler.Emit();
        compiler._tables.Finish();
        Delegate code = method.CreateDelegate(typeof(Handler));

        // Else the JIT would only come at the first call, on the guest's thread.
        RuntimeHelpers.PrepareDelegate(code);
        return new RegionCode(plan, compiler._windows, code, AddressOf(method), compiler._tables.Targets, compiler._tables.Leaves);
    }

    private static bool Probe()
    {
        if (!RuntimeFeature.IsDynamicCodeCompiled)
            return false;
        try
        {
            var method = new DynamicMethod("probe", typeof(void), s_signature, typeof(RegionCompiler).Module, skipVisibility: true);
            method.GetILGenerator().Emit(OpCodes.Ret);
            RuntimeHelpers.PrepareDelegate(method.CreateDelegate(typeof(Handler)));
            ((delegate*<nint, nint, nint, long, void>)AddressOf(method))(0, 0, 0, 0);
            return true;
        }
        catch (Exception e) when (e is MissingMethodException or NotSupportedException or PlatformNotSupportedException)
        {
            return false;
        }
    }

    /// <summary>The address of a dynamic method that is compiled already.</summary>
    private static nint AddressOf(DynamicMethod method) => CodePointer.Resolve(GetMethodDescriptor(method).GetFunctionPointer());

    [UnsafeAccessor(UnsafeAccessorKind.Method, Name = "GetMethodDescriptor")]
    private static extern RuntimeMethodHandle GetMethodDescriptor(DynamicMethod method);

    /// <summary>Instructions on the longest way through blocks that go forward only.</summary>
    private static int LongestWay(RegionPlan plan)
    {
        var longest = new int[plan.Blocks.Count];
        int most = 0;
        for (int i = plan.Blocks.Count - 1; i >= 0; i--)
        {
            PlanBlock block = plan.Blocks[i];
            int after = 0;
            if (block.End is BlockEnd.Branches or BlockEnd.Jumps && block.Taken.Block > i)
                after = longest[block.Taken.Block];
            if (block.End is BlockEnd.Branches or BlockEnd.FallsThrough && block.Next.Block > i)
                after = Math.Max(after, longest[block.Next.Block]);
            longest[i] = block.Instructions.Count + after;
            most = Math.Max(most, longest[i]);
        }

        return most;
    }

    private void Emit()
    {
        DeclareRegisters();
        EmitEntry();
        for (int i = 0; i < _plan.Blocks.Count; i++)
            EmitBlock(i);
        for (int i = 0; i < _outOfLine.Count; i++)
            _outOfLine[i]();
        EmitExits();
    }

    /// <summary>A local for each register that the region touches.</summary>
    private void DeclareRegisters()
    {
        for (int r = 0; r < 32; r++)
        {
            if ((_flow.Touched >> r & 1) != 0)
                _registers[r] = _il.DeclareLocal(typeof(ulong));
            if ((_flow.Touched >> 32 >> r & 1) != 0)
                _floats[r] = _il.DeclareLocal(typeof(double));
        }
    }

    private void EmitEntry()
    {
        Label enough = _il.DefineLabel();

        // Is there too little budget for the longest way, or does somebody want attention?
        _il.Emit(OpCodes.Ldarg_3);
        if (_bias != 0)
        {
            _il.Emit(OpCodes.Ldc_I8, _bias);
            _il.Emit(OpCodes.Sub);
        }

        _il.Emit(OpCodes.Stloc, _budget);
        _il.Emit(OpCodes.Ldloc, _budget);
        LoadState(Offsets.Limit);
        _il.Emit(OpCodes.Ldind_I8);
        _il.Emit(OpCodes.Bge, enough);

        // More may be to be had from the dispatcher; if not, the interpreter's block in this place goes on.
        Label interpret = _il.DefineLabel();
        LoadState(Offsets.Reserve);
        _il.Emit(OpCodes.Ldind_I8);
        _il.Emit(OpCodes.Brfalse, interpret);
        SetEvent(EngineEvent.Lookup);
        LoadHeader(0);
        _il.Emit(OpCodes.Ldind_I8);
        _il.Emit(OpCodes.Ldarg_1);
        _il.Emit(OpCodes.Ldarg_2);
        _il.Emit(OpCodes.Ldarg_3);
        _il.Emit(OpCodes.Tailcall);
        _il.Emit(OpCodes.Call, s_leaveAt);
        _il.Emit(OpCodes.Ret);
        _il.MarkLabel(interpret);
        _il.Emit(OpCodes.Ldarg_0);
        _il.Emit(OpCodes.Ldarg_1);
        _il.Emit(OpCodes.Ldarg_2);
        _il.Emit(OpCodes.Ldarg_3);
        LoadHeader(Offsets.Original);
        _il.Emit(OpCodes.Ldind_I);
        _il.Emit(OpCodes.Tailcall);
        _il.EmitCalli(OpCodes.Calli, CallingConventions.Standard, typeof(void), s_signature, null);
        _il.Emit(OpCodes.Ret);

        _il.MarkLabel(enough);
        LoadHeader(Offsets.Cell);
        _il.Emit(OpCodes.Ldind_I);
        _il.Emit(OpCodes.Stloc, _cell);
        Count(Offsets.Entered);
        if (HasManyPages)
        {
            Label valid = _il.DefineLabel();
            _il.Emit(OpCodes.Ldloc, _cell);
            _il.Emit(OpCodes.Ldind_I8);
            LoadState(Offsets.FetchEpoch);
            _il.Emit(OpCodes.Ldind_I8);
            _il.Emit(OpCodes.Beq, valid);
            _il.Emit(OpCodes.Ldloc, _cell);
            _il.Emit(OpCodes.Ldarg_1);
            _il.Emit(OpCodes.Ldarg_0);
            _il.Emit(OpCodes.Call, s_validate);
            _il.MarkLabel(valid);
            _il.Emit(OpCodes.Ldloc, _cell);
            LoadField(Offsets.ValidPages);
            _il.Emit(OpCodes.Ldind_I8);
            _il.Emit(OpCodes.Stloc, _valid);
        }

        PlanBlock[] entries = [.. _plan.Blocks.Where(block => block.Entry >= 0)];
        if (entries.Length == 1)
        {
            EmitArrival(entries[0], ulong.MaxValue);
            EmitDispatch();
            return;
        }

        var reads = new Label[entries.Length];
        for (int i = 0; i < entries.Length; i++)
            reads[i] = _il.DefineLabel();
        LoadHeader(Offsets.RegionEntry);
        _il.Emit(OpCodes.Ldind_U1);
        _il.Emit(OpCodes.Switch, reads);
        for (int i = 0; i < entries.Length; i++)
        {
            _il.MarkLabel(reads[i]);
            EmitArrival(entries[i], ulong.MaxValue);
        }

        EmitDispatch();
    }

    /// <summary>Where the indirect jumps within the region come together, if it has more targets than one.</summary>
    private void EmitDispatch()
    {
        PlanBlock[] targets = Targets();
        if (targets.Length == 1)
            return;
        _il.MarkLabel(_dispatch);
        _il.Emit(OpCodes.Ldloc, _index);
        _il.Emit(OpCodes.Switch, targets.Select(IndirectArrival).ToArray());
        _il.Emit(OpCodes.Br, IndirectArrival(targets[0]));
    }

    /// <summary>Where an indirect jump within the region arrives at a block: there it reads what its locals did not carry.</summary>
    private Label IndirectArrival(PlanBlock block)
    {
        int index = BlockIndexOf(block);
        return (_flow.Needed[index] & ~_flow.CarriedIndirectly) == 0
            ? _labels[index]
            : OutOfLine(() => EmitArrival(block, ~_flow.CarriedIndirectly));
    }

    /// <summary>Reads those of some registers that the way from a block on needs, and goes there.</summary>
    private void EmitArrival(PlanBlock block, ulong registers)
    {
        int index = BlockIndexOf(block);
        EmitRead(_flow.Needed[index] & registers);
        _il.Emit(OpCodes.Br, _labels[index]);
    }

    private void EmitRead(ulong registers)
    {
        for (int r = 0; r < 32; r++)
        {
            if ((registers >> r & 1) != 0)
            {
                LoadState(8 * r);
                _il.Emit(OpCodes.Ldind_I8);
                _il.Emit(OpCodes.Stloc, _registers[r]!);
            }

            if ((registers >> 32 >> r & 1) != 0)
            {
                LoadState(FloatRegisters + 8 * r);
                _il.Emit(OpCodes.Ldind_R8);
                _il.Emit(OpCodes.Stloc, _floats[r]!);
            }
        }
    }

    private void EmitWriteBack(ulong registers)
    {
        for (byte r = 0; r < 32; r++)
        {
            if ((registers >> r & 1) != 0)
                Spill(r);
            if ((registers >> 32 >> r & 1) != 0)
                SpillFloat(r);
        }
    }

    /// <summary>Where indirect jumps of the region may lead: its hot block at least.</summary>
    private PlanBlock[] Targets() => [.. _plan.Blocks.Where(block => block.Target >= 0)];

    private int BlockIndexOf(PlanBlock block)
    {
        for (int i = 0; ; i++)
        {
            if (_plan.Blocks[i] == block)
                return i;
        }
    }

    private void EmitBlock(int index)
    {
        _block = _plan.Blocks[index];
        _blockIndex = index;
        _floatEnabled = false;
        _floatDirty = false;
        _floatNearest = 0;
        _vectorType = null;
        _narrowed = 0;
        _words = 1;
        FindGroups();
        FindRotations();
        FindUnused();
        FindTransient();
        _il.MarkLabel(_labels[index]);
        if (_block.SecondPage >= 0)
            RequirePage(_block.SecondPage, _block.Pc, _flow.WrittenBefore[index]);
        Charge(-_block.Instructions.Count);
        ulong pc = _block.Pc;
        for (_instruction = 0; _instruction < _block.Instructions.Count; _instruction++)
        {
            Instruction i = _block.Instructions[_instruction];
            _instructionPc = pc;
            EmitInstruction(in i, pc);
            pc += i.Length;
        }

        if (_block.End is BlockEnd.FallsThrough or BlockEnd.Branches)
            EmitEdge(_block.Next);
    }

    private void Charge(long amount)
    {
        _il.Emit(OpCodes.Ldloc, _budget);
        _il.Emit(OpCodes.Ldc_I8, amount);
        _il.Emit(OpCodes.Add);
        _il.Emit(OpCodes.Stloc, _budget);
    }

    /// <summary>Goes where an edge leads, with the checks that it needs.</summary>
    private void EmitEdge(PlanEdge edge)
    {
        if (edge.Block < 0)
        {
            _il.Emit(OpCodes.Br, ExitTo(edge.Pc, _flow.WrittenAfter(_blockIndex)));
            return;
        }

        PlanBlock target = _plan.Blocks[edge.Block];
        if (target.Page != _block.Page)
            RequirePage(target.Page, edge.Pc, _flow.WrittenAfter(_blockIndex));

        if (edge.Block <= _blockIndex)
        {
            LoadBudgetAndLimit();
            _il.Emit(OpCodes.Blt, Leave(new RegionLeave { Window = -1, Pc = edge.Pc, Written = _flow.WrittenAfter(_blockIndex), Event = EngineEvent.Lookup }));
        }

        EmitWriteBack(_flow.PutAway(_blockIndex, edge.Block));
        EmitRead(_flow.Fetched(_blockIndex, edge.Block));
        if (edge.Block != _blockIndex + 1)
            _il.Emit(OpCodes.Br, _labels[edge.Block]);
    }

    /// <summary>Leaves for an address that needs a page, if the page may be mapped otherwise by now. It is looked at again when the region is next entered.</summary>
    private void RequirePage(int page, ulong pc, ulong written)
    {
        _il.Emit(OpCodes.Ldloc, _valid);
        _il.Emit(OpCodes.Ldc_I8, 1L << page);
        _il.Emit(OpCodes.And);
        _il.Emit(OpCodes.Brfalse, OutOfLine(() =>
        {
            EmitForgetPages();
            _il.Emit(OpCodes.Br, ExitTo(pc, written));
        }));
    }

    /// <summary>Has the pages looked at when the region is next entered.</summary>
    private void EmitForgetPages()
    {
        _il.Emit(OpCodes.Ldloc, _cell);
        _il.Emit(OpCodes.Ldc_I8, 0L);
        _il.Emit(OpCodes.Stind_I8);
    }

    private bool IsPlain(PlanEdge edge)
        => edge.Block > _blockIndex && _plan.Blocks[edge.Block].Page == _block.Page
            && (_flow.PutAway(_blockIndex, edge.Block) | _flow.Fetched(_blockIndex, edge.Block)) == 0;

    private void LoadBudgetAndLimit()
    {
        _il.Emit(OpCodes.Ldloc, _budget);
        LoadState(Offsets.Limit);
        _il.Emit(OpCodes.Volatile);
        _il.Emit(OpCodes.Ldind_I8);
    }

    private Label OutOfLine(Action emit)
    {
        Label label = _il.DefineLabel();
        (int block, int instruction) = (_blockIndex, _instruction);
        _outOfLine.Add(() =>
        {
            (_block, _blockIndex, _instruction) = (_plan.Blocks[block], block, instruction);
            _il.MarkLabel(label);
            emit();
        });
        return label;
    }

    /// <summary>A place that leaves the region for an address outside.</summary>
    private Label ExitTo(ulong pc, ulong written) => OutOfLine(() =>
    {
        EmitWriteBack(written);
        _il.Emit(OpCodes.Ldc_I8, (long)pc);
        _il.Emit(OpCodes.Stloc, _pc);
        _il.Emit(OpCodes.Br, _linkExit);
    });

    /// <summary>A place that leaves the instruction in progress to the interpreter.</summary>
    private Label Slow() => Leave(Interpreted());

    private RegionLeave Interpreted() => new()
    {
        Window = -1,
        Pc = _instructionPc,
        Unused = _block.Instructions.Count - _instruction,
        Written = _flow.WrittenUntil(_blockIndex, _instruction),
        Event = EngineEvent.Interpret,
    };

    /// <summary>A place that returns to the dispatcher: rare, and so the same code for all.</summary>
    private Label Leave(RegionLeave leave)
    {
        int index = _leaves.Count;
        _leaves.Add(leave);
        return OutOfLine(() =>
        {
            _il.Emit(OpCodes.Ldc_I4, index);
            _il.Emit(OpCodes.Stloc, _index);
            _il.Emit(OpCodes.Br, _slowExit);
        });
    }

    /// <summary>Where an indirect jump goes, its target in the local: into the region by a hash table, or out of it.</summary>
    private void EmitIndirect()
    {
        ulong written = _flow.WrittenAfter(_blockIndex);
        PlanBlock[] targets = Targets();
        Label outside = OutOfLine(() =>
        {
            EmitWriteBack(written);
            if (_block.Instructions[^1] is not { Rd: 0, Rs1: 1 or 5 })
                EmitNoteTarget(); // Of returns none is taken in (x1 and x5 are link registers): the host foretells them better where they leave, each at its own place.
            EmitJumpOut();
        });
        LoadPointer(_tables.Targets);
        EmitPlaceOfTarget(high: 12, _tables.HashSize, entryShift: 5);
        _il.Emit(OpCodes.Ldloc, _pc);
        _il.Emit(OpCodes.Bne_Un, outside);
        if (HasManyPages)
        {
            _il.Emit(OpCodes.Ldloc, _entry);
            _il.Emit(OpCodes.Ldc_I4, 16);
            _il.Emit(OpCodes.Add);
            _il.Emit(OpCodes.Ldind_I8);
            _il.Emit(OpCodes.Ldloc, _valid);
            _il.Emit(OpCodes.And);
            _il.Emit(OpCodes.Brfalse, OutOfLine(() =>
            {
                EmitForgetPages();
                _il.Emit(OpCodes.Br, outside);
            }));
        }

        LoadBudgetAndLimit();
        _il.Emit(OpCodes.Blt, outside); // It is looked at once more on that way.
        EmitWriteBack(written & ~_flow.CarriedIndirectly);
        if (targets.Length == 1)
        {
            _il.Emit(OpCodes.Br, IndirectArrival(targets[0]));
            return;
        }

        _il.Emit(OpCodes.Ldloc, _entry);
        _il.Emit(OpCodes.Ldc_I4_8);
        _il.Emit(OpCodes.Add);
        _il.Emit(OpCodes.Ldind_I4);
        _il.Emit(OpCodes.Stloc, _index);
        _il.Emit(OpCodes.Br, _dispatch);
    }

    /// <summary>Notes where the block's indirect jump leads out of the region, for <see cref="JumpTargets"/>.</summary>
    private void EmitNoteTarget()
    {
        _il.Emit(OpCodes.Ldloc, _cell);
        LoadField(Offsets.Jumps);
        _il.Emit(OpCodes.Ldind_I);
        LoadField(_block.Jump * sizeof(RegionJump));
        _il.Emit(OpCodes.Stloc, _entry);
        _il.Emit(OpCodes.Ldloc, _entry);
        _il.Emit(OpCodes.Ldind_I8);
        _il.Emit(OpCodes.Stloc, _mask);
        _il.Emit(OpCodes.Ldloc, _entry);
        _il.Emit(OpCodes.Ldloc, _mask);
        _il.Emit(OpCodes.Ldc_I8, 1L);
        _il.Emit(OpCodes.Add);
        _il.Emit(OpCodes.Stind_I8);
        _il.Emit(OpCodes.Ldloc, _entry);
        LoadField(sizeof(long));
        _il.Emit(OpCodes.Ldloc, _mask);
        _il.Emit(OpCodes.Ldc_I8, RegionJump.Remembered - 1L);
        _il.Emit(OpCodes.And);
        _il.Emit(OpCodes.Ldc_I4_3);
        _il.Emit(OpCodes.Shl);
        _il.Emit(OpCodes.Conv_I);
        _il.Emit(OpCodes.Add);
        _il.Emit(OpCodes.Ldloc, _pc);
        _il.Emit(OpCodes.Stind_I8);
    }

    /// <summary>From a hash table on the stack to the key of the place for the target of an indirect jump, the place itself in its local.</summary>
    /// <param name="high">By how much the target is shifted for the second half of its place.</param>
    /// <param name="count">Places of the table, a power of two.</param>
    /// <param name="entryShift">Their size, as a power of two.</param>
    private void EmitPlaceOfTarget(int high, long count, int entryShift)
    {
        _il.Emit(OpCodes.Ldloc, _pc);
        _il.Emit(OpCodes.Ldc_I4_1);
        _il.Emit(OpCodes.Shr_Un);
        _il.Emit(OpCodes.Ldloc, _pc);
        _il.Emit(OpCodes.Ldc_I4, high);
        _il.Emit(OpCodes.Shr_Un);
        _il.Emit(OpCodes.Xor);
        _il.Emit(OpCodes.Ldc_I8, count - 1);
        _il.Emit(OpCodes.And);
        _il.Emit(OpCodes.Ldc_I4, entryShift);
        _il.Emit(OpCodes.Shl);
        _il.Emit(OpCodes.Conv_U);
        _il.Emit(OpCodes.Add);
        _il.Emit(OpCodes.Stloc, _entry);
        _il.Emit(OpCodes.Ldloc, _entry);
        _il.Emit(OpCodes.Ldind_I8);
    }

    /// <summary>
    /// As <see cref="RegionExits.ContinueAt"/>, in line: the jumps of a program that leave a region are many and go everywhere, and the
    /// host foretells where one leads the better the fewer share its place.
    /// </summary>
    private void EmitJumpOut()
    {
        LoadState(Offsets.JumpCache);
        _il.Emit(OpCodes.Ldind_I);
        EmitPlaceOfTarget(JumpCacheEntry.HighShift, JumpCacheEntry.Count, entryShift: 4);
        _il.Emit(OpCodes.Ldloc, _pc);
        LoadState(Offsets.KeyBits);
        _il.Emit(OpCodes.Ldind_I8);
        _il.Emit(OpCodes.Or);
        _il.Emit(OpCodes.Bne_Un, _linkExit);
        LoadWholeBudget();
        LoadState(Offsets.Limit);
        _il.Emit(OpCodes.Volatile);
        _il.Emit(OpCodes.Ldind_I8);
        _il.Emit(OpCodes.Blt, _linkExit);
        _il.Emit(OpCodes.Ldloc, _entry);
        LoadField(8);
        _il.Emit(OpCodes.Ldind_I);
        _il.Emit(OpCodes.Stloc, _entry);
        _il.Emit(OpCodes.Ldloc, _entry);
        _il.Emit(OpCodes.Ldarg_1);
        _il.Emit(OpCodes.Ldarg_2);
        LoadWholeBudget();
        _il.Emit(OpCodes.Ldloc, _entry);
        _il.Emit(OpCodes.Ldind_I);
        _il.Emit(OpCodes.Tailcall);
        _il.EmitCalli(OpCodes.Calli, CallingConventions.Standard, typeof(void), s_signature, null);
        _il.Emit(OpCodes.Ret);
    }

    /// <summary>The budget as others count it.</summary>
    private void LoadWholeBudget()
    {
        _il.Emit(OpCodes.Ldloc, _budget);
        if (_bias == 0)
            return;
        _il.Emit(OpCodes.Ldc_I8, _bias);
        _il.Emit(OpCodes.Add);
    }

    private void EmitExits()
    {
        _il.MarkLabel(_linkExit);
        EmitTailCall(s_continueAt);

        _il.MarkLabel(_slowExit);
        LoadPointer(_tables.Place(_leaves));
        _il.Emit(OpCodes.Ldloc, _index);
        _il.Emit(OpCodes.Conv_I);
        _il.Emit(OpCodes.Ldc_I4, sizeof(RegionLeave));
        _il.Emit(OpCodes.Mul);
        _il.Emit(OpCodes.Add);
        _il.Emit(OpCodes.Stloc, _entry);
        LoadLeave(0, OpCodes.Ldind_I8);
        _il.Emit(OpCodes.Stloc, _pc);
        _il.Emit(OpCodes.Ldloc, _budget);
        LoadLeave(8, OpCodes.Ldind_I8);
        _il.Emit(OpCodes.Add);
        _il.Emit(OpCodes.Stloc, _budget);
        LoadLeave(16, OpCodes.Ldind_I8);
        _il.Emit(OpCodes.Stloc, _mask);
        LoadState(Offsets.Leave);
        _il.Emit(OpCodes.Ldloc, _entry);
        _il.Emit(OpCodes.Stind_I);
        LoadState(Offsets.LeaveCell);
        _il.Emit(OpCodes.Ldloc, _cell);
        _il.Emit(OpCodes.Stind_I);
        LoadState(Offsets.LeaveDistance);
        _il.Emit(OpCodes.Ldloc, _distance);
        _il.Emit(OpCodes.Stind_I8);
        LoadState(Offsets.Event);
        LoadLeave(24, OpCodes.Ldind_I4);
        _il.Emit(OpCodes.Stind_I4);
        for (int r = 0; r < 64; r++)
        {
            if ((_flow.Written >> r & 1) == 0)
                continue;
            Label not = _il.DefineLabel();
            _il.Emit(OpCodes.Ldloc, _mask);
            _il.Emit(OpCodes.Ldc_I8, 1L << r);
            _il.Emit(OpCodes.And);
            _il.Emit(OpCodes.Brfalse, not);
            EmitWriteBack(1UL << r);
            _il.MarkLabel(not);
        }

        EmitTailCall(s_leaveBlock);
    }

    private void LoadLeave(int offset, OpCode load)
    {
        _il.Emit(OpCodes.Ldloc, _entry);
        LoadField(offset);
        _il.Emit(load);
    }

    private void EmitTailCall(MethodInfo method)
    {
        _il.Emit(OpCodes.Ldloc, _pc);
        _il.Emit(OpCodes.Ldarg_1);
        _il.Emit(OpCodes.Ldarg_2);
        LoadWholeBudget();
        _il.Emit(OpCodes.Tailcall);
        _il.Emit(OpCodes.Call, method);
        _il.Emit(OpCodes.Ret);
    }

    private void SetEvent(EngineEvent what)
    {
        LoadState(Offsets.Event);
        _il.Emit(OpCodes.Ldc_I4, (int)what);
        _il.Emit(OpCodes.Stind_I4);
    }

    /// <summary>The address of a field of the hart's state.</summary>
    private void LoadState(int offset)
    {
        _il.Emit(OpCodes.Ldarg_1);
        if (offset == 0)
            return;
        _il.Emit(OpCodes.Ldc_I4, offset);
        _il.Emit(OpCodes.Add);
    }

    /// <summary>The address of a field of the header before the op by which the region was entered.</summary>
    private void LoadHeader(int offset)
    {
        _il.Emit(OpCodes.Ldarg_0);
        _il.Emit(OpCodes.Ldc_I4, offset - sizeof(BlockHeader));
        _il.Emit(OpCodes.Add);
    }

    private void LoadPointer(nint pointer)
    {
        _il.Emit(OpCodes.Ldc_I8, (long)pointer);
        _il.Emit(OpCodes.Conv_I);
    }

    /// <summary>Where the fields lie that emitted code touches.</summary>
    private static class Offsets
    {
        public static readonly int Limit, Reserve, Event, FetchEpoch, Fflags, Frm, FpEnabled, FpDirty, ReservationAddress, ReservationValue, Leave, LeaveCell, LeaveDistance;
        public static readonly int VectorSelect, HasVectorMiss, VectorDirty, VectorMaximum, V, Vl, Vlenb, Vstart, Vtype;
        public static readonly int JumpCache, KeyBits, Original, RegionEntry, Cell, ValidPages, GroupsLeft, Entered, Jumps;

        static Offsets()
        {
            HartState state = default;
            var s = (byte*)&state;
            Limit = (int)((byte*)&state.Limit - s);
            Reserve = (int)((byte*)&state.Reserve - s);
            Event = (int)((byte*)&state.Event - s);
            JumpCache = (int)((byte*)&state.JumpCache - s);
            KeyBits = (int)((byte*)&state.KeyBits - s);
            FetchEpoch = (int)((byte*)&state.FetchEpoch - s);
            Fflags = (int)((byte*)&state.Fflags - s);
            Frm = (int)((byte*)&state.Frm - s);
            FpEnabled = (int)(&state.FpEnabled - s);
            FpDirty = (int)(&state.FpDirty - s);
            ReservationAddress = (int)((byte*)&state.ReservationAddress - s);
            ReservationValue = (int)((byte*)&state.ReservationValue - s);
            Leave = (int)((byte*)&state.Leave - s);
            LeaveCell = (int)((byte*)&state.LeaveCell - s);
            LeaveDistance = (int)((byte*)&state.LeaveDistance - s);
            VectorSelect = (int)(&state.VectorSelect - s);
            HasVectorMiss = (int)(&state.HasVectorMiss - s);
            VectorDirty = (int)(&state.VectorDirty - s);
            VectorMaximum = (int)((byte*)&state.VectorMaximum - s);
            V = (int)((byte*)&state.V - s);
            Vl = (int)((byte*)&state.Vl - s);
            Vstart = (int)((byte*)&state.Vstart - s);
            Vtype = (int)((byte*)&state.Vtype - s);
            Vlenb = (int)((byte*)&state.Vlenb - s);
            BlockHeader header = default;
            Original = (int)((byte*)&header.Original - (byte*)&header);
            RegionEntry = (int)(&header.RegionEntry - (byte*)&header);
            Cell = (int)((byte*)&header.Cell - (byte*)&header);
            RegionCell cell = default;
            ValidPages = (int)((byte*)&cell.ValidPages - (byte*)&cell);
            Jumps = (int)((byte*)&cell.Jumps - (byte*)&cell);
            GroupsLeft = (int)((byte*)&cell.GroupsLeft - (byte*)&cell);
            Entered = (int)((byte*)&cell.Entered - (byte*)&cell);
        }
    }
}
