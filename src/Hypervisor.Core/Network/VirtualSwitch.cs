using Hypervisor.Core.Time;

namespace Hypervisor.Core.Network;

/// <summary>
/// An Ethernet switch: it learns which station is behind which port from what they send, forgets after five minutes of
/// silence, and sends what it cannot place, and what is for groups, to all ports but the sender's. Ports of different
/// switches never hear of each other.
/// </summary>
/// <remarks>
/// One lock guards tables and queues and is held while a frame is copied, never while a receiver is told; so nothing that
/// happens on arrival can meet a lock of the sender. All delay is a matter of the given time: in virtual time the same
/// machines and seed exchange the same frames at the same instants.
/// </remarks>
internal sealed class VirtualSwitch : IDisposable
{
    /// <summary>Nanoseconds of silence after which a station is forgotten (IEEE 802.1Q §8.8.3 recommends 300 s).</summary>
    public const long AgeingNanoseconds = 300_000_000_000;

    /// <summary>Most stations remembered; a guest that sends from ever new addresses only costs its own traffic flooding.</summary>
    public const int MaximumStations = 4096;

    private readonly Dictionary<ulong, Station> _stations = [];
    private readonly List<SwitchPort> _ports = [];
    private readonly List<SwitchPort> _listed = [];
    private ulong _random;

    /// <summary>Makes a switch without ports.</summary>
    /// <param name="timers">The time of the host its stations run on.</param>
    /// <param name="seed">Decides which frames links with loss lose.</param>
    public VirtualSwitch(ITimerService timers, ulong seed = 1)
    {
        Timers = timers;
        _random = seed;
    }

    /// <summary>Sees each frame that is sent, at the time at which it is; for captures. Under the lock of the switch.</summary>
    public Action<ReadOnlySpan<byte>, long>? Tap { get; set; }

    internal Lock Gate { get; } = new();

    internal ITimerService Timers { get; }

    /// <summary>Adds a port.</summary>
    /// <param name="name">A name for reports.</param>
    /// <param name="link">What the link between port and station does; null for a perfect one.</param>
    public SwitchPort Plug(string name, LinkOptions? link = null)
    {
        var port = new SwitchPort(this, name, link ?? new LinkOptions());
        lock (Gate)
            _ports.Add(port);
        return port;
    }

    /// <summary>Removes a port and what waits for it.</summary>
    public void Unplug(SwitchPort port)
    {
        lock (Gate)
        {
            if (!_ports.Remove(port))
                return;
            port.Unplug();
            foreach ((ulong address, Station station) in _stations)
            {
                if (station.Port == port)
                    _stations.Remove(address);
            }
        }
    }

    /// <summary>The ports, for reports.</summary>
    public IReadOnlyList<SwitchPort> Ports
    {
        get
        {
            lock (Gate)
                return [.. _ports];
        }
    }

    /// <summary>Removes all ports.</summary>
    public void Dispose()
    {
        foreach (SwitchPort port in Ports)
            Unplug(port);
    }

    /// <summary>Passes a frame on; false where its sender's address is none of a station. Under the lock.</summary>
    internal bool Forward(SwitchPort from, ReadOnlySpan<byte> frame, long left)
    {
        MacAddress to = MacAddress.Read(frame);
        MacAddress sender = MacAddress.Read(frame[6..]);
        if (sender.IsGroup)
            return false;
        long now = Timers.NowNanoseconds;
        if (_stations.Count < MaximumStations || _stations.ContainsKey(sender.Value))
            _stations[sender.Value] = new Station(from, now);
        Tap?.Invoke(frame, left);
        if (!to.IsGroup && _stations.TryGetValue(to.Value, out Station station))
        {
            if (now - station.Heard < AgeingNanoseconds)
            {
                if (station.Port != from)
                    station.Port.Deliver(frame, left);
                return true;
            }

            _stations.Remove(to.Value);
        }

        foreach (SwitchPort port in _ports)
        {
            if (port != from)
                port.Deliver(frame, left);
        }

        return true;
    }

    /// <summary>Notes that a port's station is to be told. Under the lock.</summary>
    internal void List(SwitchPort port)
    {
        if (port.IsListed)
            return;
        port.IsListed = true;
        _listed.Add(port);
    }

    /// <summary>Tells the stations for which frames arrived.</summary>
    internal void Flush()
    {
        while (true)
        {
            SwitchPort port;
            lock (Gate)
            {
                if (_listed.Count == 0)
                    return;
                port = _listed[^1];
                _listed.RemoveAt(_listed.Count - 1);
                port.IsListed = false;
            }

            port.Arrived?.Invoke();
        }
    }

    /// <summary>The next number from 0 to 1 of the seeded sequence (SplitMix64). Under the lock.</summary>
    internal double NextRandom()
    {
        ulong z = _random += 0x9e37_79b9_7f4a_7c15;
        z = (z ^ z >> 30) * 0xbf58_476d_1ce4_e5b9;
        z = (z ^ z >> 27) * 0x94d0_49bb_1331_11eb;
        return ((z ^ z >> 31) >> 11) * (1.0 / (1UL << 53));
    }

    private readonly record struct Station(SwitchPort Port, long Heard);
}
