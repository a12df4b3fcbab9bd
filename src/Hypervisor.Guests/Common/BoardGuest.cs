using Hypervisor.Core;
using Hypervisor.Core.Devices;
using Hypervisor.Core.Devices.Virtio;
using Hypervisor.Core.Engine;
using Hypervisor.Core.Hart;
using Hypervisor.Core.Machine;
using Hypervisor.Core.Memory;
using Hypervisor.Core.Time;
using Hypervisor.Guests.Common.Sbi;

namespace Hypervisor.Guests.Common;

/// <summary>What a <see cref="BoardGuest"/> is made of.</summary>
internal sealed record BoardGuestOptions
{
    /// <summary>The engine its harts run on.</summary>
    public required IExecutionEngine Engine { get; init; }

    /// <summary>Takes what the guest prints.</summary>
    public required IConsoleSink Console { get; init; }

    /// <summary>The machine's name.</summary>
    public string Name { get; init; } = "guest";

    /// <summary>Bytes of RAM, from <see cref="Board.RamAddress"/> on; a multiple of 4096.</summary>
    public ulong RamBytes { get; init; } = 128 << 20;

    /// <summary>How many harts it has.</summary>
    public int Harts { get; init; } = 1;

    /// <summary>Bits in a vector register of its harts: 128, 256 or 512, or 0 for harts without vectors.</summary>
    public int VectorBits { get; init; }

    /// <summary>The virtio devices from slot 0 on.</summary>
    public IReadOnlyList<VirtioDevice> Devices { get; init; } = [];

    /// <summary>What the clock tells at the machine's time zero: nanoseconds since 1970.</summary>
    public ulong EpochNanoseconds { get; init; }

    /// <summary>Hears the guest's marks (ends, operations); null for a board without the marker device.</summary>
    public Action<bool, ulong>? Marked { get; init; }
}

/// <summary>
/// A guest that owns a whole board, put together: RAM, devices and harts in machine mode, hosted one of three ways. It holds
/// nothing to run until <see cref="Boot"/>.
/// </summary>
/// <remarks>Invariant for the unsafe code: a hart's state lives as long as its vCPU.</remarks>
internal sealed class BoardGuest : IDisposable
{
    private HtifPort? _htif;
    private SbiConsole? _console;

    /// <summary>Builds the machine.</summary>
    /// <param name="options">What it is made of.</param>
    /// <param name="timers">The time of the host loop it will run on.</param>
    /// <param name="host">Makes the mode for the machine and its board.</param>
    public BoardGuest(BoardGuestOptions options, ITimerService timers, Func<VirtualMachine, Board, IBoardMode> host)
    {
        Options = options;
        Machine = new VirtualMachine(options.Name, new GuestMemory(new MemoryRegion(Board.RamAddress, options.RamBytes)), timers) { VectorBits = options.VectorBits };
        IBoardMode? mode = null;
        Board = new Board(Machine.Memory, timers, new BoardOptions
        {
            Harts = options.Harts,
            Console = options.Console,
            Devices = options.Devices,
            EpochNanoseconds = options.EpochNanoseconds,
            Marked = options.Marked,
            Interrupt = (hart, mask, raised) =>
            {
                // While the machine is put together no line is raised, and there may be no hart yet to lower it on.
                if (hart < Machine.VCpus.Count)
                    mode!.SetInterrupt(Machine.VCpus[hart], mask, raised);
            },
            End = (request, code) => Machine.PowerOff(request switch
            {
                FinisherRequest.Fail => new MachineExit(code == 0 ? 1 : code, $"guest reported failure {code}"),
                FinisherRequest.Reset => new MachineExit(0, "guest asked for reboot", Reboot: true),
                _ => new MachineExit(0, "guest asked for shutdown"),
            }),
        });
        Mode = mode = host(Machine, Board);
        for (int i = 0; i < options.Harts; i++)
            mode.AddHart((ulong)i, options.Engine);
    }

    /// <summary>What it was built from.</summary>
    public BoardGuestOptions Options { get; }

    /// <summary>The machine.</summary>
    public VirtualMachine Machine { get; }

    /// <summary>The devices.</summary>
    public Board Board { get; }

    /// <summary>How it is hosted.</summary>
    public IBoardMode Mode { get; }

    /// <summary>Where the booted image says that its results are; null where it has no such symbols.</summary>
    public (ulong Start, ulong End)? Signature { get; private set; }

    /// <summary>Loads what it is to run, and puts every hart at the start of it.</summary>
    /// <exception cref="HypervisorException">The images do not fit into RAM, or not together; the message says which.</exception>
    public unsafe void Boot(BootImages images)
    {
        foreach (VCpu vcpu in Machine.VCpus)
            vcpu.Hart.SeedEntropy(images.RandomSeed.Span, vcpu.Id);
        if (images.BuiltInFirmware)
        {
            (ulong entry, ulong tree) = images.LoadForSupervisor(Board, HartExtensions.For(Machine.VectorBits));
            _console = new SbiConsole(Options.Console);
            new BuiltInFirmware(Machine, Mode, _console).Boot(entry, tree);
            return;
        }

        BootLayout layout = images.Load(this);
        Signature = layout.Signature;
        foreach (VCpu vcpu in Machine.VCpus)
        {
            HartState* s = vcpu.Hart.State;
            s->Pc = layout.Entry;
            ulong* x = RegisterFile.X(s);
            x[10] = Mode.StateOf(vcpu).Mhartid;
            x[11] = layout.DeviceTree;
            x[12] = layout.FirmwareInfo;
        }

        if (layout.ToHost is { } toHost)
            _htif = new HtifPort(Machine, toHost, layout.FromHost, Options.Console);
    }

    /// <summary>Gives the guest console input, on the serial port and where the SBI has a console there too; how much was taken. Any thread.</summary>
    public int Input(ReadOnlySpan<byte> bytes)
    {
        int taken = Board.Uart.Receive(bytes);
        _console?.Input(bytes[..taken]);
        return taken;
    }

    /// <summary>Gives timers, vCPUs and memory back. No host loop may hold the machine any more.</summary>
    public void Dispose()
    {
        Machine.Halt();
        _htif?.Dispose();
        Board.Dispose();
        Machine.Dispose();
    }
}
