using System.Globalization;
using System.Text;
using Hypervisor.Core;

namespace Hypervisor.Guests.Common;

/// <summary>Reads one "newc" archive; every length is checked against what is left, and each entry moves on.</summary>
internal struct CpioReader(ReadOnlyMemory<byte> archive, string name)
{
    private const int FieldCount = 13;

    // A kind this reader does not know is damage, except in the trailer, whose mode is zero.
    private const uint KindMask = 0xf000;

    private int _position;

    public List<CpioEntry> Read()
    {
        var entries = new List<CpioEntry>();
        Span<uint> fields = stackalloc uint[FieldCount];
        while (true)
        {
            ReadHeader(fields);
            var path = ReadPath(fields[11]);
            var data = Take(fields[6], "the data of '" + path + "'");
            if (path == CpioArchive.Trailer)
            {
                return entries;
            }

            var kind = (CpioKind)(fields[1] & KindMask);
            if (!Enum.IsDefined(kind))
            {
                throw Bad($"'{path}' is of unknown kind {fields[1]:x}; it is damaged");
            }

            entries.Add(new CpioEntry(path, kind, (int)(fields[1] & 0xfff), data, fields[9], fields[10], fields[2], fields[3]));
        }
    }

    private void ReadHeader(Span<uint> fields)
    {
        var start = _position;
        var header = Raw(CpioArchive.HeaderSize, "an entry's header").Span;
        if (!header.StartsWith("070701"u8) && !header.StartsWith("070702"u8))
        {
            throw Bad($"there is no entry at {start}: it is damaged, compressed (decompress it first), or not a newc archive");
        }

        for (var i = 0; i < FieldCount; i++)
        {
            if (!uint.TryParse(header.Slice(6 + (i * 8), 8), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out fields[i]))
            {
                throw Bad($"the entry at {start} has a header field that is no hexadecimal number; it is damaged");
            }
        }
    }

    private string ReadPath(uint size)
    {
        if (size is < 2 or > CpioArchive.MaximumPathLength)
        {
            throw Bad($"the entry before {_position} has a path of {size} bytes (2 to {CpioArchive.MaximumPathLength} are valid); it is damaged");
        }

        var path = Take(size, "an entry's path").Span;
        if (path.IndexOf((byte)0) != path.Length - 1)
        {
            throw Bad($"the path before {_position} is not one zero-terminated string; it is damaged");
        }

        return Encoding.UTF8.GetString(path[..^1]);
    }

    private ReadOnlyMemory<byte> Take(uint size, string what)
    {
        var part = Raw(size, what);

        // The padding behind the last entry may be missing.
        _position = Math.Min((_position + 3) & ~3, archive.Length);
        return part;
    }

    private ReadOnlyMemory<byte> Raw(uint size, string what)
    {
        if (size > (uint)(archive.Length - _position))
        {
            throw Bad($"{what} ({size} bytes at {_position}) reaches past its end ({archive.Length} bytes); it is truncated");
        }

        var part = archive.Slice(_position, (int)size);
        _position += (int)size;
        return part;
    }

    private readonly HypervisorException Bad(string reason) => new($"Cannot read the archive '{name}': {reason}.");
}
