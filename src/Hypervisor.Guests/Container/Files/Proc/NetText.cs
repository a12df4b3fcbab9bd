using System.Buffers.Binary;
using System.Globalization;
using System.Text;
using Hypervisor.Guests.Container.Kernel;
using Hypervisor.Guests.Container.Net;

namespace Hypervisor.Guests.Container.Files.Proc;

/// <summary>/proc/net: interfaces and sockets.</summary>
internal static class NetText
{
    private const int Established = 1, Listening = 10, Unconnected = 7;

    public static void Add(TextTree tree, Process process)
    {
        tree.Add("net/dev", () => "Inter-|   Receive                                                |  Transmit\n face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed\n"
            + string.Concat(Network(process).Interfaces.Select(link => $"{link.Name,6}:       0       0    0    0    0     0          0         0        0       0    0    0    0     0       0          0\n")));
        tree.Add("net/route", () => "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT                                                       \n" + string.Concat(Network(process).Interfaces.Where(link => !link.Loops).Select(Routes)));
        tree.Add("net/if_inet6", () => "00000000000000000000000000000001 01 80 10 80       lo\n");
        tree.Add("net/arp", () => "IP address       HW type     Flags       HW address            Mask     Device\n");
        tree.Add("net/tcp", () => Sockets(Network(process), SocketKind.Stream, isVersion6: false));
        tree.Add("net/udp", () => Sockets(Network(process), SocketKind.Datagram, isVersion6: false));
        tree.Add("net/tcp6", () => Sockets(Network(process), SocketKind.Stream, isVersion6: true));
        tree.Add("net/udp6", () => Sockets(Network(process), SocketKind.Datagram, isVersion6: true));
        tree.Add("net/unix", () => Unix(Network(process)));
        tree.Add("net/sockstat", () => $"sockets: used {Network(process).Bound.Count()}\n");
    }

    private static ContainerNetwork Network(Process process) => process.Namespaces.Network.Network;

    private static string Sockets(ContainerNetwork network, int type, bool isVersion6)
    {
        var text = new StringBuilder(isVersion6
            ? "  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
            : "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n");
        int line = 0;
        IEnumerable<SocketFile> sockets = network.Bound
            .Where(socket => socket.IsInternet && socket.Type == type && socket.Protocol != SocketKind.UdpLite && socket.Family == SocketKind.Internet6 == isVersion6);
        foreach (SocketFile socket in sockets)
        {
            int state = socket.IsListening ? Listening : socket.Peer is not null ? Established : Unconnected;
            SocketAddress none = new(socket.Family);
            text.Append(CultureInfo.InvariantCulture, $"{line++,4}: {Address(socket.Local, socket.Family)} {Address(socket.Peer ?? none, socket.Family)} {state:X2} 00000000:00000000 00:00000000 00000000 {socket.Inode.Uid,5}        0 {socket.Inode.Number} 1 0000000000000000 100 0 0 10 0\n");
        }

        return text.ToString();
    }

    /// <summary>Addresses are told as the words of four bytes that they are in memory.</summary>
    private static string Address(SocketAddress address, int family)
    {
        address = address.SeenBy(family);
        if (family == SocketKind.Internet)
            return $"{BinaryPrimitives.ReverseEndianness(address.Host):X8}:{address.Port:X4}";
        var text = new StringBuilder();
        for (int word = 3; word >= 0; word--)
            text.Append(CultureInfo.InvariantCulture, $"{BinaryPrimitives.ReverseEndianness((uint)((word >= 2 ? address.High6 : address.Low6) >> (32 * (word & 1)))):X8}");
        return text.Append(CultureInfo.InvariantCulture, $":{address.Port:X4}").ToString();
    }

    private static string Routes(NetworkInterface link)
    {
        string mask = $"{BinaryPrimitives.ReverseEndianness(link.Mask):X8}", network = $"{BinaryPrimitives.ReverseEndianness(link.Address & link.Mask):X8}";
        string other = link.Gateway == 0 ? "" : $"{link.Name}\t00000000\t{BinaryPrimitives.ReverseEndianness(link.Gateway):X8}\t0003\t0\t0\t0\t00000000\t0\t0\t0\n";
        return other + $"{link.Name}\t{network}\t00000000\t0001\t0\t0\t0\t{mask}\t0\t0\t0\n";
    }

    private static string Unix(ContainerNetwork network)
    {
        var text = new StringBuilder("Num       RefCount Protocol Flags    Type St Inode Path\n");
        foreach (SocketFile socket in network.Bound.Where(socket => socket.Family == SocketKind.Unix))
            text.Append(CultureInfo.InvariantCulture, $"0000000000000000: 00000002 00000000 {(socket.IsListening ? 0x10000 : 0):X8} {socket.Type:X4} {(socket.Peer is null ? 1 : 3):X2} {socket.Inode.Number,5} {socket.Local.Name.Replace('\0', '@')}\n");
        return text.ToString();
    }
}
