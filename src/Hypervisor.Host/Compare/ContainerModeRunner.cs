using Hypervisor.Core.Machine;
using Hypervisor.Guests.BuiltIn;
using Hypervisor.Guests.Container;

namespace Hypervisor.Host.Compare;

/// <summary>Runs workloads as containers: the same program, and no guest kernel.</summary>
internal sealed class ContainerModeRunner(CompareSetting setting) : IModeRunner
{
    /// <inheritdoc/>
    public string Mode => "container";

    /// <inheritdoc/>
    public WorkloadSample Run(Workload workload, long iterations, CancellationToken cancellation)
    {
        var meter = new RegionMeter();
        var console = new TextCollector();
        using var host = new HypervisorHost(setting.Loop);
        using var containers = new ContainerHost("container", CompareSetting.RamBytes, host.Timers, setting.Engine);
        containers.Create(new ContainerOptions
        {
            Program = "/" + workload.Name,
            ProgramImage = setting.Guests.WorkloadElf(workload.Name),
            Arguments = [workload.Name, iterations.ToString(System.Globalization.CultureInfo.InvariantCulture)],
            Output = console.Write,
            Error = console.Write,
            Marked = meter.Mark,
        });
        return meter.Measure(host, containers.Machine, Mode, workload, console, cancellation);
    }
}
