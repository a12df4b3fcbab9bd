using System.Diagnostics;
using Hypervisor.Core.Engine;
using Hypervisor.Core.Hart;
using Hypervisor.Core.Isa;
using Hypervisor.Core.Machine;
using Hypervisor.Core.Memory;
using Hypervisor.Guests.Common;

namespace Hypervisor.Guests.Full;

/// <summary>
/// Trap and emulate: the guest, its kernel and its firmware run in user mode. Everything that user mode may not do leaves the
/// engine and is done here on virtual registers; every exception is given back to the guest's own handlers.
/// </summary>
/// <remarks>Invariant for the unsafe code: register numbers are five bits of the instruction.</remarks>
internal sealed unsafe class FullMode(VirtualMachine machine, Board board) : IBoardMode, IPersonality, ICounted
{
    public IEnumerable<(string Name, long Value)> Counters
    {
        get
        {
            List<FullHart> harts = [.. machine.VCpus.Select(HartOf)];
            yield return ("shadow entries filled", harts.Sum(hart => hart.Shadows.Fills));
            yield return ("shadow misses that are the guest's own faults", harts.Sum(hart => hart.Shadows.Refusals));
            yield return ("address-space switches", harts.Sum(hart => hart.Shadows.Switches));
            yield return ("shadow spaces evicted", harts.Sum(hart => hart.Shadows.Evictions));
            yield return ("shadow fences for everything", harts.Sum(hart => hart.Shadows.FullFences));
            yield return ("shadow fences for one page", harts.Sum(hart => hart.Shadows.PageFences));
            for (int i = 0; i < 64; i++)
            {
                if (harts.Sum(hart => hart.Reflected[i]) is > 0 and var count)
                    yield return ($"exceptions given to the guest: {(TrapCause)i}", count);
            }

            for (int i = 0; i < 64; i++)
            {
                if (harts.Sum(hart => hart.Injected[i]) is > 0 and var count)
                    yield return ($"interrupts given to the guest: {i}", count);
            }
        }
    }

    public string Name => "full";

    public VCpu AddHart(ulong number, IExecutionEngine engine)
    {
        var shadows = new ShadowTables(machine.Memory);
        var controls = new ExitControls { Exceptions = ExitControls.AllExceptions, DeviceAccessExits = true };
        var hart = new HartContext(machine.Memory, new ShadowTranslator(shadows), controls, vectorBits: machine.VectorBits);
        VCpu vcpu = machine.AddVCpu(hart, this, engine);
        vcpu.Data = new FullHart(vcpu, shadows, number);
        return vcpu;
    }

    public void SetInterrupt(VCpu vcpu, ulong mask, bool pending) => HartOf(vcpu).SetInterrupt(mask, pending);

    public ref PrivilegedState StateOf(VCpu vcpu) => ref HartOf(vcpu).Virtual;

    public void Follow(VCpu vcpu, int csr, CsrEffects effects) => HartOf(vcpu).Apply(csr, effects);

    public ExitVerdict BeforeSlice(VCpu vcpu) => ExitVerdict.Resume;

    public void PrepareRun(VCpu vcpu) => HartOf(vcpu).Inject();

    public bool HasPendingWork(VCpu vcpu) => TrapUnit.HasWakeup(in HartOf(vcpu).Virtual);

    public ExitVerdict OnExit(VCpu vcpu, in VmExit exit)
    {
        FullHart hart = HartOf(vcpu);
        switch (exit.Reason)
        {
            case VmExitReason.PrivilegedInstruction:
                return Emulate(hart, in exit);

            case VmExitReason.TranslationMiss:
                Fill(hart, in exit);
                return ExitVerdict.Resume;

            case VmExitReason.EnvironmentCall:
                hart.Reflect((ulong)TrapCause.EcallFromU + (ulong)hart.Virtual.Mode, 0);
                return ExitVerdict.Resume;

            case VmExitReason.MmioRead:
            case VmExitReason.MmioWrite:
                if (!MmioEmulation.TryComplete(hart.State, in exit, board.Bus, out ulong address))
                    hart.Reflect((ulong)MmioEmulation.FaultOf(in exit), address);
                return ExitVerdict.Resume;

            case VmExitReason.Breakpoint:
            case VmExitReason.IllegalInstruction:
            case VmExitReason.PageFault:
            case VmExitReason.AccessFault:
                hart.Reflect(exit.Cause, exit.Value);
                return ExitVerdict.Resume;

            default:
                throw new UnreachableException($"a deprivileged hart left the engine for {exit.Reason}");
        }
    }

    private static FullHart HartOf(VCpu vcpu) => (FullHart)vcpu.Data!;

    private static void Fill(FullHart hart, in VmExit exit)
    {
        TlbContext context = hart.Hart.ForcedContext!.Value;
        TranslationStatus status = hart.Shadows.Fill(ref hart.Virtual, exit.Value, exit.Access, context);
        if (status == TranslationStatus.Ok)
            return;
        bool page = status == TranslationStatus.PageFault;

        // Cache-block management loads, and faults as a store.
        AccessKind faulted = (Opcode)exit.Opcode is >= Opcode.CboInval and <= Opcode.CboZero ? AccessKind.Store : exit.Access;
        TrapCause cause = faulted switch
        {
            AccessKind.Fetch => page ? TrapCause.InstructionPageFault : TrapCause.InstructionAccessFault,
            AccessKind.Load => page ? TrapCause.LoadPageFault : TrapCause.LoadAccessFault,
            _ => page ? TrapCause.StorePageFault : TrapCause.StoreAccessFault,
        };
        hart.Reflect((ulong)cause, exit.Value);
    }

    /// <summary>Does a privileged instruction on the virtual state, or gives the guest the exception it raises there.</summary>
    private static ExitVerdict Emulate(FullHart hart, in VmExit exit)
    {
        HartState* s = hart.State;
        var opcode = (Opcode)exit.Opcode;
        switch (opcode)
        {
            case >= Opcode.Csrrw and <= Opcode.Csrrci:
                if (!TryCsr(hart, opcode, exit.Instruction))
                    break;
                return ExitVerdict.Resume;

            case Opcode.Mret:
            case Opcode.Sret:
                if (!(opcode == Opcode.Mret ? TrapUnit.MachineReturn(s, ref hart.Virtual) : TrapUnit.SupervisorReturn(s, ref hart.Virtual)))
                    break;
                s->UsedBefore++;
                hart.SyncMode();
                hart.Inject();
                return ExitVerdict.Resume;

            case Opcode.SfenceVma:
            case Opcode.SinvalVma:
                if (!TrapUnit.FenceIsLegal(in hart.Virtual))
                    break;
                ulong* x = RegisterFile.X(s);
                uint rs1 = (exit.Instruction >> 15) & 31;
                uint rs2 = (exit.Instruction >> 20) & 31;
                hart.Fence(rs1 == 0 ? null : x[rs1], rs2 == 0 ? null : x[rs2]);
                MmioEmulation.Retire(s, exit.Length);
                return ExitVerdict.Resume;

            case Opcode.SfenceWInval:
            case Opcode.SfenceInvalIr:
                if (hart.Virtual.Mode == PrivilegeMode.User)
                    break;
                MmioEmulation.Retire(s, exit.Length);
                return ExitVerdict.Resume;

            case Opcode.Wfi:
                if (!TrapUnit.WaitIsLegal(in hart.Virtual))
                    break;
                MmioEmulation.Retire(s, exit.Length);
                return TrapUnit.HasWakeup(in hart.Virtual) ? ExitVerdict.Resume : ExitVerdict.Block;
        }

        hart.Reflect((ulong)TrapCause.IllegalInstruction, exit.Value);
        return ExitVerdict.Resume;
    }

    private static bool TryCsr(FullHart hart, Opcode opcode, uint instruction)
    {
        HartState* s = hart.State;
        ulong* x = RegisterFile.X(s);
        var csr = (int)(instruction >> 20);
        uint rs1 = (instruction >> 15) & 31;
        uint rd = (instruction >> 7) & 31;
        CsrOperation operation = opcode switch
        {
            Opcode.Csrrw or Opcode.Csrrwi => CsrOperation.Write,
            Opcode.Csrrs or Opcode.Csrrsi => CsrOperation.Set,
            _ => CsrOperation.Clear,
        };
        ulong operand = opcode >= Opcode.Csrrwi ? rs1 : x[rs1];
        bool writes = operation == CsrOperation.Write || rs1 != 0;
        CsrCounters counters = CsrFile.UsesCounters(csr) ? hart.Counters : default;
        if (!CsrFile.TryAccess(s, ref hart.Virtual, csr, operation, operand, rd != 0, writes, in counters, out ulong old, out CsrEffects effects))
            return false;
        if (rd != 0)
            x[rd] = old;
        MmioEmulation.Retire(s, 4);
        if (writes)
            hart.Apply(csr, effects);
        return true;
    }
}
