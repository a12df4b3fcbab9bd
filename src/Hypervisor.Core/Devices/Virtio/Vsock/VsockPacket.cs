using System.Buffers.Binary;

namespace Hypervisor.Core.Devices.Virtio.Vsock;

/// <summary>What a packet does (virtio 1.2 §5.10.6).</summary>
internal enum VsockOperation : ushort
{
    Request = 1,
    Response = 2,
    Reset = 3,
    Shutdown = 4,
    Data = 5,
    CreditUpdate = 6,
    CreditRequest = 7,
}

/// <summary>The header of a packet, struct virtio_vsock_hdr.</summary>
internal readonly record struct VsockPacket(
    ulong SourceCid, ulong TargetCid, uint SourcePort, uint TargetPort, uint Length, ushort Type, VsockOperation Operation, uint Flags, uint Allocation, uint Forwarded)
{
    public const int Size = 44;
    public const ushort Stream = 1;

    /// <summary>The sender of a shutdown will receive no more.</summary>
    public const uint NoReceive = 1;

    /// <summary>The sender of a shutdown will send no more.</summary>
    public const uint NoSend = 2;

    public static VsockPacket Read(ReadOnlySpan<byte> s) => new(
        BinaryPrimitives.ReadUInt64LittleEndian(s), BinaryPrimitives.ReadUInt64LittleEndian(s[8..]),
        BinaryPrimitives.ReadUInt32LittleEndian(s[16..]), BinaryPrimitives.ReadUInt32LittleEndian(s[20..]), BinaryPrimitives.ReadUInt32LittleEndian(s[24..]),
        BinaryPrimitives.ReadUInt16LittleEndian(s[28..]), (VsockOperation)BinaryPrimitives.ReadUInt16LittleEndian(s[30..]),
        BinaryPrimitives.ReadUInt32LittleEndian(s[32..]), BinaryPrimitives.ReadUInt32LittleEndian(s[36..]), BinaryPrimitives.ReadUInt32LittleEndian(s[40..]));

    public void Write(Span<byte> s)
    {
        BinaryPrimitives.WriteUInt64LittleEndian(s, SourceCid);
        BinaryPrimitives.WriteUInt64LittleEndian(s[8..], TargetCid);
        BinaryPrimitives.WriteUInt32LittleEndian(s[16..], SourcePort);
        BinaryPrimitives.WriteUInt32LittleEndian(s[20..], TargetPort);
        BinaryPrimitives.WriteUInt32LittleEndian(s[24..], Length);
        BinaryPrimitives.WriteUInt16LittleEndian(s[28..], Type);
        BinaryPrimitives.WriteUInt16LittleEndian(s[30..], (ushort)Operation);
        BinaryPrimitives.WriteUInt32LittleEndian(s[32..], Flags);
        BinaryPrimitives.WriteUInt32LittleEndian(s[36..], Allocation);
        BinaryPrimitives.WriteUInt32LittleEndian(s[40..], Forwarded);
    }
}
