using Hypervisor.Core;
using Hypervisor.Core.Devices;
using Hypervisor.Core.Devices.Virtio;
using Hypervisor.Core.Engine;
using Hypervisor.Core.Hart;
using Hypervisor.Core.Machine;
using Hypervisor.Guests.Common;
using Hypervisor.Guests.Common.Sbi;

namespace Hypervisor.Guests.Para;

/// <summary>What a <see cref="ParaGuest"/> is made of, beside its machine.</summary>
internal sealed record ParaGuestOptions
{
    /// <summary>The engine its harts run on.</summary>
    public required IExecutionEngine Engine { get; init; }

    /// <summary>Takes what the guest prints.</summary>
    public required IConsoleSink Console { get; init; }

    /// <summary>How many harts it has; all but hart 0 wait for hart_start.</summary>
    public int Harts { get; init; } = 1;

    /// <summary>Where hart 0 starts, in S-mode; <see cref="ParaGuest.Boot"/> sets it for a kernel it loads.</summary>
    public ulong Entry { get; init; }

    /// <summary>What hart 0 finds in a1: the address of the parameter block or of the device tree.</summary>
    public ulong Opaque { get; init; }

    /// <summary>The virtio devices from slot 0 on.</summary>
    public IReadOnlyList<VirtioDevice> Devices { get; init; } = [];

    /// <summary>What the clock tells at the machine's time zero: nanoseconds since 1970.</summary>
    public ulong EpochNanoseconds { get; init; }

    /// <summary>The guests it may talk to by channels and grants; null for none.</summary>
    public ParaDomains? Domains { get; init; }

    /// <summary>Hears the guest's marks: whether the region ends, and the operations.</summary>
    public Action<VCpu, bool, ulong>? Marked { get; init; }
}

/// <summary>A paravirtual guest put together: harts, board, SBI and paravirtual extension on one machine.</summary>
internal sealed class ParaGuest : IDisposable
{
    private readonly VirtualMachine _machine;
    private readonly SbiConsole _console;

    /// <summary>Gives an empty machine the harts and devices of a paravirtual guest; its image is in RAM already or comes before it runs.</summary>
    public ParaGuest(VirtualMachine machine, ParaGuestOptions options)
    {
        _machine = machine;
        _console = new SbiConsole(options.Console);
        ParaMachine? para = null;
        Board = new Board(machine.Memory, machine.Timers, new BoardOptions
        {
            Harts = options.Harts,
            Console = options.Console,
            Devices = options.Devices,
            EpochNanoseconds = options.EpochNanoseconds,
            End = (request, code) => machine.PowerOff(request switch
            {
                FinisherRequest.Fail => new MachineExit(code == 0 ? 1 : code, $"guest reported failure {code}"),
                FinisherRequest.Reset => new MachineExit(0, "guest asked for reboot", Reboot: true),
                _ => new MachineExit(0, "guest asked for shutdown"),
            }),

            // Machine-level interrupts have no receiver: there is no M-mode here. No line is raised before the harts are there.
            Interrupt = (hart, mask, raised) =>
            {
                if ((mask & InterruptBits.Sei) != 0 && hart < machine.VCpus.Count)
                    para!.Hart(hart).SetPlatformLine(raised);
            },
        });
        para = new ParaMachine(machine, _console, Board.Bus, options.Harts, options.Domains);
        if (options.Marked is { } marked)
            para.Marked = (vcpu, mark, operations) => marked(vcpu, mark == ParaMark.End, operations);
        Para = para;
        for (int slot = 0; slot < options.Devices.Count; slot++)
            Board.Slots[slot].Line = para.Channels.DeviceLine(slot, Board.SlotLine(slot));

        var personality = new ParaPersonality(para);
        for (int i = 0; i < options.Harts; i++)
        {
            var hart = new HartContext(machine.Memory, new ParaTranslator(machine.Memory), ParaPersonality.Controls, vectorBits: machine.VectorBits);
            para.Add(machine.AddVCpu(hart, personality, options.Engine));
        }

        para.Hart(0).Boot(options.Entry, options.Opaque);
    }

    /// <summary>The devices.</summary>
    public Board Board { get; }

    /// <summary>The hypervisor's side of the guest.</summary>
    public ParaMachine Para { get; }

    /// <summary>
    /// Loads a kernel made for the SBI, such as Linux, with its RAM disk and the device tree, and puts hart 0 at its start.
    /// </summary>
    /// <exception cref="HypervisorException">Something does not fit into the guest's RAM.</exception>
    public void Boot(BootImages images)
    {
        foreach (VCpu vcpu in _machine.VCpus)
            vcpu.Hart.SeedEntropy(images.RandomSeed.Span, vcpu.Id);
        (ulong entry, ulong tree) = images.LoadForSupervisor(Board, HartExtensions.For(_machine.VectorBits, machineMode: false));
        Para.Hart(0).Boot(entry, tree);
    }

    /// <summary>Gives the guest console input, to both the serial port and the SBI console; how much the serial port took. Any thread.</summary>
    public int Input(ReadOnlySpan<byte> bytes)
    {
        int taken = Board.Uart.Receive(bytes);
        _console.Input(bytes[..taken]);
        return taken;
    }

    /// <summary>Ends the guest and gives the devices' timers back. The machine is disposed of by its owner.</summary>
    public void Dispose()
    {
        _machine.Halt();
        Para.Domains?.Leave(Para);
        Board.Dispose();
    }
}
