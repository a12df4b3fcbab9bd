using System.Runtime.CompilerServices;
using FsCheck.Fluent;
using Hypervisor.Core.Hart;
using Hypervisor.Core.Memory;
using Hypervisor.Guests.Full;
using Hypervisor.Tests.Support;

namespace Hypervisor.Tests.Full;

public sealed class ShadowSpaceTests
{
    private const ulong Load = 1UL << (int)AccessKind.Load;

    /// <summary>Against a dictionary, through fills, drops of pages and drops of everything.</summary>
    [Fact]
    public void Space_AnySequence_HoldsWhatADictionaryHolds()
        => Property.ForAll(
            Gen.ListOf(
                from action in Gen.Choose(0, 99)
                from page in Gen.Choose(0, 600)
                from context in Gen.Choose(0, 3)
                select (action, page, context), 3000),
            steps =>
            {
                var space = new ShadowSpace();
                var model = new Dictionary<(int, int), ulong>();
                foreach ((int action, int page, int context) in steps)
                {
                    ulong address = (ulong)page << 12;
                    if (action == 0)
                    {
                        space.DropAll();
                        model.Clear();
                    }
                    else if (action < 20)
                    {
                        Assert.False(space.DropPage(address));
                        for (int each = 0; each < 4; each++)
                            model.Remove((page, each));
                    }
                    else
                    {
                        space.Fill(address, (TlbContext)context, ((ulong)action << 12) | Load, action, 12);
                        model[(page, context)] = (ulong)action << 12;
                    }

                    ref ShadowEntry entry = ref space.Find(address, (TlbContext)context);
                    bool found = !Unsafe.IsNullRef(ref entry) && entry.Allows(AccessKind.Load);
                    if (found != model.TryGetValue((page, context), out ulong expected) || (found && (entry.Page & ~0xFFFUL) != expected))
                        return false;
                }

                return true;
            }, cases: 30);

    [Theory]
    [InlineData(16)]
    [InlineData(21)]
    [InlineData(30)]
    public void DropPage_PieceOfALargePage_DropsItWhole(int shift)
    {
        var space = new ShadowSpace();
        space.Fill(0x4000_0000, TlbContext.User, Load, 1, shift);
        space.Fill(0x4000_1000, TlbContext.User, Load, 1, shift);
        Assert.True(space.DropPage(0x4000_0000 + (1UL << shift) - 1));
        Assert.True(Unsafe.IsNullRef(ref space.Find(0x4000_1000, TlbContext.User)));
    }

    [Fact]
    public void Fill_MoreThanTheLimit_StaysBoundedAndRemembersLargePages()
    {
        var space = new ShadowSpace();
        for (ulong page = 0; page < 300_000; page++)
            space.Fill(page << 12, TlbContext.User, Load, 1, 21);
        Assert.True(Unsafe.IsNullRef(ref space.Find(0, TlbContext.User)));
        Assert.True(space.DropPage(0), "the engine's TLB may still hold a piece of the first large page");
    }
}
