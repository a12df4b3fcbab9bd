using System.Globalization;
using System.Text;
using Hypervisor.Guests.Container.Net;

namespace Hypervisor.Guests.Container.Files.Proc;

/// <summary>/proc/net: interfaces and sockets.</summary>
internal static class NetText
{
    private const int Established = 1, Listening = 10, Unconnected = 7;

    public static void Add(TextTree tree, Container container)
    {
        tree.Add("net/dev", () => "Inter-|   Receive                                                |  Transmit\n face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed\n    lo:       0       0    0    0    0     0          0         0        0       0    0    0    0     0       0          0\n");
        tree.Add("net/route", () => "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT                                                       \n");
        tree.Add("net/if_inet6", () => "00000000000000000000000000000001 01 80 10 80       lo\n");
        tree.Add("net/arp", () => "IP address       HW type     Flags       HW address            Mask     Device\n");
        tree.Add("net/tcp", () => Sockets(container, SocketKind.Stream, isVersion6: false));
        tree.Add("net/udp", () => Sockets(container, SocketKind.Datagram, isVersion6: false));
        tree.Add("net/tcp6", () => Sockets(container, SocketKind.Stream, isVersion6: true));
        tree.Add("net/udp6", () => Sockets(container, SocketKind.Datagram, isVersion6: true));
        tree.Add("net/unix", () => Unix(container));
        tree.Add("net/sockstat", () => $"sockets: used {container.Network.Bound.Count()}\n");
    }

    private static string Sockets(Container container, int type, bool isVersion6)
    {
        var text = new StringBuilder("  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n");
        int line = 0;
        foreach (SocketFile socket in container.Network.Bound.Where(socket => socket.Type == type && socket.Local.Port != 0 && (socket.Family == SocketKind.Internet6) == isVersion6))
        {
            int state = socket.IsListening ? Listening : socket.Peer is not null ? Established : Unconnected;
            text.Append(CultureInfo.InvariantCulture, $"{line++,4}: {Address(socket.Local, isVersion6)} {Address(socket.Peer ?? default, isVersion6)} {state:X2} 00000000:00000000 00:00000000 00000000 {socket.Inode.Uid,5}        0 {socket.Inode.Number} 1 0000000000000000 100 0 0 10 0\n");
        }

        return text.ToString();
    }

    private static string Address(SocketAddress address, bool isVersion6)
    {
        uint host = System.Buffers.Binary.BinaryPrimitives.ReverseEndianness(address.Host);
        string text = !isVersion6 ? $"{host:X8}" : address.Host == 0 ? new string('0', 32) : "00000000000000000000000001000000";
        return $"{text}:{address.Port:X4}";
    }

    private static string Unix(Container container)
    {
        var text = new StringBuilder("Num       RefCount Protocol Flags    Type St Inode Path\n");
        foreach (SocketFile socket in container.Network.Bound.Where(socket => socket.Family == SocketKind.Unix))
            text.Append(CultureInfo.InvariantCulture, $"0000000000000000: 00000002 00000000 {(socket.IsListening ? 0x10000 : 0):X8} {socket.Type:X4} {(socket.Peer is null ? 1 : 3):X2} {socket.Inode.Number,5} {socket.Local.Name.Replace('\0', '@')}\n");
        return text.ToString();
    }
}
