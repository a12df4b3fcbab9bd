using Hypervisor.Core.Machine;
using Hypervisor.Core.Scheduling;
using Hypervisor.Host.Cli;

namespace Hypervisor.Host.Schedule;

/// <summary>A host, and the trace of its scheduling where one is wanted: the trace ends after the host has.</summary>
internal sealed class TracedHost : IDisposable
{
    private readonly TraceRecorder? _recorder;

    /// <summary>Makes a host, with a trace to a file that is not null.</summary>
    public TracedHost(HostOptions options, string? file)
    {
        if (InputFile.CreateOutput(file) is not { } stream)
        {
            Host = new HypervisorHost(options);
            return;
        }

        IScheduler policy = options.Groups
            ? Schedulers.CreateGrouped(options.Scheduler, options.PhysicalCpus, options.SliceNanoseconds)
            : Schedulers.Create(options.Scheduler, options.PhysicalCpus, options.SliceNanoseconds);
        _recorder = new TraceRecorder(policy, stream, options.PhysicalCpus, options.SliceNanoseconds);
        Host = new HypervisorHost(options, _recorder);
    }

    /// <summary>The host.</summary>
    public HypervisorHost Host { get; }

    public void Dispose()
    {
        Host.Dispose();
        _recorder?.Dispose();
    }
}
