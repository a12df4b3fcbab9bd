using Hypervisor.Core;
using Hypervisor.Core.Devices;
using Hypervisor.Core.Devices.Virtio;
using Hypervisor.Core.Memory;
using Hypervisor.Core.State;
using Hypervisor.Core.Time;

namespace Hypervisor.Guests.Common;

/// <summary>What a <see cref="Board"/> is made of.</summary>
internal sealed record BoardOptions
{
    /// <summary>How many harts it has.</summary>
    public int Harts { get; init; } = 1;

    /// <summary>Takes what the guest prints on the serial port.</summary>
    public required IConsoleSink Console { get; init; }

    /// <summary>The virtio devices from slot 0 on; at most <see cref="Board.SlotCount"/>.</summary>
    public IReadOnlyList<VirtioDevice> Devices { get; init; } = [];

    /// <summary>What the clock tells at the machine's time zero: nanoseconds since 1970.</summary>
    public ulong EpochNanoseconds { get; init; }

    /// <summary>Sets or clears interrupts of a hart: the hart, bits of mip, whether they are pending.</summary>
    public required Action<int, ulong, bool> Interrupt { get; init; }

    /// <summary>Called where the guest asks to end, with its code where it failed.</summary>
    public required Action<FinisherRequest, int> End { get; init; }

    /// <summary>Called where a workload marks its region (ends, operations); null for a board without the marker device.</summary>
    public Action<bool, ulong>? Marked { get; init; }
}

/// <summary>
/// The devices of a machine at the addresses of QEMU's virt board, which every mode that has a board shares. The devices know
/// nothing of the mode: it decides what <see cref="BoardOptions.Interrupt"/> does and who reaches <see cref="Bus"/> how.
/// </summary>
internal sealed class Board : IDisposable
{
    public const ulong FinisherAddress = 0x0010_0000;
    public const ulong RtcAddress = 0x0010_1000;
    public const ulong MarkerAddress = 0x0011_0000;
    public const ulong ClintAddress = 0x0200_0000;
    public const ulong PlicAddress = 0x0c00_0000;
    public const ulong UartAddress = 0x1000_0000;
    public const ulong FirstSlotAddress = 0x1000_1000;
    public const ulong SlotStride = 0x1000;
    public const ulong RamAddress = 0x8000_0000;

    public const int SlotCount = 8;
    public const int FirstSlotInterrupt = 1;
    public const int UartInterrupt = 10;
    public const int RtcInterrupt = 11;
    public const int HighestInterrupt = 96;

    // Bits of mip (privileged specification §3.1.9).
    private const ulong MachineSoftware = 1 << 3;
    private const ulong MachineTimer = 1 << 7;
    private const ulong SupervisorExternal = 1 << 9;
    private const ulong MachineExternal = 1 << 11;

    private readonly GoldfishRtc _rtc;

    /// <summary>Builds and wires the devices.</summary>
    /// <exception cref="HypervisorException">There are more devices than slots, or no or too many harts.</exception>
    public Board(GuestMemory memory, ITimerService timers, BoardOptions options)
    {
        if (options.Devices.Count > SlotCount)
            throw new HypervisorException($"The board has {SlotCount} virtio slots; {options.Devices.Count} devices do not fit: use fewer disks or consoles.");
        Memory = memory;
        Options = options;
        IInterruptLine Line(int hart, ulong mask) => new DelegateLine(raised => options.Interrupt(hart, mask, raised));
        int[] harts = [.. Enumerable.Range(0, options.Harts)];
        Clint = new Clint(timers, [.. harts.Select(hart => new ClintHart(Line(hart, MachineSoftware), Line(hart, MachineTimer)))]);
        Plic = new Plic(HighestInterrupt, [.. harts.SelectMany(hart => new[] { Line(hart, MachineExternal), Line(hart, SupervisorExternal) })]);
        Uart = new Uart16550(Plic.Line(UartInterrupt), options.Console);
        _rtc = new GoldfishRtc(timers, Plic.Line(RtcInterrupt), options.EpochNanoseconds);
        Slots = new VirtioMmio[SlotCount];
        Bus.Add(FinisherAddress, new TestFinisher(options.End), "test finisher");
        Bus.Add(RtcAddress, _rtc, "real-time clock");
        if (options.Marked is not null)
            Bus.Add(MarkerAddress, new MarkerDevice(options.Marked), "marker");
        Bus.Add(ClintAddress, Clint, "CLINT");
        Bus.Add(PlicAddress, Plic, "PLIC");
        Bus.Add(UartAddress, Uart, "serial port");
        for (int i = 0; i < SlotCount; i++)
        {
            VirtioDevice? device = i < options.Devices.Count ? options.Devices[i] : null;
            Slots[i] = new VirtioMmio(memory, timers, Plic.Line(FirstSlotInterrupt + i), device);
            Bus.Add(FirstSlotAddress + ((ulong)i * SlotStride), Slots[i], $"virtio slot {i}");
        }
    }

    /// <summary>Device space.</summary>
    public MmioBus Bus { get; } = new();

    public Clint Clint { get; }

    public Plic Plic { get; }

    public Uart16550 Uart { get; }

    /// <summary>The virtio slots, empty ones too.</summary>
    public VirtioMmio[] Slots { get; }

    /// <summary>What it was built from.</summary>
    public BoardOptions Options { get; }

    internal GuestMemory Memory { get; }

    /// <summary>The ordinary interrupt line of a slot, to which it goes back when an event channel gives it up.</summary>
    public IInterruptLine SlotLine(int slot) => Plic.Line(FirstSlotInterrupt + slot);

    /// <summary>Saves every device.</summary>
    public void Save(StateWriter writer)
    {
        writer.Begin("BORD"u8, 1);
        foreach (MmioBus.Mapping mapping in Bus.Mappings)
            mapping.Device.Save(writer);
    }

    /// <summary>Loads what <see cref="Save"/> saved of a board of the same options.</summary>
    public void Load(StateReader reader)
    {
        reader.Begin("BORD"u8, 1);
        foreach (MmioBus.Mapping mapping in Bus.Mappings)
            mapping.Device.Load(reader);
    }

    /// <summary>Gives all timers back.</summary>
    public void Dispose()
    {
        Clint.Dispose();
        _rtc.Dispose();
        foreach (VirtioMmio slot in Slots)
            slot.Dispose();
    }
}
