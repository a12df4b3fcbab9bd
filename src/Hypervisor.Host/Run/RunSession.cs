using System.Diagnostics;
using Hypervisor.Core;
using Hypervisor.Core.Engine;
using Hypervisor.Core.Machine;
using Hypervisor.Core.Scheduling;
using Hypervisor.Guests.Common;
using Hypervisor.Host.Cli;
using Hypervisor.Host.Schedule;

namespace Hypervisor.Host.Run;

/// <summary>One <c>hv run</c>: a guest on this terminal, in real time.</summary>
internal static class RunSession
{
    /// <summary>Runs it; the exit code, the guest's own where it has one.</summary>
    /// <exception cref="HypervisorException">What is to be run cannot be.</exception>
    public static int Run(RunOptions options, CancellationToken cancellation)
    {
        using FileStream? statsFile = InputFile.CreateOutput(options.StatsFile);
        using FileStream? signatureFile = InputFile.CreateOutput(options.SignatureFile);
        using var ended = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        long start = Stopwatch.GetTimestamp();
        RawTerminal? terminal = null;
        ConsoleInput? input = null;
        var engines = new Engines();
        try
        {
            while (true)
            {
                using var traced = new TracedHost(new HostOptions
                {
                    Clock = HostClock.Real,
                    Scheduler = options.Scheduler,
                    PhysicalCpus = Math.Min(options.VCpus, Environment.ProcessorCount),
                }, options.ScheduleTrace);
                HypervisorHost host = traced.Host;
                using IRunningGuest guest = options.Mode == RunOptions.ContainerMode
                    ? ContainerGuest.Create(options, host, engines)
                    : MachineGuests.Create(options, host, engines);
                terminal ??= guest.WantsKeys ? RawTerminal.Enter() : RawTerminal.None;
                if (input is not null)
                {
                    input.Guest = guest;
                }
                else
                {
                    // Most small programs never look, and need no thread that reads.
                    input = new ConsoleInput(guest.WantsKeys, ended.Cancel) { Guest = guest };
                    if (!ConsoleInput.CanBeginLate || !guest.TakesInputLate(input.Begin))
                        input.Start();
                }

                MachineExit? exit = RunOnce(options, host, guest, statsFile, start, ended.Token, beforeReport: () => input.Guest = null);
                if (exit is { Reboot: true } && !options.NoReboot)
                {
                    Console.Error.WriteLine("hv: the guest reboots.");
                    continue;
                }

                terminal.Dispose();
                if (signatureFile is not null)
                    SignatureFile.Write(guest.Board!, options.SignatureGranularity, signatureFile);
                return ExitCodeOf(options, exit, ended.IsCancellationRequested, cancellation);
            }
        }
        finally
        {
            terminal?.Dispose();
        }
    }

    /// <summary>One life of the guest, from power on to its end; null where it was ended from outside.</summary>
    private static MachineExit? RunOnce(RunOptions options, HypervisorHost host, IRunningGuest guest, FileStream? statsFile,
        long start, CancellationToken ended, Action beforeReport)
    {
        List<TimedPersonality> timed = options.Stats || statsFile is not null ? TimeExits(guest) : [];
        using GdbServer? gdb = options.GdbPort is { } port ? new GdbServer(guest.DebugTarget!, port) : null;
        if (gdb is not null)
            Console.Error.WriteLine($"hv: waiting for gdb: gdb-multiarch -ex 'target remote localhost:{gdb.Port}'");
        long born = Stopwatch.GetTimestamp();
        host.Add(guest.Machine, SchedulingParameters.Default with { Weight = options.Weight });
        host.Start();
        TimeSpan limit = Timeout.InfiniteTimeSpan;
        if (options.TimeoutSeconds is { } seconds)
        {
            // The limit is on the run, however often the guest reboots in it.
            limit = TimeSpan.FromSeconds(seconds) - Stopwatch.GetElapsedTime(start);
            limit = limit < TimeSpan.Zero ? TimeSpan.Zero : limit;
        }

        MachineExit? exit = host.WaitFor(guest.Machine, limit, ended);
        double wall = Stopwatch.GetElapsedTime(born).TotalSeconds;
        host.Remove(guest.Machine);
        gdb?.Dispose();

        // Its threads close their books before they end.
        host.Dispose();
        beforeReport();
        if (exit is { Reboot: true } && !options.NoReboot)
            return exit;
        if (options.Stats || statsFile is not null)
            Report(options, host, guest, timed, wall, statsFile);
        return exit;
    }

    private static int ExitCodeOf(RunOptions options, MachineExit? exit, bool ended, CancellationToken cancellation)
    {
        if (exit is { } known)
        {
            if (known.Code != 0 && known.Reason.Length > 0)
                Console.Error.WriteLine($"hv: {known.Reason}.");

            // A process has eight bits for its code: what they would make a success of stays a failure.
            return known.Code != 0 && (known.Code & 0xFF) == 0 ? ExitCode.GuestFailed : known.Code;
        }

        cancellation.ThrowIfCancellationRequested();
        if (ended)
        {
            // The user ended the machine at the keyboard: that is no failure.
            Console.Error.WriteLine("hv: ended at the keyboard.");
            return ExitCode.Success;
        }

        Console.Error.WriteLine($"hv: the guest was still running after {options.TimeoutSeconds} s and was ended (--timeout).");
        return ExitCode.TimedOut;
    }

    private static List<TimedPersonality> TimeExits(IRunningGuest guest)
    {
        VirtualMachine machine = guest.Machine;
        machine.SamplesAccesses = true;
        var kinds = new ExitKinds(guest.Board);
        var wrappers = new Dictionary<IPersonality, TimedPersonality>();
        foreach (VCpu vcpu in machine.VCpus)
        {
            if (!wrappers.TryGetValue(vcpu.Personality, out TimedPersonality? wrapper))
                wrappers.Add(vcpu.Personality, wrapper = new TimedPersonality(vcpu.Personality, kinds));
            vcpu.Personality = wrapper;
        }

        return [.. wrappers.Values];
    }

    private static List<(string Name, long Value)> CountersOf(IRunningGuest guest)
    {
        List<(string, long)> counters = guest.Board?.Mode is ICounted counted ? [.. counted.Counters] : [];
        if (guest is ContainerGuest container)
            counters.AddRange(container.Counters);
        TranslationCounts translations = guest.Machine.Translations;
        counters.Add(("TLB entries made", translations.Refills));
        counters.Add(("accesses past the TLB", translations.Uncached));
        counters.Add(("TLB flushes", translations.Flushes));
        counters.Add(("blocks of code decoded", guest.Machine.BlocksDecoded));
        counters.AddRange(guest.NetworkCounters);
        return counters;
    }

    private static double? HitRateOf(VirtualMachine machine)
    {
        long accesses = machine.EndedVCpus.SampledAccesses + machine.VCpus.Sum(vcpu => vcpu.Meter.SampledAccesses);
        long misses = machine.EndedVCpus.SampledMisses + machine.VCpus.Sum(vcpu => vcpu.Meter.SampledMisses);
        return accesses == 0 ? null : Math.Max(0, 1 - ((double)misses / accesses));
    }

    private static void Report(
        RunOptions options, HypervisorHost host, IRunningGuest guest, List<TimedPersonality> timed, double wall, FileStream? file)
    {
        using var process = Process.GetCurrentProcess();
        var statistics = new RunStatistics
        {
            Mode = options.Mode,
            Engine = guest.Engine,
            Retired = guest.Machine.EndedVCpus.Retired + guest.Machine.VCpus.Sum(vcpu => vcpu.Meter.Retired),
            WallSeconds = wall,
            GuestSeconds = host.PhysicalCpus.Sum(cpu => cpu.BusyNanoseconds) / 1e9,
            CpuSeconds = process.TotalProcessorTime.TotalSeconds,
            Exits = RunStatistics.SumExits(guest.Machine),
            Times = [.. timed.SelectMany(each => each.Times()).GroupBy(each => (each.Reason, each.Kind))
                .Select(each => new ExitTime(each.Key.Reason, each.Key.Kind, each.Sum(one => one.Count), each.Sum(one => one.Nanoseconds)))],
            Kinds = new ExitKinds(guest.Board),
            Counters = CountersOf(guest),
            TlbHitRate = HitRateOf(guest.Machine),
            MemoryResidentBytes = process.WorkingSet64,
        };
        if (options.Stats)
            statistics.Write(Console.Error);
        if (file is not null)
            statistics.WriteJson(file);
    }
}
