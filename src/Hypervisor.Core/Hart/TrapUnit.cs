using System.Runtime.CompilerServices;

namespace Hypervisor.Core.Hart;

/// <summary>
/// Trap entry and return, interrupt selection, and the legality of the privileged instructions that are no CSR accesses
/// (privileged specification, sections 3.1.6 to 3.1.9, 3.3 and 12.1). Works on the hart's own or on a virtual state.
/// </summary>
internal static unsafe class TrapUnit
{
    private const ulong InterruptFlag = 1UL << 63;

    /// <summary>Takes a trap: saves state in the mode that handles it, and puts the program counter at its vector.</summary>
    /// <param name="s">The hart; its program counter stands at the instruction that trapped or was interrupted.</param>
    /// <param name="p">The privileged state that the trap changes.</param>
    /// <param name="cause">The cause, bit 63 set for interrupts.</param>
    /// <param name="value">What mtval or stval shall hold.</param>
    public static void Enter(HartState* s, ref PrivilegedState p, ulong cause, ulong value)
    {
        int code = (int)(cause & 63);
        bool interrupt = (cause & InterruptFlag) != 0;
        ulong delegated = interrupt ? p.Mideleg : p.Medeleg;
        ulong status = p.Mstatus;
        ulong vector;
        if (p.Mode <= PrivilegeMode.Supervisor && (delegated >> code & 1) != 0)
        {
            p.Sepc = s->Pc;
            p.Scause = cause;
            p.Stval = value;
            status &= ~(MstatusBits.Spie | MstatusBits.Spp | MstatusBits.Sie);
            status |= (p.Mstatus & MstatusBits.Sie) << 4;
            status |= (ulong)p.Mode << 8;
            p.Mode = PrivilegeMode.Supervisor;
            vector = p.Stvec;
        }
        else
        {
            p.Mepc = s->Pc;
            p.Mcause = cause;
            p.Mtval = value;
            status &= ~(MstatusBits.Mpie | MstatusBits.Mpp | MstatusBits.Mie);
            status |= (p.Mstatus & MstatusBits.Mie) << 4;
            status |= (ulong)p.Mode << MstatusBits.MppShift;
            p.Mode = PrivilegeMode.Machine;
            vector = p.Mtvec;
        }

        p.Mstatus = status;
        s->Pc = vector & ~3UL;
        if (interrupt && (vector & 1) != 0)
            s->Pc += (ulong)code * 4;
    }

    /// <summary>mret. False where it is illegal.</summary>
    public static bool MachineReturn(HartState* s, ref PrivilegedState p)
    {
        if (p.Mode != PrivilegeMode.Machine)
            return false;
        ulong status = p.Mstatus;
        var mode = (PrivilegeMode)((status & MstatusBits.Mpp) >> MstatusBits.MppShift);
        status &= ~(MstatusBits.Mie | MstatusBits.Mpp);
        status |= (status & MstatusBits.Mpie) >> 4;
        status |= MstatusBits.Mpie;
        if (mode != PrivilegeMode.Machine)
            status &= ~MstatusBits.Mprv;
        p.Mstatus = status;
        p.Mode = mode;
        s->Pc = p.Mepc;
        return true;
    }

    /// <summary>sret. False where it is illegal (user mode, or supervisor mode under TSR).</summary>
    public static bool SupervisorReturn(HartState* s, ref PrivilegedState p)
    {
        if (p.Mode == PrivilegeMode.User || (p.Mode == PrivilegeMode.Supervisor && (p.Mstatus & MstatusBits.Tsr) != 0))
            return false;
        ulong status = p.Mstatus;
        PrivilegeMode mode = (status & MstatusBits.Spp) != 0 ? PrivilegeMode.Supervisor : PrivilegeMode.User;
        status &= ~(MstatusBits.Sie | MstatusBits.Spp | MstatusBits.Mprv);
        status |= (status & MstatusBits.Spie) >> 4;
        status |= MstatusBits.Spie;
        p.Mstatus = status;
        p.Mode = mode;
        s->Pc = p.Sepc;
        return true;
    }

    /// <summary>The interrupt to be taken now, as its number; -1 where there is none.</summary>
    public static int PendingInterrupt(in PrivilegedState p)
    {
        ulong pending = Pending(in p) & p.Mie;
        if (pending == 0)
            return -1;
        ulong machine = pending & ~p.Mideleg;
        if (machine != 0 && (p.Mode != PrivilegeMode.Machine || (p.Mstatus & MstatusBits.Mie) != 0))
            return Highest(machine);
        ulong supervisor = pending & p.Mideleg;
        if (supervisor != 0 && (p.Mode == PrivilegeMode.User || (p.Mode == PrivilegeMode.Supervisor && (p.Mstatus & MstatusBits.Sie) != 0)))
            return Highest(supervisor);
        return -1;
    }

    /// <summary>Whether WFI has nothing to wait for: an enabled interrupt is pending, deliverable or not.</summary>
    public static bool HasWakeup(in PrivilegedState p) => (Pending(in p) & p.Mie) != 0;

    /// <summary>Whether WFI may be executed (TW, and never in user mode).</summary>
    public static bool WaitIsLegal(in PrivilegedState p)
        => p.Mode == PrivilegeMode.Machine || (p.Mode == PrivilegeMode.Supervisor && (p.Mstatus & MstatusBits.Tw) == 0);

    /// <summary>Whether SFENCE.VMA, SINVAL.VMA and their fences may be executed (TVM, and never in user mode).</summary>
    public static bool FenceIsLegal(in PrivilegedState p)
        => p.Mode == PrivilegeMode.Machine || (p.Mode == PrivilegeMode.Supervisor && (p.Mstatus & MstatusBits.Tvm) == 0);

    private static ulong Pending(in PrivilegedState p) => Volatile.Read(ref Unsafe.AsRef(in p.Mip)) | p.SoftwareSeip;

    /// <summary>Priority: external, software, timer; machine before supervisor.</summary>
    private static int Highest(ulong pending)
    {
        ReadOnlySpan<byte> order = [11, 3, 7, 9, 1, 5];
        foreach (byte number in order)
        {
            if ((pending >> number & 1) != 0)
                return number;
        }

        return -1;
    }
}
