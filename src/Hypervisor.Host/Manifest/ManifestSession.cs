using System.Diagnostics;
using Hypervisor.Core;
using Hypervisor.Core.Devices;
using Hypervisor.Core.Devices.Virtio;
using Hypervisor.Core.Machine;
using Hypervisor.Core.Network.Routing;
using Hypervisor.Core.Scheduling;
using Hypervisor.Host.Cli;
using Hypervisor.Host.Networks;
using Hypervisor.Host.Run;
using Hypervisor.Host.Schedule;

namespace Hypervisor.Host.Manifest;

/// <summary><c>hv run machines.yaml</c>: all guests of a manifest under one host loop, until the last has ended.</summary>
internal static class ManifestSession
{
    private static readonly TimeSpan s_look = TimeSpan.FromMilliseconds(20);

    /// <summary>Runs a manifest.</summary>
    /// <param name="path">The manifest's file.</param>
    /// <param name="timeoutSeconds">When all is ended; null for never.</param>
    /// <param name="statistics">Whether to tell at the end what each guest used.</param>
    /// <param name="traceFile">Where a trace of the scheduling goes; null for nowhere.</param>
    /// <param name="cancellation">Ends all guests.</param>
    /// <returns>0 where every guest ended well.</returns>
    /// <exception cref="HypervisorException">The manifest, or something it names, cannot be used.</exception>
    public static int Run(string path, double? timeoutSeconds, bool statistics, string? traceFile, CancellationToken cancellation)
    {
        MachineManifest manifest = ManifestReader.Read(path);
        int vcpus = manifest.Guests.Sum(guest => guest.Options.VCpus);
        var options = new HostOptions { Clock = HostClock.Real, PhysicalCpus = manifest.PhysicalCpus ?? Math.Clamp(vcpus, 1, Math.Min(64, Environment.ProcessorCount)) };
        if (manifest.Scheduler is { } scheduler)
            options = options with { Scheduler = scheduler };
        if (manifest.Guests[0].Group is not null)
            options = options with { Groups = true };
        using var traced = new TracedHost(options, traceFile);
        HypervisorHost host = traced.Host;
        using var networks = new HostNetworks(host);
        foreach (NetworkOptions network in manifest.Networks)
            networks.Add(network);
        foreach (RouteRule rule in manifest.Routes)
            networks.Allow(rule);
        var running = new List<Running>();
        var engines = new Engines();
        try
        {
            using Stream output = Console.OpenStandardOutput();
            var gate = new Lock();
            foreach (ManifestGuest guest in manifest.Guests)
                running.Add(Create(guest, host, engines, networks, output, gate));
            foreach (Running each in running)
                host.Add(each.Guest.Machine, SchedulingParameters.Default with { Weight = each.Group is null ? each.Options.Weight : RunOptions.DefaultWeight, Group = each.Group });
            host.Start();
            bool ended = WaitForAll(running, timeoutSeconds, cancellation);
            foreach (Running each in running)
                host.Remove(each.Guest.Machine);
            foreach (Running each in running)
                each.Prefixed?.Finish();
            if (statistics)
                Report(running, networks, Console.Error);
            cancellation.ThrowIfCancellationRequested();
            return ended ? ExitCodeOf(running) : ExitCode.TimedOut;
        }
        finally
        {
            foreach (Running each in running)
                each.Dispose();
        }
    }

    private static Running Create(ManifestGuest guest, HypervisorHost host, Engines engines, HostNetworks networks, Stream output, Lock gate)
    {
        try
        {
            PrefixedConsole? prefixed = guest.ConsoleFile is null ? new PrefixedConsole(output, gate, guest.Name) : null;
            FileStream? file = InputFile.CreateOutput(guest.ConsoleFile);
            IConsoleSink sink = prefixed is not null ? prefixed : new StandardOutputSink(() => file!);
            if (guest.Options.Mode == RunOptions.ContainerMode)
            {
                StationLink? link = guest.Cards is [{ } only] ? networks.ConnectContainer(only.Network, guest.Name, only.Published, only.Address) : null;
                ContainerGuest container = ContainerGuest.Create(guest.Options, host, engines, guest.Name, new ContainerConsole(sink.Write, sink.Write, Terminal: false), link);
                container.InputEnded();
                return new Running(guest.Name, guest.Options, guest.Group, container, prefixed, file);
            }

            List<VirtioDevice> cards = [.. guest.Cards.Select(card => networks.Connect(card.Network, guest.Name, card.Published, card.Address))];
            return new Running(guest.Name, guest.Options, guest.Group, MachineGuests.Create(guest.Options, host, engines, guest.Name, sink, cards), prefixed, file);
        }
        catch (HypervisorException problem)
        {
            throw new HypervisorException($"machine '{guest.Name}': {problem.Message}", problem);
        }
    }

    /// <summary>Whether all ended by themselves.</summary>
    private static bool WaitForAll(List<Running> running, double? timeoutSeconds, CancellationToken cancellation)
    {
        long start = Stopwatch.GetTimestamp();
        while (running.Exists(each => each.Guest.Machine.Exit is null))
        {
            if (cancellation.WaitHandle.WaitOne(s_look))
                return false;
            foreach (Running each in running)
                each.Tell();
            if (timeoutSeconds is { } limit && Stopwatch.GetElapsedTime(start).TotalSeconds > limit)
            {
                IEnumerable<string> alive = running.Where(each => each.Guest.Machine.Exit is null).Select(each => $"'{each.Name}'");
                Console.Error.WriteLine($"hv: still running after {limit} s and ended (--timeout): {string.Join(", ", alive)}.");
                return false;
            }
        }

        foreach (Running each in running)
            each.Tell();
        return true;
    }

    private static int ExitCodeOf(List<Running> running)
        => running.TrueForAll(each => each.Guest.Machine.Exit is { Code: 0 }) ? ExitCode.Success : ExitCode.GuestFailed;

    private static void Report(List<Running> running, HostNetworks networks, TextWriter writer)
    {
        writer.WriteLine($"{"machine",-16} {"mode",-10} {"instructions",16} {"on a CPU, s",12} {"waited, s",10} {"exits",12}");
        foreach (Running each in running)
        {
            VCpuMeter[] meters = [each.Guest.Machine.EndedVCpus, .. each.Guest.Machine.VCpus.Select(vcpu => vcpu.Meter)];
            writer.WriteLine(string.Create(System.Globalization.CultureInfo.InvariantCulture,
                $"{each.Name,-16} {each.Options.Mode,-10} {meters.Sum(meter => meter.Retired),16} {meters.Sum(meter => meter.RunNanoseconds) / 1e9,12:f3} {meters.Sum(meter => meter.WaitNanoseconds) / 1e9,10:f3} {meters.Sum(meter => meter.TotalExits),12}"));
        }

        foreach ((string name, long value) in networks.Counters)
            writer.WriteLine(string.Create(System.Globalization.CultureInfo.InvariantCulture, $"{value,16} {name}"));
    }

    /// <summary>A guest that was started.</summary>
    private sealed class Running(string name, RunOptions options, SchedulingGroup? group, IRunningGuest guest, PrefixedConsole? prefixed, FileStream? file) : IDisposable
    {
        private bool _told;

        public string Name => name;

        public RunOptions Options => options;

        public SchedulingGroup? Group => group;

        public IRunningGuest Guest => guest;

        public PrefixedConsole? Prefixed => prefixed;

        /// <summary>Tells, once, how it ended.</summary>
        public void Tell()
        {
            if (_told || guest.Machine.Exit is not { } exit)
                return;
            _told = true;
            prefixed?.Finish();
            Console.Error.WriteLine(exit.Code == 0 ? $"hv: '{name}' ended." : $"hv: '{name}' ended with {exit.Code}{(exit.Reason.Length > 0 ? ": " + exit.Reason : "")}.");
        }

        public void Dispose()
        {
            guest.Dispose();
            file?.Dispose();
        }
    }
}
