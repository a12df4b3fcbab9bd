using System.Diagnostics;
using System.Globalization;
using System.IO.Pipes;
using System.Text.Json;
using Hypervisor.Core;
using Hypervisor.Guests.Container.Oci;
using Hypervisor.Host.Cli;

namespace Hypervisor.Host.Oci;

/// <summary>
/// <c>hv oci</c>: a container runtime with the command line that podman, containerd and their kind call (the runtime
/// specification's operations; options as runc names them).
/// </summary>
internal static class OciCommand
{
    private const string Help = """
        hv oci: an OCI runtime for riscv64 containers.

          hv oci [--root DIR] [--log FILE] [--log-format text|json] COMMAND

          create [--bundle DIR] [--pid-file FILE] [--console-socket SOCKET] ID   make a container, held until start
          start ID                                              let its program run
          run [--detach] [create's options] ID                  create, start, and wait for its end
          state ID                                              its state as JSON
          kill [--all] ID [SIGNAL]                              send a signal, SIGTERM where none is named
          delete [--force] ID                                   forget a container that has ended; with --force end it first
          exec [--process FILE | --cwd DIR --env K=V --user UID:GID] [--detach] [--pid-file FILE] [--console-socket SOCKET] ID [PROGRAM …]
          ps [--format json] ID                                 its processes
          list [--format json] [--quiet]                        all containers
          pause ID, resume ID                                   hold its tasks, let them go on
          update [--resources FILE | --memory 256m --cpu-quota N …] ID           change its limits
          events [--stats] [--interval 5s] ID                   what it uses, as JSON: once, or until it ends
          spec [--bundle DIR]                                   write a configuration to begin with
          features                                              what this runtime does, as JSON

        DIR of --root is where containers' states are kept: $XDG_RUNTIME_DIR/hv, or /run/hv. See docs/oci.md.
        """;

    /// <summary>Runs a command line.</summary>
    /// <param name="arguments">The arguments behind <c>oci</c>.</param>
    /// <param name="error">Where complaints go besides the log.</param>
    /// <returns>The exit code.</returns>
    public static int Run(IReadOnlyList<string> arguments, TextWriter error)
    {
        OciArguments known = OciArguments.ParseLeniently(arguments);
        var log = new OciLog(known["--log"], known["--log-format"] == "json");
        try
        {
            OciArguments parsed = OciArguments.Parse(arguments);
            if (parsed.Has("--help"))
            {
                Console.WriteLine(Help);
                return ExitCode.Success;
            }

            if (parsed.Has("--version"))
            {
                Console.WriteLine($"hv version {typeof(OciCommand).Assembly.GetName().Version}\nspec: {OciFeatures.NewestSpecification}");
                return ExitCode.Success;
            }

            return Dispatch(parsed);
        }
        catch (HypervisorException problem)
        {
            log.Error(problem.Message, error);
            return ExitCode.GuestFailed;
        }
        catch (Exception problem) when (problem is IOException or UnauthorizedAccessException or System.Net.Sockets.SocketException)
        {
            log.Error(problem.Message, error);
            return ExitCode.GuestFailed;
        }
    }

    private static int Dispatch(OciArguments arguments)
    {
        var store = new ContainerStore(arguments["--root"]);
        if (arguments.Command is null)
            throw new HypervisorException($"hv oci needs a command: {string.Join(", ", OciArguments.Commands)}. See 'hv oci --help'.");
        if (arguments.Operands.Count == 0 && arguments.Command is not ("list" or "features" or "spec"))
            throw new HypervisorException($"hv oci {arguments.Command} needs the name of a container.");
        string id = arguments.Operands.Count > 0 ? arguments.Operands[0] : "";
        switch (arguments.Command)
        {
            case "create":
                Create(store, arguments, id).Dispose();
                return ExitCode.Success;
            case "run":
                return RunToEnd(store, arguments, id);
            case "start":
                Start(store, id);
                return ExitCode.Success;
            case "state":
                Console.WriteLine(store.Get(id).ToStateJson(indented: true));
                return ExitCode.Success;
            case "kill":
                Kill(store, id, arguments.Operands.Count > 1 ? arguments.Operands[1] : "SIGTERM", arguments.Has("--all"));
                return ExitCode.Success;
            case "delete":
                Delete(store, id, arguments.Has("--force"));
                return ExitCode.Success;
            case "exec":
                return Execute(store, arguments, id);
            case "ps":
                ListProcesses(store, id, arguments["--format"]);
                return ExitCode.Success;
            case "list":
                List(store, arguments);
                return ExitCode.Success;
            case "pause":
            case "resume":
                SetPaused(store, id, arguments.Command == "pause");
                return ExitCode.Success;
            case "update":
                Update(store, arguments, id);
                return ExitCode.Success;
            case "events":
                TellEvents(store, arguments, id);
                return ExitCode.Success;
            case "spec":
                OciFeatures.WriteSpecification(arguments["--bundle"] ?? ".");
                return ExitCode.Success;
            case "features":
                Console.WriteLine(OciFeatures.Describe());
                return ExitCode.Success;
            case "monitor":
                return OciMonitor.Run(store, arguments);
            default:
                return OciSession.RunDetached(store, arguments);
        }
    }

    private static Process Create(ContainerStore store, OciArguments arguments, string id)
    {
        string bundle = Path.GetFullPath(arguments["--bundle"] ?? ".");
        RuntimeSpec spec = RuntimeSpec.Load(bundle);
        string? console = arguments["--console-socket"];
        bool detached = arguments.Command == "create" || arguments.Has("--detach");
        if (spec.Process is { Terminal: true } && console is null && detached)
            throw new HypervisorException("config.json: process.terminal is true: name where the terminal goes with --console-socket.");
        if (spec.Process is not { Terminal: true } && console is not null)
            throw new HypervisorException("--console-socket is of containers with a terminal: config.json: process.terminal is not true.");
        var record = new ContainerRecord
        {
            Id = id,
            OciVersion = spec.Version,
            Bundle = bundle,
            RootFs = spec.RootPath,
            Created = DateTime.UtcNow,
            Annotations = spec.Annotations,
            CgroupsPath = spec.CgroupsPath,
        };
        _ = store.SocketOf(id);
        store.Claim(record);
        Process? monitor = null;
        try
        {
            List<string> command = ["--root", store.Root, "monitor", "--bundle", bundle];
            if (console is not null)
                command.AddRange(["--console-socket", Path.GetFullPath(console)]);
            monitor = StartSelf(command, id, outlives: detached, HostNamespaces.Entrance(spec, bundle, Path.Combine(store.DirectoryOf(id), "root")));
            HostCgroup.Join(spec.CgroupsPath, monitor.Id, spec.Resources.Weight);
            record = record with { Pid = monitor.Id, PidStarted = ContainerRecord.StartOf(monitor.Id) };
            OciHooks.Run(spec.Hooks.Prestart, "prestart", HookState(record, "creating"));
            OciHooks.Run(spec.Hooks.CreateRuntime, "createRuntime", HookState(record, "creating"));
            OciHooks.Run(spec.Hooks.CreateContainer, "createContainer", HookState(record, "creating"));
            store.Save(record);
            WritePid(arguments["--pid-file"], monitor.Id);
            return monitor;
        }
        catch
        {
            monitor?.Kill();
            monitor?.WaitForExit();
            monitor?.Dispose();
            HostCgroup.Remove(spec.CgroupsPath);
            store.Remove(id);
            throw;
        }
    }

    private static int RunToEnd(ContainerStore store, OciArguments arguments, string id)
    {
        using Process monitor = Create(store, arguments, id);
        Start(store, id);
        if (arguments.Has("--detach"))
            return ExitCode.Success;
        List<System.Runtime.InteropServices.PosixSignalRegistration> signals = OperatingSystem.IsWindows() ? [] : [.. new[] { 1, 2, 3, 15 }.Select(
            signal => System.Runtime.InteropServices.PosixSignalRegistration.Create((System.Runtime.InteropServices.PosixSignal)signal, context =>
            {
                context.Cancel = true;
                Kill(store, id, signal.ToString(CultureInfo.InvariantCulture), all: false);
            }))];
        monitor.WaitForExit();
        foreach (System.Runtime.InteropServices.PosixSignalRegistration signal in signals)
            signal.Dispose();
        int code = monitor.ExitCode;
        if (!arguments.Has("--keep"))
            Delete(store, id, force: true);
        return code;
    }

    private static void Start(ContainerStore store, string id)
    {
        ContainerRecord record = store.Get(id);
        if (record.Status != "created")
            throw new HypervisorException($"Container '{id}' is {record.Status}: only a container that was created and not started can be started.");
        Ask(store, id, "start");
        record = record with { Started = true };
        store.Save(record);
        if (HooksOf(record) is { Poststart: { Count: > 0 } hooks })
            OciHooks.Run(hooks, "poststart", HookState(record, "running"));
    }

    private static void Kill(ContainerStore store, string id, string signal, bool all)
    {
        ContainerRecord record = store.Get(id);
        int number = SignalNames.Parse(signal);
        if (record.Status == "stopped")
        {
            // Whoever asks for all processes of a container that has none is content.
            if (all)
                return;
            throw new HypervisorException($"Container '{id}' is stopped: container not running.");
        }

        Ask(store, id, $"{(all ? "killall" : "kill")} {number.ToString(CultureInfo.InvariantCulture)}");
    }

    private static void Delete(ContainerStore store, string id, bool force)
    {
        ContainerRecord? record = store.Find(id);
        if (record is null)
        {
            store.Remove(id);
            if (force)
                return;
            _ = store.Get(id);
            return;
        }

        string status = record.Status;
        if (status is not ("stopped" or "creating"))
        {
            if (!force && status != "created")
                throw new HypervisorException($"Container '{id}' is {status}: stop it first, or delete it with --force.");
            EndMonitor(record);
        }

        HooksSpec? hooks = HooksOf(record);
        HostCgroup.Remove(record.CgroupsPath);
        store.Remove(id);
        if (hooks is { Poststop.Count: > 0 })
            OciHooks.Run(hooks.Poststop, "poststop", HookState(record, "stopped"));
    }

    private static void EndMonitor(ContainerRecord record)
    {
        try
        {
            using var process = Process.GetProcessById(record.Pid);
            if (record.Status == "stopped")
                return;
            process.Kill();

            // It is another's child: its end shows in its record only.
            for (int i = 0; i < 500 && record.Status != "stopped"; i++)
                Thread.Sleep(10);
        }
        catch (ArgumentException)
        {
            // It ended meanwhile.
        }
    }

    private static int Execute(ContainerStore store, OciArguments arguments, string id)
    {
        ContainerRecord record = store.Get(id);
        if (record.Status is not "running" && !(record.Status == "paused" && arguments.Has("--ignore-paused")))
            throw new HypervisorException($"Container '{id}' is {record.Status}: a process can be added to a running one only.");
        string process = ExecSpec.From(arguments, record);
        string? console = arguments["--console-socket"];
        if (!arguments.Has("--detach"))
            return OciSession.Run(store, id, process, console, () => WritePid(arguments["--pid-file"], Environment.ProcessId));
        string file = Path.Combine(store.DirectoryOf(id), $"exec-{Guid.NewGuid():N}.json");
        File.WriteAllText(file, process);
        try
        {
            List<string> command = ["--root", store.Root, "session", "--process", file];
            if (console is not null)
                command.AddRange(["--console-socket", Path.GetFullPath(console)]);
            using Process session = StartSelf(command, id, outlives: true, []);
            WritePid(arguments["--pid-file"], session.Id);
            return ExitCode.Success;
        }
        finally
        {
            File.Delete(file);
        }
    }

    private static void ListProcesses(ContainerStore store, string id, string? format)
    {
        string[] lines = Ask(store, id, "ps").Split('\n', StringSplitOptions.RemoveEmptyEntries);
        if (format == "json")
        {
            Console.WriteLine("[" + string.Join(',', lines.Select(line => line.Split(' ')[0])) + "]");
            return;
        }

        Console.WriteLine("   PID   PPID CMD");
        foreach (string[] words in lines.Select(line => line.Split(' ', 3)))
            Console.WriteLine($"{words[0],6} {words[1],6} {(words.Length > 2 ? words[2] : "")}");
    }

    private static void List(ContainerStore store, OciArguments arguments)
    {
        IReadOnlyList<ContainerRecord> records = store.List();
        if (arguments.Has("--quiet"))
        {
            foreach (ContainerRecord record in records)
                Console.WriteLine(record.Id);
        }
        else if (arguments["--format"] == "json")
        {
            Console.WriteLine("[" + string.Join(',', records.Select(record => record.ToStateJson())) + "]");
        }
        else
        {
            int width = Math.Max(4, records.Select(record => record.Id.Length).DefaultIfEmpty().Max()) + 2;
            Console.WriteLine($"{"ID".PadRight(width)}{"PID",-8}{"STATUS",-10}{"CREATED",-22}BUNDLE");
            foreach (ContainerRecord record in records)
                Console.WriteLine($"{record.Id.PadRight(width)}{(record.Status == "stopped" ? 0 : record.Pid),-8}{record.Status,-10}{record.Created.ToString("yyyy-MM-ddTHH:mm:ssZ", CultureInfo.InvariantCulture),-22}{record.Bundle}");
        }
    }

    private static void SetPaused(ContainerStore store, string id, bool paused)
    {
        ContainerRecord record = store.Get(id);
        if (record.Status != (paused ? "running" : "paused"))
            throw new HypervisorException($"Container '{id}' is {record.Status}; {(paused ? "only a running one can be paused" : "only a paused one can be resumed")}.");
        Ask(store, id, paused ? "pause" : "resume");
        store.Save(record with { Paused = paused });
    }

    private static void Update(ContainerStore store, OciArguments arguments, string id)
    {
        string resources = OciResources.From(arguments);
        ContainerRecord record = store.Get(id);
        if (record.Status == "stopped")
            throw new HypervisorException($"Container '{id}' is stopped: there is nothing whose limits could change.");
        Ask(store, id, "update " + resources);
        HostCgroup.SetWeight(record.CgroupsPath, OciResources.Parse(resources).Weight);
    }

    private static void TellEvents(ContainerStore store, OciArguments arguments, string id)
    {
        string interval = arguments["--interval"] ?? "5s";
        if (!double.TryParse(interval.TrimEnd('s'), NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out double seconds) || seconds is < 0.01 or > 86_400)
            throw new HypervisorException($"--interval {interval}: give seconds, as 5s.");
        Console.WriteLine(Ask(store, id, "stats"));
        while (!arguments.Has("--stats"))
        {
            Thread.Sleep(TimeSpan.FromSeconds(seconds));
            if (store.Find(id) is not { Status: "running" or "paused" or "created" })
                return;
            Console.WriteLine(Ask(store, id, "stats"));
        }
    }

    private static string Ask(ContainerStore store, string id, string request)
    {
        _ = store.Get(id);
        using Frames frames = OciSession.Connect(store, id);
        frames.Send(request);
        string answer = frames.ReceiveText() ?? throw new HypervisorException($"Container '{id}' ended.");
        return answer.StartsWith("ok", StringComparison.Ordinal)
            ? answer[2..].TrimStart()
            : throw new HypervisorException(answer.StartsWith("error ", StringComparison.Ordinal) ? answer["error ".Length..] : answer);
    }

    /// <summary>Starts hv once more, with this process's streams, and waits until it reports itself ready.</summary>
    /// <param name="command">Its command and options.</param>
    /// <param name="id">The container.</param>
    /// <param name="outlives">Whether it is to end after this process, so that whoever takes this process's orphans learns its exit code.</param>
    /// <param name="entering">What has it start elsewhere, before its own name.</param>
    private static Process StartSelf(List<string> command, string id, bool outlives, IReadOnlyList<string> entering)
    {
        using var ready = new AnonymousPipeServerStream(PipeDirection.In, HandleInheritability.Inheritable);
        using AnonymousPipeServerStream? caller = outlives ? new AnonymousPipeServerStream(PipeDirection.Out, HandleInheritability.Inheritable) : null;
        if (caller is not null)
            command.AddRange(["--caller", caller.GetClientHandleAsString()]);
        string[] self = [.. entering, Environment.ProcessPath!];

        // With a terminal of its own it has no use for this process's streams, and whoever reads those waits for their end.
        bool hasTerminal = command.Contains("--console-socket");
        var start = new ProcessStartInfo(self[0], self[1..])
        {
            UseShellExecute = false,
            RedirectStandardInput = hasTerminal,
            RedirectStandardOutput = hasTerminal,
            RedirectStandardError = hasTerminal,
        };
        if (Path.GetFileNameWithoutExtension(self[^1]) == "dotnet")
            start.ArgumentList.Add(Path.Combine(AppContext.BaseDirectory, "hv.dll"));
        foreach (string argument in (string[])["oci", .. command, "--ready", ready.GetClientHandleAsString(), id])
            start.ArgumentList.Add(argument);
        Process process = Process.Start(start)!;
        ready.DisposeLocalCopyOfClientHandle();
        caller?.DisposeLocalCopyOfClientHandle();

        // This end is never closed but by the end of this process, which is what the other waits for.
        caller?.SafePipeHandle.SetHandleAsInvalid();
        using var reader = new StreamReader(ready);
        string answer = reader.ReadToEnd();
        if (answer == "ok")
            return process;
        process.WaitForExit();
        process.Dispose();
        throw new HypervisorException(answer.StartsWith("error ", StringComparison.Ordinal) ? answer["error ".Length..] : $"The process that was to hold container '{id}' ended at once.");
    }

    private static void WritePid(string? file, int pid)
    {
        if (file is null)
            return;

        // In one step: the caller may look at any time.
        string next = Path.Combine(Path.GetDirectoryName(Path.GetFullPath(file))!, $".{Path.GetFileName(file)}");
        File.WriteAllText(next, pid.ToString(CultureInfo.InvariantCulture));
        File.Move(next, file, overwrite: true);
    }

    private static HooksSpec? HooksOf(ContainerRecord record)
    {
        try
        {
            return RuntimeSpec.Load(record.Bundle).Hooks;
        }
        catch (HypervisorException)
        {
            // The bundle is gone, or was changed since: what cannot be read cannot be run.
            return null;
        }
    }

    private static string HookState(ContainerRecord record, string status)
    {
        using JsonDocument state = JsonDocument.Parse(record.ToStateJson());
        return JsonSerializer.Serialize(state.RootElement.EnumerateObject().ToDictionary(
            member => member.Name,
            member => member.Name == "status" ? JsonSerializer.SerializeToElement(status) : member.Value));
    }
}
