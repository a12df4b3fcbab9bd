using Hypervisor.Core.Hart;
using FsCheck.Fluent;
using Hypervisor.Core.Memory;
using Hypervisor.Tests.Support;

namespace Hypervisor.Tests.Memory;

public sealed class PageWalkerTests : IDisposable
{
    private const ulong Ram = 0x8000_0000;
    private const ulong V = 1, R = 2, W = 4, X = 8, U = 16, A = 64, D = 128;

    private static readonly WalkRights s_svadu = new() { SetsAccessedAndDirty = true };

    private readonly GuestMemory _memory = new(new MemoryRegion(Ram, 1 << 20));

    public void Dispose() => _memory.Dispose();

    [Theory]
    [InlineData(8, 3)]
    [InlineData(9, 4)]
    [InlineData(10, 5)]
    public void Walk_EachModeAndLevel_FindsThePage(int mode, int levels)
    {
        for (int leaf = 0; leaf < levels; leaf++)
        {
            ulong address = 0x1234_5678 & ((1UL << 38) - 1);
            ulong target = 0x40_0000_0000UL << (leaf > 2 ? 14 : 0) & ~((1UL << 12 + leaf * 9) - 1);
            Map(levels, leaf, address, Entry(target, V | R | W | A | D));
            Assert.Equal(TranslationStatus.Ok, Walk(mode, address, AccessKind.Store, default, out WalkResult result));
            Assert.Equal(target | (address & ((1UL << 12 + leaf * 9) - 1)), result.GuestPhysical);
            Assert.Equal(12 + leaf * 9, result.PageShift);
        }
    }

    [Theory]
    [InlineData(8, 0x0000_0040_0000_0000UL)]
    [InlineData(8, 0xFFFF_FFBF_FFFF_FFFFUL)]
    [InlineData(9, 0x0000_8000_0000_0000UL)]
    [InlineData(10, 0x0100_0000_0000_0000UL)]
    public void Walk_NotCanonical_Faults(int mode, ulong address)
        => Assert.Equal(TranslationStatus.PageFault, Walk(mode, address, AccessKind.Load, default, out _));

    [Theory]
    [InlineData(0UL, "not valid")]
    [InlineData(V | W | A | D, "writable but not readable")]
    [InlineData(V | R | A | D | (1UL << 54), "reserved bit")]
    [InlineData(V | R | A | D | (1UL << 61), "memory type without Svpbmt")]
    [InlineData(V | R | A | D | (1UL << 63), "contiguous range of no known size")]
    [InlineData(V, "pointer at the last level")]
    public void Walk_BadLeaf_Faults(ulong bits, string why)
    {
        Map(3, 0, 0x1000, bits);
        Assert.True(Walk(8, 0x1000, AccessKind.Load, default, out _) == TranslationStatus.PageFault, why);
    }

    [Fact]
    public void Walk_MisalignedSuperpage_Faults()
    {
        Map(3, 1, 0x20_0000, Entry(Ram + 0x1000, V | R | A | D));
        Assert.Equal(TranslationStatus.PageFault, Walk(8, 0x20_0000, AccessKind.Load, default, out _));
    }

    [Fact]
    public void Walk_PointerWithLeafBits_Faults()
    {
        Map(3, 0, 0x1000, Entry(Ram, V | R | A | D));
        Assert.True(_memory.TryRead(Ram, out ulong root));
        _memory.TryWrite(Ram, root | A);
        Assert.Equal(TranslationStatus.PageFault, Walk(8, 0x1000, AccessKind.Load, default, out _));
    }

    [Fact]
    public void Walk_TableOutsideRam_IsAnAccessFault()
    {
        _memory.TryWrite(Ram, Entry(0x1000_0000, V));
        Assert.Equal(TranslationStatus.AccessFault, Walk(8, 0x1000, AccessKind.Load, default, out _));
    }

    [Fact]
    public void Walk_Contiguous64KiB_TakesTheLowBitsFromTheAddress()
    {
        Map(3, 0, 0x15000, Entry(Ram + 0x10000 + 0x8000, V | R | A | D) | 1UL << 63);
        Assert.Equal(TranslationStatus.Ok, Walk(8, 0x15678, AccessKind.Load, default, out WalkResult result));
        Assert.Equal((Ram + 0x15678, 16), (result.GuestPhysical, result.PageShift));
    }

    [Fact]
    public void Walk_AccessedAndDirty_AreSetAsNeeded()
    {
        ulong slot = Map(3, 0, 0x1000, Entry(Ram, V | R | W));
        Walk(8, 0x1000, AccessKind.Load, s_svadu, out WalkResult result);
        Assert.False(result.Writable);
        Assert.True(_memory.TryRead(slot, out ulong entry));
        Assert.Equal(Entry(Ram, V | R | W | A), entry);
        Walk(8, 0x1000, AccessKind.Store, s_svadu, out result);
        Assert.True(result.Writable);
        _memory.TryRead(slot, out entry);
        Assert.Equal(Entry(Ram, V | R | W | A | D), entry);
    }

    [Fact]
    public void Walk_RefusedAccess_SetsNothing()
    {
        ulong slot = Map(3, 0, 0x1000, Entry(Ram, V | R));
        Assert.Equal(TranslationStatus.PageFault, Walk(8, 0x1000, AccessKind.Store, s_svadu, out _));
        _memory.TryRead(slot, out ulong entry);
        Assert.Equal(Entry(Ram, V | R), entry);
    }

    [Theory]
    [InlineData(V | R | W, 1)]
    [InlineData(V | R | W | D, 1)]
    [InlineData(V | R | W | A, 2)]
    [InlineData(V | X, 0)]
    public void Walk_WithoutSvadu_FaultsWhereABitNeedsSettingAndSetsNone(ulong bits, int access)
    {
        var kind = (AccessKind)access;
        ulong slot = Map(3, 0, 0x1000, Entry(Ram, bits));
        Assert.Equal(TranslationStatus.PageFault, Walk(8, 0x1000, kind, default, out _));
        _memory.TryRead(slot, out ulong entry);
        Assert.Equal(Entry(Ram, bits), entry);
        Assert.Equal(TranslationStatus.Ok, Walk(8, 0x1000, kind, s_svadu, out _));
    }

    [Theory]
    [InlineData(0, true, true)]
    [InlineData(1, true, false)]
    [InlineData(2, true, false)]
    [InlineData(3, false, false)]
    public void Walk_MemoryType_IsLegalWhereSvpbmtSaysSo(ulong type, bool withSvpbmt, bool without)
    {
        Map(3, 0, 0x1000, Entry(Ram, V | R | A | D) | type << 61);
        Assert.Equal(withSvpbmt, Walk(8, 0x1000, AccessKind.Load, new WalkRights { MemoryTypes = true }, out _) == TranslationStatus.Ok);
        Assert.Equal(without, Walk(8, 0x1000, AccessKind.Load, default, out _) == TranslationStatus.Ok);
    }

    [Fact]
    public void Walk_PointerWithMemoryType_Faults()
    {
        Map(3, 0, 0x1000, Entry(Ram, V | R | A | D));
        Assert.True(_memory.TryRead(Ram, out ulong root));
        _memory.TryWrite(Ram, root | 1UL << 61);
        Assert.Equal(TranslationStatus.PageFault, Walk(8, 0x1000, AccessKind.Load, new WalkRights { MemoryTypes = true }, out _));
    }

    /// <summary>The permission rules of the specification's section 12.3.1, written down once more as a table of sentences.</summary>
    [Fact]
    public void Walk_AnyPermissionsAndRights_PassesExactlyWhatTheSpecificationLets()
        => Property.ForAll(
            from bits in Gen.Choose(0, 15)
            from kind in Gen.Elements(AccessKind.Fetch, AccessKind.Load, AccessKind.Store)
            from user in Gen.Elements(true, false)
            from sum in Gen.Elements(true, false)
            from mxr in Gen.Elements(true, false)
            select (bits, kind, user, sum, mxr),
            each =>
            {
                ulong flags = V | A | D | (ulong)each.bits << 1;
                Map(3, 0, 0x1000, Entry(Ram, flags));
                bool passes = Walk(8, 0x1000, each.kind, new WalkRights(each.user, each.sum, each.mxr), out _) == TranslationStatus.Ok;
                bool leaf = (flags & (R | X)) != 0 && (flags & (R | W)) != W;
                bool byKind = each.kind switch
                {
                    AccessKind.Fetch => (flags & X) != 0,
                    AccessKind.Load => (flags & R) != 0 || (each.mxr && (flags & X) != 0),
                    _ => (flags & W) != 0,
                };
                bool byMode = each.user == ((flags & U) != 0) || (!each.user && each.sum && each.kind != AccessKind.Fetch);
                return passes == (leaf && byKind && byMode);
            }, 2000);

    private static ulong Entry(ulong address, ulong bits) => address >> 12 << 10 | bits;

    /// <summary>Writes tables from <see cref="Ram"/> on that map an address at a level; where the leaf lies.</summary>
    private ulong Map(int levels, int leaf, ulong address, ulong entry)
    {
        ulong table = Ram;
        for (int level = levels - 1; level > leaf; level--)
        {
            ulong next = table + GuestMemory.PageSize;
            _memory.TryWrite(Slot(table, level, address), Entry(next, V));
            table = next;
        }

        _memory.TryWrite(Slot(table, leaf, address), entry);
        return Slot(table, leaf, address);
    }

    private static ulong Slot(ulong table, int level, ulong address) => table + (address >> (12 + level * 9) & 511) * 8;

    private unsafe TranslationStatus Walk(int mode, ulong address, AccessKind kind, WalkRights rights, out WalkResult result)
    {
        var tables = new RamPageTables(_memory, null);
        return PageWalker.Walk(ref tables, (ulong)mode << 60 | Ram >> 12, address, kind, rights, out result);
    }
}
