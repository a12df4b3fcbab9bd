using Hypervisor.Core.Devices;
using Hypervisor.Core.Devices.Virtio;
using Hypervisor.Core.Engine;
using Hypervisor.Core.Machine;
using Hypervisor.Core.Memory;
using Hypervisor.Core.Scheduling;
using Hypervisor.Guests;
using Hypervisor.Guests.BuiltIn;
using Hypervisor.Guests.Common;
using Hypervisor.Guests.Para;

namespace Hypervisor.Host.Compare;

/// <summary>What all modes of a comparison share.</summary>
/// <param name="Engine">The engine.</param>
/// <param name="Guests">The assembled guests.</param>
/// <param name="Loop">The host loop's options.</param>
internal sealed record CompareSetting(IExecutionEngine Engine, BuiltInGuests Guests, HostOptions Loop)
{
    public const ulong RamBytes = 64 << 20;
    public const int DiskBytes = 1 << 20;
}

/// <summary>Runs workloads on the built-in privileged kernel, which owns a whole board.</summary>
internal sealed class BoardModeRunner(string mode, CompareSetting setting) : IModeRunner
{
    private readonly Lazy<byte[]> _kernel = new(() => setting.Guests.PrivilegedKernel().ToElf());

    /// <inheritdoc/>
    public string Mode => mode;

    /// <inheritdoc/>
    public WorkloadSample Run(Workload workload, long iterations, CancellationToken cancellation)
    {
        var meter = new RegionMeter();
        var console = new TextCollector();
        ReadOnlyMemory<byte> program = setting.Guests.WorkloadElf(workload.Name);
        using var host = new HypervisorHost(setting.Loop);
        using BoardGuest guest = MachineFactory.Create(mode, new BoardGuestOptions
        {
            Engine = setting.Engine,
            Console = console,
            RamBytes = CompareSetting.RamBytes,
            Devices = [new VirtioBlock(new MemoryBlockBackend(new byte[CompareSetting.DiskBytes]), "disk")],
            Marked = meter.Mark,
        }, host.Timers);
        var parameters = new BootParameters
        {
            Iterations = iterations, RamBytes = CompareSetting.RamBytes, ProgramBytes = program.Length, Markers = true,
        };
        guest.Boot(new BootImages
        {
            Kernel = _kernel.Value,
            KernelName = "built-in kernel",
            Blobs = [(BootParameters.Address, parameters.ToBytes()), (parameters.ProgramAddress, program)],
        });
        return meter.Measure(host, guest.Machine, mode, workload, console, cancellation);
    }
}

/// <summary>Runs workloads on the built-in paravirtual kernel.</summary>
internal sealed class ParaModeRunner(CompareSetting setting) : IModeRunner
{
    /// <inheritdoc/>
    public string Mode => "para";

    /// <inheritdoc/>
    public WorkloadSample Run(Workload workload, long iterations, CancellationToken cancellation)
    {
        var meter = new RegionMeter();
        var console = new TextCollector();
        ReadOnlyMemory<byte> program = setting.Guests.WorkloadElf(workload.Name);
        var kernel = setting.Guests.ParaKernel();
        using var host = new HypervisorHost(setting.Loop);
        using var machine = new VirtualMachine("para", new GuestMemory(new MemoryRegion(Board.RamAddress, CompareSetting.RamBytes)), host.Timers);
        using var guest = new ParaGuest(machine, new ParaGuestOptions
        {
            Engine = setting.Engine,
            Console = console,
            Entry = kernel.Entry,
            Opaque = BootParameters.Address,
            Devices = [new VirtioBlock(new MemoryBlockBackend(new byte[CompareSetting.DiskBytes]), "disk")],
            Marked = (_, ends, operations) => meter.Mark(ends, operations),
        });
        var parameters = new BootParameters
        {
            Iterations = iterations, RamBytes = CompareSetting.RamBytes, ProgramBytes = program.Length, Markers = true,
        };
        machine.Memory.TryWrite(kernel.ImageBase, kernel.ToImage());
        machine.Memory.TryWrite(BootParameters.Address, parameters.ToBytes());
        machine.Memory.TryWrite(parameters.ProgramAddress, program.Span);
        return meter.Measure(host, machine, Mode, workload, console, cancellation);
    }
}
