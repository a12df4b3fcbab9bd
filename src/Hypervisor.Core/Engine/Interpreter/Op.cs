using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Hypervisor.Core.Hart;
using Hypervisor.Core.Isa;

namespace Hypervisor.Core.Engine.Interpreter;

/// <summary>One decoded operation: what to call and its operands. Every slot keeps its own handler even where a fused one
/// before it covers both, so that execution can resume at any slot.</summary>
[StructLayout(LayoutKind.Sequential, Size = 16)]
internal struct Op
{
    /// <summary>Address of the handler: <c>delegate*&lt;Op*, HartState*, TlbEntry*, long, void&gt;</c>.</summary>
    public nint Handler;

    public byte Rd, Rs1, Rs2;

    /// <summary>Slots from the start of the block, by which a handler finds the block's header.</summary>
    public byte Index;

    public int Imm;
}

/// <summary>
/// The slot after a branch or jump: where it goes. The slot after this one is a stub op that links it, whose immediate is the target's
/// address in bytes from the start of the block.
/// </summary>
[StructLayout(LayoutKind.Sequential, Size = 16)]
internal unsafe struct OpLink
{
    /// <summary>The first op of the target, or the stub that finds it.</summary>
    public Op* Target;

    /// <summary>Instructions to charge when the branch is taken: those of the trace up to and with it.</summary>
    public long Count;
}

/// <summary>The slot after an indirect jump, or after a wide constant.</summary>
[StructLayout(LayoutKind.Sequential, Size = 16)]
internal struct OpPayload
{
    public ulong Value;
    public long Count;
}

/// <summary>What the dispatcher needs to know of a slot and a handler does not.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct OpInfo
{
    /// <summary>Address of the instruction in half words from the start of the block.</summary>
    public short PcDelta;

    /// <summary>Instructions of the trace before it.</summary>
    public byte Retired;

    public byte Length;
    public Opcode Opcode;

    /// <summary>What the slot is to sequences of handlers, whatever its handler is.</summary>
    public FusedKind Kind;

    public uint Raw;
}

/// <summary>Precedes the slots of a block; their <see cref="OpInfo"/>s follow them.</summary>
[StructLayout(LayoutKind.Sequential, Size = 64)]
internal unsafe struct BlockHeader
{
    /// <summary>Virtual address of the first instruction.</summary>
    public ulong Pc;

    /// <summary>Guest-physical address of the first instruction.</summary>
    public ulong PhysicalPc;

    public int Slots;

    /// <summary>Instructions on the longest path through the trace.</summary>
    public short Instructions;

    /// <summary>Nonzero where links into the block must not be made: it is a single step, or crosses a page.</summary>
    public byte Unlinkable;

    /// <summary>Where in its region the block begins, while <see cref="Original"/> is not 0.</summary>
    public byte RegionEntry;

    /// <summary>The handler of the first op while a region's code stands in its place; otherwise 0.</summary>
    public nint Original;

    /// <summary>What the region's code reads of the guest, while <see cref="Original"/> is not 0.</summary>
    public nint Cell;

    /// <summary>Guest-physical address of the page that the block's one instruction runs into, or 0: it is right only where the next virtual page is that one.</summary>
    public ulong SecondPhysical;

    /// <summary>The interpreter's handler of the first op, where one that counts uses, or host code, has stood in its place; otherwise 0.</summary>
    public nint Own;

    /// <summary>Uses until the trace is made host code.</summary>
    public int Countdown;

    /// <summary>The header of the block that holds an op.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static BlockHeader* Of(Op* op) => (BlockHeader*)(op - op->Index) - 1;

    /// <summary>The first op of a block.</summary>
    public static Op* FirstOp(BlockHeader* header) => (Op*)(header + 1);

    /// <summary>What is known of a slot.</summary>
    public static OpInfo* InfoOf(Op* op)
    {
        BlockHeader* header = Of(op);
        return (OpInfo*)(FirstOp(header) + header->Slots) + op->Index;
    }
}

/// <summary>Why a chain of handlers came back to the dispatcher.</summary>
internal enum EngineEvent
{
    /// <summary>Go on at <see cref="HartState.Pc"/>: the jump cache missed, or the budget or attention wants a look.</summary>
    Lookup,

    /// <summary>As Lookup, and <see cref="HartState.EventOp"/> is the stub of a link that may be made.</summary>
    Link,

    /// <summary>The op at <see cref="HartState.EventOp"/> needs the dispatcher.</summary>
    Slow,

    /// <summary>As Slow, and the op is an environment call.</summary>
    Call,

    /// <summary>A debugger's breakpoint stands at the op at <see cref="HartState.EventOp"/>.</summary>
    Break,

    /// <summary>As Lookup, and the instruction there is for the interpreter, even where translated code begins.</summary>
    Interpret,

    /// <summary>The trace that begins at <see cref="HartState.EventOp"/> was used often enough to be made host code.</summary>
    Warm,
}
