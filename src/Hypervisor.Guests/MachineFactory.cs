using Hypervisor.Core;
using Hypervisor.Core.Machine;
using Hypervisor.Core.Time;
using Hypervisor.Guests.Assisted;
using Hypervisor.Guests.Bare;
using Hypervisor.Guests.Common;
using Hypervisor.Guests.Full;

namespace Hypervisor.Guests;

/// <summary>Makes guests that own a whole board, by the name of the mode that hosts them.</summary>
internal static class MachineFactory
{
    private static readonly (string Name, Func<VirtualMachine, Board, IBoardMode> Host)[] s_modes =
    [
        ("bare", (machine, board) => new BareMode(machine, board)),
        ("full", (machine, board) => new FullMode(machine, board)),
        ("assisted", (machine, board) => new AssistedMode(machine, board)),
    ];

    /// <summary>The modes it knows.</summary>
    public static IEnumerable<string> Modes => s_modes.Select(mode => mode.Name);

    /// <summary>Makes a guest; <see cref="BoardGuest.Boot"/> gives it something to run.</summary>
    /// <exception cref="HypervisorException">There is no such mode, or the options do not make a machine.</exception>
    public static BoardGuest Create(string mode, BoardGuestOptions options, ITimerService timers)
    {
        if (options.Harts < 1)
            throw new HypervisorException($"A machine needs at least one hart, not {options.Harts}.");
        foreach ((string name, Func<VirtualMachine, Board, IBoardMode> host) in s_modes)
        {
            if (name == mode)
                return new BoardGuest(options, timers, host);
        }

        throw new HypervisorException($"No mode '{mode}' hosts a whole machine; choose one of {string.Join(", ", Modes)}.");
    }
}
