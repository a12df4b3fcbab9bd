using Hypervisor.Core.Hart;
using Hypervisor.Core.Memory;

namespace Hypervisor.Tests.Memory;

public sealed unsafe class TlbRunsTests : IDisposable
{
    private const ulong Ram = 0x8000_0000;
    private const int Pages = 512;

    private readonly GuestMemory _memory = new(new MemoryRegion(Ram, Pages * 4096));
    private readonly HostPages _tlb = HostPages.Allocate(Tlb.ContextBytes + 4096);

    public TlbRunsTests()
    {
        Tlb.Clear(Context, Tlb.EntriesPerContext);
        *StoresMade = 1;
        _memory.Code.RegisterTlb(Context, 1, StoresMade, (ulong*)StoresMade + 1);
    }

    private TlbEntry* Context => (TlbEntry*)_tlb.Base;

    private long* StoresMade => (long*)(_tlb.Base + Tlb.ContextBytes);

    public void Dispose()
    {
        _memory.Code.UnregisterTlb(Context);
        _tlb.Dispose();
        _memory.Dispose();
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void TryMake_OverPlainPages_HoldsThemToTheEndsOfItsRange(bool store)
    {
        AccessKind kind = store ? AccessKind.Store : AccessKind.Load;
        Assert.True(Make(Ram + 5 * 4096 + 8, kind));
        Assert.True(Find(Ram, kind, out Translation first));
        Assert.True(first.HostPage == _memory.HostPage(Ram) && first.GuestPhysical == Ram);
        Assert.True(Find(Ram + Tlb.RunBytes - 1, kind, out Translation last));
        Assert.Equal(Ram + Tlb.RunBytes - 1, last.GuestPhysical);
        Assert.False(Find(Ram + Tlb.RunBytes, kind, out _));
        Assert.False(Find(Ram, store ? AccessKind.Load : AccessKind.Store, out _));
    }

    [Fact]
    public void TryMake_ForStoresBetweenCodeAndAProtectedPage_LeavesThemOut()
    {
        _memory.Code.MarkCode(3, 0, 4);
        _memory.Code.SetProtected(9, isProtected: true);
        Assert.False(Make(Ram + 3 * 4096, AccessKind.Store));
        Assert.True(Make(Ram + 5 * 4096, AccessKind.Store));
        Assert.False(Find(Ram + 3 * 4096 + 4088, AccessKind.Store, out _));
        Assert.True(Find(Ram + 4 * 4096, AccessKind.Store, out _));
        Assert.True(Find(Ram + 8 * 4096, AccessKind.Store, out _));
        Assert.False(Find(Ram + 9 * 4096, AccessKind.Store, out _));
        Assert.True(Make(Ram + 5 * 4096, AccessKind.Load));
        Assert.True(Find(Ram + 3 * 4096, AccessKind.Load, out _));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Page_BecomesCodeOrProtectedInARun_EndsItForStoresOnly(bool code)
    {
        Make(Ram, AccessKind.Load);
        Make(Ram, AccessKind.Store);
        if (code)
            Assert.True(_memory.Code.MarkCode(7, 0, 4));
        else
            _memory.Code.SetProtected(7, isProtected: true);
        Assert.True(Find(Ram, AccessKind.Load, out _));
        Assert.False(Find(Ram, AccessKind.Store, out _));
    }

    [Fact]
    public void DropWindowsAt_APageOfARun_EndsTheRunAndTheWindowsThatHoldIt()
    {
        Make(Ram, AccessKind.Load);
        Make(Ram, AccessKind.Store);
        SetWindow(5, Ram, Tlb.RunBytes);
        SetWindow(6, Ram + 8 * 4096, 4096);
        SetWindow(7, Ram + 9 * 4096, 4096);
        Tlb.DropWindowsAt(Context, Ram + 9 * 4096);
        Assert.False(Find(Ram, AccessKind.Load, out _));
        Assert.False(Find(Ram, AccessKind.Store, out _));
        Assert.Equal([0, 4096 - 7, 0], new[] { Limit(5), Limit(6), Limit(7) });
    }

    [Fact]
    public void DropWindowsOn_APageOfTheHost_EndsTheWindowsThatHoldIt()
    {
        Make(Ram, AccessKind.Store);
        SetWindow(0, Ram, Tlb.RunBytes);
        SetWindow(63, Ram + 10 * 4096, 4096);
        Assert.True(Tlb.DropWindowsOn(Context, (nint)_memory.HostPage(Ram + 9 * 4096)));
        Assert.Equal([0, 4096 - 7], new[] { Limit(0), Limit(63) });
    }

    private bool Make(ulong address, AccessKind kind)
    {
        Assert.Equal(TranslationStatus.Ok, new FlatTranslator(_memory).Translate(null, address, kind, TlbContext.User, out Translation translation));
        return TlbRuns.TryMake(_memory, Context, address, kind, in translation);
    }

    private bool Find(ulong address, AccessKind kind, out Translation translation) => TlbRuns.TryFind(Context, address, kind, out translation);

    private long Limit(int window) => ((long*)((byte*)Context + Tlb.WindowLimits))[window];

    private void SetWindow(int window, ulong start, int bytes)
    {
        ((ulong*)((byte*)Context + Tlb.WindowBiases))[window] = 0 - start;
        ((nint*)((byte*)Context + Tlb.WindowHosts))[window] = (nint)_memory.HostPage(start);
        ((long*)((byte*)Context + Tlb.WindowLimits))[window] = bytes - 7;
    }
}
