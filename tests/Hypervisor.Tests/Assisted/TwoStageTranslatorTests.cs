using Hypervisor.Core.Hart;
using Hypervisor.Core.Memory;
using Hypervisor.Guests.Assisted;

namespace Hypervisor.Tests.Assisted;

public sealed unsafe class TwoStageTranslatorTests : IDisposable
{
    private const ulong Ram = 0x8000_0000;

    private readonly GuestMemory _memory = new(new MemoryRegion(Ram, 8 << 20));
    private readonly SecondStage _stage;
    private HartState _state;

    public TwoStageTranslatorTests()
    {
        _stage = new SecondStage(_memory);
        CsrFile.Reset(ref _state.Privileged, 0);
        Pmp.OpenAll(ref _state.Privileged);

        // Three levels: root in the first page, then one each at 2 and 4 MiB; the page itself at 6 MiB.
        Pointer(Ram, Ram + 0x20_0000, 1);
        Pointer(Ram + 0x20_0000, Ram + 0x40_0000, 1);
        Pointer(Ram + 0x40_0000, Ram + 0x60_0000, 0x07);
        _state.Privileged.Satp = 8UL << 60 | Ram >> 12;
    }

    public void Dispose() => _memory.Dispose();

    [Fact]
    public void Translate_NothingFilled_AsksForEachTableAndThenThePage()
    {
        foreach (ulong expected in (ulong[])[Ram, Ram + 0x20_0000, Ram + 0x40_0000, Ram + 0x60_0000])
        {
            Assert.Equal(TranslationStatus.Exit, Translate(0x123, out Translation missing));
            Assert.Equal(expected, missing.ExitValue & ~0xFFFUL);
            _stage.Fill(missing.ExitValue);
        }

        Assert.Equal(TranslationStatus.Ok, Translate(0x123, out Translation page));
        Assert.Equal(Ram + 0x60_0123, page.GuestPhysical);
        Assert.True(page.HostPage == _memory.HostPage(Ram + 0x60_0000));
        Assert.True(page is { Readable: true, Writable: false, PageShift: <= 12 });
    }

    [Fact]
    public void Translate_DeviceSpace_NeedsNoSecondStage()
    {
        _state.Privileged.Satp = 0;
        Assert.Equal(TranslationStatus.Ok, Translate(0x1000_0000, out Translation page));
        Assert.True(page.HostPage == null);
        Assert.Equal(0x1000_0000UL, page.GuestPhysical);
    }

    [Fact]
    public void Translate_TableOutsideRam_IsAnAccessFault()
    {
        _state.Privileged.Satp = 8UL << 60 | 0x1000_0000 >> 12;
        Assert.Equal(TranslationStatus.AccessFault, Translate(0, out _));
    }

    private void Pointer(ulong table, ulong target, ulong bits) => _memory.TryWrite(table, target >> 12 << 10 | bits);

    private TranslationStatus Translate(ulong address, out Translation translation)
    {
        fixed (HartState* s = &_state)
            return new TwoStageTranslator(_memory, _stage).Translate(s, address, AccessKind.Load, TlbContext.Supervisor, out translation);
    }
}
