using Hypervisor.Core.Hart;
using Hypervisor.Core.Memory;

namespace Hypervisor.Tests.Memory;

public sealed unsafe class DirectTranslatorTests : IDisposable
{
    private const ulong Ram = 0x8000_0000;

    private readonly GuestMemory _memory = new(new MemoryRegion(Ram, 1 << 20));
    private HartState _state;

    public DirectTranslatorTests()
    {
        CsrFile.Reset(ref _state.Privileged, 0);

        // 0xC000_0000 is RAM's first page, read and write, supervisor only; 0x4000_0000 is the same for user mode.
        _memory.TryWrite(Ram + 0x1000 + 3 * 8, Ram >> 12 << 10 | 0xC7);
        _memory.TryWrite(Ram + 0x1000 + 1 * 8, Ram >> 12 << 10 | 0xD7);
        _state.Privileged.Satp = 8UL << 60 | (Ram + 0x1000) >> 12;
    }

    public void Dispose() => _memory.Dispose();

    [Fact]
    public void Translate_MachineMode_SeesPhysicalAddressesAndDeviceSpace()
    {
        Assert.Equal(TranslationStatus.Ok, Translate(Ram + 0x123, AccessKind.Fetch, TlbContext.Machine, out Translation ram));
        Assert.True(ram.HostPage == _memory.HostPage(Ram) && ram is { Readable: true, Writable: true, GuestPhysical: Ram + 0x123 });
        Assert.Equal(TranslationStatus.Ok, Translate(0x1000_0000, AccessKind.Store, TlbContext.Machine, out Translation device));
        Assert.True(device.HostPage == null);
    }

    [Fact]
    public void Translate_SupervisorWithoutPmpEntries_IsAnAccessFault()
    {
        Assert.Equal(TranslationStatus.AccessFault, Translate(0xC000_0000, AccessKind.Load, TlbContext.Supervisor, out _));
        Pmp.OpenAll(ref _state.Privileged);
        Assert.Equal(TranslationStatus.Ok, Translate(0xC000_0008, AccessKind.Load, TlbContext.Supervisor, out Translation page));
        Assert.Equal(Ram + 8, page.GuestPhysical);
        Assert.True(page.PageShift > 12);
    }

    [Fact]
    public void Translate_TablesWherePmpForbidsThem_IsAnAccessFault()
    {
        ref PrivilegedState p = ref _state.Privileged;
        Pmp.WriteAddress(ref p, 0, (Ram + 0x1000) >> 2 | 0x1FF);
        Pmp.WriteAddress(ref p, 1, ulong.MaxValue);
        Pmp.WriteConfig(ref p, 0, 0x1F18);
        Assert.Equal(TranslationStatus.AccessFault, Translate(0xC000_0000, AccessKind.Load, TlbContext.Supervisor, out _));
    }

    [Fact]
    public void Translate_MachineModeUnderMprv_BorrowsTheOtherModesAddressesForDataOnly()
    {
        Pmp.OpenAll(ref _state.Privileged);
        _state.Privileged.Mstatus |= MstatusBits.Mprv | (ulong)PrivilegeMode.Supervisor << MstatusBits.MppShift;
        Assert.Equal(TranslationStatus.Ok, Translate(0xC000_0010, AccessKind.Load, TlbContext.Machine, out Translation page));
        Assert.Equal(Ram + 0x10, page.GuestPhysical);
        Assert.Equal(TranslationStatus.PageFault, Translate(0x4000_0000, AccessKind.Load, TlbContext.Machine, out _));
        _state.Privileged.Mstatus |= MstatusBits.Sum;
        Assert.Equal(TranslationStatus.Ok, Translate(0x4000_0000, AccessKind.Load, TlbContext.Machine, out _));
        Assert.Equal(TranslationStatus.Ok, Translate(Ram, AccessKind.Fetch, TlbContext.Machine, out page));
        Assert.Equal(Ram, page.GuestPhysical);
    }

    [Theory]
    [InlineData(0x4000_0000UL, (int)TlbContext.User, true)]
    [InlineData(0xC000_0000UL, (int)TlbContext.User, false)]
    [InlineData(0x4000_0000UL, (int)TlbContext.Supervisor, false)]
    [InlineData(0x4000_0000UL, (int)TlbContext.SupervisorUserMemory, true)]
    public void Translate_ByContext_ReachesTheContextsPages(ulong address, int context, bool reached)
    {
        Pmp.OpenAll(ref _state.Privileged);
        Assert.Equal(reached ? TranslationStatus.Ok : TranslationStatus.PageFault, Translate(address, AccessKind.Store, (TlbContext)context, out _));
    }

    private TranslationStatus Translate(ulong address, AccessKind kind, TlbContext context, out Translation translation)
    {
        fixed (HartState* s = &_state)
            return new DirectTranslator(_memory).Translate(s, address, kind, context, out translation);
    }
}
