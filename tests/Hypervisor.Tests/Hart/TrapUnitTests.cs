using Hypervisor.Core.Hart;
using Hypervisor.Core.Isa;

namespace Hypervisor.Tests.Hart;

public sealed unsafe class TrapUnitTests
{
    private const ulong Interrupt = 1UL << 63;

    private HartState _state;
    private PrivilegedState _p;

    public TrapUnitTests()
    {
        CsrFile.Reset(ref _p, 0);
        _p.Mtvec = 0x1000;
        _p.Stvec = 0x2000;
    }

    [Fact]
    public void Enter_NotDelegated_GoesToMachineModeAndSavesTheMode()
    {
        _p.Mode = PrivilegeMode.Supervisor;
        _p.Mstatus |= MstatusBits.Mie;
        Enter(0x500, (ulong)TrapCause.StorePageFault, 0xdead);
        Assert.Equal(PrivilegeMode.Machine, _p.Mode);
        Assert.Equal((0x500UL, 15UL, 0xdeadUL, 0x1000UL), (_p.Mepc, _p.Mcause, _p.Mtval, _state.Pc));
        Assert.Equal(MstatusBits.Mpie | (1UL << MstatusBits.MppShift), _p.Mstatus & (MstatusBits.Mie | MstatusBits.Mpie | MstatusBits.Mpp));
    }

    [Fact]
    public void Enter_DelegatedFromUser_GoesToSupervisorMode()
    {
        _p.Mode = PrivilegeMode.User;
        _p.Medeleg = 1 << 8;
        _p.Mstatus |= MstatusBits.Sie | MstatusBits.Spp;
        Enter(0x500, (ulong)TrapCause.EcallFromU, 0);
        Assert.Equal(PrivilegeMode.Supervisor, _p.Mode);
        Assert.Equal((0x500UL, 8UL, 0x2000UL), (_p.Sepc, _p.Scause, _state.Pc));
        Assert.Equal(MstatusBits.Spie, _p.Mstatus & (MstatusBits.Sie | MstatusBits.Spie | MstatusBits.Spp));
    }

    [Fact]
    public void Enter_DelegatedButInMachineMode_StaysInMachineMode()
    {
        _p.Medeleg = ulong.MaxValue;
        Enter(0x500, (ulong)TrapCause.Breakpoint, 0x500);
        Assert.Equal(PrivilegeMode.Machine, _p.Mode);
        Assert.Equal(0x1000UL, _state.Pc);
    }

    [Theory]
    [InlineData(0x1001UL, Interrupt | 7, 0x1000UL + 28)]
    [InlineData(0x1001UL, 7UL, 0x1000UL)]
    [InlineData(0x1000UL, Interrupt | 7, 0x1000UL)]
    public void Enter_VectoredMode_OnlyInterruptsAreSpread(ulong vector, ulong cause, ulong pc)
    {
        _p.Mtvec = vector;
        Enter(0x500, cause, 0);
        Assert.Equal(pc, _state.Pc);
    }

    [Theory]
    [InlineData(PrivilegeMode.User)]
    [InlineData(PrivilegeMode.Supervisor)]
    [InlineData(PrivilegeMode.Machine)]
    public void MachineReturn_AfterEnter_RestoresModeAndEnable(object modeOf)
    {
        var mode = (PrivilegeMode)modeOf;
        _p.Mode = mode;
        _p.Mstatus |= MstatusBits.Mie | MstatusBits.Mprv;
        Enter(0x500, (ulong)TrapCause.IllegalInstruction, 0);
        fixed (HartState* s = &_state)
            Assert.True(TrapUnit.MachineReturn(s, ref _p));
        Assert.Equal((mode, 0x500UL), (_p.Mode, _state.Pc));
        Assert.Equal(MstatusBits.Mie | MstatusBits.Mpie, _p.Mstatus & (MstatusBits.Mie | MstatusBits.Mpie | MstatusBits.Mpp));
        Assert.Equal(mode == PrivilegeMode.Machine, (_p.Mstatus & MstatusBits.Mprv) != 0);
    }

    [Theory]
    [InlineData(PrivilegeMode.User, 0UL, false)]
    [InlineData(PrivilegeMode.Supervisor, 0UL, true)]
    [InlineData(PrivilegeMode.Supervisor, MstatusBits.Tsr, false)]
    [InlineData(PrivilegeMode.Machine, MstatusBits.Tsr, true)]
    public void SupervisorReturn_ByModeAndTsr_IsLegalOrNot(object mode, ulong status, bool legal)
    {
        _p.Mode = (PrivilegeMode)mode;
        _p.Mstatus |= status;
        fixed (HartState* s = &_state)
        {
            Assert.Equal(legal, TrapUnit.SupervisorReturn(s, ref _p));
            Assert.Equal(_p.Mode == PrivilegeMode.Machine, TrapUnit.MachineReturn(s, ref _p));
        }
    }

    [Fact]
    public void PendingInterrupt_AllPending_FollowsThePriorityOrder()
    {
        _p.Mip = InterruptBits.All;
        _p.Mode = PrivilegeMode.User;
        foreach (int expected in (int[])[11, 3, 7, 9, 1, 5])
        {
            _p.Mie = InterruptBits.All & _p.Mip;
            Assert.Equal(expected, TrapUnit.PendingInterrupt(in _p));
            _p.Mip &= ~(1UL << expected);
        }

        Assert.Equal(-1, TrapUnit.PendingInterrupt(in _p));
    }

    [Theory]
    [InlineData(PrivilegeMode.User, 0UL, true)]
    [InlineData(PrivilegeMode.Supervisor, 0UL, false)]
    [InlineData(PrivilegeMode.Supervisor, MstatusBits.Sie, true)]
    [InlineData(PrivilegeMode.Machine, MstatusBits.Sie | MstatusBits.Mie, false)]
    public void PendingInterrupt_Delegated_NeedsALowerModeOrSie(object mode, ulong status, bool taken)
    {
        _p.Mode = (PrivilegeMode)mode;
        _p.Mstatus |= status;
        _p.Mip = _p.Mie = _p.Mideleg = InterruptBits.Sti;
        Assert.Equal(taken ? 5 : -1, TrapUnit.PendingInterrupt(in _p));
        Assert.True(TrapUnit.HasWakeup(in _p));
    }

    [Fact]
    public void LegalityOfWaitAndFence_ByModeAndTraps()
    {
        foreach (PrivilegeMode mode in Enum.GetValues<PrivilegeMode>())
        {
            _p.Mode = mode;
            _p.Mstatus = 0;
            Assert.Equal(mode != PrivilegeMode.User, TrapUnit.WaitIsLegal(in _p));
            Assert.Equal(mode != PrivilegeMode.User, TrapUnit.FenceIsLegal(in _p));
            _p.Mstatus = MstatusBits.Tw | MstatusBits.Tvm;
            Assert.Equal(mode == PrivilegeMode.Machine, TrapUnit.WaitIsLegal(in _p));
            Assert.Equal(mode == PrivilegeMode.Machine, TrapUnit.FenceIsLegal(in _p));
        }
    }

    private void Enter(ulong pc, ulong cause, ulong value)
    {
        _state.Pc = pc;
        fixed (HartState* s = &_state)
            TrapUnit.Enter(s, ref _p, cause, value);
    }
}
