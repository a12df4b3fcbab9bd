namespace Hypervisor.Guests.Common;

/// <summary>A mode that counts what it does, for reports: names for people and figures, in the order to show them.</summary>
internal interface ICounted
{
    /// <summary>The counters, all harts together. Only once the machine has stopped.</summary>
    IEnumerable<(string Name, long Value)> Counters { get; }
}
