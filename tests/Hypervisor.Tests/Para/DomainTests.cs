using FsCheck.Fluent;
using Hypervisor.Core.Hart;
using Hypervisor.Core.Memory;
using Hypervisor.Guests.Common.Sbi;
using Hypervisor.Guests.Para;
using Hypervisor.Tests.Support;

namespace Hypervisor.Tests.Para;

/// <summary>Channels and grants between machines, and the balloon, against docs/para-abi.md, section 8.</summary>
public sealed class DomainTests : IDisposable
{
    private const ulong Ram = ParaFixture.Ram;
    private const ulong Shared = Ram + 0x10_0000;
    private const ulong Pages = Ram + 0x20_0000;
    private const ulong Elsewhere = Ram + 0x30_0000;
    private const ulong Entries = Ram + 0x40_0000;
    private const ulong External = 1 << 9;

    private readonly ParaDomains _domains = new();
    private readonly ParaFixture _first;
    private readonly ParaFixture _second;
    private readonly ParaFixture _third;

    public DomainTests()
    {
        _first = new ParaFixture(2, _domains);
        _second = new ParaFixture(2, _domains);
        _third = new ParaFixture(1, _domains);
        foreach (ParaFixture each in (ParaFixture[])[_first, _second, _third])
        {
            Assert.Equal(SbiError.Success, each.Call(ParaFunction.RegisterSharedInfo, 0, Shared).Error);
            for (ulong word = 0; word < 4; word++)
                each.Write(Shared + 0x60 + (8 * word), 0);
            each.Memory.TryWrite(Shared + 0x14, (byte)0);
        }
    }

    public void Dispose()
    {
        _first.Dispose();
        _second.Dispose();
        _third.Dispose();
    }

    [Fact]
    public void Domain_OfEach_IsItsNumber()
    {
        Assert.Equal((SbiError.Success, 1UL), _first.Call(ParaFunction.Domain));
        Assert.Equal((SbiError.Success, 3UL), _third.Call(ParaFunction.Domain));
        Assert.Equal(0xC0UL, _first.Call(ParaFunction.Features).Value & (OperatingSystem.IsLinux() ? 0xC0UL : 0x40));
        using var alone = new ParaFixture();
        Assert.Equal((SbiError.Success, 0UL), alone.Call(ParaFunction.Domain));
        Assert.Equal(SbiError.Denied, alone.Call(ParaFunction.EventOffer, 1, 0).Error);
        Assert.Equal(SbiError.Denied, alone.Call(ParaFunction.GrantCopy, Entries, 1).Error);
    }

    [Fact]
    public void Channel_OfferedAndConnected_FiresTheOtherEnd()
    {
        (ulong a, ulong b) = Connect();
        Assert.Equal(SbiError.Success, _first.Call(ParaFunction.EventSend, a, 0).Error);
        Assert.Equal(1UL << (int)b, _second.Read(Shared + 0x40));
        Assert.Equal(External, _second.Pending(0) & External);
        Assert.Equal(0UL, _first.Read(Shared + 0x40));
        Assert.Equal(SbiError.Success, _second.Call(ParaFunction.EventSend, b, 0).Error);
        Assert.Equal(1UL << (int)a, _first.Read(Shared + 0x40));
    }

    [Fact]
    public void Channel_OfOthers_IsRefused()
    {
        ulong offered = _first.Call(ParaFunction.EventOffer, 2, 0).Value;
        Assert.Equal(SbiError.Denied, _first.Call(ParaFunction.EventSend, offered, 0).Error);
        Assert.Equal(SbiError.InvalidParam, _third.Call(ParaFunction.EventConnect, 1, offered, 0).Error);
        Assert.Equal(SbiError.InvalidParam, _second.Call(ParaFunction.EventConnect, 1, offered + 1, 0).Error);
        Assert.Equal(SbiError.InvalidParam, _second.Call(ParaFunction.EventConnect, 1, ulong.MaxValue, 0).Error);
        Assert.Equal(SbiError.InvalidParam, _second.Call(ParaFunction.EventConnect, 3, offered, 0).Error);
        Assert.Equal(SbiError.InvalidParam, _second.Call(ParaFunction.EventConnect, 1, offered, 1).Error);
        (SbiError error, ulong end) = _second.Call(ParaFunction.EventConnect, 1, offered, 0);
        Assert.Equal(SbiError.Success, error);
        Assert.Equal(SbiError.AlreadyAvailable, _second.Call(ParaFunction.EventConnect, 1, offered, 0).Error);

        // The offering machine cannot face itself, nor can the second end be bound as if it were an offer.
        Assert.Equal(SbiError.InvalidParam, _first.Call(ParaFunction.EventConnect, 2, end, 0).Error);
        foreach (ulong domain in (ulong[])[0, 1, 4, ulong.MaxValue])
            Assert.Equal(SbiError.InvalidParam, _first.Call(ParaFunction.EventOffer, domain, 0).Error);
    }

    [Fact]
    public void Channel_Closed_FiresTheOtherOnceAndIsDead()
    {
        (ulong a, ulong b) = Connect();
        Assert.Equal(SbiError.Success, _second.Call(ParaFunction.EventClose, b).Error);
        Assert.Equal(1UL << (int)a, _first.Read(Shared + 0x40));
        Assert.Equal(SbiError.Denied, _first.Call(ParaFunction.EventSend, a, 0).Error);

        // A new channel under the old number is nobody's old end.
        ulong again = _second.Call(ParaFunction.EventBind, 0, 0, 0).Value;
        Assert.Equal(b, again);
        Assert.Equal(SbiError.Denied, _first.Call(ParaFunction.EventSend, a, 0).Error);
        Assert.Equal(0UL, _second.Read(Shared + 0x40));
    }

    [Fact]
    public void Machine_Disposed_LeavesDeadChannelsAndGrants()
    {
        (ulong a, _) = Connect();
        ulong grant = Grant(_second, writable: false, domain: 1);
        _second.Dispose();
        Assert.Equal(1UL << (int)a, _first.Read(Shared + 0x40));
        Assert.Equal(SbiError.Denied, _first.Call(ParaFunction.EventSend, a, 0).Error);
        Assert.Equal(SbiError.InvalidParam, _first.Call(ParaFunction.EventOffer, 2, 0).Error);
        Assert.Equal(SbiError.InvalidParam, Copy(_first, 2, grant, 0, Elsewhere, 8, 0));
    }

    [Fact]
    public void Grant_Mapped_IsTheSameMemoryUntilItIsGivenUp()
    {
        if (!ParaFunction.CanMapGrants)
        {
            Assert.Equal(SbiError.NotSupported, _first.Call(ParaFunction.GrantCreate, Pages, 2, 2, 1).Error);
            return;
        }

        _first.Write(Pages, 0x1111);
        _first.Write(Pages + 8184, 0x2222);
        ulong grant = Grant(_first, writable: true, domain: 2);
        Assert.Equal(0x1111UL, _first.Read(Pages));
        _second.Write(Elsewhere, 0x9999);
        Assert.Equal(SbiError.Success, _second.Call(ParaFunction.GrantMap, 1, grant, Elsewhere, 2).Error);
        Assert.Equal(0x1111UL, _second.Read(Elsewhere));
        Assert.Equal(0x2222UL, _second.Read(Elsewhere + 8184));
        _second.Write(Elsewhere, 0x3333);
        Assert.Equal(0x3333UL, _first.Read(Pages));
        _first.Write(Pages + 4096, 0x4444);
        Assert.Equal(0x4444UL, _second.Read(Elsewhere + 4096));

        Assert.Equal(SbiError.Denied, _first.Call(ParaFunction.GrantEnd, grant).Error);
        Assert.Equal(SbiError.Success, _second.Call(ParaFunction.GrantUnmap, Elsewhere).Error);
        Assert.Equal(0UL, _second.Read(Elsewhere));
        Assert.Equal(SbiError.InvalidParam, _second.Call(ParaFunction.GrantUnmap, Elsewhere).Error);
        Assert.Equal(SbiError.Success, _first.Call(ParaFunction.GrantEnd, grant).Error);
        Assert.Equal(0x3333UL, _first.Read(Pages));
        Assert.Equal(0x4444UL, _first.Read(Pages + 4096));
        Assert.Equal(SbiError.InvalidParam, _second.Call(ParaFunction.GrantMap, 1, grant, Elsewhere, 2).Error);
    }

    [Fact]
    public void Grant_OfAMachineThatEnded_StaysWithWhoMappedIt()
    {
        if (!ParaFunction.CanMapGrants)
            return;
        _first.Write(Pages, 0x5555);
        ulong grant = Grant(_first, writable: true, domain: 2);
        Assert.Equal(SbiError.Success, _second.Call(ParaFunction.GrantMap, 1, grant, Elsewhere, 2).Error);
        _first.Dispose();
        Assert.Equal(0x5555UL, _second.Read(Elsewhere));
        _second.Write(Elsewhere, 1);
        Assert.Equal(SbiError.Success, _second.Call(ParaFunction.GrantUnmap, Elsewhere).Error);
    }

    [Fact]
    public void SharedPages_CannotBeTablesExecutedReleasedOrSharedAgain()
    {
        if (!ParaFunction.CanMapGrants)
            return;
        ulong grant = Grant(_first, writable: true, domain: 2);
        Assert.Equal(SbiError.Success, _second.Call(ParaFunction.GrantMap, 1, grant, Elsewhere, 2).Error);
        foreach ((ParaFixture guest, ulong page) in ((ParaFixture, ulong)[])[(_first, Pages), (_second, Elsewhere)])
        {
            Assert.Equal(SbiError.Denied, guest.Call(ParaFunction.MmuPinTable, page, 0).Error);
            Assert.Equal((SbiError.Denied, 0UL), guest.Call(ParaFunction.MemoryRelease, page, 2));
            Assert.Equal((SbiError.Denied, 1UL), guest.Call(ParaFunction.MemoryRelease, page - 4096, 2));
            Assert.Equal(SbiError.Denied, guest.Call(ParaFunction.GrantCreate, page + 4096, 1, 3, 1).Error);
            Assert.Equal(SbiError.Denied, guest.Call(ParaFunction.RegisterSharedInfo, 1, page).Error);
            Assert.Equal(TranslationStatus.AccessFault, guest.Translate(page, AccessKind.Fetch, TlbContext.Supervisor, out _));
            Assert.Equal(TranslationStatus.Ok, guest.Translate(page, AccessKind.Store, TlbContext.Supervisor, out _));
        }

        Assert.Equal(SbiError.Denied, _second.Call(ParaFunction.GrantMap, 1, grant, Elsewhere + 4096, 2).Error);
        Assert.Equal(SbiError.Success, _second.Call(ParaFunction.GrantUnmap, Elsewhere).Error);
        Assert.Equal(TranslationStatus.Ok, _second.Translate(Elsewhere, AccessKind.Fetch, TlbContext.Supervisor, out _));
    }

    [Fact]
    public void Grant_WithBadArguments_IsRefused()
    {
        Assert.Equal(SbiError.InvalidAddress, _first.Call(ParaFunction.GrantCreate, Pages + 8, 1, 2, 0).Error);
        Assert.Equal(SbiError.InvalidAddress, _first.Call(ParaFunction.GrantCreate, ParaFixture.RamEnd - 4096, 2, 2, 0).Error);
        Assert.Equal(SbiError.InvalidParam, _first.Call(ParaFunction.GrantCreate, Pages, 0, 2, 0).Error);
        Assert.Equal(SbiError.InvalidParam, _first.Call(ParaFunction.GrantCreate, Pages, 65, 2, 0).Error);
        Assert.Equal(SbiError.InvalidParam, _first.Call(ParaFunction.GrantCreate, Pages, 1, 1, 0).Error);
        Assert.Equal(SbiError.InvalidParam, _first.Call(ParaFunction.GrantCreate, Pages, 1, 9, 0).Error);
        Assert.Equal(SbiError.InvalidParam, _first.Call(ParaFunction.GrantCreate, Pages, 1, 2, 2).Error);
        Assert.Equal(SbiError.InvalidParam, _first.Call(ParaFunction.GrantEnd, 1).Error);
        Assert.Equal(SbiError.InvalidParam, _second.Call(ParaFunction.GrantMap, 1, 1, Elsewhere, 1).Error);
        for (ulong i = 1; i <= GrantTable.Count; i++)
            Assert.Equal((SbiError.Success, i), _first.Call(ParaFunction.GrantCreate, Pages, 1, 2, 0));
        Assert.Equal(SbiError.Failed, _first.Call(ParaFunction.GrantCreate, Pages, 1, 2, 0).Error);

        // A grant that can only be copied from is not mapped.
        Assert.Equal(SbiError.InvalidParam, _second.Call(ParaFunction.GrantMap, 1, 1, Elsewhere, 1).Error);
    }

    [Fact]
    public void Copy_ReachesTheGrantAndNothingElse()
    {
        _first.Write(Pages + 4088, 0xABCD);
        _first.Write(Pages + 8192, 0xDEAD);
        ulong readable = Grant(_first, writable: false, domain: 2);
        Assert.Equal(SbiError.Success, Copy(_second, 1, readable, 4088, Elsewhere, 8, 0));
        Assert.Equal(0xABCDUL, _second.Read(Elsewhere));
        Assert.Equal(SbiError.Denied, Copy(_second, 1, readable, 0, Elsewhere, 8, 1));
        Assert.Equal(SbiError.InvalidAddress, Copy(_second, 1, readable, 8192, Elsewhere, 8, 0));
        Assert.Equal(SbiError.InvalidAddress, Copy(_second, 1, readable, ulong.MaxValue, Elsewhere, 8, 0));
        Assert.Equal(SbiError.InvalidAddress, Copy(_second, 1, readable, 0, Ram - 8, 8, 0));
        Assert.Equal(SbiError.InvalidAddress, Copy(_second, 1, readable, 0, Elsewhere, uint.MaxValue, 0));
        Assert.Equal(SbiError.InvalidParam, Copy(_second, 1, readable, 0, Elsewhere, 8, 2));
        Assert.Equal(SbiError.InvalidParam, Copy(_third, 1, readable, 0, Elsewhere, 8, 0));
        Assert.Equal(SbiError.InvalidParam, Copy(_first, 1, readable, 0, Elsewhere, 8, 0));
        Assert.Equal(SbiError.InvalidParam, _second.Call(ParaFunction.GrantCopy, Entries, 65).Error);
        Assert.Equal(SbiError.InvalidAddress, _second.Call(ParaFunction.GrantCopy, Entries + 4, 1).Error);
        Assert.Equal((SbiError.InvalidAddress, 1UL), _second.Call(ParaFunction.GrantCopy, ParaFixture.RamEnd - 56, 2));
        Assert.Equal(SbiError.Success, _first.Call(ParaFunction.GrantEnd, readable).Error);
        Assert.Equal(SbiError.InvalidParam, Copy(_second, 1, readable, 0, Elsewhere, 8, 0));
        if (!ParaFunction.CanMapGrants)
            return;
        ulong writable = Grant(_first, writable: true, domain: 2);
        _second.Write(Elsewhere, 0x7777);
        Assert.Equal(SbiError.Success, Copy(_second, 1, writable, 4096, Elsewhere, 8, 1));
        Assert.Equal(0x7777UL, _first.Read(Pages + 4096));
    }

    [Fact]
    public void Balloon_TargetAndRelease_ReachGuestAndHost()
    {
        ulong channel = _first.Call(ParaFunction.EventBind, 3, 0, 0).Value;
        Assert.Equal(SbiError.AlreadyAvailable, _first.Call(ParaFunction.EventBind, 3, 0, 0).Error);
        Assert.Equal(SbiError.InvalidParam, _first.Call(ParaFunction.EventBind, 3, 1, 0).Error);
        Assert.Equal(SbiError.Denied, _first.Call(ParaFunction.EventSend, channel, 0).Error);
        _first.Para.BalloonTarget = 12;
        Assert.Equal(12UL, _first.Read(Shared + 0x30));
        Assert.Equal(1UL << (int)channel, _first.Read(Shared + 0x40));
        _first.Write(Pages, 0x1234);
        Assert.Equal((SbiError.Success, 2UL), _first.Call(ParaFunction.MemoryRelease, Pages, 2));
        Assert.Equal(0UL, _first.Read(Pages));
        Assert.Equal(2, _first.Para.ReleasedPages);
        Assert.Equal(SbiError.InvalidAddress, _first.Call(ParaFunction.MemoryRelease, Pages + 1, 1).Error);
        Assert.Equal(SbiError.InvalidAddress, _first.Call(ParaFunction.MemoryRelease, Pages, 1 << 20).Error);
        Assert.Equal(SbiError.InvalidAddress, _first.Call(ParaFunction.MemoryRelease, Pages, ulong.MaxValue).Error);
        Assert.Equal((SbiError.Denied, 0UL), _first.Call(ParaFunction.MemoryRelease, Shared, 1));
    }

    [Fact]
    public void YieldTo_OfAHart_NamesItToTheScheduler()
    {
        Assert.Equal(SbiError.Success, _first.Call(ParaFunction.YieldTo, 1).Error);
        Assert.Same(_first.Machine.VCpus[1], _first.Machine.VCpus[0].YieldTarget);
        Assert.Equal(SbiError.InvalidParam, _first.Call(ParaFunction.YieldTo, 2).Error);
    }

    [Fact]
    public void AnyCalls_OfTwoMachines_NeverTouchAThirdThatGrantsNothing()
    {
        ulong[] functions = [ParaFunction.EventOffer, ParaFunction.EventConnect, ParaFunction.EventSend, ParaFunction.EventClose, ParaFunction.GrantCreate,
            ParaFunction.GrantEnd, ParaFunction.GrantMap, ParaFunction.GrantUnmap, ParaFunction.GrantCopy, ParaFunction.MemoryRelease, ParaFunction.MmuPinTable, ParaFunction.MmuUnpinTable];
        var value = Gen.OneOf(Gen.Choose(0, 4).Select(v => (ulong)v), Gen.Choose(0, 64).Select(v => (ulong)v), Gen.Elements(Pages, Elsewhere, Entries, Pages + 4096, Shared, ParaFixture.RamEnd - 4096, ulong.MaxValue));
        var call = from machine in Gen.Choose(0, 1)
                   from function in Gen.Elements(functions)
                   from a in value
                   from b in value
                   from c in value
                   from d in value
                   select (machine, function, a, b, c, d);
        Property.ForAll(call.ListOf(60), calls =>
        {
            var domains = new ParaDomains();
            using var first = new ParaFixture(1, domains);
            using var second = new ParaFixture(1, domains);
            using var third = new ParaFixture(1, domains);
            ParaFixture[] machines = [first, second, third];
            foreach (ParaFixture each in machines)
            {
                each.Call(ParaFunction.RegisterSharedInfo, 0, Shared);
                for (int i = 0; i < 64; i++)
                {
                    // Copies with every kind of field, from a third machine too.
                    each.Memory.TryWrite(Entries + (ulong)(i * 40), (uint)(1 + (i % 4)));
                    each.Memory.TryWrite(Entries + (ulong)(i * 40) + 4, (uint)(i % 5));
                    each.Write(Entries + (ulong)(i * 40) + 16, i % 7 == 0 ? ulong.MaxValue - 3 : Pages + (ulong)(i * 64));
                    each.Write(Entries + (ulong)(i * 40) + 24, (uint)(i % 11 == 0 ? uint.MaxValue : 4096) | ((ulong)(i & 1) << 32));
                }
            }

            third.Write(Pages, 0x600D);
            third.Write(Elsewhere, 0x600D);
            byte[] before = third.Memory.Window(Ram, (int)ParaFixture.RamSize).ToArray();
            foreach ((int machine, ulong function, ulong a, ulong b, ulong c, ulong d) in calls)
            {
                (SbiError error, _) = machines[machine].Call(function, a, b, c, d);
                if ((long)error is > 0 or < -9)
                    return false;
            }

            return third.Memory.Window(Ram, (int)ParaFixture.RamSize).SequenceEqual(before);
        }, 60);
    }

    private (ulong First, ulong Second) Connect()
    {
        (SbiError error, ulong offered) = _first.Call(ParaFunction.EventOffer, 2, 0);
        Assert.Equal(SbiError.Success, error);
        (error, ulong end) = _second.Call(ParaFunction.EventConnect, 1, offered, 0);
        Assert.Equal(SbiError.Success, error);
        return (offered, end);
    }

    private static ulong Grant(ParaFixture guest, bool writable, ulong domain)
    {
        (SbiError error, ulong grant) = guest.Call(ParaFunction.GrantCreate, Pages, 2, domain, writable ? 1UL : 0);
        Assert.Equal(SbiError.Success, error);
        return grant;
    }

    private static SbiError Copy(ParaFixture guest, uint domain, ulong grant, ulong offset, ulong own, uint length, uint direction)
    {
        guest.Memory.TryWrite(Entries, domain);
        guest.Memory.TryWrite(Entries + 4, (uint)grant);
        guest.Write(Entries + 8, offset);
        guest.Write(Entries + 16, own);
        guest.Memory.TryWrite(Entries + 24, length);
        guest.Memory.TryWrite(Entries + 28, direction);
        guest.Write(Entries + 32, 0x5A5A);
        Assert.Equal((SbiError.Success, 1UL), guest.Call(ParaFunction.GrantCopy, Entries, 1));
        return (SbiError)(long)guest.Read(Entries + 32);
    }
}
