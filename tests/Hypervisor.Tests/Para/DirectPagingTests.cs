using Hypervisor.Core.Hart;
using FsCheck.Fluent;
using Hypervisor.Core.Memory;
using Hypervisor.Guests.Common.Sbi;
using Hypervisor.Guests.Para;
using Hypervisor.Tests.Support;

namespace Hypervisor.Tests.Para;

/// <summary>Direct paging against docs/para-abi.md, section 5.</summary>
public sealed class DirectPagingTests : IDisposable
{
    private const ulong Ram = ParaFixture.Ram;
    private const ulong RamEnd = ParaFixture.RamEnd;
    private const ulong Leaf0 = Ram + 0x10_0000;
    private const ulong Middle = Ram + 0x10_1000;
    private const ulong Root = Ram + 0x10_2000;
    private const ulong Batch = Ram + 0x20_0000;
    private const ulong Data = Ram + 0x30_0000;
    private const ulong FullAccess = 0xCF;

    private readonly ParaFixture _guest = new();

    public void Dispose() => _guest.Dispose();

    private static ulong Leaf(ulong address, ulong flags = FullAccess) => (address >> 12 << 10) | flags;

    private static ulong Pointer(ulong address) => (address >> 12 << 10) | 1;

    private SbiError Update(ulong entry, ulong value, out ulong applied)
    {
        _guest.Write(Batch, entry);
        _guest.Write(Batch + 8, value);
        (SbiError error, applied) = _guest.Call(ParaFunction.MmuUpdate, Batch, 1);
        return error;
    }

    private void PinTree()
    {
        _guest.Write(Leaf0, Leaf(Data));
        _guest.Write(Middle, Pointer(Leaf0));
        _guest.Write(Root, Pointer(Middle));
        Assert.Equal(SbiError.Success, _guest.Call(ParaFunction.MmuPinTable, Leaf0, 0).Error);
        Assert.Equal(SbiError.Success, _guest.Call(ParaFunction.MmuPinTable, Middle, 1).Error);
        Assert.Equal(SbiError.Success, _guest.Call(ParaFunction.MmuPinTable, Root, 2).Error);
    }

    [Theory]
    [InlineData(Ram + 8)]
    [InlineData(Ram - 0x1000)]
    [InlineData(RamEnd)]
    [InlineData(0UL)]
    [InlineData(ulong.MaxValue - 0xFFF)]
    public void Pin_PageOutsideMemoryOrMisaligned_IsInvalidAddress(ulong address)
    {
        Assert.Equal(SbiError.InvalidAddress, _guest.Call(ParaFunction.MmuPinTable, address, 0).Error);
        Assert.Equal(SbiError.InvalidAddress, _guest.Call(ParaFunction.MmuUnpinTable, address).Error);
        Assert.Equal(SbiError.InvalidAddress, _guest.Call(ParaFunction.MmuSetRoot, address, 0).Error);
    }

    [Theory]
    [InlineData(3)]
    [InlineData(ulong.MaxValue)]
    public void Pin_UnknownLevel_IsInvalidParam(ulong level)
        => Assert.Equal(SbiError.InvalidParam, _guest.Call(ParaFunction.MmuPinTable, Leaf0, level).Error);

    [Fact]
    public void Pin_Twice_IsAlreadyAvailable()
    {
        PinTree();
        for (ulong level = 0; level < 3; level++)
            Assert.Equal(SbiError.AlreadyAvailable, _guest.Call(ParaFunction.MmuPinTable, Middle, level).Error);
    }

    public static TheoryData<ulong, ulong> BadEntries => new()
    {
        { 0, Leaf(RamEnd) },
        { 0, Leaf(Ram - 0x1000) },
        { 0, Leaf(0) },
        { 0, Leaf(0xFFF_FFFF_FFFFUL << 12) },
        { 0, Leaf(Data, 0x05) },
        { 0, Leaf(Data, 0x0D) },
        { 0, Leaf(Data) | 1UL << 54 },
        { 0, Leaf(Data) | 1UL << 63 },
        { 0, Leaf(Data) | 1UL << 61 },
        { 0, Pointer(Leaf0) },
        { 1, Pointer(Data) },
        { 1, Pointer(RamEnd) },
        { 1, Pointer(Middle) },
        { 1, Pointer(Root) },
        { 1, Pointer(Leaf0) | 0x10 },
        { 1, Pointer(Leaf0) | 0x40 },
        { 1, Pointer(Leaf0) | 0x80 },
        { 1, Pointer(Leaf0) | 0x20 },
        { 1, Pointer(Leaf0) | 1UL << 60 },
        { 1, Leaf(Data + 0x1000) },
        { 1, Leaf(RamEnd) },
        { 2, Leaf(Ram) },
        { 2, Pointer(Leaf0) },
    };

    [Theory]
    [MemberData(nameof(BadEntries))]
    public void Update_ForgedEntry_IsRefusedAndChangesNothing(ulong level, ulong value)
    {
        PinTree();
        ulong entry = (level switch { 0 => Leaf0, 1 => Middle, _ => Root }) + 8;
        Assert.Equal(SbiError.InvalidParam, Update(entry, value, out ulong applied));
        Assert.Equal(0UL, applied);
        Assert.Equal(0UL, _guest.Read(entry));
    }

    [Theory]
    [MemberData(nameof(BadEntries))]
    public void Pin_TableWithForgedEntry_IsRefusedWithItsIndexAndStaysWritable(ulong level, ulong value)
    {
        PinTree();
        const ulong table = Ram + 0x40_0000;
        _guest.Write(table + (8 * 77), value);
        Assert.Equal((SbiError.InvalidParam, 77UL), _guest.Call(ParaFunction.MmuPinTable, table, level));
        Assert.Equal(TranslationStatus.Ok, _guest.Translate(table, AccessKind.Store, TlbContext.Supervisor, out _));
        Assert.Equal(SbiError.Success, _guest.Call(ParaFunction.MmuUpdate, Batch, 0).Error);
    }

    [Fact]
    public void Update_GoodEntries_AreApplied()
    {
        PinTree();
        Assert.Equal(SbiError.Success, Update(Leaf0 + 8, Leaf(Data + 0x1000), out ulong applied));
        Assert.Equal(1UL, applied);
        Assert.Equal(Leaf(Data + 0x1000), _guest.Read(Leaf0 + 8));
        Assert.Equal(SbiError.Success, Update(Middle + 8, Leaf(Ram + 0x20_0000), out _));
        Assert.Equal(SbiError.Success, Update(Leaf0 + 8, 0xFFFF_FFFF_FFFF_FFFE, out _));
        Assert.Equal(SbiError.Success, Update(Leaf0 + 16, Leaf(Leaf0), out _));
    }

    [Fact]
    public void Update_Batch_StopsAtTheFirstBadOne()
    {
        PinTree();
        for (ulong i = 0; i < 10; i++)
        {
            _guest.Write(Batch + (i * 16), Leaf0 + (i * 8));
            _guest.Write(Batch + (i * 16) + 8, Leaf(i == 6 ? RamEnd : Data + (i << 12)));
        }

        Assert.Equal((SbiError.InvalidParam, 6UL), _guest.Call(ParaFunction.MmuUpdate, Batch, 10));
        Assert.Equal(Leaf(Data + 0x5000), _guest.Read(Leaf0 + 40));
        Assert.Equal(0UL, _guest.Read(Leaf0 + 56));
    }

    [Theory]
    [InlineData(Batch, 513UL, (long)SbiError.InvalidParam)]
    [InlineData(Batch, ulong.MaxValue, (long)SbiError.InvalidParam)]
    [InlineData(Batch + 4, 1UL, (long)SbiError.InvalidAddress)]
    [InlineData(RamEnd - 8, 1UL, (long)SbiError.InvalidAddress)]
    [InlineData(RamEnd - 16, 2UL, (long)SbiError.InvalidAddress)]
    [InlineData(0UL, 1UL, (long)SbiError.InvalidAddress)]
    [InlineData(ulong.MaxValue - 7, 1UL, (long)SbiError.InvalidAddress)]
    public void Update_WildBatch_IsRefused(ulong address, ulong count, long expected)
    {
        PinTree();
        Assert.Equal(((SbiError)expected, 0UL), _guest.Call(ParaFunction.MmuUpdate, address, count));
    }

    [Theory]
    [InlineData(Data)]
    [InlineData(RamEnd)]
    [InlineData(0UL)]
    [InlineData(Leaf0 + 4)]
    [InlineData(ulong.MaxValue - 7)]
    public void Update_EntryNotInAPinnedPage_IsInvalidAddress(ulong entry)
    {
        PinTree();
        Assert.Equal(SbiError.InvalidAddress, Update(entry, 0, out ulong applied));
        Assert.Equal(0UL, applied);
    }

    [Fact]
    public void Unpin_TableInUse_IsDeniedUntilNothingPointsToIt()
    {
        PinTree();
        Assert.Equal(SbiError.Success, _guest.Call(ParaFunction.MmuSetRoot, Root, 1).Error);
        Assert.Equal(SbiError.Denied, _guest.Call(ParaFunction.MmuUnpinTable, Leaf0).Error);
        Assert.Equal(SbiError.Denied, _guest.Call(ParaFunction.MmuUnpinTable, Middle).Error);
        Assert.Equal(SbiError.Denied, _guest.Call(ParaFunction.MmuUnpinTable, Root).Error);

        Assert.Equal(SbiError.Success, Update(Middle + 8, Pointer(Leaf0), out _));
        Assert.Equal(SbiError.Success, Update(Middle, 0, out _));
        Assert.Equal(SbiError.Denied, _guest.Call(ParaFunction.MmuUnpinTable, Leaf0).Error);
        Assert.Equal(SbiError.Success, Update(Middle + 8, Pointer(Leaf0), out _));
        Assert.Equal(SbiError.Success, Update(Middle + 8, 0, out _));
        Assert.Equal(SbiError.Success, _guest.Call(ParaFunction.MmuUnpinTable, Leaf0).Error);
        Assert.Equal(SbiError.InvalidParam, _guest.Call(ParaFunction.MmuUnpinTable, Leaf0).Error);
    }

    [Fact]
    public void Unpin_ParentFirst_FreesTheChildren()
    {
        PinTree();
        foreach (ulong table in new[] { Root, Middle, Leaf0 })
            Assert.Equal(SbiError.Success, _guest.Call(ParaFunction.MmuUnpinTable, table).Error);
        Assert.Equal(TranslationStatus.Ok, _guest.Translate(Leaf0, AccessKind.Store, TlbContext.Supervisor, out Translation page));
        Assert.True(page.Writable);
    }

    [Theory]
    [InlineData(Leaf0)]
    [InlineData(Middle)]
    [InlineData(Data)]
    public void SetRoot_NotAPinnedRoot_IsInvalidParam(ulong table)
    {
        PinTree();
        Assert.Equal(SbiError.InvalidParam, _guest.Call(ParaFunction.MmuSetRoot, table, 0).Error);
        Assert.Equal(SbiError.InvalidParam, _guest.Call(ParaFunction.MmuSetRoot, Root, 0x1_0000).Error);
    }

    [Fact]
    public unsafe void SetRoot_PinnedRoot_TranslatesAndTakesSatpFromTheGuest()
    {
        PinTree();
        Assert.Equal(SbiError.Success, _guest.Call(ParaFunction.MmuSetRoot, Root, 5).Error);
        Assert.Equal(8UL << 60 | 5UL << 44 | Root >> 12, _guest.State(0)->Privileged.Satp);
        Assert.NotEqual(0UL, _guest.State(0)->Privileged.Mstatus & 1UL << 20);
        Assert.Equal(TranslationStatus.Ok, _guest.Translate(0x123, AccessKind.Store, TlbContext.Supervisor, out Translation page));
        Assert.Equal(Data + 0x123, page.GuestPhysical);
        Assert.True(page.Writable);
        Assert.Equal(TranslationStatus.PageFault, _guest.Translate(0x1000, AccessKind.Load, TlbContext.Supervisor, out _));
        Assert.Equal(TranslationStatus.PageFault, _guest.Translate(0, AccessKind.Load, TlbContext.User, out _));
        Assert.Equal(TranslationStatus.PageFault, _guest.Translate(1UL << 40, AccessKind.Load, TlbContext.Supervisor, out _));
    }

    [Fact]
    public void Store_ToPinnedPage_FaultsThroughAnyMapping()
    {
        PinTree();
        Assert.Equal(TranslationStatus.AccessFault, _guest.Translate(Leaf0, AccessKind.Store, TlbContext.Supervisor, out _));
        Assert.Equal(TranslationStatus.Ok, _guest.Translate(Leaf0, AccessKind.Load, TlbContext.Supervisor, out Translation bare));
        Assert.False(bare.Writable);

        Assert.Equal(SbiError.Success, Update(Leaf0 + 8, Leaf(Root), out _));
        Assert.Equal(SbiError.Success, _guest.Call(ParaFunction.MmuSetRoot, Root, 0).Error);
        Assert.Equal(TranslationStatus.PageFault, _guest.Translate(0x1000, AccessKind.Store, TlbContext.Supervisor, out _));
        Assert.Equal(TranslationStatus.Ok, _guest.Translate(0x1000, AccessKind.Load, TlbContext.Supervisor, out Translation mapped));
        Assert.False(mapped.Writable);
        Assert.Equal(Root, mapped.GuestPhysical);
    }

    [Fact]
    public void Hypervisor_WritesForTheGuest_NeverLandInPinnedPages()
    {
        PinTree();
        Assert.Equal((SbiError.InvalidAddress, 0UL), _guest.Call(ParaFunction.Multicall, Leaf0, 1));
        Assert.Equal(SbiError.InvalidParam, _guest.Sbi(0, SbiExtensionId.DebugConsole, 1, 8, Leaf0 + 64, 0).Error);
        Assert.Equal(SbiError.Denied, _guest.Call(ParaFunction.RegisterSharedInfo, 0, Leaf0).Error);
        Assert.Equal(SbiError.Success, _guest.Call(ParaFunction.RegisterSharedInfo, 0, Data).Error);
        Assert.Equal(SbiError.Denied, _guest.Call(ParaFunction.MmuPinTable, Data, 0).Error);
    }

    [Fact]
    public void Flush_AnyArguments_IsCheckedOnlyForTheAsid()
    {
        Assert.Equal(SbiError.Success, _guest.Call(ParaFunction.MmuFlush, ulong.MaxValue, 3, 0).Error);
        Assert.Equal(SbiError.Success, _guest.Call(ParaFunction.MmuFlush, 0, ulong.MaxValue, 0xFFFF).Error);
        Assert.Equal(SbiError.InvalidParam, _guest.Call(ParaFunction.MmuFlush, 0, 0, 0x1_0000).Error);
    }

    [Fact]
    public void RandomCalls_Always_KeepPinnedTablesClosed()
    {
        // Whatever is asked, each valid entry of a pinned table leads into RAM, and each pointer to a table of the level below.
        ulong[] pages = [Leaf0, Middle, Root, Data, Data + 0x1000, Ram, RamEnd - 0x1000, RamEnd, 0];
        var calls = from operation in Gen.Choose(0, 3)
                    from page in Gen.Elements(pages)
                    from target in Gen.Elements(pages)
                    from flags in Gen.Elements<ulong>(0, 1, 1, 1, FullAccess, 0x5, 0x41, 0x4B, 1UL << 62 | 1)
                    from slot in Gen.Choose(0, 3)
                    from level in Gen.Choose(0, 2)
                    select (operation, page, target, flags, slot, level);
        Property.ForAll(calls.ListOf(60), sequence =>
        {
            using var guest = new ParaFixture(1);
            foreach (var (operation, page, target, flags, slot, level) in sequence)
            {
                switch (operation)
                {
                    case 0:
                        guest.Call(ParaFunction.MmuPinTable, page, (ulong)level);
                        break;
                    case 1:
                        guest.Call(ParaFunction.MmuUnpinTable, page);
                        break;
                    case 2:
                        guest.Write(Batch, page + (ulong)(slot * 8));
                        guest.Write(Batch + 8, Leaf(target, flags));
                        guest.Call(ParaFunction.MmuUpdate, Batch, 1);
                        break;
                    default:
                        guest.Call(ParaFunction.MmuSetRoot, page, 0);
                        break;
                }
            }

            return pages.All(page => IsClosed(guest, page));
        }, 150);
    }

    private static bool IsClosed(ParaFixture guest, ulong table)
    {
        int level = guest.Para.Paging.LevelOf(table);
        for (ulong slot = 0; level >= 0 && slot < 4; slot++)
        {
            ulong entry = guest.Read(table + (slot * 8));
            ulong target = entry >> 10 << 12;
            if ((entry & 1) == 0)
                continue;
            if ((entry & 0xE) == 0 ? guest.Para.Paging.LevelOf(target) != level - 1 : target is < Ram or >= RamEnd)
                return false;
        }

        return true;
    }
}
