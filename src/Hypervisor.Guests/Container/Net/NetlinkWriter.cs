using System.Buffers.Binary;

namespace Hypervisor.Guests.Container.Net;

/// <summary>Writes netlink messages (netlink(7)), as many to a datagram as a reader has room for.</summary>
/// <param name="sequence">The request's number.</param>
/// <param name="port">Who asked.</param>
/// <param name="flags">Flags of each message.</param>
internal sealed class NetlinkWriter(uint sequence, uint port, ushort flags)
{
    private const int MostOfADatagram = 4096;

    private readonly List<List<byte>> _datagrams = [];
    private readonly List<byte> _message = [];

    /// <summary>What was written.</summary>
    public IReadOnlyList<byte[]> Datagrams => [.. _datagrams.Select(bytes => bytes.ToArray())];

    /// <summary>Begins a message.</summary>
    public void Begin(ushort kind)
    {
        _message.Clear();
        Add(0u);
        Add(kind);
        Add(flags);
        Add(sequence);
        Add(port);
    }

    public void Add(uint value) => _message.AddRange(BitConverter.GetBytes(value));

    public void Add(ushort value) => _message.AddRange(BitConverter.GetBytes(value));

    public void Add(ReadOnlySpan<byte> bytes) => _message.AddRange(bytes);

    public void Attribute(ushort kind, uint value) => Attribute(kind, BitConverter.GetBytes(value));

    /// <summary>Adds an attribute (<c>struct rtattr</c>).</summary>
    public void Attribute(ushort kind, ReadOnlySpan<byte> value)
    {
        Add((ushort)(4 + value.Length));
        Add(kind);
        Add(value);
        Pad();
    }

    /// <summary>Ends an address's message with its flags.</summary>
    public void End(byte addressFlags)
    {
        const ushort kind = 8;
        Attribute(kind, (uint)addressFlags);
        End();
    }

    /// <summary>Ends the message.</summary>
    public void End()
    {
        Span<byte> length = stackalloc byte[4];
        BinaryPrimitives.WriteInt32LittleEndian(length, _message.Count);
        for (int i = 0; i < length.Length; i++)
            _message[i] = length[i];
        Pad();
        if (_datagrams.Count == 0 || _datagrams[^1].Count + _message.Count > MostOfADatagram)
            _datagrams.Add([]);
        _datagrams[^1].AddRange(_message);
    }

    private void Pad()
    {
        while (_message.Count % 4 != 0)
            _message.Add(0);
    }
}
