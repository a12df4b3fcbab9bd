using System.Text;
using Hypervisor.Core.Devices;
using Hypervisor.Core.Engine;
using Hypervisor.Core.Machine;
using Hypervisor.Core.Scheduling;
using Hypervisor.Guests.BuiltIn;
using Hypervisor.Host.Run;

namespace Hypervisor.Host.Compare;

/// <summary>Keeps what a guest prints.</summary>
internal sealed class TextCollector : IConsoleSink
{
    private const int Limit = 16 << 20;

    private readonly List<byte> _bytes = [];

    /// <inheritdoc/>
    public void Write(ReadOnlySpan<byte> bytes)
    {
        if (_bytes.Count < Limit)
            _bytes.AddRange(bytes);
    }

    /// <inheritdoc/>
    public override string ToString() => Encoding.UTF8.GetString([.. _bytes]);
}

/// <summary>Measures the region that a guest marks: host time, instructions and exits between its marks.</summary>
internal sealed class RegionMeter
{
    // More virtual time than any workload needs: a guest that spins for ever is cut off and reported.
    private const long LongestNanoseconds = 600_000_000_000;

    private VirtualMachine? _machine;
    private Reading? _begin;
    private Reading? _end;
    private long _operations;

    /// <summary>Takes a mark: begin or end, and at the end the operations done.</summary>
    public void Mark(bool ends, ulong operations)
    {
        TimeSpan now = HostTime.Now;
        if (_machine is null)
            return;
        if (!ends)
        {
            // Last of all, so that the reading itself is outside the region.
            _begin = Read(default);
            _begin = _begin with { Time = HostTime.Now };
        }
        else
        {
            _end = Read(now);
            _operations = (long)Math.Min(operations, long.MaxValue);
        }
    }

    /// <summary>Runs a machine to its end and gives what happened between its marks.</summary>
    /// <exception cref="GuestFailedException">It failed, marked nothing, or printed no result.</exception>
    public WorkloadSample Measure(
        HypervisorHost host, VirtualMachine machine, string mode, Workload workload, TextCollector console, CancellationToken cancellation)
    {
        _machine = machine;
        host.Add(machine, SchedulingParameters.Default);
        host.RunFor(LongestNanoseconds, cancellation);
        cancellation.ThrowIfCancellationRequested();
        string what = $"{workload.Name} in mode {mode}";
        string text = console.ToString();
        if (machine.Exit is not { } exit)
            throw new GuestFailedException($"{what} did not come to its end: it sleeps or spins for ever.{Tail(text)}");
        if (exit.Code != 0)
            throw new GuestFailedException($"{what} failed with {exit.Code} ({exit.Reason}).{Tail(text)}");
        if (_begin is not { } begin || _end is not { } end)
            throw new GuestFailedException($"{what} did not mark its measured region.{Tail(text)}");
        if (!workload.TryFindResult(text, out ulong checksum))
            throw new GuestFailedException($"{what} printed no result.{Tail(text)}");
        return new WorkloadSample
        {
            Nanoseconds = (long)(end.Time - begin.Time).TotalNanoseconds,
            Operations = _operations,
            Retired = end.Retired - begin.Retired,
            Exits = end.Exits.ToDictionary(each => each.Key, each => each.Value - begin.Exits.GetValueOrDefault(each.Key)),
            Checksum = checksum,
        };
    }

    private Reading Read(TimeSpan time)
        => new(time, _machine!.EndedVCpus.Retired + _machine.VCpus.Sum(vcpu => vcpu.Hart.UsedSoFar), RunStatistics.SumExits(_machine));

    private static string Tail(string console)
    {
        const int longest = 400;
        string tail = console.Length > longest ? console[^longest..] : console;
        return tail.Length == 0 ? " It printed nothing." : $" It last printed:\n{tail}";
    }

    private sealed record Reading(TimeSpan Time, long Retired, Dictionary<VmExitReason, long> Exits);
}
