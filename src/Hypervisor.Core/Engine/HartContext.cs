using System.Runtime.InteropServices;
using Hypervisor.Core.Hart;
using Hypervisor.Core.Memory;
using Hypervisor.Core.Time;

namespace Hypervisor.Core.Engine;

/// <summary>
/// One hart as an engine sees it: its state, its TLBs, and what the mode decided for it. Owned by one vCPU and used by one
/// thread at a time; only <see cref="RequestAttention"/> and <see cref="SetInterruptPending"/> may be called from others.
/// </summary>
/// <remarks>
/// Invariant for the unsafe code: state and TLBs are one unmanaged block that lives as long as this object is undisposed,
/// and every TLB entry points into <see cref="Memory"/>, which outlives it.
/// </remarks>
internal sealed unsafe class HartContext : IDisposable
{
    private readonly HostPages _block;
    private readonly int _contexts;

    /// <summary>Creates a hart with all registers zero, in user mode.</summary>
    /// <param name="memory">The machine's RAM.</param>
    /// <param name="translator">How its addresses translate.</param>
    /// <param name="controls">What leaves the engine.</param>
    /// <param name="singleContext">A hart that only ever runs user mode (a container task) needs one TLB context.</param>
    public HartContext(GuestMemory memory, AddressTranslator translator, ExitControls controls, bool singleContext = false)
    {
        Memory = memory;
        Translator = translator;
        Controls = controls;
        _contexts = singleContext ? 1 : 4;
        nuint tlbOffset = ((nuint)sizeof(HartState) + 63) & ~(nuint)63;
        _block = HostPages.Allocate(tlbOffset + (nuint)(_contexts * Tlb.ContextBytes));
        State = (HartState*)_block.Base;
        Tlbs = (TlbEntry*)(_block.Base + tlbOffset);
        State->ReservationAddress = HartState.NoReservation;
        State->Privileged.Stimecmp = ulong.MaxValue;
        FlushTlb();
        memory.Code.RegisterTlb(Tlbs, _contexts);
    }

    public HartState* State { get; }

    public GuestMemory Memory { get; }

    public AddressTranslator Translator { get; set; }

    public ExitControls Controls;

    /// <summary>Device space, reached without an exit where the controls say so; null where the hart has none.</summary>
    public IPhysicalBus? Bus { get; set; }

    /// <summary>All TLB contexts.</summary>
    public TlbEntry* Tlbs { get; }

    /// <summary>Whether the context in force must be computed anew before guest code runs (mode or status bits changed).</summary>
    public bool ContextStale { get; set; } = true;

    /// <summary>Whether the jump cache may hold targets of an address space no longer in force.</summary>
    public bool JumpCacheStale { get; set; } = true;

    /// <summary>Guest time when the current run began, in nanoseconds. The host loop sets it before each run.</summary>
    public long TimeAtEntry { get; set; }

    /// <summary>Virtual time per retired instruction in picoseconds; 0 under a real clock.</summary>
    public long PicosecondsPerInstruction { get; set; }

    /// <summary>The clock that guest time follows in mid-run under a real clock; null in virtual time.</summary>
    public IClock? RealClock { get; set; }

    /// <summary>
    /// Called when the guest changes its own timer (stimecmp) with the new deadline in nanoseconds, so that the host loop
    /// can arm it. Null where nobody keeps time for the hart.
    /// </summary>
    public Action<long>? TimerChanged { get; set; }

    /// <summary>Nanoseconds in one tick of the guest's time CSR: a 10 MHz timebase, as QEMU's virt board has.</summary>
    public const long NanosecondsPerTick = 100;

    /// <summary>Guest time after <paramref name="retiredInRun"/> instructions of the current run.</summary>
    public long Nanoseconds(long retiredInRun)
        => RealClock is { } clock ? clock.NowNanoseconds : TimeAtEntry + (long)((Int128)retiredInRun * PicosecondsPerInstruction / 1000);

    /// <summary>Makes the engine return at the next block edge. Any thread.</summary>
    public void RequestAttention() => Volatile.Write(ref State->Limit, long.MaxValue);

    /// <summary>Sets or clears bits of mip and, where set, asks for attention. Any thread.</summary>
    public void SetInterruptPending(ulong mask, bool pending)
    {
        if (!pending)
        {
            Interlocked.And(ref State->Privileged.Mip, ~mask);
            return;
        }

        ulong before = Interlocked.Or(ref State->Privileged.Mip, mask);
        if ((before & mask) != mask)
            RequestAttention();
    }

    /// <summary>Drops all translations.</summary>
    public void FlushTlb()
    {
        Tlb.Clear(Tlbs, _contexts * Tlb.EntriesPerContext);
        JumpCacheStale = true;
    }

    /// <summary>Drops the translations of one page in every context.</summary>
    public void FlushTlbPage(ulong address)
    {
        ulong tag = address & ~0xFFFUL;
        for (int context = 0; context < _contexts; context++)
        {
            TlbEntry* tlb = Tlbs + context * Tlb.EntriesPerContext;
            if (Tlb.LoadEntry(tlb, address)->Tag == tag)
                Tlb.LoadEntry(tlb, address)->Tag = Tlb.Invalid;
            if (Tlb.StoreEntry(tlb, address)->Tag == tag)
                Tlb.StoreEntry(tlb, address)->Tag = Tlb.Invalid;
        }

        JumpCacheStale = true;
    }

    public void Dispose()
    {
        Memory.Code.UnregisterTlb(Tlbs);
        _block.Dispose();
    }
}
