using System.CommandLine;
using System.CommandLine.Help;
using System.Runtime.InteropServices;
using Hypervisor.Core;
using Hypervisor.Host.Oci;
using Hypervisor.Host.Run;
using Hypervisor.Host.Schedule;

namespace Hypervisor.Host.Cli;

/// <summary>The command line of hv: parses, runs, and turns every failure into a message and an exit code.</summary>
internal static class HvCommandLine
{
    private const string RunName = "run";
    private const string OciName = "oci";

    /// <summary>Runs a command line.</summary>
    /// <param name="arguments">The arguments.</param>
    /// <param name="error">Where complaints go; standard error, opened when there is one, where it is null.</param>
    /// <returns>The exit code.</returns>
    public static int Run(string[] arguments, TextWriter? error = null)
    {
        // A runtime's command line has rules of its own, and its callers read its complaints in their own way.
        if (arguments.Length > 0 && arguments[0] == OciName)
            return OciCommand.Run(arguments[1..], error ?? Console.Error);

        // Nearly every line of this command is plain, and the parser and its options would take as long as a small program runs.
        if (arguments.Length > 0 && arguments[0] == RunName && RunLine.TryRead(arguments.AsSpan(1)) is { } line)
            return Guarded(() => RunPlain(line), error);
        return Parse(arguments, error);
    }

    /// <summary>Has the line parsed. A method of its own, so that who does without it does not load the parser.</summary>
    private static int Parse(string[] arguments, TextWriter? error)
    {
        string[] guestArguments = [];
        var run = RunCommand.Create(() => guestArguments);
        var root = new RootCommand("hv hosts RISC-V guests in five ways on one engine, and shows what each way costs.");
        string[] own = arguments;
        if (arguments.Length > 0 && arguments[0] == RunName)
        {
            // Nothing is asked of the other commands, and making them takes longer than a small program runs.
            root.Add(run);
            (own, guestArguments) = GuestArguments.Split(arguments.AsSpan(1));
            own = [RunName, .. own];
        }
        else
        {
            foreach (Command each in (Command[])[CompareCommand.Create(), run, ImageCommand.Create(), ScheduleCommand.Create(), new Command(OciName, "An OCI runtime for riscv64 containers, for podman and its kind: see hv oci --help.")])
                root.Add(each);
        }

        ParseResult parsed = root.Parse(own);
        if (parsed.Errors.Count > 0 && parsed.Action is not HelpAction)
        {
            Complain(parsed, root, error ?? Console.Error);
            return ExitCode.BadInput;
        }

        var configuration = new InvocationConfiguration { EnableDefaultExceptionHandler = false };
        if (error is not null)
            configuration.Error = error;
        return Guarded(() => parsed.Invoke(configuration), error);
    }

    private static void Complain(ParseResult parsed, RootCommand root, TextWriter error)
    {
        foreach (var problem in parsed.Errors)
            error.WriteLine($"hv: {problem.Message}");
        error.WriteLine($"Try 'hv {(parsed.CommandResult.Command == root ? "" : parsed.CommandResult.Command.Name + " ")}--help'.");
    }

    /// <summary>Runs what a plain line says.</summary>
    private static int RunPlain(RunLine line)
    {
        using var interrupted = new CancellationTokenSource();
        using PosixSignalRegistration interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, End);
        using PosixSignalRegistration terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, End);
        return RunSession.Run(line.ToOptions(), interrupted.Token);

        // The first signal ends the guest, with what belongs to that; the second ends hv as the system would.
        void End(PosixSignalContext signal)
        {
            signal.Cancel = !interrupted.IsCancellationRequested;
            interrupted.Cancel();
        }
    }

    /// <summary>Turns what goes wrong into a message and an exit code.</summary>
    private static int Guarded(Func<int> run, TextWriter? error)
    {
        try
        {
            return run();
        }
        catch (HypervisorException problem)
        {
            (error ?? Console.Error).WriteLine($"hv: {problem.Message}");
            return ExitCode.BadInput;
        }
        catch (OperationCanceledException)
        {
            (error ?? Console.Error).WriteLine("hv: interrupted.");
            return ExitCode.Interrupted;
        }
        catch (Exception problem) when (problem is IOException or UnauthorizedAccessException)
        {
            (error ?? Console.Error).WriteLine($"hv: {problem.Message}");
            return ExitCode.HostTrouble;
        }
    }
}
