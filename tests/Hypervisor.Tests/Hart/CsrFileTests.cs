using Hypervisor.Core.Hart;
using Hypervisor.Core.Isa;
using Hypervisor.Core.Memory;

namespace Hypervisor.Tests.Hart;

public sealed unsafe class CsrFileTests
{
    private HartState _state;
    private PrivilegedState _p;

    public CsrFileTests() => CsrFile.Reset(ref _p, 3);

    [Fact]
    public void TryAccess_FloatingPointOff_IsIllegal()
    {
        Assert.Null(Read(CsrNumber.Fcsr));
        Assert.True(Write(CsrNumber.Mstatus, MstatusBits.Fs, out CsrEffects effects));
        Assert.Equal(CsrEffects.ContextChanged, effects);
        Assert.True(Write(CsrNumber.Fcsr, 0xFF, out _));
        Assert.Equal(0x1FUL, Read(CsrNumber.Fflags));
        Assert.Equal(7UL, Read(CsrNumber.Frm));
    }

    [Fact]
    public void TryRead_StatusAfterFloatingPointWrite_ShowsDirty()
    {
        Write(CsrNumber.Mstatus, 1UL << MstatusBits.FsShift, out _);
        Assert.Equal(0UL, Read(CsrNumber.Sstatus) & MstatusBits.Sd);
        _state.FpDirty = 1;
        Assert.Equal(MstatusBits.Fs | MstatusBits.Sd, Read(CsrNumber.Sstatus) & (MstatusBits.Fs | MstatusBits.Sd));
        Write(CsrNumber.Mstatus, 1UL << MstatusBits.FsShift, out _);
        Assert.Equal(1UL << MstatusBits.FsShift, Read(CsrNumber.Mstatus) & (MstatusBits.Fs | MstatusBits.Sd));
    }

    [Fact]
    public void TryAccess_SetOnMipWithTheControllersLineHigh_DoesNotLatchTheLine()
    {
        _p.Mip = InterruptBits.Sei;
        Access(CsrNumber.Mip, CsrOperation.Set, InterruptBits.Ssi);
        Assert.Equal(InterruptBits.Sei | InterruptBits.Ssi, Read(CsrNumber.Mip));
        Interlocked.And(ref _p.Mip, ~InterruptBits.Sei);
        Assert.Equal(InterruptBits.Ssi, Read(CsrNumber.Mip));
    }

    [Fact]
    public void TryAccess_ClearOnMip_LeavesTheControllersLine()
    {
        Access(CsrNumber.Mip, CsrOperation.Set, InterruptBits.Sei);
        _p.Mip |= InterruptBits.Sei;
        Access(CsrNumber.Mip, CsrOperation.Clear, InterruptBits.Sei);
        Assert.Equal(InterruptBits.Sei, Read(CsrNumber.Mip));
    }

    [Fact]
    public void TryWrite_Stimecmp_RaisesAndLowersTheTimerInterrupt()
    {
        Write(CsrNumber.Menvcfg, CsrFile.EnvTimerCompare, out _);
        Assert.True(Write(CsrNumber.Stimecmp, 99, out CsrEffects effects));
        Assert.True(effects.HasFlag(CsrEffects.TimerChanged));
        Assert.Equal(InterruptBits.Sti, Read(CsrNumber.Mip));
        Assert.Equal(99UL, CsrFile.TimerDeadline(in _p));
        Write(CsrNumber.Stimecmp, 101, out _);
        Assert.Equal(0UL, Read(CsrNumber.Mip));
        Write(CsrNumber.Menvcfg, 0, out _);
        Assert.Equal(ulong.MaxValue, CsrFile.TimerDeadline(in _p));
    }

    [Fact]
    public void TryWrite_Counters_CountOnFromTheValueWritten()
    {
        Write(CsrNumber.Minstret, 0, out _);
        Assert.Equal(0UL, Read(CsrNumber.Instret, retired: 51));
        Assert.Equal(9UL, Read(CsrNumber.Minstret, retired: 60));
        Write(CsrNumber.Mcountinhibit, ulong.MaxValue, out _, retired: 60);
        Assert.Equal(5UL, Read(CsrNumber.Mcountinhibit));
        Assert.Equal(9UL, Read(CsrNumber.Minstret, retired: 99));
        Write(CsrNumber.Mcountinhibit, 0, out _, retired: 100);
        Assert.Equal(10UL, Read(CsrNumber.Minstret, retired: 101));
    }

    [Fact]
    public void TryAccess_SatpUnderTvm_IsIllegalInSupervisorMode()
    {
        _p.Mode = PrivilegeMode.Supervisor;
        Assert.True(Write(CsrNumber.Satp, 8UL << 60 | 0x80000, out CsrEffects effects));
        Assert.Equal(CsrEffects.TranslationChanged, effects);
        Assert.True(Write(CsrNumber.Satp, 8UL << 60 | 0x80000, out effects));
        Assert.Equal(CsrEffects.None, effects);
        Assert.True(Write(CsrNumber.Satp, 3UL << 60, out _));
        Assert.Equal(8UL << 60 | 0x80000, Read(CsrNumber.Satp));
        _p.Mstatus |= MstatusBits.Tvm;
        Assert.Null(Read(CsrNumber.Satp));
        Assert.False(Write(CsrNumber.Satp, 0, out _));
    }

    [Theory]
    [InlineData(0x3c0)]
    [InlineData(0xda0)]
    [InlineData(0xfb0)]
    [InlineData(0x30c)]
    [InlineData(0x7a0)]
    [InlineData(0x600)]
    public void TryRead_NotImplemented_IsIllegal(int csr) => Assert.Null(Read(csr));

    [Fact]
    public void TryWrite_LockedPmpEntry_KeepsItsValue()
    {
        Write(CsrNumber.Pmpaddr0, 0x2000_0000, out _);
        Write(CsrNumber.Pmpaddr0 + 1, 0x2100_0000, out _);
        Assert.True(Write(CsrNumber.Pmpcfg0, 0x8900, out CsrEffects effects));
        Assert.Equal(CsrEffects.TranslationChanged, effects);
        Write(CsrNumber.Pmpaddr0, 0, out _);
        Write(CsrNumber.Pmpaddr0 + 1, 0, out _);
        Write(CsrNumber.Pmpcfg0, 0, out _);
        Assert.Equal(0x2000_0000UL, Read(CsrNumber.Pmpaddr0));
        Assert.Equal(0x2100_0000UL, Read(CsrNumber.Pmpaddr0 + 1));
        Assert.Equal(0x8900UL, Read(CsrNumber.Pmpcfg0));
    }

    [Fact]
    public void Pmp_GrainOfAPage_ShowsInAddressesAsTheSpecificationSays()
    {
        Write(CsrNumber.Pmpaddr0, ulong.MaxValue, out _);
        Assert.Equal(((1UL << 54) - 1) & ~0x3FFUL, Read(CsrNumber.Pmpaddr0));
        Write(CsrNumber.Pmpaddr0, 0, out _);
        Write(CsrNumber.Pmpcfg0, 0x18, out _);
        Assert.Equal(0x1FFUL, Read(CsrNumber.Pmpaddr0));
    }

    [Theory]
    [InlineData(0x8000_0000UL, AccessKind.Load, PrivilegeMode.Supervisor, false)]
    [InlineData(0x8000_0000UL, AccessKind.Load, PrivilegeMode.Machine, true)]
    [InlineData(0x8000_2000UL, AccessKind.Load, PrivilegeMode.User, true)]
    [InlineData(0x8000_2000UL, AccessKind.Store, PrivilegeMode.User, false)]
    [InlineData(0x8000_3000UL, AccessKind.Store, PrivilegeMode.Machine, true)]
    [InlineData(0x9000_0000UL, AccessKind.Load, PrivilegeMode.Supervisor, false)]
    [InlineData(0x9000_0000UL, AccessKind.Load, PrivilegeMode.Machine, true)]
    [InlineData(0xA000_1000UL, AccessKind.Fetch, PrivilegeMode.Machine, false)]
    public void Pmp_Entries_FirstMatchDecides(ulong address, object kind, object mode, bool allowed)
    {
        // 0: NAPOT 8 KiB at 0x8000_0000, nothing; 1: TOR up to 0x9000_0000 from entry 0's address, read only;
        // 2: NAPOT 8 KiB at 0xA000_0000, locked, read only.
        Write(CsrNumber.Pmpaddr0, 0x8000_0000 >> 2 | 0x3FF, out _);
        Write(CsrNumber.Pmpaddr0 + 1, 0x9000_0000 >> 2, out _);
        Write(CsrNumber.Pmpaddr0 + 2, 0xA000_0000 >> 2 | 0x3FF, out _);
        Write(CsrNumber.Pmpcfg0, 0x990918, out _);
        Assert.Equal(allowed, Pmp.Allows(in _p, address, (AccessKind)kind, (PrivilegeMode)mode));
    }

    private ulong? Read(int csr, ulong retired = 50)
    {
        fixed (HartState* s = &_state)
            return CsrFile.TryRead(s, ref _p, csr, new CsrCounters(10, 100, retired), out ulong value) ? value : null;
    }

    private bool Write(int csr, ulong value, out CsrEffects effects, ulong retired = 50)
    {
        fixed (HartState* s = &_state)
            return CsrFile.TryWrite(s, ref _p, csr, value, new CsrCounters(10, 100, retired), out effects);
    }

    private void Access(int csr, CsrOperation operation, ulong operand)
    {
        fixed (HartState* s = &_state)
            Assert.True(CsrFile.TryAccess(s, ref _p, csr, operation, operand, true, true, default, out _, out _));
    }
}
