using System.Diagnostics;
using Hypervisor.Core.Engine;
using Hypervisor.Core.Hart;
using Hypervisor.Core.Machine;
using Hypervisor.Guests.Common;

namespace Hypervisor.Guests.Assisted;

/// <summary>
/// Virtualization with the engine's help: it serves all of the guest's privileged state and delivers its traps and
/// interrupts, while a second stage of translation keeps the guest in its memory. Only device accesses, waits and pages
/// touched for the first time leave it.
/// </summary>
internal sealed class AssistedMode(VirtualMachine machine, Board board) : IBoardMode, IPersonality, ICounted
{
    private long _filled;

    private readonly SecondStage _stage = new(machine.Memory);

    public string Name => "assisted";

    public IEnumerable<(string Name, long Value)> Counters => [("second-stage pages filled", Interlocked.Read(ref _filled))];

    public VCpu AddHart(ulong number, IExecutionEngine engine)
    {
        var controls = new ExitControls { DeliverInterrupts = true, DeviceAccessExits = true };
        var hart = new HartContext(machine.Memory, new TwoStageTranslator(machine.Memory, _stage), controls, vectorBits: machine.VectorBits);
        return ServedHart.Add(machine, hart, number, this, engine);
    }

    public void SetInterrupt(VCpu vcpu, ulong mask, bool pending) => vcpu.SetInterrupt(mask, pending);

    public ref PrivilegedState StateOf(VCpu vcpu) => ref ServedHart.StateOf(vcpu);

    public void Follow(VCpu vcpu, int csr, CsrEffects effects) => ServedHart.Follow(vcpu, effects);

    public ExitVerdict BeforeSlice(VCpu vcpu) => ExitVerdict.Resume;

    public void PrepareRun(VCpu vcpu)
    {
    }

    public ExitVerdict OnExit(VCpu vcpu, in VmExit exit)
    {
        switch (exit.Reason)
        {
            case VmExitReason.TranslationMiss:
                _stage.Fill(exit.Value);
                Interlocked.Increment(ref _filled);
                return ExitVerdict.Resume;
            case VmExitReason.MmioRead:
            case VmExitReason.MmioWrite:
                return ServedHart.Access(vcpu, in exit, board.Bus);
            case VmExitReason.WaitForInterrupt:
                return ServedHart.Wait(vcpu, in exit);
            default:
                throw new UnreachableException($"an assisted hart left the engine for {exit.Reason}");
        }
    }

    public bool HasPendingWork(VCpu vcpu) => ServedHart.HasWakeup(vcpu);
}
