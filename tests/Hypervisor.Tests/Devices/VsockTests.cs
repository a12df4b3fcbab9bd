using FsCheck.Fluent;
using Hypervisor.Core.Devices.Virtio;
using Hypervisor.Core.Devices.Virtio.Vsock;
using Hypervisor.Core.Memory;
using Hypervisor.Core.State;
using Hypervisor.Tests.Support;

namespace Hypervisor.Tests.Devices;

/// <summary>The vsock device packet by packet, against virtio 1.2 §5.10.6.</summary>
public sealed class VsockTests
{
    private static VsockPacket FromGuest(VsockOperation operation, uint guestPort = 100, uint hostPort = 7, uint allocation = 1000, uint forwarded = 0, uint length = 0, uint flags = 0)
        => new(3, 2, guestPort, hostPort, length, 1, operation, flags, allocation, forwarded);

    [Fact]
    public void Request_Accepted_CarriesDataWithinTheGuestsCredit()
    {
        using var guest = new Guest();
        guest.Send(FromGuest(VsockOperation.Request, allocation: 10));
        VsockConnection connection = Assert.Single(guest.Requested);
        guest.Device.Accept(connection);
        Assert.Equal(VsockOperation.Response, guest.Receive()!.Value.Packet.Operation);
        Assert.Equal(16, guest.Device.FromHost(connection, "0123456789abcdef"u8));
        (VsockPacket packet, byte[] data) = guest.Receive()!.Value;
        Assert.Equal((VsockOperation.Data, 10u, 2UL, 3UL, 7u, 100u), (packet.Operation, packet.Length, packet.SourceCid, packet.TargetCid, packet.SourcePort, packet.TargetPort));
        Assert.Equal("0123456789"u8.ToArray(), data);
        Assert.Null(guest.Receive());
        guest.Send(FromGuest(VsockOperation.CreditUpdate, allocation: 10, forwarded: 4));
        Assert.Equal("abcd"u8.ToArray(), guest.Receive()!.Value.Data);
        guest.Send(FromGuest(VsockOperation.CreditUpdate, allocation: 10, forwarded: 14));
        Assert.Equal("ef"u8.ToArray(), guest.Receive()!.Value.Data);
        guest.Device.FromHost(connection, []);
        Assert.Equal((VsockOperation.Shutdown, 2u), (guest.Receive()!.Value.Packet.Operation, connection.HostEndTold ? 2u : 0));
    }

    [Fact]
    public void Data_FromTheGuest_ReachesTheHostAndGivesCreditBack()
    {
        using var guest = new Guest();
        VsockConnection connection = guest.Open();
        byte[] part = new byte[4096];
        for (int i = 0; i < 20; i++)
        {
            new Random(i).NextBytes(part);
            guest.Send(FromGuest(VsockOperation.Data, length: (uint)part.Length), part);
            byte[] taken = new byte[8192];
            Assert.Equal(part.Length, guest.Device.ToHost(connection, taken));
            Assert.Equal(part, taken[..part.Length]);
        }

        VsockPacket update = guest.Receive()!.Value.Packet;
        Assert.Equal((VsockOperation.CreditUpdate, 65536u, (uint)VsockConnection.Allocation), (update.Operation, update.Forwarded, update.Allocation));
        guest.Send(FromGuest(VsockOperation.Shutdown, flags: 3));
        Assert.Equal((false, true), guest.Device.Standing(connection));
        guest.Device.Close(connection);
        Assert.Equal(VsockOperation.Reset, guest.Receive()!.Value.Packet.Operation);
    }

    [Fact]
    public void Data_BeyondWhatTheGuestMaySend_EndsTheStream()
    {
        using var guest = new Guest();
        VsockConnection connection = guest.Open();
        byte[] part = new byte[16384];
        for (int i = 0; i < VsockConnection.Allocation / part.Length; i++)
            guest.Send(FromGuest(VsockOperation.Data, length: (uint)part.Length), part);
        Assert.False(guest.Device.Standing(connection).IsOver);
        guest.Send(FromGuest(VsockOperation.Data, length: 1), [1]);
        Assert.True(guest.Device.Standing(connection).IsOver);
        Assert.Equal(VsockOperation.Reset, guest.Receive()!.Value.Packet.Operation);
    }

    [Theory]
    [InlineData(9UL, 2UL, (ushort)1)]
    [InlineData(3UL, 5UL, (ushort)1)]
    [InlineData(3UL, 2UL, (ushort)2)]
    public void Packet_OfOthers_IsRefused(ulong source, ulong target, ushort type)
    {
        using var guest = new Guest();
        guest.Send(new VsockPacket(source, target, 1, 2, 0, type, VsockOperation.Request, 0, 0, 0));
        VsockPacket answer = guest.Receive()!.Value.Packet;
        Assert.Equal((VsockOperation.Reset, target, source, 2u, 1u), (answer.Operation, answer.SourceCid, answer.TargetCid, answer.SourcePort, answer.TargetPort));
        Assert.Empty(guest.Requested);
    }

    [Fact]
    public void Load_OfASnapshot_TellsTheGuestThatStreamsAreOver()
    {
        using var guest = new Guest();
        VsockConnection connection = guest.Open();
        guest.Device.Load(new StateReader(new byte[16]));
        Assert.True(guest.Device.Standing(connection).IsOver);
        Assert.Equal(0u, guest.ReceiveEvent());
    }

    [Fact]
    public void Requests_WithoutEnd_ThatTakeNoAnswers_AreHeldUp()
    {
        using var guest = new Guest(receives: false);
        for (uint i = 0; i < 300; i++)
            guest.Send(FromGuest(VsockOperation.Data, guestPort: i), expectTaken: false);
        Assert.Equal(256, guest.Taken);
        int taken = guest.Taken;
        for (int i = 0; i < 200; i++)
            Assert.NotNull(guest.Receive());
        Assert.True(guest.Taken > taken);
    }

    [Fact]
    public void AnyPackets_AndAnySockets_LeaveNothingBroken()
    {
        var step = from what in Gen.Choose(0, 9)
                   from operation in Gen.Choose(0, 9).Select(v => (VsockOperation)v)
                   from guestPort in Gen.Choose(1, 3).Select(v => (uint)v)
                   from hostPort in Gen.Choose(1, 3).Select(v => (uint)v)
                   from number in Gen.Elements(0u, 1u, 100u, 5000u, 0x7fffffffu, uint.MaxValue)
                   from length in Gen.Choose(0, 3000)
                   select (what, operation, guestPort, hostPort, number, length);
        Property.ForAll(step.ListOf(80), steps =>
        {
            using var guest = new Guest();
            byte[] buffer = new byte[4096];
            foreach ((int what, VsockOperation operation, uint guestPort, uint hostPort, uint number, int length) in steps)
            {
                VsockConnection? some = guest.Requested.Count > 0 ? guest.Requested[length % guest.Requested.Count] : null;
                switch (what)
                {
                    case 0 when some is not null:
                        guest.Device.Accept(some);
                        break;
                    case 1 when some is not null:
                        guest.Device.FromHost(some, buffer.AsSpan(0, length % 2 == 0 ? 0 : length));
                        break;
                    case 2 when some is not null:
                        guest.Device.ToHost(some, buffer);
                        break;
                    case 3 when some is not null:
                        guest.Device.Close(some);
                        break;
                    case 4:
                        guest.Device.Connect(hostPort, guestPort);
                        break;
                    case 5:
                        guest.Receive();
                        break;
                    default:
                        guest.Send(FromGuest(operation, guestPort, hostPort, number, number / 3, (uint)length, number % 4), buffer.AsSpan(0, length));
                        break;
                }
            }

            return !guest.NeedsReset;
        }, 150);
    }

    /// <summary>A guest's side of the device: sends packets, and keeps buffers for what comes.</summary>
    private sealed class Guest : IDisposable
    {
        private const uint Size = 64;
        private const ulong Buffers = VirtioDriver.Ram + 0x10_0000;
        private const uint BufferSize = 8192;
        private const ulong Outgoing = VirtioDriver.Ram + 0x20_0000;

        private readonly GuestMemory _memory = new(new MemoryRegion(VirtioDriver.Ram, 4 << 20));
        private readonly VirtioMmio _mmio;
        private readonly VirtioDriver _receive;
        private readonly VirtioDriver _transmit;
        private readonly VirtioDriver _event;

        public Guest(bool receives = true)
        {
            Device = new VirtioVsock(3) { Requested = Requested.Add };
            _mmio = new VirtioMmio(_memory, new FakeTimers(), new FakeLine(), Device);
            VirtioDriver.Negotiate(_mmio, VirtioDriver.Version1 | 1);
            _receive = new VirtioDriver(_memory, _mmio, 0, Size, 0).Configure();
            _transmit = new VirtioDriver(_memory, _mmio, 1, Size, 0).Configure();
            _event = new VirtioDriver(_memory, _mmio, 2, Size, 0).Configure();
            VirtioDriver.Set(_mmio, 0x70, 15);
            for (uint i = 0; receives && i < Size; i++)
                _receive.Add(new GuestBuffer(Buffers + (i * BufferSize), BufferSize, true));
            Receives = receives;
        }

        public VirtioVsock Device { get; }

        public List<VsockConnection> Requested { get; } = [];

        public int Taken => _transmit.UsedIndex;

        public bool NeedsReset => (VirtioDriver.Get(_mmio, 0x70) & 0x40) != 0;

        private bool Receives { get; set; }

        public VsockConnection Open()
        {
            Send(FromGuest(VsockOperation.Request));
            Device.Accept(Requested[^1]);
            Assert.Equal(VsockOperation.Response, Receive()!.Value.Packet.Operation);
            return Requested[^1];
        }

        public void Send(VsockPacket packet, ReadOnlySpan<byte> data = default, bool expectTaken = true)
        {
            Span<byte> header = stackalloc byte[VsockPacket.Size];
            packet.Write(header);
            _memory.TryWrite(Outgoing, header);
            _memory.TryWrite(Outgoing + 64, data);
            ushort before = _transmit.UsedIndex;
            if (data.IsEmpty)
                _transmit.Add(new GuestBuffer(Outgoing, VsockPacket.Size, false));
            else
                _transmit.Add(new GuestBuffer(Outgoing, VsockPacket.Size, false), new GuestBuffer(Outgoing + 64, (uint)data.Length, false));
            _transmit.Notify();
            if (expectTaken)
                Assert.NotEqual(before, _transmit.UsedIndex);
        }

        public (VsockPacket Packet, byte[] Data)? Receive()
        {
            if (!Receives)
            {
                _receive.Add(new GuestBuffer(Buffers, BufferSize, true));
                _receive.Notify();
            }

            if (!_receive.TryTake(out uint head, out uint length))
                return null;
            ulong address = Buffers + (Receives ? head * BufferSize : 0);
            var bytes = new byte[length];
            _memory.TryRead(address, bytes);
            if (Receives)
                _receive.Add(new GuestBuffer(address, BufferSize, true));
            return (VsockPacket.Read(bytes), bytes[VsockPacket.Size..]);
        }

        public uint ReceiveEvent()
        {
            _memory.TryWrite(Outgoing, 0xFFu);
            _event.Add(new GuestBuffer(Outgoing, 4, true));
            _event.Notify();
            Assert.Equal(4u, _event.Take().Written);
            Assert.True(_memory.TryRead(Outgoing, out uint id));
            return id;
        }

        public void Dispose()
        {
            _mmio.Dispose();
            _memory.Dispose();
        }
    }
}
