using System.Net;
using System.Net.Sockets;

namespace Hypervisor.Core.Network.Routing;

/// <summary>
/// The way from a network out to the host's own, where its owner opened it: each TCP connection and each pair of UDP ends of a
/// station becomes a socket of the host, so that outside it looks like any program of the host. Nobody outside can begin.
/// </summary>
/// <remarks>All calls but those of sockets come under the router's lock.</remarks>
internal sealed class Outbound(VirtualRouter router, RouterLeg leg) : IDisposable
{
    private const int MostStreams = 512;
    private const int MostFlows = 512;
    private const int MostQueries = 64;
    private const byte Syn = 2;
    private const byte AckOrRst = 16 | 4;
    private static readonly TimeSpan s_idle = TimeSpan.FromSeconds(60);

    private readonly Dictionary<TcpAddresses, TcpConnection?> _streams = [];
    private readonly Dictionary<TcpAddresses, Socket> _flows = [];
    private readonly CancellationTokenSource _end = new();
    private int _resolving;

    /// <summary>
    /// Whether an address may be reached: not the host itself by its loopback, nor what is only there for the host's own link, such
    /// as a cloud's metadata, nor groups.
    /// </summary>
    public static bool IsOutside(uint address)
        => (address >> 24) is not (0 or 127 or >= 224) && address >> 16 != 0xA9FE;

    /// <summary>Handles a packet for an address that is on none of the router's networks.</summary>
    public void Handle(ReadOnlySpan<byte> packet, int header)
    {
        uint source = Packet.U32(packet, 12);
        uint target = Packet.U32(packet, 16);

        // Fragments would have to be put together first: stations on a link of 1500 bytes need none.
        if (!IsOutside(target) || (Packet.U16(packet, 6) & 0x3fff) != 0)
            return;
        ReadOnlySpan<byte> payload = packet[header..];
        switch (packet[9])
        {
            case Packet.ProtocolTcp when payload.Length >= Packet.TcpHeader && Packet.IsSoundSegment(payload, source, target, Packet.ProtocolTcp):
                HandleTcp(payload, new TcpAddresses(target, Packet.U16(payload, 2), source, Packet.U16(payload, 0)));
                break;
            case Packet.ProtocolUdp when payload.Length >= Packet.UdpHeader:
                HandleUdp(payload, new TcpAddresses(target, Packet.U16(payload, 2), source, Packet.U16(payload, 0)));
                break;
        }
    }

    /// <summary>Asks the host for the address of a name, and answers a station's query then.</summary>
    public void Resolve(string name, byte[] query, int port, uint station)
    {
        if (_resolving >= MostQueries || _end.IsCancellationRequested)
            return;
        _resolving++;
        _ = Task.Run(async () =>
        {
            uint address = 0;
            try
            {
                IPAddress[] found = await Dns.GetHostAddressesAsync(name, AddressFamily.InterNetwork, _end.Token).ConfigureAwait(false);
                if (found.Length > 0)
                    address = System.Buffers.Binary.BinaryPrimitives.ReadUInt32BigEndian(found[0].GetAddressBytes());
            }
            catch (Exception error) when (error is SocketException or ArgumentException or OperationCanceledException)
            {
                // The host knows no such name either, which is the answer.
            }

            lock (router.Gate)
            {
                _resolving--;
                var packet = new byte[Packet.Ipv4Header + Packet.UdpHeader + 1024];
                int length = DnsServer.Answer(query, packet.AsSpan(Packet.Ipv4Header + Packet.UdpHeader), _ => address);
                if (length > 0 && !_end.IsCancellationRequested)
                    leg.SendUdp(packet, length, DnsServer.Port, port, leg.Address, station);
            }

            leg.Port.Flush();
        });
    }

    /// <summary>Ends all that is under way.</summary>
    public void Dispose()
    {
        _end.Cancel();
        foreach (TcpConnection? stream in _streams.Values.ToArray())
            stream?.Abort();
        foreach (Socket flow in _flows.Values)
            flow.Dispose();
        _flows.Clear();
    }

    private void HandleTcp(ReadOnlySpan<byte> segment, TcpAddresses addresses)
    {
        if (_streams.TryGetValue(addresses, out TcpConnection? stream))
        {
            stream?.Handle(segment);
            return;
        }

        int length = (segment[12] >> 4) * 4;
        if (length < Packet.TcpHeader || length > segment.Length)
            return;
        if ((segment[13] & (Syn | AckOrRst)) != Syn || _streams.Count >= MostStreams || _end.IsCancellationRequested)
        {
            TcpConnection.Refuse(leg, segment, addresses.Remote, addresses.Local);
            return;
        }

        // The station hears nothing until the other side answered: its request waits here meanwhile.
        _streams.Add(addresses, null);
        byte[] request = segment.ToArray();
        _ = Task.Run(() => ConnectAsync(addresses, request));
    }

    private async Task ConnectAsync(TcpAddresses addresses, byte[] request)
    {
        var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        try
        {
            await socket.ConnectAsync(EndPoint(addresses), _end.Token).ConfigureAwait(false);
            socket.NoDelay = true;
        }
        catch (Exception error) when (error is SocketException or OperationCanceledException)
        {
            socket.Dispose();
            lock (router.Gate)
            {
                _streams.Remove(addresses);
                TcpConnection.Refuse(leg, request, addresses.Remote, addresses.Local);
            }

            leg.Port.Flush();
            return;
        }

        await new SocketRelay(router, leg, socket, client =>
        {
            var stream = new TcpConnection(leg, router.Timers, router.NextSequence(), addresses, client, () => _streams.Remove(addresses));
            _streams[addresses] = stream;
            stream.Accept(request);
            return stream;
        }, () => { }).Run().ConfigureAwait(false);
    }

    private void HandleUdp(ReadOnlySpan<byte> payload, TcpAddresses addresses)
    {
        if (_end.IsCancellationRequested || !Packet.TryDatagram(payload, addresses.Remote, addresses.Local, out ReadOnlySpan<byte> datagram))
            return;
        if (!_flows.TryGetValue(addresses, out Socket? flow))
        {
            // Whoever opens too many loses them all, and only its own network's.
            if (_flows.Count >= MostFlows)
            {
                foreach (Socket each in _flows.Values)
                    each.Dispose();
                _flows.Clear();
            }

            flow = new Socket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp) { Blocking = false };
            try
            {
                flow.Connect(EndPoint(addresses));
            }
            catch (SocketException)
            {
                // No way there from this host; the station sees no answer, as on any network.
                flow.Dispose();
                return;
            }

            _flows.Add(addresses, flow);
            Socket opened = flow;
            _ = Task.Run(() => ReceiveAsync(opened, addresses));
        }

        try
        {
            flow.Send(datagram[Packet.UdpHeader..], SocketFlags.None);
        }
        catch (SocketException)
        {
            // A datagram may be lost.
        }
    }

    private async Task ReceiveAsync(Socket flow, TcpAddresses addresses)
    {
        var packet = new byte[INetworkPort.MaximumPayload];
        const int data = Packet.Ipv4Header + Packet.UdpHeader;
        try
        {
            while (true)
            {
                using var idle = CancellationTokenSource.CreateLinkedTokenSource(_end.Token);
                idle.CancelAfter(s_idle);
                int count;
                try
                {
                    count = await flow.ReceiveAsync(packet.AsMemory(data), idle.Token).ConfigureAwait(false);
                }
                catch (SocketException error) when (error.SocketErrorCode is SocketError.ConnectionRefused or SocketError.MessageSize)
                {
                    // Nobody is there, or sent more than a frame carries: this datagram is lost.
                    continue;
                }

                lock (router.Gate)
                    leg.SendUdp(packet.AsSpan(0, data + count), count, addresses.LocalPort, addresses.RemotePort, addresses.Local, addresses.Remote);
                leg.Port.Flush();
            }
        }
        catch (Exception error) when (error is SocketException or OperationCanceledException or ObjectDisposedException)
        {
            // Quiet for a while, or at its end.
        }

        lock (router.Gate)
        {
            if (_flows.TryGetValue(addresses, out Socket? known) && known == flow)
                _flows.Remove(addresses);
        }

        flow.Dispose();
    }

    private static IPEndPoint EndPoint(TcpAddresses addresses)
        => new(new IPAddress(IPAddress.HostToNetworkOrder((int)addresses.Local) & 0xFFFF_FFFFL), addresses.LocalPort);
}
