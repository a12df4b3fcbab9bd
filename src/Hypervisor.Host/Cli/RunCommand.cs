using System.CommandLine;
using Hypervisor.Core;
using Hypervisor.Host.Manifest;
using Hypervisor.Host.Run;

namespace Hypervisor.Host.Cli;

/// <summary><c>hv run</c>, for the parser.</summary>
internal static class RunCommand
{
    /// <summary>The command and what it does.</summary>
    /// <remarks>All options but switches are text: the parser has native code for that alone, and what a number is we can tell better.</remarks>
    /// <param name="guestArguments">What follows the program's name.</param>
    /// <param name="run">What is done with what the line says; null to run it.</param>
    public static Command Create(Func<IReadOnlyList<string>> guestArguments, Func<RunLine, CancellationToken, int>? run = null)
    {
        Argument<string?> program = new("program")
        {
            Description = "A riscv64 Linux program to run as a container; what follows it are its arguments. Or a manifest of many guests, FILE.yaml.",
            Arity = ArgumentArity.ZeroOrOne,
        };
        var command = new Command("run", "Run a Linux program as a container, or boot a machine, on this terminal. A machine gets every key, Ctrl-C too; Ctrl-A x ends it, Ctrl-A Ctrl-A is one Ctrl-A.") { program };
        var options = new List<(RunOption Option, Option Parsed)>();
        foreach (RunOption each in RunFlags.All)
        {
            Option made = ForParser(each);
            options.Add((each, made));
            command.Add(made);
        }

        command.SetAction((parsed, cancellation) =>
        {
            var line = new RunLine { Program = parsed.GetValue(program), Arguments = guestArguments() };
            foreach ((RunOption option, Option of) in options)
                Take(line, option, of, parsed);
            return Task.FromResult((run ?? Run)(line, cancellation));
        });
        return command;
    }

    /// <summary>Runs what a line says.</summary>
    /// <returns>The exit code.</returns>
    public static int Run(RunLine line, CancellationToken cancellation)
        => line.Program is { } name && ManifestReader.IsManifest(name) ? RunManifest(name, line, cancellation) : RunSession.Run(line.ToOptions(), cancellation);

    private static Option ForParser(RunOption option)
    {
        string[] aliases = option.Alias is { } alias ? [alias] : [];
        if (option.IsSwitch)
            return new Option<bool>(option.Name, aliases) { Description = option.Description };
        if (option.Often)
            return new Option<string[]>(option.Name, aliases) { Description = option.Description, HelpName = option.Value };
        var single = new Option<string?>(option.Name, aliases) { Description = option.Description, HelpName = option.Value };
        if (option.Standard is { } standard)
            single.DefaultValueFactory = _ => standard;
        return single;
    }

    private static void Take(RunLine line, RunOption option, Option of, ParseResult parsed)
    {
        if (parsed.GetResult(of) is not { Implicit: false })
            return;
        switch (of)
        {
            case Option<bool> given when parsed.GetValue(given):
                line.Add(option, "");
                break;
            case Option<string[]> given:
                foreach (string each in parsed.GetValue(given) ?? [])
                    line.Add(option, each);
                break;
            case Option<string?> given:
                line.Add(option, parsed.GetValue(given)!);
                break;
        }
    }

    private static int RunManifest(string file, RunLine line, CancellationToken cancellation)
    {
        // Whatever else was said is of one guest, and a manifest has its own words for it.
        foreach (RunOption option in RunFlags.All)
        {
            if (option != RunFlags.Timeout && option != RunFlags.Stats && option != RunFlags.ScheduleTrace && line.Has(option))
                throw new HypervisorException($"{option.Name} is of one guest: write it into '{file}' for the machine it is meant for.");
        }

        return ManifestSession.Run(file, line.Decimal(RunFlags.Timeout), line.Has(RunFlags.Stats), line.Text(RunFlags.ScheduleTrace), cancellation);
    }
}
