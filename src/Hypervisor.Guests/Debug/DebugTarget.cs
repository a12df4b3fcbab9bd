using Hypervisor.Core.Engine;
using Hypervisor.Core.Hart;
using Hypervisor.Core.Isa;
using Hypervisor.Core.Machine;
using Hypervisor.Core.Memory;
using Hypervisor.Guests.Common;

namespace Hypervisor.Guests.Debug;

/// <summary>
/// A machine as a debugger sees it: registers as the guest believes them to be, memory by the guest's own tables. In a
/// deprivileged guest that is the virtual state, not the physical one beneath.
/// </summary>
/// <remarks>
/// Invariant for the unsafe code: a hart's state lives as long as its vCPU, and is touched only while the vCPU is held.
/// </remarks>
internal sealed unsafe class DebugTarget
{
    private const ulong PageMask = GuestMemory.PageSize - 1;

    private readonly StateAccess _stateOf;
    private readonly Action<VCpu, int, CsrEffects> _follow;

    /// <summary>Gives the privileged state that a guest believes to be its hart's.</summary>
    public delegate ref PrivilegedState StateAccess(VCpu vcpu);

    private DebugTarget(VirtualMachine machine, StateAccess stateOf, Action<VCpu, int, CsrEffects> follow)
    {
        Machine = machine;
        _stateOf = stateOf;
        _follow = follow;
    }

    /// <summary>The machine.</summary>
    public VirtualMachine Machine { get; }

    /// <summary>A guest that owns a board, in whichever mode.</summary>
    public static DebugTarget Of(BoardGuest guest) => new(guest.Machine, guest.Mode.StateOf, guest.Mode.Follow);

    /// <summary>A guest whose harts' own state is the guest's, as in para.</summary>
    public static DebugTarget Of(VirtualMachine machine) => new(machine, ServedHart.StateOf, (vcpu, _, effects) => ServedHart.Follow(vcpu, effects));

    /// <summary>The hart's registers.</summary>
    public static HartState* Registers(VCpu vcpu) => vcpu.Hart.State;

    /// <summary>The privilege mode the guest believes to be in.</summary>
    public PrivilegeMode ModeOf(VCpu vcpu) => _stateOf(vcpu).Mode;

    /// <summary>Reads a CSR as machine mode would; false where there is no such register.</summary>
    public bool TryReadCsr(VCpu vcpu, int csr, out ulong value)
    {
        PrivilegedState copy = _stateOf(vcpu);
        copy.Mode = PrivilegeMode.Machine;

        // Floating-point state shows even where the guest has it switched off.
        if (csr is CsrNumber.Fflags or CsrNumber.Frm or CsrNumber.Fcsr)
            copy.Mstatus |= MstatusBits.Fs;
        CsrCounters counters = CountersOf(vcpu);
        return CsrFile.TryAccess(vcpu.Hart.State, ref copy, csr, CsrOperation.Set, 0, true, false, in counters, out value, out _);
    }

    /// <summary>Writes a CSR as machine mode would, with all that follows from it; false where it cannot be written.</summary>
    public bool TryWriteCsr(VCpu vcpu, int csr, ulong value)
    {
        ref PrivilegedState p = ref _stateOf(vcpu);
        PrivilegeMode mode = p.Mode;
        p.Mode = PrivilegeMode.Machine;
        CsrCounters counters = CountersOf(vcpu);
        bool written = CsrFile.TryAccess(vcpu.Hart.State, ref p, csr, CsrOperation.Write, value, false, true, in counters, out _, out CsrEffects effects);
        p.Mode = mode;
        if (written)
            _follow(vcpu, csr, effects);
        return written;
    }

    /// <summary>Copies from guest-virtual memory; how many bytes could be read.</summary>
    public int Read(VCpu vcpu, ulong address, Span<byte> destination)
    {
        int done = 0;
        while (done < destination.Length && TryTranslate(vcpu, address + (ulong)done, out ulong physical))
        {
            int part = PartOf(physical, destination.Length - done);
            if (!Machine.Memory.TryRead(physical, destination.Slice(done, part)))
                break;
            done += part;
        }

        return done;
    }

    /// <summary>Copies to guest-virtual memory, write-protected pages included; false, with nothing written, where part of it is not RAM.</summary>
    public bool TryWrite(VCpu vcpu, ulong address, ReadOnlySpan<byte> source)
    {
        for (int pass = 0; pass < 2; pass++)
        {
            for (int done = 0; done < source.Length;)
            {
                if (!TryTranslate(vcpu, address + (ulong)done, out ulong physical))
                    return false;
                int part = PartOf(physical, source.Length - done);
                if (!Machine.Memory.Contains(physical, (ulong)part) || (pass == 1 && !Machine.Memory.TryWrite(physical, source.Slice(done, part))))
                    return false;
                done += part;
            }
        }

        return true;
    }

    private static int PartOf(ulong physical, int wanted) => (int)Math.Min((ulong)wanted, GuestMemory.PageSize - (physical & PageMask));

    private static CsrCounters CountersOf(VCpu vcpu)
    {
        HartState* s = vcpu.Hart.State;
        return new CsrCounters(s->UsedBefore, (ulong)vcpu.Hart.Nanoseconds(0) / HartContext.NanosecondsPerTick, s->UsedBefore - s->TrapsTaken);
    }

    /// <summary>
    /// Walks the guest's tables as its current mode would (privileged specification, section 12.3.2), but asks no
    /// permissions and marks nothing as accessed: a debugger leaves no trace.
    /// </summary>
    private bool TryTranslate(VCpu vcpu, ulong address, out ulong physical)
    {
        const ulong valid = 1;
        const ulong leaf = 0xE;
        const ulong frames = (1UL << 44) - 1;
        physical = address;
        ref PrivilegedState p = ref _stateOf(vcpu);
        int levels = (int)(p.Satp >> 60) switch { 8 => 3, 9 => 4, 10 => 5, _ => 0 };
        if (p.Mode == PrivilegeMode.Machine || levels == 0)
            return true;
        int unused = 64 - (12 + (9 * levels));
        if ((ulong)((long)(address << unused) >> unused) != address)
            return false;
        ulong table = (p.Satp & frames) << 12;
        for (int level = levels - 1; level >= 0; level--)
        {
            int shift = 12 + (9 * level);
            if (!Machine.Memory.TryRead(table + ((address >> shift & 0x1FF) * sizeof(ulong)), out ulong entry) || (entry & valid) == 0)
                return false;
            ulong frame = entry >> 10 & frames;
            if ((entry & leaf) != 0)
            {
                // A 64 KiB page (Svnapot) keeps its size where the low bits of its frame number would be.
                int bits = entry >> 63 != 0 && level == 0 ? 16 : shift;
                physical = (frame << 12 >> bits << bits) | (address & ((1UL << bits) - 1));
                return true;
            }

            table = frame << 12;
        }

        return false;
    }
}
