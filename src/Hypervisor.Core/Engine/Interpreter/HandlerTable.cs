using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Hypervisor.Core.Engine.Interpreter.Vector;
using Hypervisor.Core.Hart;
using Hypervisor.Core.Isa;
using Hypervisor.Core.Memory;
using unsafe Next = delegate*<Hypervisor.Core.Engine.Interpreter.Op*, Hypervisor.Core.Hart.HartState*, Hypervisor.Core.Memory.TlbEntry*, long, void>;

namespace Hypervisor.Core.Engine.Interpreter;

/// <summary>The entry points of handlers, found when first needed.</summary>
internal sealed unsafe class HandlerTable
{
    private const int Opcodes = (int)Opcode.Sm3P1 + 1;
    private const int VectorOperations = Opcode.VfwnmsacVf - Opcode.Vsetvli + 1;
    private const int Kinds = (int)FusedKind.Count;

    /// <summary>Ops around the one by which a handler is run once.</summary>
    private const int ScratchOps = 16;

    private readonly nint[] _static = new nint[Opcodes];
    private readonly nint[] _dynamic = new nint[Opcodes];
    private readonly StateMemory _vectorMemory = new(VectorOperations * VectorOp.Kinds * sizeof(nint));
    private StateMemory? _scratch;
    private nint _vectorStep;
    private nint _readLength;
    private readonly nint[] _twice = new nint[Kinds];
    private readonly nint[] _thrice = new nint[Kinds];
    private readonly nint[] _pairs = new nint[Kinds * Kinds];
    private readonly int[] _sequenceKeys = new int[FusedSequences.Kinds.Length / 3];
    private readonly nint[] _sequences = new nint[FusedSequences.Kinds.Length / 3];

    /// <summary>For each kind the kinds that go on a sequence which it begins, as bits.</summary>
    private readonly ulong[] _sequenceSeconds = new ulong[Kinds];

    public HandlerTable()
    {
        ReadOnlySpan<FusedKind> kinds = FusedSequences.Kinds;
        for (int i = 0; i < _sequenceKeys.Length; i++)
        {
            // In order already.
            _sequenceKeys[i] = Key(kinds[3 * i], kinds[3 * i + 1], kinds[3 * i + 2]);
            _sequenceSeconds[(int)kinds[3 * i]] |= 1UL << (int)kinds[3 * i + 1];
        }

        Slow = Resolve((nint)(Next)(&Handlers.Slow));
        LinkMiss = Resolve((nint)(Next)(&Handlers.LinkMiss));
        CrossPage = Resolve((nint)(Next)(&Handlers.CrossPage));
        Warm = Resolve((nint)(Next)(&Handlers.Warm));
        Stale = Resolve((nint)(Next)(&Handlers.Stale));
        LeaveAt = Resolve((nint)(Next)(&Handlers.LeaveAt));
        Call = Resolve((nint)(Next)(&Handlers.Call));
        Break = Resolve((nint)(Next)(&Handlers.Break));
        Count = Resolve((nint)(Next)(&Handlers.Count));
        WideConstant = Resolve((nint)(Next)(&Handlers.WideConstant));
        Move = Resolve((nint)(Next)(&Handlers.Step<Steps.Move>));
    }

    public nint Slow { get; }

    public nint LinkMiss { get; }

    public nint CrossPage { get; }

    public nint Warm { get; }

    public nint Stale { get; }

    public nint LeaveAt { get; }

    public nint Call { get; }

    public nint Break { get; }

    public nint Count { get; }

    public nint WideConstant { get; }

    public nint Move { get; }

    /// <summary>The kernels of vector operations, for <see cref="HartState.VectorKernels"/>: those that code was decoded for.</summary>
    public void* VectorKernels => _vectorMemory.Start;

    /// <summary>The handler that reads vl or vlenb.</summary>
    public nint ReadVectorLength => _readLength != 0 ? _readLength : _readLength = Resolve((nint)(Next)(&Handlers.Step<VectorLength>));

    /// <summary>The handler of a vector operation, whose kernels are found for all element widths.</summary>
    public nint OfVectors(Opcode opcode)
    {
        nint* kernels = (nint*)_vectorMemory.Start + (opcode - Opcode.Vsetvli) * VectorOp.Kinds;
        // The first is written last: who finds it finds all of them, on any thread.
        if (Volatile.Read(ref kernels[0]) == 0)
        {
            for (int kind = VectorUnit.Off; kind > 0; kind--)
                kernels[kind] = Vector.VectorKernels.Find(opcode, kind);
            Volatile.Write(ref kernels[0], Vector.VectorKernels.Find(opcode, 0));
        }

        if (_vectorStep == 0)
            _vectorStep = Resolve((nint)(Next)(&Handlers.Step<VectorStep>));
        return _vectorStep;
    }

    /// <summary>The kernels of a vector operation, by <see cref="HartState.VectorSelect"/>. Any thread.</summary>
    public ReadOnlySpan<nint> KernelsOf(Opcode opcode)
    {
        OfVectors(opcode);
        return new ReadOnlySpan<nint>((nint*)_vectorMemory.Start + (opcode - Opcode.Vsetvli) * VectorOp.Kinds, VectorOp.Kinds);
    }

    /// <summary>The handler of one operation; <see cref="Slow"/> where the dispatcher does it.</summary>
    public nint Single(Opcode opcode, bool dynamicRounding)
    {
        ref nint slot = ref (dynamicRounding ? _dynamic : _static)[(int)opcode];
        if (slot == 0)
        {
            nint handler = HandlerMap.Single(opcode, dynamicRounding);
            slot = handler == 0 ? Slow : Resolve(handler);
        }

        return slot;
    }

    /// <summary>The handler of two accesses with one base register, or 0.</summary>
    public nint Twice(FusedKind kind)
    {
        if (kind is not (FusedKind.Lw or FusedKind.Ld or FusedKind.Sw or FusedKind.Sd))
            return 0;
        ref nint slot = ref _twice[(int)kind];
        return slot != 0 ? slot : slot = Resolve(FusedPairs.FindTwice(kind));
    }

    /// <summary>The handler of three accesses with one base register, of a kind that <see cref="Twice"/> has.</summary>
    public nint Thrice(FusedKind kind)
    {
        ref nint slot = ref _thrice[(int)kind];
        return slot != 0 ? slot : slot = Resolve(FusedPairs.FindThrice(kind));
    }

    /// <summary>Whether two operations are fused.</summary>
    public bool IsPair(FusedKind first, FusedKind second) => FusedPairs.Has(first, second) || IsSequence(first, second, FusedKind.None);

    /// <summary>The handler of a fused pair.</summary>
    public nint Pair(FusedKind first, FusedKind second)
    {
        if (!FusedPairs.Has(first, second))
            return Sequence(first, second, FusedKind.None);
        ref nint slot = ref _pairs[(int)first * Kinds + (int)second];
        return slot != 0 ? slot : slot = Resolve(FusedPairs.Find(first, second));
    }

    /// <summary>Whether three operations are fused, or two of which one is rarer.</summary>
    public bool IsSequence(FusedKind first, FusedKind second, FusedKind third)
        => (_sequenceSeconds[(int)first] >> (int)second & 1) != 0 && IndexOf(first, second, third) >= 0;

    /// <summary>Their handler.</summary>
    public nint Sequence(FusedKind first, FusedKind second, FusedKind third)
    {
        ref nint slot = ref _sequences[IndexOf(first, second, third)];
        return slot != 0 ? slot : slot = Resolve(FusedSequences.Find(first, second, third));
    }

    private int IndexOf(FusedKind first, FusedKind second, FusedKind third) => Array.BinarySearch(_sequenceKeys, Key(first, second, third));

    private static int Key(FusedKind first, FusedKind second, FusedKind third) => (int)first << 16 | (int)second << 8 | (int)third;

    /// <summary>
    /// Has every fused handler compiled now, on the calling thread. Entries are found once or twice with the same result, so
    /// guests may run meanwhile.
    /// </summary>
    public void PrepareFused()
    {
        for (FusedKind second = FusedKind.None + 1; second < FusedKind.Count; second++)
        {
            for (FusedKind first = FusedKind.None + 1; first < FusedKind.Beq; first++)
            {
                if (FusedPairs.Has(first, second))
                    Pair(first, second);
            }
        }

        ReadOnlySpan<FusedKind> kinds = FusedSequences.Kinds;
        for (int i = 0; i < kinds.Length; i += 3)
            Sequence(kinds[i], kinds[i + 1], kinds[i + 2]);
    }

    /// <summary>As <see cref="PrepareFused"/> where that is wanted, and before them the vector kernels that kernels and C libraries are full of.</summary>
    public void Prepare(bool vectors, bool fused)
    {
        if (vectors)
            VectorPreparation.Run(this);
        if (fused)
            PrepareFused();
    }

    /// <summary>
    /// Has a handler compiled, by running it once on a machine of nothing, and finds its code. The machine's TLB never hits,
    /// its registers are zero, taken branches always leave, and every op around the one executed returns at once. What a branch takes for its
    /// link leads to that method, where an op's handler is read and not called.
    /// </summary>
    private nint Resolve(nint handler)
    {
        if (!CodePointer.CanResolve(handler))
            return handler;

        // The machine is kept for the next, by one thread at a time. Handlers change its state, and nothing else of it.
        StateMemory scratch = Interlocked.Exchange(ref _scratch, null) ?? MakeScratch();
        var state = (HartState*)scratch.Start;
        var tlb = (TlbEntry*)(state + 1);
        var ops = (Op*)((byte*)tlb + Tlb.ContextBytes);
        *state = default;
        for (int i = 0; i < ScratchOps; i++)
            ops[i] = new Op { Handler = (nint)(Next)(&Return) };
        state->JumpCache = ops + ScratchOps;
        state->KeyBits = 1;
        state->VectorSelect = VectorUnit.Off;
        state->Limit = long.MaxValue;
        state->LeaveHandler = (nint)(Next)(&Return);
        ((Next)handler)(ops + ScratchOps / 2, state, tlb, 0);
        Volatile.Write(ref _scratch, scratch);
        return CodePointer.Resolve(handler);
    }

    private static StateMemory MakeScratch()
    {
        var scratch = new StateMemory(sizeof(HartState) + Tlb.ContextBytes + ScratchOps * sizeof(Op) + JumpCacheEntry.Count * sizeof(JumpCacheEntry));
        AlignedMemory.SetOnes((HartState*)scratch.Start + 1, Tlb.EntriesPerContext * sizeof(TlbEntry));
        return scratch;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Return(Op* op, HartState* s, TlbEntry* tlb, long budget)
    {
    }
}

/// <summary>
/// The address behind a method pointer. A pointer to a method leads through a stub, an extra jump at every dispatch; on x64
/// the stub is an indirect jump whose slot holds the method's code once it is compiled.
/// </summary>
/// <remarks>
/// Reading the stub is an optimisation with a check: where its bytes are not that jump, or its target is not yet compiled
/// code, the stub itself is used, which is always right. The handlers are compiled with full optimisation at once and never
/// again, so that the address stays valid.
/// </remarks>
internal static unsafe class CodePointer
{
    private const byte JumpIndirect = 0xff;
    private const byte RipRelative = 0x25;

    /// <summary>Whether a pointer leads through a stub that this class knows.</summary>
    public static bool CanResolve(nint stub)
        => RuntimeInformation.ProcessArchitecture == Architecture.X64
            && RuntimeFeature.IsDynamicCodeCompiled
            && ((byte*)stub)[0] == JumpIndirect
            && ((byte*)stub)[1] == RipRelative;

    public static nint Resolve(nint stub)
    {
        if (!CanResolve(stub))
            return stub;
        byte* code = (byte*)stub;
        nint target = *(nint*)(code + 6 + *(int*)(code + 2));

        // Before compilation the slot leads back into the stub itself, to the part that calls the compiler.
        return target - stub is >= 0 and < 64 ? stub : target;
    }
}
