using System.Diagnostics;
using Hypervisor.Core.Engine;
using Hypervisor.Core.Hart;
using Hypervisor.Core.Isa;
using Hypervisor.Core.Machine;
using Hypervisor.Guests.Common;
using Hypervisor.Guests.Common.Sbi;

namespace Hypervisor.Guests.Para;

/// <summary>
/// The paravirtual mode: the guest kernel runs in S-mode on the engine, its own user traps never leave, and what does leave
/// is a call to the SBI or to the paravirtual extension, a wait, or (while a kernel sets its devices up) a device access.
/// </summary>
/// <remarks>Invariant for the unsafe code: a hart's state is unmanaged memory that lives as long as its vCPU.</remarks>
internal sealed unsafe class ParaPersonality(ParaMachine machine) : IPersonality
{
    private const int EcallLength = 4;

    /// <summary>Only environment calls from S-mode leave; all else goes to the guest, as <see cref="ParaHart.Reset"/> delegates it.</summary>
    public static ExitControls Controls => new()
    {
        Exceptions = 1UL << (int)TrapCause.EcallFromS,
        DeliverInterrupts = true,
        DeviceAccessExits = true,
    };

    /// <inheritdoc/>
    public string Name => "para";

    /// <inheritdoc/>
    public ExitVerdict BeforeSlice(VCpu vcpu)
    {
        machine.StealTime.Update(vcpu.Id, vcpu.Meter);
        return ExitVerdict.Resume;
    }

    /// <inheritdoc/>
    public void PrepareRun(VCpu vcpu)
    {
        var hart = (ParaHart)vcpu.Data!;
        hart.ObeyFences();
        if (hart.Sleeping)
            WakeUp(hart);
        if (hart.SharedInfo is { } page)
        {
            page.SetAccounts(
                (ulong)(vcpu.Meter.RunNanoseconds / HartContext.NanosecondsPerTick),
                (ulong)(vcpu.Meter.WaitNanoseconds / HartContext.NanosecondsPerTick));
            hart.EvaluateLine();
        }
    }

    /// <inheritdoc/>
    public ExitVerdict OnExit(VCpu vcpu, in VmExit exit)
    {
        var hart = (ParaHart)vcpu.Data!;
        switch (exit.Reason)
        {
            case VmExitReason.EnvironmentCall:
                return Call(hart);
            case VmExitReason.WaitForInterrupt:
                MmioEmulation.Retire(vcpu.Hart.State, exit.Length);
                return Sleep(hart);
            case VmExitReason.MmioRead:
            case VmExitReason.MmioWrite:
                Access(vcpu.Hart, in exit);
                hart.EvaluateLine();
                return ExitVerdict.Resume;
            case VmExitReason.TranslationMiss when hart.Status == SbiHartStatus.Stopped:
                return Sleep(hart);
            default:
                throw new UnreachableException($"para: the controls let no exit {exit.Reason} with cause {exit.Cause} happen");
        }
    }

    /// <inheritdoc/>
    public bool HasPendingWork(VCpu vcpu)
    {
        var hart = (ParaHart)vcpu.Data!;
        return hart.Status switch
        {
            SbiHartStatus.Stopped => false,
            SbiHartStatus.StartPending => true,
            _ => hart.InBlock ? ParaMachine.BlockIsOver(hart) : hart.HasInterrupt,
        };
    }

    private ExitVerdict Call(ParaHart hart)
    {
        HartState* state = hart.Hart.State;
        ulong* x = RegisterFile.X(state);
        SbiResult result = machine.Sbi.Call(new SbiCall(hart.Id, x[17], x[16], x[10], x[11], x[12], x[13], x[14], x[15]));
        x[10] = (ulong)result.Error;
        if (result.Completion != SbiCompletion.ResumeLegacy)
            x[11] = result.Value;
        MmioEmulation.Retire(state, EcallLength);
        hart.EvaluateLine();
        return result.Completion switch
        {
            SbiCompletion.Resume or SbiCompletion.ResumeLegacy => ExitVerdict.Resume,
            SbiCompletion.Yield => ExitVerdict.Yield,
            SbiCompletion.Block => Sleep(hart),
            _ => ExitVerdict.Stop,
        };
    }

    private void Access(HartContext hart, in VmExit exit)
    {
        if (MmioEmulation.TryComplete(hart.State, in exit, machine.Bus, out ulong address))
            return;
        ServedHart.Deliver(hart, MmioEmulation.FaultOf(in exit), address);
    }

    private static ExitVerdict Sleep(ParaHart hart)
    {
        hart.Sleeping = true;
        return ExitVerdict.Block;
    }

    /// <summary>A hart that slept is about to run: it starts, resumes, or gets the value of its block call.</summary>
    private void WakeUp(ParaHart hart)
    {
        hart.Sleeping = false;
        switch (hart.Status)
        {
            case SbiHartStatus.Stopped:
                // Woken for nothing: it is parked, and goes back to sleep at its first fetch.
                return;
            case SbiHartStatus.StartPending:
                hart.Reset(hart.StartAddress, hart.StartOpaque);
                hart.Status = SbiHartStatus.Started;
                return;
            case SbiHartStatus.Suspended:
                if (hart.ResumesAnew)
                    hart.ResumeAnew();
                hart.Status = SbiHartStatus.Started;
                return;
        }

        if (hart.InBlock)
        {
            machine.FinishBlock(hart);
            RegisterFile.X(hart.Hart.State)[11] = hart.SharedInfo is { HasEvents: true } ? 1UL : 0;
        }
    }
}
