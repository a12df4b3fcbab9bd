using System.Globalization;
using Hypervisor.Core;

namespace Hypervisor.Host.Networks;

/// <summary>A port of the host's loopback that leads to a guest's port.</summary>
/// <param name="HostPort">The host's; 0 for any that is free.</param>
/// <param name="GuestPort">The guest's.</param>
internal sealed record PortMapping(int HostPort, ushort GuestPort)
{
    /// <summary>Reads <c>8080:80</c>, or <c>80</c> for any port of the host.</summary>
    /// <exception cref="HypervisorException">It is no such mapping.</exception>
    public static PortMapping Parse(string text)
    {
        string[] parts = text.Split(':');
        int host = 0;
        bool sound = parts.Length is 1 or 2 && TryPort(parts[^1], out int guest) & (parts.Length == 1 || TryPort(parts[0], out host)) && guest != 0;
        return sound
            ? new PortMapping(host, ushort.Parse(parts[^1], CultureInfo.InvariantCulture))
            : throw new HypervisorException($"'{text}' publishes no port: write HOSTPORT:GUESTPORT such as 8080:80, or GUESTPORT for any free port of the host.");
    }

    private static bool TryPort(string text, out int port)
        => int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out port) && port <= ushort.MaxValue;
}
