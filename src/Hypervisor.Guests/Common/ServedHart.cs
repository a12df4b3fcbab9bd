using Hypervisor.Core.Devices;
using Hypervisor.Core.Engine;
using Hypervisor.Core.Hart;
using Hypervisor.Core.Isa;
using Hypervisor.Core.Machine;

namespace Hypervisor.Guests.Common;

/// <summary>What bare and assisted have in common: harts whose privileged state the engine itself serves.</summary>
/// <remarks>Invariant for the unsafe code: a hart's state lives as long as its vCPU.</remarks>
internal static unsafe class ServedHart
{
    /// <summary>Puts a hart into its state after reset and gives it its supervisor timer.</summary>
    public static VCpu Add(VirtualMachine machine, HartContext hart, ulong number, IPersonality personality, IExecutionEngine engine)
    {
        CsrFile.Reset(ref hart.State->Privileged, number);
        VCpu vcpu = machine.AddVCpu(hart, personality, engine);
        var timer = new SupervisorTimer(machine, () => Due(vcpu));
        hart.TimerChanged = _ => timer.Follow(in hart.State->Privileged);
        return vcpu;
    }

    /// <summary>The hart's state.</summary>
    public static ref PrivilegedState StateOf(VCpu vcpu) => ref vcpu.Hart.State->Privileged;

    /// <summary>Follows a write to a CSR from outside the guest.</summary>
    public static void Follow(VCpu vcpu, CsrEffects effects)
    {
        vcpu.Hart.ContextStale = true;
        if ((effects & CsrEffects.TranslationChanged) != 0)
            vcpu.Hart.FlushTlb();
        if ((effects & CsrEffects.TimerChanged) != 0)
            vcpu.Hart.ReportTimer();
    }

    /// <summary>WFI with nothing pending: it retires, and the vCPU sleeps.</summary>
    public static ExitVerdict Wait(VCpu vcpu, in VmExit exit)
    {
        MmioEmulation.Retire(vcpu.Hart.State, exit.Length);
        return TrapUnit.HasWakeup(in vcpu.Hart.State->Privileged) ? ExitVerdict.Resume : ExitVerdict.Block;
    }

    /// <summary>Whether an interrupt arrived that ends a wait.</summary>
    public static bool HasWakeup(VCpu vcpu) => TrapUnit.HasWakeup(in vcpu.Hart.State->Privileged);

    /// <summary>Completes a device access on the bus; an access fault is the guest's where nothing answers.</summary>
    public static ExitVerdict Access(VCpu vcpu, in VmExit exit, MmioBus bus)
    {
        HartContext hart = vcpu.Hart;
        if (!MmioEmulation.TryComplete(hart.State, in exit, bus, out ulong address))
            Deliver(hart, MmioEmulation.FaultOf(in exit), address);
        return ExitVerdict.Resume;
    }

    /// <summary>Gives the guest an exception that was found outside the engine, and counts it as the engine counts its own.</summary>
    public static void Deliver(HartContext hart, TrapCause cause, ulong value)
    {
        TrapUnit.Enter(hart.State, ref hart.State->Privileged, (ulong)cause, value);
        hart.State->UsedBefore++;
        hart.State->TrapsTaken++;
        hart.ContextStale = true;
    }

    private static void Due(VCpu vcpu)
    {
        // The guest may have turned Sstc off since: then the bit is software's again.
        if (CsrFile.TimerDeadline(in vcpu.Hart.State->Privileged) != ulong.MaxValue)
            vcpu.SetInterrupt(InterruptBits.Sti, true);
    }
}
