using System.IO.Pipes;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using Hypervisor.Core;
using Hypervisor.Core.HostSockets;
using Hypervisor.Core.Machine;
using Hypervisor.Core.Scheduling;
using Hypervisor.Guests.Container;
using Hypervisor.Guests.Container.Files;
using Hypervisor.Guests.Container.Oci;
using Hypervisor.Host.Cli;
using Hypervisor.Host.Run;

namespace Hypervisor.Host.Oci;

/// <summary>
/// The process that holds a container: <c>create</c> starts it, it reports itself ready, waits for <c>start</c>, and ends with
/// the container's exit code. Its standard streams are the container's. Other commands reach it through a socket.
/// </summary>
internal sealed partial class OciMonitor : IDisposable
{
    private const int KillSignal = 9;
    private const int Backlog = 16;

    private readonly ManualResetEventSlim _released = new();
    private readonly HypervisorHost _host;
    private readonly ContainerHost _containers;
    private readonly ContainerInput _input = new();
    private readonly List<PosixSignalRegistration> _signals = [];
    private readonly ManualResetEventSlim _running = new();
    private readonly IReadOnlyList<HookSpec> _hooks;
    private readonly IReadOnlyList<FilterInstruction>? _filter;
    private readonly string _id;
    private readonly string _bundle;
    private readonly ulong _machineBytes;
    private readonly OciNetwork? _network;
    private Container? _container;
    private int _endedBySignal;
    private bool _started;

    private OciMonitor(RuntimeSpec spec, string bundle, string id)
    {
        _host = new HypervisorHost(new HostOptions { Clock = HostClock.Real, PhysicalCpus = Math.Min(Environment.ProcessorCount, 4) });
        _id = id;
        _bundle = bundle;
        _hooks = spec.Hooks.StartContainer;
        _filter = spec.SystemCallFilter;
        (ulong memory, _machineBytes) = OciContainers.MemoryFor(spec);
        try
        {
            _network = OciNetwork.Create(spec, _host, id);
            _containers = new ContainerHost("container", _machineBytes, _host.Timers, EngineChoice.Create(EngineChoice.Auto))
            {
                SetParameters = _host.SetParameters,
                EpochNanoseconds = (DateTimeOffset.UtcNow - DateTimeOffset.UnixEpoch).Ticks * 100 - _host.NowNanoseconds,
            };
            if (spec.Process is not null)
            {
                _container = _containers.Create(OciContainers.Options(spec, bundle, id, memory) with
                {
                    Link = _network?.Link,
                    Listening = _network is null ? null : _network.Listen,
                    Input = _input,
                    Output = Writer(Console.OpenStandardOutput()),
                    Error = Writer(Console.OpenStandardError()),
                });
            }
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>Holds a container to its end.</summary>
    /// <param name="store">Where its record is.</param>
    /// <param name="arguments">The command line that <c>create</c> made.</param>
    /// <returns>The container's exit code.</returns>
    public static int Run(ContainerStore store, OciArguments arguments)
    {
        string id = arguments.Operands[0];
        using var ready = new AnonymousPipeClientStream(PipeDirection.Out, arguments["--ready"]!);
        OciMonitor monitor;
        UnixListener listener;
        try
        {
            HostTerminal.LeaveSession();
            RuntimeSpec spec = RuntimeSpec.Load(arguments["--bundle"]!);
            if (arguments["--console-socket"] is { } console)
                HostTerminal.Adopt(console, spec.Process?.Rows ?? 0, spec.Process?.Columns ?? 0);
            monitor = new OciMonitor(spec, arguments["--bundle"]!, id);
            listener = new UnixListener(store.SocketOf(id), Backlog, $"container '{id}'");
        }
        catch (Exception problem) when (problem is HypervisorException or IOException or UnauthorizedAccessException)
        {
            ready.Write(System.Text.Encoding.UTF8.GetBytes("error " + problem.Message));
            return ExitCode.GuestFailed;
        }

        using (monitor)
        using (listener)
        {
            monitor.TakeSignals();
            _ = Task.Run(() => monitor.ServeAsync(listener));
            ready.Write("ok"u8);
            ready.Dispose();
            int code = monitor.HoldToEnd();
            OciSession.WaitForCaller(arguments);
            return code;
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (PosixSignalRegistration signal in _signals)
            signal.Dispose();
        _host.Dispose();
        _network?.Dispose();
        _containers?.Dispose();
    }

    private int HoldToEnd()
    {
        _released.Wait();
        if (_endedBySignal != 0)
            return 128 + _endedBySignal;
        new Thread(CarryInput) { IsBackground = true, Name = "standard input" }.Start();
        if (_hooks.Count > 0)
            _container!.HoldFirst(true);
        _host.Add(_containers.Machine, SchedulingParameters.Default);
        _host.Start();
        _running.Set();
        MachineExit? exit = _host.WaitFor(_containers.Machine, Timeout.InfiniteTimeSpan, CancellationToken.None);
        return exit?.Code ?? ExitCode.HostTrouble;
    }

    /// <summary>Signals to this process are the container's, as if this were its first process.</summary>
    private void TakeSignals()
    {
        if (OperatingSystem.IsWindows())
            return;
        foreach (int signal in (int[])[1, 2, 3, 10, 12, 15, 28])
        {
            _signals.Add(PosixSignalRegistration.Create((PosixSignal)signal, context =>
            {
                context.Cancel = true;
                if (signal == 28 && HostTerminal.TryGetSize(out ushort rows, out ushort columns))
                    _container?.ResizeTerminal(rows, columns);
                else
                    Signal(signal);
            }));
        }
    }

    private bool Signal(int signal)
    {
        lock (_released)
        {
            if (_started)
                return _container!.Signal(signal);

            // Before its start a container is nothing but this process: what would end that ends it.
            if (signal is not (17 or 18 or 23 or 28))
            {
                _endedBySignal = signal;
                _released.Set();
            }

            return true;
        }
    }

    private async Task ServeAsync(UnixListener listener)
    {
        while (await listener.AcceptAsync().ConfigureAwait(false) is { } connection)
            new Thread(() => Talk(connection)) { IsBackground = true, Name = "control connection" }.Start();
    }

    private void Talk(Socket connection)
    {
        using var frames = new Frames(new NetworkStream(connection, ownsSocket: true));
        try
        {
            while (frames.ReceiveText() is { } request)
            {
                string[] words = request.Split(' ', 2);
                if (words[0] == "exec")
                {
                    Execute(words[1], frames);
                    return;
                }

                frames.Send(Answer(words[0], words.Length > 1 ? words[1] : ""));
            }
        }
        catch (IOException)
        {
            // The caller went away before it had its answer.
        }
    }

    private string Answer(string request, string argument)
    {
        switch (request)
        {
            case "start":
                lock (_released)
                {
                    if (_started)
                        return "error The container runs already.";
                    if (_container is null)
                        return "error The configuration has no process: there is nothing to start.";
                    _started = true;
                    _released.Set();
                }

                return _hooks.Count == 0 ? "ok" : RunStartHooks();
            case "kill":
                return Signal(int.Parse(argument, System.Globalization.CultureInfo.InvariantCulture)) ? "ok" : "error The container is not running.";
            case "killall":
                if (!_started)
                    goto case "kill";
                return _container!.SignalAll(int.Parse(argument, System.Globalization.CultureInfo.InvariantCulture)) > 0 ? "ok" : "error The container is not running.";
            case "stats":
                return _container is { } counted ? "ok " + OciResources.Event(_id, counted.Statistics) : "error The configuration has no process: there is nothing to tell.";
            case "update":
                return SetLimits(argument);
            case "pause":
                _container?.Pause();
                return "ok";
            case "resume":
                _container?.Resume();
                return "ok";
            case "ps":
                return "ok " + string.Join('\n', (_container?.ListProcesses() ?? []).Select(process => $"{process.Id} {process.Parent} {process.Command.Replace('\n', ' ')}"));
            default:
                return $"error There is no request '{request}'.";
        }
    }

    private string SetLimits(string resources)
    {
        try
        {
            _container?.SetLimits(OciResources.Limits(OciResources.Parse(resources), _machineBytes));
            return "ok";
        }
        catch (HypervisorException problem)
        {
            return "error " + problem.Message;
        }
    }

    private void CarryInput()
    {
        const int mostWaiting = 1 << 20;
        try
        {
            using Stream stream = OpenInput();
            var buffer = new byte[16 << 10];
            for (int count; (count = stream.Read(buffer)) > 0;)
            {
                _input.Supply(buffer.AsSpan(0, count));
                while (_input.Count > mostWaiting)
                    Thread.Sleep(5);
            }
        }
        catch (Exception problem) when (problem is IOException or UnauthorizedAccessException or ArgumentException)
        {
            // A terminal that hung up, or no file to read from: that is the end of input.
        }

        _input.Complete();

        static Stream OpenInput() => Host.Run.RawTerminal.OpenInput();
    }

    /// <summary>What the container prints, to a standard stream; once nobody reads that, to nowhere.</summary>
    private static ContainerOutput Writer(Stream stream)
    {
        var gate = new Lock();
        bool gone = false;
        return bytes =>
        {
            lock (gate)
            {
                if (gone)
                    return;
                try
                {
                    stream.Write(bytes);
                    stream.Flush();
                }
                catch (IOException)
                {
                    gone = true;
                }
            }
        };
    }
}
