using Hypervisor.Core;
using Hypervisor.Guests.Container.Files;
using Hypervisor.Guests.Container.Kernel;

namespace Hypervisor.Guests.Container;

public sealed partial class Container
{
    /// <summary>Whether its tasks are held; see <see cref="Pause"/>.</summary>
    public bool IsPaused { get; internal set; }

    /// <summary>Sends a signal to its first process, from outside: SIGKILL ends the container whatever it does.</summary>
    /// <returns>False where it has ended or there is no such signal.</returns>
    public bool Signal(int signal) => FindProcess(1) is { } first && Host.Signal(first, signal);

    /// <summary>Sends a signal to every process it has.</summary>
    /// <returns>How many there were.</returns>
    public int SignalAll(int signal) => Host.SignalAll(this, signal);

    /// <summary>Adds a process, as <c>exec</c> does; it runs beside what is there, with streams of its own.</summary>
    /// <exception cref="HypervisorException">The container has ended, or the program cannot be run; the message says why.</exception>
    public ContainerProcess Execute(ProcessOptions options) => Host.Execute(this, options);

    /// <summary>Holds all its tasks at the next edge of a slice, until <see cref="Resume"/>.</summary>
    public void Pause() => Host.SetPaused(this, true);

    /// <summary>Lets its tasks go on.</summary>
    public void Resume() => Host.SetPaused(this, false);

    /// <summary>Keeps its first process off before it runs, or lets it go: others may be added meanwhile.</summary>
    internal void HoldFirst(bool held)
    {
        if (FindProcess(1) is { } first)
            Host.SetHeld(first, held);
    }

    /// <summary>The terminal that its streams are, if they are one, has another size from now on.</summary>
    public void ResizeTerminal(ushort rows, ushort columns)
    {
        if (Console is { } console)
            Host.ResizeTerminal(this, console.Terminal, rows, columns);
    }

    /// <summary>Its processes: number, parent's number, command line.</summary>
    public IReadOnlyList<(int Id, int Parent, string Command)> ListProcesses() => Host.ListProcesses(this);

    /// <summary>What it uses and may use.</summary>
    public ContainerStatistics Statistics => Host.StatisticsOf(this);

    /// <summary>Changes its limits from now on.</summary>
    /// <exception cref="HypervisorException">A limit lies outside its bounds; nothing is changed then.</exception>
    public void SetLimits(ContainerLimits limits) => Host.SetLimits(this, limits);

    /// <summary>A directory that a process is to start in.</summary>
    /// <exception cref="HypervisorException">There is none.</exception>
    internal Place DirectoryAt(string path)
    {
        int error = Paths.Resolve(Credentials.Root, Paths.Root, path, true, out PathResult found, out Place? place);
        return error == 0 && place is not null ? place : throw new HypervisorException(
            $"Container '{Options.Name}' cannot start in '{path}': {(error == 0 && found.Inode is not null ? "it is no directory" : "there is no such directory in it")}.");
    }

    /// <summary>A program's path: as given where it has a slash, else the first of that name along PATH.</summary>
    /// <exception cref="HypervisorException">No directory of PATH has it.</exception>
    internal string FindProgram(string program, IReadOnlyList<string> environment, Place directory)
    {
        if (program.Contains('/', StringComparison.Ordinal))
            return program;
        return FindInPath(program, environment, directory);
    }

    private string FindInPath(string program, IReadOnlyList<string> environment, Place directory)
    {
        string path = environment.LastOrDefault(variable => variable.StartsWith("PATH=", StringComparison.Ordinal))?[5..] ?? "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
        foreach (string folder in path.Split(':', StringSplitOptions.RemoveEmptyEntries))
        {
            string candidate = $"{folder.TrimEnd('/')}/{program}";
            if (Paths.Resolve(directory, KernelText.FromHost(candidate), true, out PathResult found) == 0 && found.Inode is { IsRegular: true } file && (file.Mode & 0x49) != 0)
                return candidate;
        }

        throw new HypervisorException($"Container '{Options.Name}' cannot run '{program}': no directory of its PATH has such a program.");
    }
}
