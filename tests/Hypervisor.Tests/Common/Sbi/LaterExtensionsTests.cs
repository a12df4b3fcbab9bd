using FsCheck.Fluent;
using Hypervisor.Core.Engine;
using Hypervisor.Core.Isa;
using Hypervisor.Guests.Common.Sbi;
using Hypervisor.Tests.Support;

namespace Hypervisor.Tests.Common.Sbi;

/// <summary>PMU, STA, SUSP, CPPC, FWFT and the legacy calls, against the SBI specification 2.0 and 3.0.</summary>
public sealed class LaterExtensionsTests : IDisposable
{
    private const ulong AllOnes = ulong.MaxValue;
    private const ulong Ram = FakePlatform.RamBase;
    private const ulong Pmu = SbiExtensionId.PerformanceMonitoring;
    private const ulong FirmwareType = 15 << 16;
    private const ulong SetTimerEvent = FirmwareType | 5;
    private const ulong ExitEvent = FirmwareType | 0xFFFF;

    private readonly FakePlatform _platform = new();
    private readonly StealTimeExtension _steal;
    private readonly SbiRegistry _sbi;

    public LaterExtensionsTests()
    {
        _steal = new StealTimeExtension(_platform);
        _sbi = StandardExtensions.Create(_platform, new FakeConsole(), _steal);
    }

    public void Dispose() => _platform.Dispose();

    private (SbiError Error, ulong Value) Call(ulong extension, ulong function, params ulong[] a) => CallOn(0, extension, function, a);

    private (SbiError Error, ulong Value) CallOn(int hart, ulong extension, ulong function, params ulong[] a)
    {
        ulong At(int i) => i < a.Length ? a[i] : 0;
        SbiResult result = _sbi.Call(new SbiCall(hart, extension, function, At(0), At(1), At(2), At(3), At(4), At(5)));
        return (result.Error, result.Value);
    }

    [Fact]
    public void Pmu_HardwareCounters_AreTheHarts()
    {
        Assert.Equal((SbiError.Success, 18UL), Call(Pmu, 0));
        Assert.Equal((SbiError.Success, 63UL << 12 | CsrNumber.Cycle), Call(Pmu, 1, 0));
        Assert.Equal((SbiError.Success, 63UL << 12 | CsrNumber.Instret), Call(Pmu, 1, 1));
        Assert.Equal((SbiError.Success, 1UL << 63), Call(Pmu, 1, 17));
        Assert.Equal(SbiError.InvalidParam, Call(Pmu, 1, 18).Error);

        // Instructions, cleared and started at once; cycles, started with a value.
        Assert.Equal((SbiError.Success, 1UL), Call(Pmu, 2, 0, 0x3FFFF, 2 | 4, 2));
        Assert.Equal((false, (ulong?)null), _platform.Counters[(0, 2)]);
        Assert.Equal((SbiError.Success, 0UL), Call(Pmu, 2, 0, 0x3FFFF, 0, 1));
        Assert.Equal(SbiError.Success, Call(Pmu, 3, 0, 1, 1, 12345).Error);
        Assert.Equal(SbiError.AlreadyStarted, Call(Pmu, 3, 0, 1, 0, 0).Error);
        Assert.Equal(SbiError.NotSupported, Call(Pmu, 2, 0, 0x3FFFF, 0, 1).Error);
        Assert.Equal(SbiError.Success, Call(Pmu, 4, 0, 3, 1).Error);
        Assert.True(_platform.Counters[(0, 0)].Inhibited);
        Assert.Equal(SbiError.InvalidParam, Call(Pmu, 3, 0, 1, 0, 0).Error);
        Assert.Equal(SbiError.InvalidParam, Call(Pmu, 5, 0).Error);
    }

    [Fact]
    public void Pmu_FirmwareCounter_CountsItsEventWhileItRuns()
    {
        (SbiError error, ulong index) = Call(Pmu, 2, 0, 0x3FFFF, 0, SetTimerEvent);
        Assert.Equal(SbiError.Success, error);
        Assert.True(index >= 2);
        Call(SbiExtensionId.Time, 0, 1);
        Assert.Equal((SbiError.Success, 0UL), Call(Pmu, 5, index));
        Assert.Equal(SbiError.Success, Call(Pmu, 3, index, 1, 1, 100).Error);
        Call(SbiExtensionId.Time, 0, 1);
        Call(SbiExtensionId.Time, 0, 1);
        CallOn(1, SbiExtensionId.Time, 0, 1);
        Assert.Equal((SbiError.Success, 102UL), Call(Pmu, 5, index));
        Assert.Equal((SbiError.Success, 0UL), Call(Pmu, 6, index));
        Assert.Equal(SbiError.Success, Call(Pmu, 4, index, 1, 0).Error);
        Assert.Equal(SbiError.AlreadyStopped, Call(Pmu, 4, index, 1, 0).Error);
        Call(SbiExtensionId.Time, 0, 1);
        Assert.Equal((SbiError.Success, 102UL), Call(Pmu, 5, index));
    }

    [Fact]
    public void Pmu_PlatformEvent_CountsExits()
    {
        ulong all = Call(Pmu, 2, 0, 0x3FFFF, 2 | 4, ExitEvent, AllOnes).Value;
        ulong one = Call(Pmu, 2, 0, 0x3FFFF, 2 | 4, ExitEvent, (ulong)VmExitReason.EnvironmentCall).Value;
        Assert.NotEqual(all, one);
        Assert.Equal(SbiError.NotSupported, Call(Pmu, 2, 0, 0x3FFFF, 0, ExitEvent, 999).Error);
        for (int i = 0; i < 5; i++)
            _platform.Meters[0].Count(i < 3 ? VmExitReason.EnvironmentCall : VmExitReason.MmioRead);
        Assert.Equal(5UL, Call(Pmu, 5, all).Value);
        Assert.Equal(3UL, Call(Pmu, 5, one).Value);
    }

    [Fact]
    public void Pmu_AllFirmwareCountersInUse_RefusesOneMore()
    {
        var given = new HashSet<ulong>();
        for (int i = 0; i < 16; i++)
            Assert.True(given.Add(Call(Pmu, 2, 0, 0x3FFFF, 0, SetTimerEvent).Value));
        Assert.Equal(SbiError.NotSupported, Call(Pmu, 2, 0, 0x3FFFF, 0, SetTimerEvent).Error);
        Assert.Equal(SbiError.AlreadyStopped, Call(Pmu, 4, 5, 1, 1).Error);
        Assert.Equal((SbiError.Success, 5UL), Call(Pmu, 2, 0, 0x3FFFF, 0, SetTimerEvent));
        Assert.Equal(SbiError.Success, CallOn(1, Pmu, 2, 0, 0x3FFFF, 0, SetTimerEvent).Error);
    }

    [Fact]
    public void StealTime_RegisteredPage_TellsTheWait()
    {
        ulong page = Ram + 0x1040;
        Assert.True(_platform.Memory.TryWrite(page + 16, AllOnes));
        _platform.Meters[0].WaitNanoseconds = 777;
        Assert.Equal(SbiError.Success, Call(SbiExtensionId.StealTime, 0, page, 0, 0).Error);
        Assert.Equal([2u, 0u], Words(page, 2));
        Assert.Equal([777u, 0u, 0u, 0u], Words(page + 8, 4));
        _platform.Meters[0].WaitNanoseconds = 5_000_000_000;
        _steal.Update(0, _platform.Meters[0]);
        Assert.Equal(4u, Words(page, 1)[0]);
        Assert.True(_platform.Memory.TryRead(page + 8, out ulong told));
        Assert.Equal(5_000_000_000UL, told);
        Assert.Equal(SbiError.Success, Call(SbiExtensionId.StealTime, 0, AllOnes, AllOnes, 0).Error);
        _steal.Update(0, _platform.Meters[0]);
        Assert.Equal(4u, Words(page, 1)[0]);
    }

    [Theory]
    [InlineData(Ram + 8, 0, 0, SbiError.InvalidParam)]
    [InlineData(Ram, 0, 1, SbiError.InvalidParam)]
    [InlineData(Ram, 1, 0, SbiError.InvalidAddress)]
    [InlineData(0x1000, 0, 0, SbiError.InvalidAddress)]
    [InlineData(Ram + FakePlatform.RamSize, 0, 0, SbiError.InvalidAddress)]
    public void StealTime_PageThatCannotBe_IsRefused(ulong low, ulong high, ulong flags, object error)
        => Assert.Equal((SbiError)error, Call(SbiExtensionId.StealTime, 0, low, high, flags).Error);

    [Fact]
    public void SystemSuspend_NeedsAllOthersStopped()
    {
        Assert.Equal(SbiError.Denied, Call(SbiExtensionId.SystemSuspend, 0, 0, Ram, 9).Error);
        _platform.Status[2] = SbiHartStatus.Stopped;
        Assert.Equal(SbiError.InvalidParam, Call(SbiExtensionId.SystemSuspend, 0, 1, Ram, 9).Error);
        Assert.Equal(SbiError.InvalidAddress, Call(SbiExtensionId.SystemSuspend, 0, 0, 0x1000, 9).Error);
        Assert.Empty(_platform.Log);
        SbiResult result = _sbi.Call(new SbiCall(0, SbiExtensionId.SystemSuspend, 0, 0, Ram, 9));
        Assert.Equal(SbiCompletion.Block, result.Completion);
        Assert.Equal(["suspend 0 80000000 9"], _platform.Log);
    }

    [Fact]
    public void FirmwareFeatures_BitsOfTheHart_CanBeChangedUntilLocked()
    {
        const ulong id = SbiExtensionId.FirmwareFeatures;
        Assert.Equal((SbiError.Success, 1UL), Call(id, 1, 0));
        Assert.Equal(SbiError.Success, Call(id, 0, 0, 1, 0).Error);
        Assert.Equal(SbiError.InvalidParam, Call(id, 0, 0, 0, 0).Error);
        Assert.Equal((SbiError.Success, 1UL), Call(id, 1, 4));
        Assert.Equal(SbiError.Success, Call(id, 0, 4, 0, 1).Error);
        Assert.False(_platform.HardwareSetsBits);
        Assert.Equal((SbiError.Success, 0UL), Call(id, 1, 4));
        Assert.Equal(SbiError.DeniedLocked, Call(id, 0, 4, 1, 0).Error);
        Assert.Equal(SbiError.NotSupported, Call(id, 0, 2, 1, 0).Error);
        Assert.Equal(SbiError.Denied, Call(id, 1, 6).Error);
        Assert.Equal(SbiError.InvalidParam, CallOn(1, id, 0, 4, 2, 0).Error);
    }

    [Fact]
    public void Cppc_Registers_AreNotThere()
    {
        Assert.Equal((SbiError.Success, 0UL), Call(SbiExtensionId.PerformanceControl, 0, 5));
        Assert.Equal(SbiError.InvalidParam, Call(SbiExtensionId.PerformanceControl, 0, 1UL << 32).Error);
    }

    [Fact]
    public void Legacy_TimerInterruptsAndFences_ReachTheHartsOfTheMask()
    {
        Assert.True(_platform.Memory.TryWrite(Ram + 8, 0b101UL));
        Call(SbiExtensionId.LegacySetTimer, 77, 1234);
        Call(SbiExtensionId.LegacyClearIpi, 0);
        Call(SbiExtensionId.LegacySendIpi, 0, Ram + 8);
        Call(SbiExtensionId.LegacyFenceInstructions, 0, 0);
        Call(SbiExtensionId.LegacyFenceAddresses, 0, Ram + 8, 0x1000, 0x2000);
        Assert.Equal(
            ["timer 0 1234", "clear 0", "ipi 0", "ipi 2", "fence 0 Instructions 0 0", "fence 1 Instructions 0 0", "fence 2 Instructions 0 0", "await 0",
            "fence 0 Addresses 1000 2000", "fence 2 Addresses 1000 2000", "await 0"], _platform.Log);
        SbiResult wild = _sbi.Call(new SbiCall(0, SbiExtensionId.LegacySendIpi, 0, 0x1000));
        Assert.Equal((SbiError.Failed, SbiCompletion.ResumeLegacy), (wild.Error, wild.Completion));
    }

    /// <summary>Whatever a guest asks: an answer, never an exception.</summary>
    [Fact]
    public void Call_AnyArguments_IsAnswered() => Property.ForAll(Gen.Choose(0, 1 << 30), seed =>
    {
        var random = new Random(seed);
        ulong[] ids = [Pmu, SbiExtensionId.StealTime, SbiExtensionId.SystemSuspend, SbiExtensionId.PerformanceControl, SbiExtensionId.FirmwareFeatures, .. Enumerable.Range(0, 16).Select(i => (ulong)i)];
        ulong[] values = [0, 1, 2, 3, 4, 5, 15, 16, 17, 18, 19, 63, 64, SetTimerEvent, ExitEvent, Ram, Ram + 64, Ram + FakePlatform.RamSize - 8, 1UL << 31, 1UL << 63, AllOnes, AllOnes - 1];
        ulong Value() => random.Next(4) == 0 ? (ulong)random.NextInt64() : values[random.Next(values.Length)];
        for (int i = 0; i < 200; i++)
            CallOn(random.Next(3), ids[random.Next(ids.Length)], (ulong)random.Next(8), Value(), Value(), Value(), Value(), Value(), Value());
        return true;
    });

    private uint[] Words(ulong address, int count)
        => [.. Enumerable.Range(0, count).Select(i => _platform.Memory.TryRead(address + (4 * (ulong)i), out uint word) ? word : throw new InvalidOperationException())];
}
