namespace Hypervisor.Core.Network.Routing;

/// <summary>A station the router knows: its addresses, and the name it goes by where it told or was given one.</summary>
internal sealed record Lease(MacAddress Station, uint Address)
{
    /// <summary>The name under which others find it, lower case; empty for none.</summary>
    public string Name { get; set; } = "";
}
