using Hypervisor.Core;
using Hypervisor.Host.Manifest;
using Hypervisor.Host.Networks;
using Hypervisor.Host.Run;

namespace Hypervisor.Host.Cli;

/// <summary>What a command line of <c>hv run</c> says: its options' values as text, and the program with its arguments.</summary>
internal sealed class RunLine
{
    private readonly Dictionary<string, List<string>> _values = [];

    /// <summary>The program, or manifest; null where none is named.</summary>
    public string? Program { get; set; }

    /// <summary>The program's arguments.</summary>
    public IReadOnlyList<string> Arguments { get; set; } = [];

    /// <summary>
    /// Reads a line that is plain: options by their whole names, each with its value behind it as a word of its own, then a program that is no manifest.
    /// That is nearly every line, and the parser, which knows all other ways to write one and what to say of mistakes, takes as long to load and set up as
    /// a small program takes to run.
    /// </summary>
    /// <param name="arguments">What follows <c>run</c>.</param>
    /// <returns>What it says; null where the parser must look at it.</returns>
    public static RunLine? TryRead(ReadOnlySpan<string> arguments)
    {
        var line = new RunLine();
        for (int i = 0; i < arguments.Length; i++)
        {
            string argument = arguments[i];
            if (!IsPlain(argument))
            {
                if (RunFlags.Find(argument) is not { } option || (line.Has(option) && !option.Often))
                    return null;
                if (option.IsSwitch)
                {
                    // The parser takes a truth value behind a switch for the switch's.
                    if (i + 1 < arguments.Length && bool.TryParse(arguments[i + 1], out _))
                        return null;
                    line.Add(option, "");
                }
                else
                {
                    if (++i == arguments.Length || !IsPlain(arguments[i]))
                        return null;
                    line.Add(option, arguments[i]);
                }

                continue;
            }

            if (ManifestReader.IsManifest(argument))
                return null;
            line.Program = argument;
            line.Arguments = arguments[(i + 1)..].ToArray();
            return line;
        }

        return line;

        // No option, and none of what the parser reads in a way of its own: files of arguments and empty words.
        static bool IsPlain(string word) => word.Length > 0 && word[0] is not ('-' or '@');
    }

    /// <summary>Whether the option was given.</summary>
    public bool Has(RunOption option) => _values.ContainsKey(option.Name);

    /// <summary>Notes that the option was given.</summary>
    public void Add(RunOption option, string value)
    {
        if (!_values.TryGetValue(option.Name, out List<string>? values))
            _values.Add(option.Name, values = []);
        values.Add(value);
    }

    /// <summary>The option's value, or its standard one.</summary>
    public string? Text(RunOption option) => _values.TryGetValue(option.Name, out List<string>? values) ? values[^1] : option.Standard;

    /// <summary>The values of an option that may be given again.</summary>
    public IReadOnlyList<string> Each(RunOption option) => _values.TryGetValue(option.Name, out List<string>? values) ? values : [];

    /// <summary>The option's value as a number; null where it has none.</summary>
    /// <exception cref="HypervisorException">It is no number.</exception>
    public double? Decimal(RunOption option) => Numbers.Decimal(option.Name, Text(option));

    /// <summary>What is to be run.</summary>
    /// <exception cref="HypervisorException">An option's value is none that it can have, or together they describe nothing that can run.</exception>
    public RunOptions ToOptions() => RunOptions.Check(new RunOptions
    {
        Program = Program,
        Arguments = Arguments,
        Mode = Text(RunFlags.Mode)!,
        Memory = Text(RunFlags.Memory) is { } size ? MemorySize.ParseRam(size) : null,
        Balloon = Text(RunFlags.Balloon) is { } back ? MemorySize.ParseRam(back) : null,
        VCpus = Whole(RunFlags.VCpus),
        VectorBits = Whole(RunFlags.VectorBits),
        Kernel = Text(RunFlags.Kernel),
        Firmware = Text(RunFlags.Firmware)!,
        InitialRamDisk = Text(RunFlags.InitialRamDisk),
        Disks = Each(RunFlags.Disks),
        Shares = Each(RunFlags.Shares),
        Vsock = Text(RunFlags.Vsock),
        Ports = Each(RunFlags.Ports),
        Network = Text(RunFlags.Network),
        Published = Each(RunFlags.Published, PortMapping.Parse),
        CaptureFile = Text(RunFlags.Capture),
        Nat = Has(RunFlags.Nat),
        DeviceTree = Text(RunFlags.DeviceTree),
        CommandLine = Text(RunFlags.CommandLine),
        RootDirectory = Text(RunFlags.RootDirectory),
        Image = Text(RunFlags.Image),
        Writable = Has(RunFlags.Writable),
        Upper = Text(RunFlags.Upper),
        Mounts = [.. Each(RunFlags.Volumes, MountOptions.ParseVolume), .. Each(RunFlags.Mounts, MountOptions.ParseMount)],
        Environment = Each(RunFlags.Environment),
        Weight = Whole(RunFlags.Weight),
        Cpus = Decimal(RunFlags.Cpus),
        Scheduler = Text(RunFlags.Scheduler)!,
        ScheduleTrace = Text(RunFlags.ScheduleTrace),
        Engine = Text(RunFlags.Engine)!,
        TimeoutSeconds = Decimal(RunFlags.Timeout),
        SignatureFile = Text(RunFlags.Signature),
        SignatureGranularity = Whole(RunFlags.Granularity),
        NoReboot = Has(RunFlags.NoReboot),
        GdbPort = Text(RunFlags.GdbPort) is { } port ? Numbers.Whole(RunFlags.GdbPort.Name, port) : null,
        Stats = Has(RunFlags.Stats),
        StatsFile = Text(RunFlags.StatsFile),
    });

    private int Whole(RunOption option) => Numbers.Whole(option.Name, Text(option)!);

    private List<T> Each<T>(RunOption option, Func<string, T> parse) where T : class
    {
        List<T> made = [];
        foreach (string text in Each(option))
            made.Add(parse(text));
        return made;
    }
}
