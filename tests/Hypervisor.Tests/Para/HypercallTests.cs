using FsCheck.Fluent;
using Hypervisor.Core.Machine;
using Hypervisor.Guests.Common.Sbi;
using Hypervisor.Guests.Para;
using Hypervisor.Tests.Support;

namespace Hypervisor.Tests.Para;

/// <summary>The paravirtual extension and the machine beneath it, against docs/para-abi.md, sections 1 to 4 and 6.</summary>
public sealed class HypercallTests : IDisposable
{
    private const ulong Ram = ParaFixture.Ram;
    private const ulong RamEnd = ParaFixture.RamEnd;
    private const ulong Page = Ram + 0x10_0000;
    private const ulong Page1 = Ram + 0x10_1000;
    private const ulong Entries = Ram + 0x20_0000;
    private const ulong Software = 1 << 1;
    private const ulong Timer = 1 << 5;
    private const ulong External = 1 << 9;
    private const ulong AllOnes = ulong.MaxValue;

    private readonly ParaFixture _guest = new();

    public void Dispose() => _guest.Dispose();

    private void Register(ulong hart = 0, ulong page = Page, bool upcalls = true)
    {
        Assert.Equal(SbiError.Success, _guest.Call(ParaFunction.RegisterSharedInfo, hart, page).Error);
        for (ulong word = 0; word < 4; word++)
            _guest.Write(page + 0x60 + (8 * word), 0);
        if (upcalls)
            _guest.Memory.TryWrite(page + 0x14, (byte)0);
    }

    private ulong Bind(ulong source, ulong index, ulong hart = 0)
    {
        (SbiError error, ulong channel) = _guest.Call(ParaFunction.EventBind, source, index, hart);
        Assert.Equal(SbiError.Success, error);
        return channel;
    }

    [Fact]
    public unsafe void Boot_Hart0_StandsAsTheAbiSays()
    {
        var state = _guest.State(0);
        Assert.Equal(Ram, state->Pc);
        Assert.Equal(0UL, state->X[10]);
        Assert.Equal(Ram + 0x40_0000, state->X[11]);
        Assert.Equal(Hypervisor.Core.Hart.PrivilegeMode.Supervisor, state->Privileged.Mode);
        Assert.Equal(0UL, state->Privileged.Satp);
        Assert.Equal(0UL, state->Privileged.Mstatus & 2);
    }

    [Fact]
    public void Features_OfAMachineAlone_AreAllButOtherGuests()
    {
        Assert.Equal((SbiError.Success, 2UL << 48 | 0x33F), _guest.Call(ParaFunction.Features));
        Assert.Equal((SbiError.Success, 1UL), _guest.Sbi(0, SbiExtensionId.Base, 3, 0x0A48_5650));
    }

    [Theory]
    [InlineData(0x08)]
    [InlineData(0x16)]
    [InlineData(0x25)]
    [InlineData(0x35)]
    [InlineData(AllOnes)]
    public void Call_UnknownFunction_IsNotSupported(ulong function)
        => Assert.Equal(SbiError.NotSupported, _guest.Call(function).Error);

    [Fact]
    public void SharedInfo_Registered_IsZeroedAndFilled()
    {
        for (ulong offset = 0; offset < 4096; offset += 8)
            _guest.Write(Page + offset, AllOnes);
        Assert.Equal(SbiError.Success, _guest.Call(ParaFunction.RegisterSharedInfo, 1, Page).Error);
        ulong[] expected = [0x2_3150_5648, 0x33F, 0x1_0000_0001, 10_000_000, 0, 0, 0, 0, 0, 0, 0, 0, AllOnes, AllOnes, AllOnes, AllOnes, 0, 0];
        for (int i = 0; i < expected.Length; i++)
            Assert.Equal(expected[i], _guest.Read(Page + (ulong)(8 * i)));
        Assert.Equal(0UL, _guest.Read(Page + 4088));
    }

    [Theory]
    [InlineData(2, Page, (long)SbiError.InvalidParam)]
    [InlineData(AllOnes, Page, (long)SbiError.InvalidParam)]
    [InlineData(0, Page + 8, (long)SbiError.InvalidAddress)]
    [InlineData(0, RamEnd, (long)SbiError.InvalidAddress)]
    [InlineData(0, 0, (long)SbiError.InvalidAddress)]
    [InlineData(0, AllOnes - 0xFFF, (long)SbiError.InvalidAddress)]
    public void SharedInfo_WildArguments_AreRefused(ulong hart, ulong address, long expected)
        => Assert.Equal((SbiError)expected, _guest.Call(ParaFunction.RegisterSharedInfo, hart, address).Error);

    [Fact]
    public void SharedInfo_Again_IsRefusedUntilGivenBack()
    {
        Register();
        Assert.Equal(SbiError.AlreadyAvailable, _guest.Call(ParaFunction.RegisterSharedInfo, 0, Page1).Error);
        Assert.Equal(SbiError.Denied, _guest.Call(ParaFunction.RegisterSharedInfo, 1, Page).Error);
        ulong channel = Bind(0, 0);
        Assert.Equal(SbiError.Denied, _guest.Call(ParaFunction.RegisterSharedInfo, 0, AllOnes).Error);
        Assert.Equal(SbiError.Success, _guest.Call(ParaFunction.EventClose, channel).Error);
        Assert.Equal(SbiError.Success, _guest.Call(ParaFunction.RegisterSharedInfo, 0, AllOnes).Error);
        Assert.Equal(SbiError.InvalidParam, _guest.Call(ParaFunction.EventBind, 0, 0, 0).Error);
    }

    [Theory]
    [InlineData(3, 1, 0)]
    [InlineData(4, 0, 0)]
    [InlineData(5, 0, 0)]
    [InlineData(AllOnes, 0, 0)]
    [InlineData(0, 1, 0)]
    [InlineData(1, 2, 0)]
    [InlineData(1, AllOnes, 0)]
    [InlineData(2, 1, 0)]
    [InlineData(2, 8, 0)]
    [InlineData(2, AllOnes, 0)]
    [InlineData(0, 0, 1)]
    [InlineData(0, 0, 2)]
    [InlineData(0, 0, AllOnes)]
    public void EventBind_WildArguments_AreInvalidParam(ulong source, ulong index, ulong hart)
    {
        Register();
        Assert.Equal(SbiError.InvalidParam, _guest.Call(ParaFunction.EventBind, source, index, hart).Error);
    }

    [Fact]
    public void EventBind_UntilNoneIsLeft_Fails()
    {
        Register();
        for (ulong expected = 1; expected < 256; expected++)
            Assert.Equal(expected, Bind(0, 0));
        Assert.Equal(SbiError.Failed, _guest.Call(ParaFunction.EventBind, 0, 0, 0).Error);
    }

    [Theory]
    [InlineData(1, 1)]
    [InlineData(2, 0)]
    public void EventBind_SameSourceTwice_IsAlreadyAvailable(ulong source, ulong index)
    {
        Register();
        ulong channel = Bind(source, index);
        Assert.Equal(SbiError.AlreadyAvailable, _guest.Call(ParaFunction.EventBind, source, index, 0).Error);
        Assert.Equal(SbiError.Success, _guest.Call(ParaFunction.EventClose, channel).Error);
        Bind(source, index);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(9)]
    [InlineData(256)]
    [InlineData(AllOnes)]
    public void Event_UnboundChannel_IsInvalidParam(ulong channel)
    {
        Register();
        Assert.Equal(SbiError.InvalidParam, _guest.Call(ParaFunction.EventSend, channel, 0).Error);
        Assert.Equal(SbiError.InvalidParam, _guest.Call(ParaFunction.EventClose, channel).Error);
    }

    [Fact]
    public void EventSend_ToOtherHart_SetsItsBitsAndRaisesItsLine()
    {
        Register(1, Page1);
        for (int i = 0; i < 69; i++)
            Bind(0, 0, 1);
        ulong channel = Bind(0, 0, 1);
        Assert.Equal(70UL, channel);
        Assert.Equal(SbiError.Success, _guest.Call(ParaFunction.EventSend, channel, 0).Error);
        Assert.Equal(1UL << (70 - 64), _guest.Read(Page1 + 0x48));
        Assert.Equal(1UL, _guest.Read(Page1 + 0x10) >> 40 & 0xFF);
        Assert.Equal(External, _guest.Pending(1) & External);
        Assert.Equal(0UL, _guest.Pending(0) & External);
    }

    [Fact]
    public void UpcallLine_FollowsMaskAndPendingAfterEachCall()
    {
        Register();
        ulong channel = Bind(0, 0);
        _guest.Memory.TryWrite(Page + 0x14, (byte)1);
        _guest.Call(ParaFunction.EventSend, channel, 0);
        Assert.Equal(0UL, _guest.Pending(0) & External);
        Assert.Equal((SbiError.Success, 0UL), _guest.Call(ParaFunction.EventPoll));
        _guest.Memory.TryWrite(Page + 0x14, (byte)0);
        Assert.Equal((SbiError.Success, 1UL), _guest.Call(ParaFunction.EventPoll));
        Assert.Equal(External, _guest.Pending(0) & External);
        _guest.Write(Page + 0x60, AllOnes);
        _guest.Call(ParaFunction.Features);
        Assert.Equal(0UL, _guest.Pending(0) & External);
        _guest.Write(Page + 0x60, 0);
        _guest.Write(Page + 0x40, 0);
        Assert.Equal((SbiError.Success, 0UL), _guest.Call(ParaFunction.EventPoll));
    }

    [Fact]
    public void EventClose_PendingChannel_ClearsItsBit()
    {
        Register();
        ulong channel = Bind(0, 0);
        _guest.Call(ParaFunction.EventSend, channel, 0);
        Assert.Equal(External, _guest.Pending(0) & External);
        _guest.Call(ParaFunction.EventClose, channel);
        Assert.Equal(0UL, _guest.Read(Page + 0x40));
        Assert.Equal(0UL, _guest.Pending(0) & External);
    }

    [Fact]
    public void Timer_Plain_RaisesTheTimerInterruptOnce()
    {
        _guest.Sbi(0, SbiExtensionId.Time, 0, 50);
        Assert.Equal(0UL, _guest.Pending(0) & Timer);
        _guest.Timers.MoveTo(5000);
        Assert.Equal(Timer, _guest.Pending(0) & Timer);
        _guest.Sbi(0, SbiExtensionId.Time, 0, AllOnes);
        Assert.Equal(0UL, _guest.Pending(0) & Timer);
        Assert.Empty(_guest.Timers.Armed);
        _guest.Sbi(0, SbiExtensionId.Time, 0, 0);
        Assert.Equal(Timer, _guest.Pending(0) & Timer);
    }

    [Fact]
    public void Timer_BoundToChannel_FiresItInstead()
    {
        Register();
        ulong channel = Bind(1, 0);
        Assert.Equal(SbiError.Denied, _guest.Call(ParaFunction.EventSend, channel, 0).Error);
        _guest.Sbi(0, SbiExtensionId.Time, 0, 50);
        _guest.Timers.MoveTo(5000);
        Assert.Equal(External, _guest.Pending(0) & (External | Timer));
        Assert.Equal(1UL << (int)channel, _guest.Read(Page + 0x40));
    }

    [Theory]
    [InlineData(0UL)]
    [InlineData(7UL)]
    [InlineData(AllOnes)]
    public void Doorbell_AnyQueueNumber_ReachesTheDeviceUnharmed(ulong queue)
    {
        Register();
        ulong channel = Bind(2, 0);
        Assert.Equal(SbiError.Success, _guest.Call(ParaFunction.EventSend, channel, queue).Error);
    }

    [Fact]
    public void Block_EventPending_ReturnsAtOnceWhateverTheUpcallMask()
    {
        Register(upcalls: false);
        ulong channel = Bind(0, 0);
        _guest.Call(ParaFunction.EventSend, channel, 0);
        Assert.Equal((SbiError.Success, 1UL), _guest.Call(ParaFunction.Block, AllOnes));
        Assert.Equal(ExitVerdict.Resume, _guest.LastVerdict);
    }

    [Fact]
    public void Block_PastDeadline_ReturnsAtOnce()
    {
        Assert.Equal((SbiError.Success, 0UL), _guest.Call(ParaFunction.Block, 0));
        Assert.Equal(ExitVerdict.Resume, _guest.LastVerdict);
    }

    [Fact]
    public unsafe void Block_EventArrives_WakesWithOne()
    {
        Register();
        ulong channel = Bind(0, 0);
        _guest.Call(ParaFunction.Block, 1000);
        Assert.Equal(ExitVerdict.Block, _guest.LastVerdict);
        Assert.False(_guest.HasPendingWork(0));
        Assert.Equal(SbiError.Success, _guest.Sbi(1, ParaFunction.ExtensionId, ParaFunction.EventSend, channel).Error);
        Assert.Equal([0], _guest.Woken);
        Assert.True(_guest.HasPendingWork(0));
        _guest.Prepare(0);
        Assert.Equal((0UL, 1UL), (_guest.State(0)->X[10], _guest.State(0)->X[11]));
        Assert.Empty(_guest.Timers.Armed);
    }

    [Fact]
    public unsafe void Block_DeadlinePasses_WakesWithZero()
    {
        _guest.Call(ParaFunction.Block, 1000);
        _guest.Timers.MoveTo(100_000);
        Assert.Equal([0], _guest.Woken);
        _guest.Prepare(0);
        Assert.Equal((0UL, 0UL), (_guest.State(0)->X[10], _guest.State(0)->X[11]));
    }

    [Fact]
    public void Yield_Always_GivesUpTheSlice()
    {
        Assert.Equal((SbiError.Success, 0UL), _guest.Call(ParaFunction.Yield));
        Assert.Equal(ExitVerdict.Yield, _guest.LastVerdict);
    }

    [Fact]
    public void Mark_BeginAndEnd_AreHeard()
    {
        Assert.Equal(SbiError.Success, _guest.Call(ParaFunction.Mark, 0, 5).Error);
        Assert.Equal(SbiError.Success, _guest.Call(ParaFunction.Mark, 1, 6).Error);
        Assert.Equal(SbiError.InvalidParam, _guest.Call(ParaFunction.Mark, 2, 7).Error);
        Assert.Equal([(false, 5UL), (true, 6UL)], _guest.Marks);
    }

    private void Entry(int index, ulong extension, ulong function, params ulong[] arguments)
    {
        ulong at = Entries + (ulong)(index * 80);
        _guest.Write(at, extension);
        _guest.Write(at + 8, function);
        for (int i = 0; i < arguments.Length; i++)
            _guest.Write(at + 16 + (ulong)(i * 8), arguments[i]);
    }

    private SbiError ErrorOf(int index) => (SbiError)(long)_guest.Read(Entries + (ulong)(index * 80) + 64);

    [Fact]
    public void Multicall_MixedEntries_RunsAllAndRecordsEach()
    {
        Entry(0, ParaFunction.ExtensionId, ParaFunction.Features);
        Entry(1, 0xDEAD, 0);
        Entry(2, SbiExtensionId.Base, 0);
        Assert.Equal((SbiError.Success, 3UL), _guest.Call(ParaFunction.Multicall, Entries, 3));
        Assert.Equal((SbiError.Success, SbiError.NotSupported, SbiError.Success), (ErrorOf(0), ErrorOf(1), ErrorOf(2)));
        Assert.Equal(2UL << 48 | 0x33F, _guest.Read(Entries + 72));
        Assert.Equal(2UL << 24, _guest.Read(Entries + 160 + 72));
    }

    [Theory]
    [InlineData(ParaFunction.ExtensionId, ParaFunction.Multicall)]
    [InlineData(ParaFunction.ExtensionId, ParaFunction.Block)]
    [InlineData(ParaFunction.ExtensionId, ParaFunction.Yield)]
    [InlineData(SbiExtensionId.HartState, 1)]
    [InlineData(SbiExtensionId.HartState, 3)]
    [InlineData(SbiExtensionId.SystemReset, 0)]
    [InlineData(SbiExtensionId.LegacyShutdown, 0)]
    public void Multicall_CallThatWouldNotComeBack_IsDenied(ulong extension, ulong function)
    {
        Entry(0, extension, function);
        Assert.Equal((SbiError.Success, 1UL), _guest.Call(ParaFunction.Multicall, Entries, 1));
        Assert.Equal(SbiError.Denied, ErrorOf(0));
        Assert.Equal(ExitVerdict.Resume, _guest.LastVerdict);
        Assert.Null(_guest.Machine.Exit);
    }

    [Theory]
    [InlineData(Entries, 129UL, (long)SbiError.InvalidParam, 0UL)]
    [InlineData(Entries + 4, 1UL, (long)SbiError.InvalidAddress, 0UL)]
    [InlineData(RamEnd, 1UL, (long)SbiError.InvalidAddress, 0UL)]
    [InlineData(RamEnd - 160, 3UL, (long)SbiError.InvalidAddress, 2UL)]
    [InlineData(AllOnes - 7, 1UL, (long)SbiError.InvalidAddress, 0UL)]
    [InlineData(0UL, 0UL, (long)SbiError.Success, 0UL)]
    public void Multicall_WildArguments_AreRefused(ulong address, ulong count, long error, ulong done)
        => Assert.Equal(((SbiError)error, done), _guest.Call(ParaFunction.Multicall, address, count));

    [Fact]
    public unsafe void HartState_StartStopStart_GoesThroughItsStates()
    {
        Assert.Equal(1UL, _guest.Sbi(0, SbiExtensionId.HartState, 2, 1).Value);
        Assert.Equal(SbiError.Success, _guest.Sbi(0, SbiExtensionId.HartState, 0, 1, Ram + 0x100, 0x77).Error);
        Assert.Equal([1], _guest.Woken);
        Assert.Equal(2UL, _guest.Sbi(0, SbiExtensionId.HartState, 2, 1).Value);
        Assert.Equal(SbiError.AlreadyAvailable, _guest.Sbi(0, SbiExtensionId.HartState, 0, 1, Ram, 0).Error);
        Assert.True(_guest.HasPendingWork(1));
        _guest.Prepare(1);
        Assert.Equal((Ram + 0x100, 1UL, 0x77UL), (_guest.State(1)->Pc, _guest.State(1)->X[10], _guest.State(1)->X[11]));
        Assert.Equal(0UL, _guest.Sbi(0, SbiExtensionId.HartState, 2, 1).Value);

        _guest.Sbi(1, SbiExtensionId.HartState, 1);
        Assert.Equal(ExitVerdict.Block, _guest.LastVerdict);
        Assert.False(_guest.HasPendingWork(1));
        Assert.Equal(1UL, _guest.Sbi(0, SbiExtensionId.HartState, 2, 1).Value);
        Assert.Equal(SbiError.Success, _guest.Sbi(0, SbiExtensionId.HartState, 0, 1, Ram + 0x200, 0x78).Error);
        _guest.Prepare(1);
        Assert.Equal(Ram + 0x200, _guest.State(1)->Pc);
    }

    [Fact]
    public void StoppedHart_WokenForNothing_RunsNoInstruction()
    {
        VCpu hart = _guest.Machine.VCpus[1];
        SliceEnd end = hart.RunSlice(1000, _guest.Machine.CodeCacheFor(0), out _);
        Assert.Equal(SliceEnd.Blocked, end);
        Assert.Equal(0, hart.Meter.Exits(Hypervisor.Core.Engine.VmExitReason.EnvironmentCall));
    }

    [Fact]
    public void Ipi_ToSleepingHart_WakesIt()
    {
        _guest.Sbi(0, SbiExtensionId.Ipi, 0, 1, 0);
        Assert.Equal(Software, _guest.Pending(0) & Software);
        Assert.Empty(_guest.Woken);
        _guest.Sbi(0, SbiExtensionId.HartState, 3, 0);
        Assert.Equal(ExitVerdict.Block, _guest.LastVerdict);
        Assert.Equal(SbiError.Success, _guest.Sbi(1, SbiExtensionId.Ipi, 0, 1, 0).Error);
        Assert.Equal([0], _guest.Woken);
    }

    [Fact]
    public void SystemReset_WithCode_EndsTheMachineWithIt()
    {
        _guest.Sbi(0, SbiExtensionId.SystemReset, 0, 0, 0xF000_002A);
        Assert.Equal(ExitVerdict.Stop, _guest.LastVerdict);
        Assert.Equal(42, _guest.Machine.Exit?.Code);
    }

    [Fact]
    public void Engine_EcallFromSupervisor_ReachesTheExtensions()
    {
        // li a7, 0x10 (Base); li a6, 0; ecall; then lui a0, 0xf0000; srliw-free: li a7 legacy shutdown 8; ecall
        uint[] program = [0x01000893, 0x00000813, 0x00000073, 0x00058493, 0x00800893, 0x00000073];
        for (int i = 0; i < program.Length; i++)
            _guest.Memory.TryWrite(Ram + (ulong)(4 * i), program[i]);
        VCpu hart = _guest.Machine.VCpus[0];
        Assert.Equal(SliceEnd.Stopped, hart.RunSlice(1000, _guest.Machine.CodeCacheFor(0), out _));
        Assert.Equal(2, hart.Meter.Exits(Hypervisor.Core.Engine.VmExitReason.EnvironmentCall));
        Assert.Equal(0, _guest.Machine.Exit?.Code);
        unsafe
        {
            Assert.Equal(2UL << 24, _guest.State(0)->X[9]);
        }
    }

    [Fact]
    public void RandomCalls_Always_AnswerAKnownErrorAndHarmNothing()
    {
        ulong[] wild =
        [
            0, 1, 2, 3, 7, 8, 64, 128, 255, 256, 512, 0xFFFF, Page, Page + 4, Page1, Entries, Entries + 8,
            RamEnd - 8, RamEnd - 16, RamEnd, Ram, 0x7FFF_FFFF_FFFF_F000, AllOnes, AllOnes - 7, 1UL << 63,
        ];
        ulong[] functions =
        [
            0, 1, 2, 3, 4, 5, 6, 0x10, 0x11, 0x12, 0x13, 0x14, 0x20, 0x21, 0x22, 0x23, 0x24, 0x25, AllOnes,
        ];
        var calls = from function in Gen.Elements(functions)
                    from a0 in Gen.Elements(wild)
                    from a1 in Gen.Elements(wild)
                    from a2 in Gen.Elements(wild)
                    select new[] { function, a0, a1, a2 };
        Property.ForAll(calls.ListOf(40), sequence =>
        {
            using var guest = new ParaFixture();
            foreach (ulong[] a in sequence)
            {
                (SbiError error, _) = guest.Call(a[0], a[1], a[2], a[3]);
                if ((long)error is > 0 or < -9)
                    return false;
                if (guest.LastVerdict == ExitVerdict.Block)
                    guest.Prepare(0);
                if (guest.Machine.Exit is not null)
                    return false;
            }

            return true;
        }, 200);
    }
}
