using System.CommandLine;
using System.CommandLine.Help;
using Hypervisor.Core;
using Hypervisor.Host.Oci;
using Hypervisor.Host.Schedule;

namespace Hypervisor.Host.Cli;

/// <summary>The command line of hv: parses, runs, and turns every failure into a message and an exit code.</summary>
internal static class HvCommandLine
{
    private const string RunName = "run";
    private const string OciName = "oci";

    /// <summary>Runs a command line.</summary>
    /// <param name="arguments">The arguments.</param>
    /// <param name="error">Where complaints go.</param>
    /// <returns>The exit code.</returns>
    public static int Run(string[] arguments, TextWriter error)
    {
        // A runtime's command line has rules of its own, and its callers read its complaints in their own way.
        if (arguments.Length > 0 && arguments[0] == OciName)
            return OciCommand.Run(arguments[1..], error);
        string[] guestArguments = [];
        var run = RunCommand.Create(() => guestArguments);
        var root = new RootCommand("hv hosts RISC-V guests in five ways on one engine, and shows what each way costs.");
        string[] own = arguments;
        if (arguments.Length > 0 && arguments[0] == RunName)
        {
            // Nothing is asked of the other commands, and making them takes longer than a small program runs.
            root.Add(run);
            (own, guestArguments) = GuestArguments.Split(arguments.AsSpan(1), run.Options);
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
            foreach (var problem in parsed.Errors)
                error.WriteLine($"hv: {problem.Message}");
            error.WriteLine($"Try 'hv {(parsed.CommandResult.Command == root ? "" : parsed.CommandResult.Command.Name + " ")}--help'.");
            return ExitCode.BadInput;
        }

        try
        {
            return parsed.Invoke(new InvocationConfiguration { EnableDefaultExceptionHandler = false, Error = error });
        }
        catch (HypervisorException problem)
        {
            error.WriteLine($"hv: {problem.Message}");
            return ExitCode.BadInput;
        }
        catch (OperationCanceledException)
        {
            error.WriteLine("hv: interrupted.");
            return ExitCode.Interrupted;
        }
        catch (Exception problem) when (problem is IOException or UnauthorizedAccessException)
        {
            error.WriteLine($"hv: {problem.Message}");
            return ExitCode.HostTrouble;
        }
    }
}
