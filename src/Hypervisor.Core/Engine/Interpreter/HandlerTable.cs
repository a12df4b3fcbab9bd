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

    private readonly nint[] _static = new nint[Opcodes];
    private readonly nint[] _dynamic = new nint[Opcodes];
    private readonly nint[] _vectorKernels = GC.AllocateArray<nint>(VectorOperations * VectorOp.Kinds, pinned: true);
    private nint _vectorStep;
    private nint _readLength;
    private readonly nint[] _twice = new nint[Kinds];
    private readonly nint[] _pairs = new nint[Kinds * Kinds];

    public HandlerTable()
    {
        Slow = Resolve((nint)(Next)(&Handlers.Slow));
        LinkMiss = Resolve((nint)(Next)(&Handlers.LinkMiss));
        CrossPage = Resolve((nint)(Next)(&Handlers.CrossPage));
        Stale = Resolve((nint)(Next)(&Handlers.Stale));
        Call = Resolve((nint)(Next)(&Handlers.Call));
        Break = Resolve((nint)(Next)(&Handlers.Break));
        Count = Resolve((nint)(Next)(&Handlers.Count));
        WideConstant = Resolve((nint)(Next)(&Handlers.WideConstant));
        Move = Resolve((nint)(Next)(&Handlers.Step<Steps.Move>));
    }

    public nint Slow { get; }

    public nint LinkMiss { get; }

    public nint CrossPage { get; }

    public nint Stale { get; }

    public nint Call { get; }

    public nint Break { get; }

    public nint Count { get; }

    public nint WideConstant { get; }

    public nint Move { get; }

    /// <summary>The kernels of vector operations, for <see cref="HartState.VectorKernels"/>: those that code was decoded for.</summary>
    public void* VectorKernels => Unsafe.AsPointer(ref MemoryMarshal.GetArrayDataReference(_vectorKernels));

    /// <summary>The handler that reads vl or vlenb.</summary>
    public nint ReadVectorLength => _readLength != 0 ? _readLength : _readLength = Resolve((nint)(Next)(&Handlers.Step<VectorLength>));

    /// <summary>The handler of a vector operation, whose kernels are found for all element widths.</summary>
    public nint OfVectors(Opcode opcode)
    {
        int first = (opcode - Opcode.Vsetvli) * VectorOp.Kinds;
        // The first is written last: who finds it finds all of them, on any thread.
        if (Volatile.Read(ref _vectorKernels[first]) == 0)
        {
            for (int kind = VectorUnit.IllegalType; kind > 0; kind--)
                _vectorKernels[first + kind] = Vector.VectorKernels.Find(opcode, kind);
            Volatile.Write(ref _vectorKernels[first], Vector.VectorKernels.Find(opcode, 0));
        }

        if (_vectorStep == 0)
            _vectorStep = Resolve((nint)(Next)(&Handlers.Step<VectorStep>));
        return _vectorStep;
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

    /// <summary>The handler of a fused pair, or 0.</summary>
    public nint Pair(FusedKind first, FusedKind second)
    {
        if (first is FusedKind.None or >= FusedKind.Beq || second == FusedKind.None)
            return 0;
        ref nint slot = ref _pairs[(int)first * Kinds + (int)second];
        if (slot == 0)
        {
            nint handler = FusedPairs.Find(first, second);
            slot = handler == 0 ? -1 : Resolve(handler);
        }

        return slot == -1 ? 0 : slot;
    }

    /// <summary>
    /// Has every pair's handler compiled now, on the calling thread. Entries are found once or twice with the same result, so
    /// guests may run meanwhile.
    /// </summary>
    public void PreparePairs()
    {
        for (FusedKind second = FusedKind.None + 1; second < FusedKind.Count; second++)
        {
            for (FusedKind first = FusedKind.None + 1; first < FusedKind.Beq; first++)
                Pair(first, second);
        }
    }

    /// <summary>As <see cref="PreparePairs"/>, and before them the vector kernels that kernels and C libraries are full of.</summary>
    public void Prepare(bool vectors)
    {
        if (vectors)
            VectorPreparation.Run(this);
        PreparePairs();
    }

    /// <summary>
    /// Has a handler compiled, by running it once on a machine of nothing, and finds its code. The machine's TLB never hits,
    /// its registers are zero, taken branches always leave, and every op around the one executed returns at once.
    /// </summary>
    private static nint Resolve(nint handler)
    {
        if (!CodePointer.CanResolve(handler))
            return handler;
        const int Slots = 16;
        var scratch = (byte*)NativeMemory.AllocZeroed((nuint)(sizeof(HartState) + Tlb.ContextBytes + Slots * sizeof(Op) + JumpCacheEntry.Count * sizeof(JumpCacheEntry)));
        try
        {
            var state = (HartState*)scratch;
            var tlb = (TlbEntry*)(scratch + sizeof(HartState));
            var ops = (Op*)((byte*)tlb + Tlb.ContextBytes);
            Tlb.Clear(tlb, Tlb.EntriesPerContext);
            for (int i = 0; i < Slots; i++)
                ops[i].Handler = (nint)(Next)(&Return);
            state->JumpCache = ops + Slots;
            state->KeyBits = 1;
            state->VectorSelect = VectorUnit.Off;
            state->Limit = long.MaxValue;
            ((Next)handler)(ops + Slots / 2, state, tlb, 0);
        }
        finally
        {
            NativeMemory.Free(scratch);
        }

        return CodePointer.Resolve(handler);
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
