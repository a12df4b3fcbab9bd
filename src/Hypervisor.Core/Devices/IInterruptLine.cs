namespace Hypervisor.Core.Devices;

/// <summary>
/// One interrupt input. Level-triggered receivers look at the level; a raise may be repeated while the line is up, once for
/// each new cause, so that edge-triggered receivers (event channels) miss none.
/// </summary>
internal interface IInterruptLine
{
    /// <summary>Raises or lowers the line. Any thread; must not call back into the device.</summary>
    void Set(bool raised);
}

/// <summary>A line that calls a delegate.</summary>
internal sealed class DelegateLine(Action<bool> set) : IInterruptLine
{
    public void Set(bool raised) => set(raised);
}

/// <summary>A line that leads nowhere.</summary>
internal sealed class UnconnectedLine : IInterruptLine
{
    private UnconnectedLine()
    {
    }

    public static UnconnectedLine Instance { get; } = new();

    public void Set(bool raised)
    {
    }
}
