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
        CsrCounters counters = vcpu.Hart.Counters;
        return CsrFile.TryAccess(vcpu.Hart.State, ref copy, csr, CsrOperation.Set, 0, true, false, in counters, out value, out _);
    }

    /// <summary>Writes a CSR as machine mode would, with all that follows from it; false where it cannot be written.</summary>
    public bool TryWriteCsr(VCpu vcpu, int csr, ulong value)
    {
        ref PrivilegedState p = ref _stateOf(vcpu);
        PrivilegeMode mode = p.Mode;
        p.Mode = PrivilegeMode.Machine;
        CsrCounters counters = vcpu.Hart.Counters;
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
        while (done < destination.Length && GuestWalk.TryTranslate(Machine.Memory, in _stateOf(vcpu), address + (ulong)done, out ulong physical))
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
                if (!GuestWalk.TryTranslate(Machine.Memory, in _stateOf(vcpu), address + (ulong)done, out ulong physical))
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
}
