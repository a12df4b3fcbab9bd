namespace Hypervisor.Guests.Para;

/// <summary>
/// The paravirtual machines of one host that may talk to each other (docs/para-abi.md, section 8): each has a number from 1 on,
/// and reaches another only where both ends agreed to it.
/// </summary>
internal sealed class ParaDomains
{
    private readonly List<ParaMachine?> _machines = [];

    /// <summary>
    /// Held where two machines meet: while ends of channels are joined or parted, and while one uses what the other granted,
    /// so that neither goes away meanwhile. Taken before any lock of a machine.
    /// </summary>
    public Lock Gate { get; } = new();

    /// <summary>Takes a machine in and says its number.</summary>
    public int Join(ParaMachine machine)
    {
        lock (Gate)
        {
            _machines.Add(machine);
            return _machines.Count;
        }
    }

    /// <summary>The machine of a number, or null where there is none, or none any more. Under the gate.</summary>
    public ParaMachine? Find(ulong domain)
        => domain - 1 < (ulong)_machines.Count ? _machines[(int)domain - 1] : null;

    /// <summary>Takes a machine out: channels to it are dead from now on, and what it granted is out of reach.</summary>
    public void Leave(ParaMachine machine)
    {
        lock (Gate)
        {
            machine.Channels.CloseAll();
            machine.Grants.EndAll();
            _machines[machine.Domain - 1] = null;
        }
    }
}

/// <summary>The two ends of a channel between machines. Changed under the gate of <see cref="ParaDomains"/>.</summary>
internal sealed class ChannelPair(EventChannels first, int firstNumber, ulong invited)
{
    /// <summary>The domain that may bind the second end.</summary>
    public ulong Invited => invited;

    /// <summary>Whether an end was closed: then the other is dead.</summary>
    public bool IsClosed { get; set; }

    /// <summary>The second end; null until it is bound.</summary>
    public EventChannels? Second { get; private set; }

    private int SecondNumber { get; set; }

    /// <summary>Binds the second end.</summary>
    public void Bind(EventChannels second, int number)
    {
        SecondNumber = number;
        Second = second;
    }

    /// <summary>The end that faces one of the ends; null where nothing is bound there.</summary>
    public (EventChannels Channels, int Number)? Facing(EventChannels end, int number)
    {
        if (end == first && number == firstNumber)
            return Second is { } second ? (second, SecondNumber) : null;
        return (first, firstNumber);
    }
}
