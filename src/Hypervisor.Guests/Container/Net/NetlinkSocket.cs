using System.Buffers.Binary;
using Hypervisor.Guests.Container.Files;

namespace Hypervisor.Guests.Container.Net;

/// <summary>A netlink socket to the kernel's routing side (rtnetlink(7)): it tells interfaces, addresses and routes, and changes none.</summary>
internal sealed class NetlinkSocket(Inode inode, int flags, int type, int protocol, ContainerNetwork network) : SocketFile(inode, flags, SocketKind.Netlink, type, protocol, network)
{
    private const int HeaderBytes = 16;
    private const int MostWaiting = 4096;

    private readonly Queue<byte[]> _answers = new();

    public override bool IsConnectionBased => false;

    public override int Available => _answers.TryPeek(out byte[]? next) ? next.Length : 0;

    public override int Connect(SocketAddress address, SocketFile? target)
    {
        if (address.Host != 0)
            return -Errno.ECONNREFUSED; // Only the kernel is there to talk to.
        Peer = address;
        return Local.Host == 0 ? Network.BindNetlink(this, default) : 0;
    }

    public override int Shutdown(bool reads, bool writes) => -Errno.EOPNOTSUPP;

    public override int Send(ReadOnlySpan<byte> data, in Outgoing with)
    {
        if (with.To is { Host: not 0 })
            return -Errno.ECONNREFUSED;
        if (Local.Host == 0 && Network.BindNetlink(this, default) is < 0 and int error)
            return error;
        for (ReadOnlySpan<byte> rest = data; rest.Length >= HeaderBytes;)
        {
            uint length = BinaryPrimitives.ReadUInt32LittleEndian(rest);
            if (length < HeaderBytes || length > (uint)rest.Length)
                break;
            if (_answers.Count < MostWaiting)
                NetlinkRequest.Answer(Network, Local.Host, rest[..(int)length], _answers.Enqueue);
            rest = rest[Math.Min(rest.Length, (int)(length + 3 & ~3u))..];
        }

        Ready.WakeAll();
        return data.Length;
    }

    public override int Receive(Span<byte> buffer, bool peek, out Incoming with)
    {
        with = default;
        if (!_answers.TryPeek(out byte[]? answer))
            return -Errno.EAGAIN;
        with = new Incoming { From = new SocketAddress(SocketKind.Netlink), Whole = answer.Length, Sender = new SenderIdentity(0, 0, 0) };
        int count = Math.Min(answer.Length, buffer.Length);
        answer.AsSpan(0, count).CopyTo(buffer);
        if (!peek)
            _answers.Dequeue();
        return count;
    }

    public override PollEvents Poll() => PollEvents.Out | (_answers.Count > 0 ? PollEvents.In : PollEvents.None);
}
