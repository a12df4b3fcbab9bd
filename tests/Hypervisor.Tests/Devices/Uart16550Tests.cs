using Hypervisor.Core;
using Hypervisor.Core.Devices;

namespace Hypervisor.Tests.Devices;

public sealed class Uart16550Tests
{
    private readonly FakeLine _line = new();
    private readonly FakeSink _sink = new();
    private readonly Uart16550 _uart;

    public Uart16550Tests() => _uart = new Uart16550(_line, _sink);

    private byte Read(ulong register) => (byte)_uart.Read(register, 1);

    private void Write(ulong register, byte value) => _uart.Write(register, 1, value);

    [Fact]
    public void Transmit_Bytes_ReachTheSinkAtOnce()
    {
        foreach (var c in "hello\n"u8)
        {
            Assert.Equal(0x60, Read(5) & 0x60);
            Write(0, c);
        }

        Assert.Equal("hello\n", _sink.Text);
        Assert.False(_line.Raised);
    }

    [Fact]
    public void TransmitInterrupt_EnabledReadAndWritten_FollowsTheDataSheet()
    {
        Write(1, 2);
        Assert.True(_line.Raised);
        Assert.Equal(2, Read(2));
        Assert.False(_line.Raised);
        Assert.Equal(1, Read(2));
        Write(0, (byte)'a');
        Assert.True(_line.Raised);
        Write(1, 0);
        Assert.False(_line.Raised);
    }

    [Fact]
    public void Receive_WithFifo_TriggersAndTimesOut()
    {
        Write(2, 0x81);
        Write(1, 1);
        Assert.Equal(0xc1, Read(2));
        Assert.Equal(3, _uart.Receive("abc"u8));
        Assert.True(_line.Raised);
        Assert.Equal(0xcc, Read(2));
        _uart.Receive("defgh"u8);
        Assert.Equal(0xc4, Read(2));
        Assert.Equal(0x61, Read(5));
        var text = "";
        while ((Read(5) & 1) != 0)
        {
            text += (char)Read(0);
        }

        Assert.Equal("abcdefgh", text);
        Assert.False(_line.Raised);
        Assert.Equal(0, Read(0));
    }

    [Fact]
    public void Receive_MoreThanTheFifo_LosesNothing()
    {
        var sent = Enumerable.Range(0, 1000).Select(i => (byte)i).ToArray();
        Assert.Equal(1000, _uart.Receive(sent));
        Assert.Equal(sent, Enumerable.Range(0, 1000).Select(_ => Read(0)));
        Assert.Equal(0x60, Read(5));
    }

    [Fact]
    public void Receive_WithoutEnd_TakesABoundedAmount()
    {
        var taken = 0;
        for (var i = 0; i < 40; i++)
        {
            taken += _uart.Receive(new byte[10_000]);
        }

        Assert.InRange(taken, 64 << 10, (64 << 10) + 16);
    }

    [Fact]
    public void DivisorLatch_Selected_HidesDataAndInterruptEnable()
    {
        Write(1, 5);
        Write(3, 0x83);
        Write(0, 0x34);
        Write(1, 0x12);
        Assert.Equal(0x34, Read(0));
        Assert.Equal(0x12, Read(1));
        Assert.Equal("", _sink.Text);
        Write(3, 3);
        Assert.Equal(5, Read(1));
        Assert.Equal(3, Read(3));
    }

    [Fact]
    public void Loopback_Data_ComesBackAndIsNotSent()
    {
        Write(4, 0x1a);
        Assert.Equal(0x90, Read(6) & 0xf0);
        Write(0, (byte)'x');
        Assert.Equal("", _sink.Text);
        _uart.Receive("y"u8);
        Assert.Equal((byte)'x', Read(0));
        Assert.Equal(0x60, Read(5));
        Write(4, 0);
        Assert.Equal((byte)'y', Read(0));
    }

    [Fact]
    public void ModemInterrupt_OnlyAfterAChange_ClearedByReading()
    {
        Write(1, 8);
        Assert.False(_line.Raised);
        Write(4, 0x10);
        Assert.True(_line.Raised);
        Assert.Equal(0, Read(2));
        Assert.Equal(0x0b, Read(6));
        Assert.False(_line.Raised);
    }

    [Fact]
    public void Scratch_Written_ReadsBack()
    {
        Write(7, 0xa5);
        Assert.Equal(0xa5, Read(7));
        Assert.Equal(0UL, _uart.Read(0x80, 8));
    }

    [Fact]
    public void Load_SavedState_RestoresQueuesAndLine()
    {
        Write(2, 1);
        Write(1, 1);
        _uart.Receive("0123456789abcdefghij"u8);
        Assert.Equal((byte)'0', Read(0));
        var state = DeviceState.Of(_uart);
        var line = new FakeLine();
        var restored = new Uart16550(line, _sink);
        DeviceState.Load(restored, state);
        Assert.Equal(state, DeviceState.Of(restored));
        Assert.True(line.Raised);
        var text = "";
        while ((restored.Read(5, 1) & 1) != 0)
        {
            text += (char)restored.Read(0, 1);
        }

        Assert.Equal("123456789abcdefghij", text);
        Assert.Throws<HypervisorException>(() => DeviceState.Load(new Uart16550(line, _sink), state[..^1]));
    }
}
