using Hypervisor.Guests.Container.Files;
using Hypervisor.Guests.Container.Kernel;

namespace Hypervisor.Guests.Container;

/// <summary>A process to add to a running container.</summary>
public sealed record ProcessOptions
{
    /// <summary>The program, as a path within the container or a name to be found along the environment's PATH.</summary>
    public required string Program { get; init; }

    /// <summary>The arguments, the program's own name first.</summary>
    public required IReadOnlyList<string> Arguments { get; init; }

    /// <summary>The environment, as NAME=value.</summary>
    public IReadOnlyList<string> Environment { get; init; } = [];

    /// <summary>The directory it starts in.</summary>
    public string WorkingDirectory { get; init; } = "/";

    /// <summary>Who it is.</summary>
    public ContainerUser User { get; init; } = ContainerUser.Root;

    /// <summary>What it reads; null for nothing.</summary>
    public ContainerInput? Input { get; init; }

    /// <summary>Whether its three streams are a terminal, the input its keys and the output its screen.</summary>
    public bool Terminal { get; init; }

    /// <summary>Lines of that terminal.</summary>
    public ushort TerminalRows { get; init; } = 24;

    /// <summary>Characters of its lines.</summary>
    public ushort TerminalColumns { get; init; } = 80;

    /// <summary>Takes standard output.</summary>
    public ContainerOutput? Output { get; init; }

    /// <summary>Takes standard error.</summary>
    public ContainerOutput? Error { get; init; }

    /// <summary>Called once with its exit code (128 and the signal where one ended it), on the thread that ran its last task.</summary>
    public Action<int>? Ended { get; init; }
}

/// <summary>A process that was added to a running container.</summary>
public sealed class ContainerProcess
{
    private readonly Process _process;

    internal ContainerProcess(Process process) => _process = process;

    /// <summary>Its number within the container.</summary>
    public int Id => _process.Id;

    /// <summary>Its terminal, if it has one, has another size from now on.</summary>
    public void ResizeTerminal(ushort rows, ushort columns)
    {
        if (_process.Terminal is { } terminal)
            _process.Container.Host.ResizeTerminal(_process.Container, terminal, rows, columns);
    }

    /// <summary>Sends it a signal, from outside the container: one that nobody can send from inside.</summary>
    /// <returns>False where it has ended or there is no such signal.</returns>
    public bool Signal(int signal) => _process.Container.Host.Signal(_process, signal);
}
