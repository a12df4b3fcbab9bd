using System.Buffers.Binary;

namespace Hypervisor.Core.Devices.Virtio.NineP;

/// <summary>Message types of 9P2000.L that are served; an answer's type is one more.</summary>
internal enum NinePType : byte
{
    Error = 6,
    StatFs = 8,
    Open = 12,
    Create = 14,
    Symlink = 16,
    MakeNode = 18,
    Rename = 20,
    ReadLink = 22,
    GetAttributes = 24,
    SetAttributes = 26,
    XattrWalk = 30,
    XattrCreate = 32,
    ReadDirectory = 40,
    Sync = 50,
    Lock = 52,
    GetLock = 54,
    Link = 70,
    MakeDirectory = 72,
    RenameAt = 74,
    UnlinkAt = 76,
    Version = 100,
    Authenticate = 102,
    Attach = 104,
    Flush = 108,
    Walk = 110,
    Read = 116,
    Write = 118,
    Clunk = 120,
    Remove = 122,
}

/// <summary>Takes the fields of a request one after another. What is not there reads as zero and is remembered.</summary>
internal ref struct NinePReader(ReadOnlySpan<byte> message)
{
    private ReadOnlySpan<byte> _rest = message;

    /// <summary>Whether some field was not there.</summary>
    public bool IsShort { get; private set; }

    public byte Byte() => Take(1) is [var value] ? value : (byte)0;

    public ushort Short() => Take(2) is { Length: 2 } field ? BinaryPrimitives.ReadUInt16LittleEndian(field) : (ushort)0;

    public uint Word() => Take(4) is { Length: 4 } field ? BinaryPrimitives.ReadUInt32LittleEndian(field) : 0;

    public ulong Long() => Take(8) is { Length: 8 } field ? BinaryPrimitives.ReadUInt64LittleEndian(field) : 0;

    /// <summary>A text: two bytes of length, then as many.</summary>
    public ReadOnlySpan<byte> Text() => Take(Short());

    private ReadOnlySpan<byte> Take(int length)
    {
        if (length > _rest.Length)
        {
            IsShort = true;
            _rest = default;
            return default;
        }

        ReadOnlySpan<byte> field = _rest[..length];
        _rest = _rest[length..];
        return field;
    }
}

/// <summary>Puts the fields of an answer one after another into room that is known to suffice.</summary>
internal ref struct NinePWriter(Span<byte> buffer)
{
    private readonly Span<byte> _buffer = buffer;

    /// <summary>Bytes written so far.</summary>
    public int Length { get; private set; }

    public void Byte(byte value) => _buffer[Length++] = value;

    public void Short(ushort value)
    {
        BinaryPrimitives.WriteUInt16LittleEndian(_buffer[Length..], value);
        Length += 2;
    }

    public void Word(uint value)
    {
        BinaryPrimitives.WriteUInt32LittleEndian(_buffer[Length..], value);
        Length += 4;
    }

    public void Long(ulong value)
    {
        BinaryPrimitives.WriteUInt64LittleEndian(_buffer[Length..], value);
        Length += 8;
    }

    public void Text(scoped ReadOnlySpan<byte> text)
    {
        Short((ushort)text.Length);
        text.CopyTo(_buffer[Length..]);
        Length += text.Length;
    }

    public void Bytes(scoped ReadOnlySpan<byte> bytes)
    {
        bytes.CopyTo(_buffer[Length..]);
        Length += bytes.Length;
    }
}
