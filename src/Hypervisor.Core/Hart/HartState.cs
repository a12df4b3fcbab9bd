using System.Runtime.InteropServices;

namespace Hypervisor.Core.Hart;

/// <summary>
/// The state of one hart that the engine touches on its hot path, in unmanaged memory so that handlers reach it by one
/// pointer. Field order is layout: the integer registers come first, so that <c>s + 8 * n</c> is <c>x[n]</c>.
/// </summary>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct HartState
{
    /// <summary>
    /// Integer registers, and after them a sink: the block builder redirects writes of x0 to number 32, so that
    /// <c>X[0]</c> stays zero without a test.
    /// </summary>
    public fixed ulong X[33];

    /// <summary>Floating-point registers; singles are NaN-boxed.</summary>
    public fixed ulong F[32];

    /// <summary>Address of the next instruction; exact whenever the engine has returned.</summary>
    public ulong Pc;

    /// <summary>
    /// A taken branch that leaves fewer instructions of budget than this returns to the dispatcher. Normally the longest
    /// trace; <see cref="long.MaxValue"/> while somebody wants attention. Written by other threads: the one field that is.
    /// </summary>
    public long Limit;

    /// <summary>The handler that a taken branch goes to instead of its target's where <see cref="Limit"/> says so.</summary>
    public nint LeaveHandler;

    /// <summary>Budget left, written when a handler chain returns to the dispatcher.</summary>
    public long Budget;

    /// <summary>Budget of the current <c>Run</c> that has not been granted yet: 0 where all of it is in <see cref="Budget"/>.</summary>
    public long Reserve;

    /// <summary>Budget with which the current <c>Run</c> began, for reading counters in mid-run.</summary>
    public long BudgetAtEntry;

    /// <summary>Budget units used before the current <c>Run</c>: instructions retired plus exceptions delivered.</summary>
    public ulong UsedBefore;

    /// <summary>The op at which a handler chain left, for the dispatcher.</summary>
    public void* EventOp;

    /// <summary>Why a handler chain left (an engine-internal event number).</summary>
    public int Event;

    /// <summary>The place at which translated code left for the dispatcher.</summary>
    public void* Leave;

    /// <summary>The cell of the region that left there.</summary>
    public void* LeaveCell;

    /// <summary>How far from its window's start the access lay at which translated code left, where it left for that.</summary>
    public ulong LeaveDistance;

    /// <summary>What is or-ed into a program counter to make a jump-cache key, so that contexts never alias.</summary>
    public ulong KeyBits;

    /// <summary>Exceptions the engine delivered since reset: each takes a unit of budget and retires nothing.</summary>
    public ulong TrapsTaken;

    /// <summary>Loads, stores and atomics met by code that was decoded to count them.</summary>
    public ulong CountedAccesses;

    /// <summary>Accrued exceptions (fflags), bits NX UF OF DZ NV.</summary>
    public uint Fflags;

    /// <summary>Dynamic rounding mode (frm), 0..7; values above 4 make dynamic-rounded instructions illegal.</summary>
    public uint Frm;

    /// <summary>Nonzero while floating point is enabled (mstatus.FS is not Off).</summary>
    public byte FpEnabled;

    /// <summary>Set by every floating-point write; folded into mstatus.FS = Dirty when that is read.</summary>
    public byte FpDirty;

    /// <summary>The jump cache in force: <c>JumpCacheEntry*</c>.</summary>
    public void* JumpCache;

    /// <summary>The TLB of the context in force: <c>TlbEntry*</c>.</summary>
    public void* Tlb;

    /// <summary>
    /// Which fetch translations hold: hart, flushes so far and context. Whatever was found to be mapped under one number is so
    /// as long as the number stands.
    /// </summary>
    public ulong FetchEpoch;

    /// <summary>Where code was fetched from: <c>FetchEntry*</c>.</summary>
    public void* FetchTable;

    /// <summary>The translations behind the TLB: <c>PageEntry*</c>.</summary>
    public void* PageEntries;

    /// <summary>What those of them bear that hold in the context in force.</summary>
    public ulong PageStamp;

    /// <summary>Number under which translations for stores hold: another thread changes it before it takes the right to store to a page.</summary>
    public ulong* StoreNumber;

    /// <summary>A word that is not 0 from before the TLB in force has an entry for stores.</summary>
    public long* StoresMade;

    /// <summary>The entries made in the TLBs of the address space in force since they were empty: how many, then the first of them.</summary>
    public nint* Filled;

    /// <summary>Host address less guest-physical address, for all RAM of the machine.</summary>
    public nint RamOffset;

    /// <summary>TLB entries made because an access found none.</summary>
    public long TlbRefills;

    /// <summary>Guest-physical address reserved by LR, or <see cref="NoReservation"/>.</summary>
    public ulong ReservationAddress;

    /// <summary>The value LR read, which SC compares.</summary>
    public ulong ReservationValue;

    /// <summary>The vector registers, one behind another: 32 times <see cref="Vlenb"/> bytes, or null where there are none.</summary>
    public byte* V;

    /// <summary>The engine's table of vector kernels: function pointers, <c>VectorOp.Kinds</c> for each operation.</summary>
    public void* VectorKernels;

    /// <summary>Vector length, start and type (vtype, whose illegal value is bit 63 alone).</summary>
    public ulong Vl, Vstart, Vtype;

    /// <summary>VLMAX of the type in force.</summary>
    public ulong VectorMaximum;

    /// <summary>The address whose translation a vector access lacked, while <see cref="HasVectorMiss"/> is set.</summary>
    public ulong VectorMiss;

    /// <summary>Bytes of a vector register; 0 where there are none.</summary>
    public int Vlenb;

    /// <summary>Which kernels are in force: the logarithm of the element's bytes, or a value of <see cref="VectorUnit"/>.</summary>
    public byte VectorSelect;

    /// <summary>The logarithm of the registers in a group, negative for parts of one.</summary>
    public sbyte VectorGroup;

    /// <summary>Registers in a group less one: the bits that must be clear in the number of its first.</summary>
    public byte GroupMask;

    /// <summary>Fixed-point rounding mode and saturation flag.</summary>
    public byte Vxrm, Vxsat;

    /// <summary>Set by every vector instruction; folded into mstatus.VS = Dirty when that is read.</summary>
    public byte VectorDirty;

    /// <summary>Whether a vector access left for a translation.</summary>
    public byte HasVectorMiss;

    /// <summary>What the seed CSR gives: SHA-256 over these 32 bytes and the number of times it was read.</summary>
    public fixed byte EntropySeed[32];

    /// <inheritdoc cref="EntropySeed"/>
    public ulong EntropyDraws;

    /// <summary>The hart's privileged state. Under trap-and-emulate the guest's own copy lives with its personality.</summary>
    public PrivilegedState Privileged;

    /// <summary>Number of the register that takes writes of x0.</summary>
    public const byte Sink = 32;

    /// <summary>No LR is outstanding.</summary>
    public const ulong NoReservation = ulong.MaxValue;
}
