using System.Text;
using FsCheck.Fluent;
using Hypervisor.Guests.Common.Sbi;
using Hypervisor.Tests.Support;

namespace Hypervisor.Tests.Common.Sbi;

/// <summary>Every function and error value of the standard extensions, against the SBI specification 2.0.</summary>
public sealed class StandardExtensionsTests : IDisposable
{
    private const ulong AllOnes = ulong.MaxValue;
    private const ulong Ram = FakePlatform.RamBase;
    private const ulong RamEnd = Ram + FakePlatform.RamSize;

    private readonly FakePlatform _platform = new();
    private readonly FakeConsole _console = new();
    private readonly SbiRegistry _sbi;

    public StandardExtensionsTests() => _sbi = StandardExtensions.Create(_platform, _console, new StealTimeExtension(_platform));

    public void Dispose() => _platform.Dispose();

    private SbiResult Call(ulong extension, ulong function, params ulong[] a)
        => _sbi.Call(new SbiCall(0, extension, function, At(a, 0), At(a, 1), At(a, 2), At(a, 3), At(a, 4), At(a, 5)));

    private static ulong At(ulong[] values, int index) => index < values.Length ? values[index] : 0;

    private void Expect(SbiError error, ulong extension, ulong function, params ulong[] a)
    {
        SbiResult result = Call(extension, function, a);
        Assert.Equal(error, result.Error);
        if (error != SbiError.Success)
        {
            Assert.Equal(SbiCompletion.Resume, result.Completion);
            Assert.Empty(_platform.Log);
        }
    }

    [Fact]
    public void ErrorValues_AreThoseOfTheSpecification()
    {
        SbiError[] inOrder =
        [
            SbiError.Success, SbiError.Failed, SbiError.NotSupported, SbiError.InvalidParam, SbiError.Denied,
            SbiError.InvalidAddress, SbiError.AlreadyAvailable, SbiError.AlreadyStarted, SbiError.AlreadyStopped, SbiError.NoSharedMemory,
        ];
        for (int i = 0; i < inOrder.Length; i++)
            Assert.Equal(-i, (long)inOrder[i]);
    }

    [Theory]
    [InlineData(0x10, 7)]
    [InlineData(0x54494D45, 1)]
    [InlineData(0x735049, 1)]
    [InlineData(0x52464E43, 3)]
    [InlineData(0x52464E43, 6)]
    [InlineData(0x52464E43, 7)]
    [InlineData(0x48534D, 4)]
    [InlineData(0x53525354, 1)]
    [InlineData(0x4442434E, 3)]
    [InlineData(0x09, 0)]
    [InlineData(0x504D55, 7)]
    [InlineData(0x53555350, 1)]
    [InlineData(0x43505043, 1)]
    [InlineData(0x535441, 1)]
    [InlineData(0x46574654, 2)]
    [InlineData(0x4E41434C, 0)]
    public void Call_UnknownFunctionOrExtension_IsNotSupported(ulong extension, ulong function)
        => Expect(SbiError.NotSupported, extension, function);

    [Fact]
    public void Base_Version_IsTwo() => Assert.Equal(2UL << 24, Call(SbiExtensionId.Base, 0).Value);

    [Theory]
    [InlineData(0x10, 1)]
    [InlineData(0x54494D45, 1)]
    [InlineData(0x735049, 1)]
    [InlineData(0x52464E43, 1)]
    [InlineData(0x48534D, 1)]
    [InlineData(0x53525354, 1)]
    [InlineData(0x4442434E, 1)]
    [InlineData(0x504D55, 1)]
    [InlineData(AllOnes, 0)]
    public void Base_Probe_TellsWhatIsThere(ulong extension, ulong there)
    {
        SbiResult result = Call(SbiExtensionId.Base, 3, extension);
        Assert.Equal(SbiError.Success, result.Error);
        Assert.Equal(there, result.Value);
    }

    [Fact]
    public void Time_SetTimer_ReachesThePlatform()
    {
        Expect(SbiError.Success, SbiExtensionId.Time, 0, 1234);
        Assert.Equal(["timer 0 1234"], _platform.Log);
    }

    [Theory]
    [InlineData(8, 0)]
    [InlineData(1, 3)]
    [InlineData(2, 2)]
    [InlineData(1UL << 63, 0)]
    [InlineData(1, AllOnes - 1)]
    [InlineData(1UL << 63, AllOnes - 62)]
    public void HartMask_NamesNoHart_IsInvalidParam(ulong mask, ulong first)
    {
        Expect(SbiError.InvalidParam, SbiExtensionId.Ipi, 0, mask, first);
        Expect(SbiError.InvalidParam, SbiExtensionId.RemoteFence, 0, mask, first);
    }

    [Theory]
    [InlineData(5, 0, "ipi 0,ipi 2")]
    [InlineData(3, 1, "ipi 1,ipi 2")]
    [InlineData(0, AllOnes, "ipi 0,ipi 1,ipi 2")]
    [InlineData(0, 0, "")]
    [InlineData(0, 77, "")]
    public void Ipi_Mask_ReachesItsHarts(ulong mask, ulong first, string expected)
    {
        Expect(SbiError.Success, SbiExtensionId.Ipi, 0, mask, first);
        Assert.Equal(expected, string.Join(',', _platform.Log));
    }

    [Fact]
    public void RemoteFence_Kinds_ReachThePlatform()
    {
        Expect(SbiError.Success, SbiExtensionId.RemoteFence, 0, 2, 0);
        Expect(SbiError.Success, SbiExtensionId.RemoteFence, 1, 1, 2, 0x1000, 0x2000);
        Expect(SbiError.Success, SbiExtensionId.RemoteFence, 2, 1, 0, 0, AllOnes, 5);
        Assert.Equal(
            ["fence 1 Instructions 0 0", "await 0", "fence 2 Addresses 1000 2000", "await 0", "fence 0 Addresses 0 ffffffffffffffff", "await 0"],
            _platform.Log);
    }

    [Fact]
    public void RemoteFence_RangeThatWraps_IsInvalidAddress()
        => Expect(SbiError.InvalidAddress, SbiExtensionId.RemoteFence, 1, 1, 0, AllOnes - 0xFFF, 0x2000);

    [Fact]
    public void HartState_Start_ChecksHartThenAddressThenState()
    {
        Expect(SbiError.InvalidParam, SbiExtensionId.HartState, 0, 3, Ram);
        Expect(SbiError.InvalidParam, SbiExtensionId.HartState, 0, AllOnes, Ram);
        Expect(SbiError.InvalidAddress, SbiExtensionId.HartState, 0, 1, RamEnd);
        Expect(SbiError.InvalidAddress, SbiExtensionId.HartState, 0, 1, RamEnd - 1);
        Expect(SbiError.InvalidAddress, SbiExtensionId.HartState, 0, 1, Ram + 1);
        Expect(SbiError.InvalidAddress, SbiExtensionId.HartState, 0, 1, 0);
        Expect(SbiError.AlreadyAvailable, SbiExtensionId.HartState, 0, 0, Ram);
        Expect(SbiError.AlreadyAvailable, SbiExtensionId.HartState, 0, 2, Ram);
        Expect(SbiError.Success, SbiExtensionId.HartState, 0, 1, Ram + 2, 0x99);
        Assert.Equal(["start 1 80000002 99"], _platform.Log);
    }

    [Fact]
    public void HartState_Status_IsNumberedAsSpecified()
    {
        Assert.Equal(0UL, Call(SbiExtensionId.HartState, 2, 0).Value);
        Assert.Equal(1UL, Call(SbiExtensionId.HartState, 2, 1).Value);
        Assert.Equal(4UL, Call(SbiExtensionId.HartState, 2, 2).Value);
        Expect(SbiError.InvalidParam, SbiExtensionId.HartState, 2, 3);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(0x0FFF_FFFF)]
    [InlineData(0x1000_0000)]
    [InlineData(0x7FFF_FFFF)]
    [InlineData(0x8000_0001)]
    [InlineData(0x9000_0000)]
    public void HartState_SuspendOfUnknownType_IsInvalidParam(ulong type)
        => Expect(SbiError.InvalidParam, SbiExtensionId.HartState, 3, type, Ram);

    [Fact]
    public void HartState_SuspendAndStop_Block()
    {
        Expect(SbiError.InvalidAddress, SbiExtensionId.HartState, 3, 0x8000_0000, RamEnd);
        Assert.Equal(SbiCompletion.Block, Call(SbiExtensionId.HartState, 3, 0, 1).Completion);
        Assert.Equal(SbiCompletion.Block, Call(SbiExtensionId.HartState, 3, 0xFFFF_FFFF_8000_0000, Ram, 7).Completion);
        Assert.Equal(SbiCompletion.Block, Call(SbiExtensionId.HartState, 1).Completion);
        Assert.Equal(["suspend 0  0", "suspend 0 80000000 7", "stop 0"], _platform.Log);
    }

    [Theory]
    [InlineData(3, 0)]
    [InlineData(0xEFFF_FFFF, 0)]
    [InlineData(0xF000_0000, 0)]
    [InlineData(0, 2)]
    [InlineData(0, 0xDFFF_FFFF)]
    [InlineData(0, 0xE000_0000)]
    [InlineData(0, 0xF000_0100)]
    [InlineData(0, 0xFFFF_FFFF)]
    public void SystemReset_UnknownTypeOrReason_IsInvalidParam(ulong type, ulong reason)
        => Expect(SbiError.InvalidParam, SbiExtensionId.SystemReset, 0, type, reason);

    [Theory]
    [InlineData(0, 0, 0)]
    [InlineData(0, 1, 1)]
    [InlineData(1, 0, 0)]
    [InlineData(2, 0, 0)]
    [InlineData(0, 0xF000_0007, 7)]
    [InlineData(0, 0xFFFF_FFFF_F000_00FF, 255)]
    public void SystemReset_Known_EndsTheMachine(ulong type, ulong reason, int code)
    {
        Assert.Equal(SbiCompletion.Stop, Call(SbiExtensionId.SystemReset, 0, type, reason).Completion);
        Assert.Equal([$"end {code}"], _platform.Log);
    }

    [Theory]
    [InlineData(1, RamEnd, 0)]
    [InlineData(2, RamEnd - 1, 0)]
    [InlineData(1, Ram - 1, 0)]
    [InlineData(1, 0, 0)]
    [InlineData(AllOnes, Ram, 0)]
    [InlineData(FakePlatform.RamSize + 1, Ram, 0)]
    [InlineData(1, Ram, 1)]
    [InlineData(16, AllOnes - 7, AllOnes)]
    public void DebugConsole_BufferOutsideMemory_IsInvalidParam(ulong length, ulong low, ulong high)
    {
        Expect(SbiError.InvalidParam, SbiExtensionId.DebugConsole, 0, length, low, high);
        Expect(SbiError.InvalidParam, SbiExtensionId.DebugConsole, 1, length, low, high);
        Assert.Empty(_console.Output);
    }

    [Fact]
    public void DebugConsole_WriteAndRead_MoveBytes()
    {
        _platform.Memory.TryWrite(Ram + 0x100, "hello"u8);
        Assert.Equal(5UL, Call(SbiExtensionId.DebugConsole, 0, 5, Ram + 0x100).Value);
        Assert.Equal(SbiError.Success, Call(SbiExtensionId.DebugConsole, 2, '!').Error);
        Assert.Equal("hello!", Encoding.ASCII.GetString([.. _console.Output]));

        Assert.Equal(0UL, Call(SbiExtensionId.DebugConsole, 1, 16, Ram).Value);
        foreach (byte each in "ab"u8)
            _console.Input.Enqueue(each);
        Assert.Equal(2UL, Call(SbiExtensionId.DebugConsole, 1, 16, Ram).Value);
        Assert.True(_platform.Memory.TryRead(Ram, out ushort read));
        Assert.Equal('a' | 'b' << 8, read);
    }

    [Fact]
    public void DebugConsole_HugeBuffer_WritesPartOfIt()
    {
        Assert.Equal((ulong)DebugConsoleExtension.LargestTransfer, Call(SbiExtensionId.DebugConsole, 0, FakePlatform.RamSize, Ram).Value);
        Assert.Equal(0UL, Call(SbiExtensionId.DebugConsole, 0, 0, AllOnes).Value);
    }

    [Fact]
    public void Legacy_ConsoleAndShutdown_ChangeA0Alone()
    {
        SbiResult put = Call(SbiExtensionId.LegacyConsolePutchar, 0, 'x');
        Assert.Equal((SbiError.Success, SbiCompletion.ResumeLegacy), (put.Error, put.Completion));
        SbiResult nothing = Call(SbiExtensionId.LegacyConsoleGetchar, 0);
        Assert.Equal((-1, SbiCompletion.ResumeLegacy), ((long)nothing.Error, nothing.Completion));
        _console.Input.Enqueue((byte)'q');
        Assert.Equal('q', (long)Call(SbiExtensionId.LegacyConsoleGetchar, 0).Error);
        Assert.Equal(SbiCompletion.Stop, Call(SbiExtensionId.LegacyShutdown, 0).Completion);
        Assert.Equal(["end 0"], _platform.Log);
    }

    [Fact]
    public void Call_RandomArguments_NeverThrowsAndAnswersAKnownError()
    {
        ulong[] extensions = [0, 1, 2, 3, 8, 0x10, 0x54494D45, 0x735049, 0x52464E43, 0x48534D, 0x53525354, 0x4442434E, AllOnes];
        ulong[] wild = [0, 1, 2, 3, 8, 0x7FF, Ram, Ram + 1, RamEnd - 8, RamEnd, AllOnes, AllOnes - 1, 1UL << 63, 0x8000_0000, 0xF000_0001];
        var calls = from extension in Gen.Elements(extensions)
                    from function in Gen.Choose(0, 8)
                    from a0 in Gen.Elements(wild)
                    from a1 in Gen.Elements(wild)
                    from a2 in Gen.Elements(wild)
                    from a3 in Gen.Elements(wild)
                    select new[] { extension, (ulong)function, a0, a1, a2, a3 };
        Property.ForAll(calls, a =>
        {
            SbiResult result = Call(a[0], a[1], a[2], a[3], a[4], a[5]);
            return result.Completion == SbiCompletion.ResumeLegacy || (long)result.Error is <= 0 and >= -9;
        }, 2000);
    }
}
