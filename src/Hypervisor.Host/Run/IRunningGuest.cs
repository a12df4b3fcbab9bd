using Hypervisor.Core.Machine;
using Hypervisor.Guests.Common;
using Hypervisor.Guests.Debug;

namespace Hypervisor.Host.Run;

/// <summary>What <c>hv run</c> needs of a guest, whatever hosts it.</summary>
internal interface IRunningGuest : IDisposable
{
    /// <summary>The machine it runs in.</summary>
    VirtualMachine Machine { get; }

    /// <summary>The guest as a debugger sees it; null where none can be attached.</summary>
    DebugTarget? DebugTarget { get; }

    /// <summary>The guest where it owns a board; null for others.</summary>
    BoardGuest? Board { get; }

    /// <summary>The engine's name.</summary>
    string Engine { get; }

    /// <summary>Whether it takes the keyboard key by key, as a machine's console does.</summary>
    bool WantsKeys { get; }

    /// <summary>What passed its network; empty without one.</summary>
    IEnumerable<(string Name, long Value)> NetworkCounters => [];

    /// <summary>Has input asked for when the guest first looks for it; false where it may come at any time.</summary>
    /// <param name="first">Gives what there is by then, and whether that is all.</param>
    bool TakesInputLate(Func<(ReadOnlyMemory<byte> Bytes, bool IsAll)> first) => false;

    /// <summary>Offers console input; how many bytes were taken.</summary>
    int Input(ReadOnlyMemory<byte> bytes);

    /// <summary>There is no more input.</summary>
    void InputEnded();
}
