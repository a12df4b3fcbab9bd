using System.Globalization;

namespace Hypervisor.Core.Network;

/// <summary>An Ethernet address.</summary>
/// <param name="Value">Its six bytes, the first one transmitted highest.</param>
internal readonly record struct MacAddress(ulong Value)
{
    /// <summary>All stations.</summary>
    public static MacAddress Broadcast => new(0xffff_ffff_ffff);

    /// <summary>Whether it names a group of stations.</summary>
    public bool IsGroup => (Value >> 40 & 1) != 0;

    /// <summary>A locally administered address of one station, by number: the same number, the same address.</summary>
    public static MacAddress Local(uint number) => new(0x0248_0000_0000UL | number);

    /// <summary>Reads the first six bytes.</summary>
    public static MacAddress Read(ReadOnlySpan<byte> bytes)
    {
        ulong value = 0;
        for (int i = 0; i < 6; i++)
            value = value << 8 | bytes[i];
        return new MacAddress(value);
    }

    /// <summary>Writes the six bytes.</summary>
    public void Write(Span<byte> bytes)
    {
        for (int i = 0; i < 6; i++)
            bytes[i] = (byte)(Value >> (40 - (8 * i)));
    }

    /// <summary>Reads <c>02:48:00:00:00:01</c>.</summary>
    /// <exception cref="HypervisorException">It is not the address of one station.</exception>
    public static MacAddress Parse(string text)
    {
        string[] parts = text.Split(':');
        ulong value = 0;
        bool sound = parts.Length == 6;
        foreach (string part in parts)
        {
            sound &= part.Length == 2 & byte.TryParse(part, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out byte octet);
            value = value << 8 | octet;
        }

        var address = new MacAddress(value & 0xffff_ffff_ffff);
        return sound && !address.IsGroup && address.Value != 0
            ? address
            : throw new HypervisorException($"'{text}' is not a station's Ethernet address: six bytes such as 02:48:00:00:00:01, the first one even, not all zero.");
    }

    /// <summary>The usual notation.</summary>
    public override string ToString()
    {
        Span<byte> bytes = stackalloc byte[6];
        Write(bytes);
        return string.Join(':', Convert.ToHexStringLower(bytes).Chunk(2).Select(pair => new string(pair)));
    }
}
