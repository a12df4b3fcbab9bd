using Hypervisor.Guests.Container.Files;

namespace Hypervisor.Guests.Container.Net;

/// <summary>Who sent something, or who is at the other end (<c>struct ucred</c>).</summary>
internal readonly record struct SenderIdentity(int Process, uint Uid, uint Gid)
{
    public const int Bytes = 12;

    /// <summary>Nobody that is known.</summary>
    public static SenderIdentity None { get; } = new(0, uint.MaxValue, uint.MaxValue);

    /// <summary>Writes it as a receiver is told of it, whose namespaces may know others.</summary>
    public void Write(Span<byte> bytes, Kernel.KernelTask receiver)
    {
        Kernel.Credentials who = receiver.Process.Credentials;
        (this with { Process = receiver.LocalId(Process), Uid = Tell(Uid, who.TellUser(Uid)), Gid = Tell(Gid, who.TellGroup(Gid)) }).Write(bytes);

        // Nobody stays nobody.
        static uint Tell(uint id, uint told) => id == uint.MaxValue ? id : told;
    }

    private void Write(Span<byte> bytes)
    {
        BitConverter.TryWriteBytes(bytes, Process);
        BitConverter.TryWriteBytes(bytes[4..], Uid);
        BitConverter.TryWriteBytes(bytes[8..], Gid);
    }
}

/// <summary>Files on their way (SCM_RIGHTS), each with a reference of its own: the sender's until they are sent.</summary>
internal sealed class FileParcel(OpenFile[] files)
{
    private OpenFile[]? _files = files;

    /// <summary>They are the receiver's now.</summary>
    public OpenFile[]? Send()
    {
        OpenFile[]? files = _files;
        _files = null;
        return files;
    }

    /// <summary>Gives back what was not sent.</summary>
    public void Release()
    {
        foreach (OpenFile file in _files ?? [])
            file.Release();
        _files = null;
    }
}

/// <summary>What goes with bytes that are sent.</summary>
internal readonly record struct Outgoing
{
    /// <summary>Where to; null for whom the socket is connected with.</summary>
    public SocketAddress? To { get; init; }

    /// <summary>Who is there; null for nobody, or where it is not in the container.</summary>
    public SocketFile? Target { get; init; }

    /// <summary>Files that travel along; null for none.</summary>
    public FileParcel? Files { get; init; }

    /// <summary>Who sends it; null for who makes the call.</summary>
    public SenderIdentity? Sender { get; init; }

    /// <summary>Hops it may go and class of traffic, where the message itself says; null as the socket has them.</summary>
    public int? Hops { get; init; }

    /// <inheritdoc cref="Hops"/>
    public int? TrafficClass { get; init; }
}

/// <summary>What came with bytes that were received.</summary>
internal readonly record struct Incoming
{
    /// <summary>Who sent it; null where streams do not say.</summary>
    public SocketAddress? From { get; init; }

    /// <summary>How long the message was; of a stream, what was read.</summary>
    public int Whole { get; init; }

    /// <summary>Files that came along; whoever receives them owns their references.</summary>
    public OpenFile[]? Files { get; init; }

    /// <summary>The process that sent it.</summary>
    public SenderIdentity? Sender { get; init; }

    /// <summary>Address it was sent to, for those who want to know.</summary>
    public SocketAddress? To { get; init; }

    public int Hops { get; init; }

    public int TrafficClass { get; init; }

    /// <summary>Gives files back that nobody asked for.</summary>
    public void ReleaseFiles()
    {
        foreach (OpenFile file in Files ?? [])
            file.Release();
    }
}
