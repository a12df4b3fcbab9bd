using System.Runtime.CompilerServices;
using Hypervisor.Core;
using Hypervisor.Core.Engine.Interpreter;
using Hypervisor.Core.Machine;
using Hypervisor.Core.Network.Routing;
using Hypervisor.Guests.Common;
using Hypervisor.Guests.Container;
using Hypervisor.Guests.Container.Files;
using Hypervisor.Guests.Container.Syscalls;
using Hypervisor.Guests.Debug;
using Hypervisor.Host.Cli;
using Hypervisor.Host.Networks;

namespace Hypervisor.Host.Run;

/// <summary>Where a container's output goes.</summary>
/// <param name="Output">Takes what it prints.</param>
/// <param name="Error">Takes what it complains.</param>
/// <param name="Terminal">Whether it believes to be on a terminal.</param>
internal sealed record ContainerConsole(ContainerOutput Output, ContainerOutput Error, bool Terminal);

/// <summary>A Linux program as a container.</summary>
internal sealed class ContainerGuest : IRunningGuest
{
    private const ulong DefaultMemory = 512 << 20;
    private const int MostInputWaiting = 1 << 20;

    private readonly ContainerHost _containers;
    private readonly ContainerInput _input = new();
    private readonly HostNetworks? _networks;
    private readonly Interpreter _engine;
    private readonly bool _terminal;

    private ContainerGuest(ContainerHost containers, Interpreter engine, HostNetworks? networks, bool terminal)
    {
        _terminal = terminal;
        _networks = networks;
        _containers = containers;
        _engine = engine;
    }

    /// <inheritdoc/>
    public VirtualMachine Machine => _containers.Machine;

    /// <inheritdoc/>
    public DebugTarget? DebugTarget => null;

    /// <inheritdoc/>
    public BoardGuest? Board => null;

    /// <summary>System calls that were made, and those of them that are not served, by name.</summary>
    public IEnumerable<(string Name, long Value)> Counters
        => _containers.Containers.SelectMany(container => container.UnknownCalls).GroupBy(call => call.Key)
            .Select(call => ($"calls of {SyscallNames.Of(call.Key)}, which is not served", call.Sum(one => one.Value)))
            .Prepend(("system calls", _containers.SystemCalls));

    /// <inheritdoc/>
    public string Engine => _engine.Name;

    /// <inheritdoc/>
    public IEnumerable<(string Name, long Value)> NetworkCounters => _networks?.Counters ?? [];

    /// <inheritdoc/>
    public bool WantsKeys => _terminal;

    /// <summary>Builds a container ready to run on this terminal.</summary>
    /// <exception cref="HypervisorException">The program cannot be found or run.</exception>
    public static ContainerGuest Create(RunOptions options, HypervisorHost host, Engines engines)
    {
        const string name = "container";
        HostNetworks? networks = RunNetwork.Create(options, host);
        try
        {
            StationLink? link = networks?.ConnectContainer(options.Network!, name, options.Published);
            return Create(options, host, engines, name, new ContainerConsole(
                new StandardOutputSink(DescriptorStream.OpenOutput).Write,
                new StandardOutputSink(DescriptorStream.OpenError).Write,
                Terminal: TerminalSettings.IsInteractive), link, networks);
        }
        catch
        {
            networks?.Dispose();
            throw;
        }
    }

    /// <summary>That of the host's terminal. A method of its own, so that who has none does not load the runtime's console.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    private static (ushort Rows, ushort Columns) Size() => ((ushort)Math.Clamp(Console.WindowHeight, 1, 1000), (ushort)Math.Clamp(Console.WindowWidth, 1, 1000));

    /// <summary>What programs on a terminal go by to know its kind: the host's own.</summary>
    private static IReadOnlyList<string> TerminalKind(ContainerConsole console)
        => console.Terminal && Environment.GetEnvironmentVariable("TERM") is { Length: > 0 } kind ? [$"TERM={kind}"] : [];

    /// <summary>Builds a container ready to run.</summary>
    /// <param name="options">What it runs.</param>
    /// <param name="host">The host it will be on.</param>
    /// <param name="engines">Those of the run.</param>
    /// <param name="name">Its name.</param>
    /// <param name="console">Where its output goes.</param>
    /// <param name="link">Its place in a network; null for its own loopback only.</param>
    /// <param name="networks">What ends with it; null for nothing.</param>
    /// <exception cref="HypervisorException">The program cannot be found or run.</exception>
    public static ContainerGuest Create(RunOptions options, HypervisorHost host, Engines engines, string name, ContainerConsole console, StationLink? link = null, HostNetworks? networks = null)
    {
        ulong memory = options.Memory ?? DefaultMemory;
        ContainerImage? image = options.Image is { } layout ? OpenImage(layout) : null;
        List<string> command = CommandOf(options, image);
        (string path, ReadOnlyMemory<byte>? program) = image is null ? Find(options) : (command[0], null);
        Interpreter engine = engines.Of(options);
        var containers = new ContainerHost("container", memory, host.Timers, engine)
        {
            SetParameters = host.SetParameters,
            VectorBits = options.VectorBits,
            Processors = Math.Min(options.VCpus, Environment.ProcessorCount),
            EpochNanoseconds = (DateTimeOffset.UtcNow - DateTimeOffset.UnixEpoch).Ticks * 100 - host.NowNanoseconds,
        };
        try
        {
            var guest = new ContainerGuest(containers, engine, networks, console.Terminal);
            var defaults = new ContainerOptions { Program = path, Arguments = [] };
            containers.Create(defaults with
            {
                Name = name,
                Link = link,
                RootDirectory = options.RootDirectory,
                RootIsHosts = options.Writable,
                UpperDirectory = options.Upper,
                Image = image,
                Mounts = options.Mounts.Count == 0 ? null : [new ContainerMount { Destination = "/proc", Kind = ContainerMountKind.Processes }, .. options.Mounts],
                WorkingDirectory = image?.WorkingDirectory ?? "/",
                User = image?.User ?? ContainerUser.Root,
                ProgramImage = program,
                Arguments = command,
                Environment = Merge(Merge(Merge(defaults.Environment, TerminalKind(console)), image?.Environment ?? []), options.Environment),
                MemoryLimit = memory,
                Weight = options.Weight,
                CpuLimit = options.Cpus,
                Seed = Random.Shared.Next(),
                Input = guest._input,
                Output = console.Output,
                Error = console.Error,
                Terminal = console.Terminal,
                TerminalRows = console.Terminal ? Size().Rows : defaults.TerminalRows,
                TerminalColumns = console.Terminal ? Size().Columns : defaults.TerminalColumns,
            });
            return guest;
        }
        catch
        {
            containers.Dispose();
            throw;
        }
    }

    /// <inheritdoc/>
    public bool TakesInputLate(Func<(ReadOnlyMemory<byte> Bytes, bool IsAll)> first)
    {
        // A terminal's keys mean something to the kernel, whether a program reads them or not.
        if (_terminal)
            return false;
        _input.First = first;
        return true;
    }

    /// <inheritdoc/>
    public int Input(ReadOnlyMemory<byte> bytes)
    {
        if (_input.Count >= MostInputWaiting)
            return 0;
        _input.Supply(bytes.Span);
        return bytes.Length;
    }

    /// <inheritdoc/>
    public void InputEnded() => _input.Complete();

    /// <inheritdoc/>
    public void Dispose()
    {
        _containers.Dispose();
        _networks?.Dispose();
    }

    /// <summary>An image named as DIR or DIR:TAG; its layers are kept unpacked where the user's caches are.</summary>
    private static ContainerImage OpenImage(string name)
    {
        int colon = Directory.Exists(name) ? -1 : name.LastIndexOf(':');
        (string layout, string? tag) = colon > 0 ? (name[..colon], name[(colon + 1)..]) : (name, null);
        string? given = Environment.GetEnvironmentVariable("XDG_CACHE_HOME");
        string caches = !string.IsNullOrEmpty(given) ? given
            : OperatingSystem.IsWindows() ? Environment.GetFolderPath(Environment.SpecialFolder.LocalApplicationData)
            : Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), ".cache");
        return ContainerImage.Open(layout, tag, Path.Combine(caches, "hv", "layers"));
    }

    /// <summary>The program and its arguments: what the user says, behind the image's entry point; else the image's command.</summary>
    private static List<string> CommandOf(RunOptions options, ContainerImage? image)
    {
        if (image is null)
            return [options.Program!, .. options.Arguments];
        IEnumerable<string> given = options.Program is { } program ? [program, .. options.Arguments] : image.Command;
        List<string> command = [.. image.EntryPoint, .. given];
        return command.Count > 0 ? command : throw new HypervisorException($"The image '{options.Image}' names no program to run; name one behind it.");
    }

    /// <summary>A file of the host, brought along; or, with a root directory, a path within it.</summary>
    private static (string Path, ReadOnlyMemory<byte>? Image) Find(RunOptions options)
    {
        string program = options.Program!;
        if (options.RootDirectory is { } root)
        {
            foreach (string folder in program.Contains('/') ? [""] : (string[])["/usr/local/bin/", "/usr/bin/", "/bin/", "/usr/sbin/", "/sbin/"])
            {
                string place = folder + program;
                if (File.Exists(Path.Join(root, place)))
                    return (place.StartsWith('/') ? place : "/" + place, null);
            }
        }

        if (!File.Exists(program))
            throw new HypervisorException(
                $"There is no program '{program}' here{(options.RootDirectory is null ? "" : $" or in '{options.RootDirectory}'")}; give the path of a riscv64 Linux program.");
        return ("/bin/" + Path.GetFileName(program), InputFile.Read(program, "program"));
    }

    private static List<string> Merge(IReadOnlyList<string> defaults, IReadOnlyList<string> given)
    {
        static ReadOnlySpan<char> NameOf(string variable) => variable.AsSpan(0, variable.IndexOf('=', StringComparison.Ordinal) + 1);
        var merged = new List<string>(defaults.Count + given.Count);
        foreach (string each in defaults)
        {
            bool isGiven = false;
            foreach (string other in given)
                isGiven |= NameOf(other).SequenceEqual(NameOf(each));
            if (!isGiven)
                merged.Add(each);
        }

        merged.AddRange(given);
        return merged;
    }
}
