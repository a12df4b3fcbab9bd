using System.Diagnostics;
using Hypervisor.Core.Engine;
using Hypervisor.Core.Hart;
using Hypervisor.Core.Machine;
using Hypervisor.Core.Memory;
using Hypervisor.Guests.Common;

namespace Hypervisor.Guests.Bare;

/// <summary>
/// No hypervisor: the guest owns the engine. Its tables are the only ones, its traps go to its own vectors, and device
/// accesses reach the bus without leaving guest code. The baseline of every comparison.
/// </summary>
internal sealed class BareMode(VirtualMachine machine, Board board) : IBoardMode, IPersonality
{
    public string Name => "bare";

    public VCpu AddHart(ulong number, IExecutionEngine engine)
    {
        var controls = new ExitControls { DeliverInterrupts = true };
        var hart = new HartContext(machine.Memory, new DirectTranslator(machine.Memory), controls, vectorBits: machine.VectorBits) { Bus = board.Bus };
        return ServedHart.Add(machine, hart, number, this, engine);
    }

    public void SetInterrupt(VCpu vcpu, ulong mask, bool pending) => vcpu.SetInterrupt(mask, pending);

    public ref PrivilegedState StateOf(VCpu vcpu) => ref ServedHart.StateOf(vcpu);

    public void Follow(VCpu vcpu, int csr, CsrEffects effects) => ServedHart.Follow(vcpu, effects);

    public ExitVerdict BeforeSlice(VCpu vcpu) => ExitVerdict.Resume;

    public void PrepareRun(VCpu vcpu)
    {
    }

    public ExitVerdict OnExit(VCpu vcpu, in VmExit exit) => exit.Reason == VmExitReason.WaitForInterrupt
        ? ServedHart.Wait(vcpu, in exit)
        : throw new UnreachableException($"a bare hart left the engine for {exit.Reason}");

    public bool HasPendingWork(VCpu vcpu) => ServedHart.HasWakeup(vcpu);
}
