using Hypervisor.Core;
using Hypervisor.Core.Machine;
using Hypervisor.Guests.Container.Files;
using Hypervisor.Guests.Container.Kernel;
using Hypervisor.Guests.Container.Memory;

namespace Hypervisor.Guests.Container;

/// <summary>What an embedder does to a container while it runs: signals, more processes, a pause. From any thread.</summary>
public sealed partial class ContainerHost
{
    internal bool Signal(Process process, int signal)
    {
        using (_kernel.Enter())
        {
            if (signal is < 1 or > 64 || process.Tasks.Count == 0)
                return false;
            if (signal == Signals.SIGKILL)
                Kill(process, signal);
            else
                Send(process, SignalInfo.OfKernel(signal));
            return true;
        }
    }

    internal int SignalAll(Container container, int signal)
    {
        using (_kernel.Enter())
            return container.Processes.ToArray().Count(process => Signal(process, signal));
    }

    /// <summary>Keeps the first process off until it is let go, so that others can prepare what it will find.</summary>
    internal void SetHeld(Process process, bool held)
    {
        using (_kernel.Enter())
        {
            process.StoppedBy = held ? Signals.SIGSTOP : 0;
            foreach (KernelTask task in process.Tasks)
            {
                if (!held)
                    task.Woken();
            }
        }
    }

    internal void SetPaused(Container container, bool paused)
    {
        using (_kernel.Enter())
        {
            container.IsPaused = paused;
            if (!paused)
                container.WakeAll();
        }
    }

    internal IReadOnlyList<(int Id, int Parent, string Command)> ListProcesses(Container container)
    {
        using (_kernel.Enter())
            return [.. container.Processes.Where(process => process.Tasks.Count > 0).OrderBy(process => process.Id)
                .Select(process => (process.Id, process.Parent?.Id ?? 0, string.Join(' ', process.Arguments)))];
    }

    internal ContainerStatistics StatisticsOf(Container container)
    {
        using (_kernel.Enter())
        {
            IoAccount io = container.Io;
            return new ContainerStatistics(
                container.EndedNanoseconds + container.Processes.Sum(process => process.IsAlive ? process.UsedNanoseconds : process.EndedNanoseconds),
                container.MemoryInUse, (ulong)container.Account.Peak * AddressSpace.PageSize, (ulong)container.Account.Limit * AddressSpace.PageSize,
                container.Account.Kills, container.TaskCount, container.TaskLimit,
                new IoStatistics(io.BytesRead, io.BytesWritten, io.Reads, io.Writes, io.HeldNanoseconds));
        }
    }

    internal void SetLimits(Container container, ContainerLimits limits)
    {
        using (_kernel.Enter())
        {
            // What is asked for is checked as if the container were made of it, before any of it is done.
            Container.ValidateLimits(container.Options with
            {
                MemoryLimit = limits.Memory ?? container.Options.MemoryLimit,
                TaskLimit = limits.Tasks ?? container.Options.TaskLimit,
                Io = limits.Io,
                CpuLimit = limits.Cpus is { } wanted && !double.IsPositiveInfinity(wanted) ? wanted : null,
            });
            ulong most = (ulong)Frames.Count * AddressSpace.PageSize;
            if (limits.Memory > most)
                throw new HypervisorException($"Container '{container.Options.Name}' cannot have {limits.Memory} bytes of memory: its machine has {most}.");
            if (limits.Memory is { } memory)
                container.Account.Limit = (long)(memory / AddressSpace.PageSize);
            container.TaskLimit = limits.Tasks ?? container.TaskLimit;
            if (limits.Cpus is { } cpus && container.Cpu is { } account)
                account.SetLimit(cpus);
            else if (limits.Cpus is { } first && !double.IsPositiveInfinity(first) && container.Exit is null)
                container.Cpu = new CpuAccount(Machine.Timers, first, container.WakeAll);
            if (limits.Io is { } io)
                container.Io.SetLimits(io);
        }
    }

    /// <summary>Adds a process to a container that runs.</summary>
    /// <exception cref="HypervisorException">The container has ended, or the program cannot be run.</exception>
    internal ContainerProcess Execute(Container container, ProcessOptions options)
    {
        using (_kernel.Enter())
        {
            string name = container.Options.Name;
            if (container.Exit is not null)
                throw new HypervisorException($"Container '{name}' has ended; no process can be added to it.");
            if (options.Arguments.Count == 0)
                throw new HypervisorException($"A process for container '{name}' has no arguments; the first is the program's own name.");
            Place directory = container.DirectoryAt(options.WorkingDirectory);
            string program = container.FindProgram(options.Program, options.Environment, directory);
            int id = container.NextId();
            if (id == 0)
                throw new HypervisorException($"Container '{name}' has {container.TaskCount} tasks, as many as it may have.");
            var space = new AddressSpace(Frames, container.Account);
            var process = new Process(container, id, space, new DescriptorTable(), directory) { StartedAt = Now, WhenEnded = options.Ended };
            BecomeUser(process, options.User);
            KernelTask task = NewTask(process, id);
            Confine(task, options.User);
            int error = Exec(task, KernelText.FromHost(program), [.. options.Arguments.Select(KernelText.FromHost)], [.. options.Environment.Select(KernelText.FromHost)], space);
            if (error != 0)
            {
                string? interpreter = ProgramLoader.InterpreterOf(process, KernelText.FromHost(program));
                container.Forget(task);
                Machine.RemoveVCpu(task.VCpu);
                space.Release();
                throw new HypervisorException($"Container '{name}' cannot run '{options.Program}': {LoadError(error, interpreter)}");
            }

            container.Add(process);
            GiveStreams(process, options);
            Start(task);
            return new ContainerProcess(process);
        }
    }

    /// <summary>Something came from a container's network.</summary>
    internal void HandleNetwork(Container container)
    {
        using (_kernel.Enter())
            container.Network.Drain();

        // Answers, acknowledgements among them, are told without the kernel's lock.
        container.Network.Station!.Flush();
    }

    internal void ResizeTerminal(Container container, Terminal terminal, ushort rows, ushort columns)
    {
        using (_kernel.Enter())
        {
            (terminal.Rows, terminal.Columns) = (rows, columns);
            JobControl.SendToGroup(container, terminal.Foreground, SignalInfo.OfKernel(Signals.SIGWINCH));
        }
    }

    /// <summary>Gives a process of its own session the streams that its options name, or a terminal over them.</summary>
    private void GiveStreams(Process process, ProcessOptions options)
    {
        ContainerInput input = options.Input ?? ContainerInput.Empty;
        Container container = process.Container;
        if (options.Terminal)
        {
            var console = new ContainerConsole(container, input, options.Output, options.TerminalRows, options.TerminalColumns);
            JobControl.Control(process, console.Terminal);
            for (int fd = 0; fd < 3; fd++)
                process.Files.Add(new TerminalFile(new MemoryFile(container.Store, 0x190) { Mode = InodeMode.Character | 0x190 }, OpenFlags.ReadWrite, console.Terminal, static () => { }) { Path = "/dev/tty" }, closeOnExec: false);
            input.Arrived = () => Locked(console.Pump);
            console.Pump();
            return;
        }

        var arrived = new WaitQueue();
        for (int fd = 0; fd < 3; fd++)
        {
            process.Files.Add(new HostStreamFile(new MemoryFile(container.Store, 0x190) { Mode = InodeMode.Fifo | 0x190 }, OpenFlags.ReadWrite,
                fd == 0 ? input : null, fd == 2 ? options.Error : options.Output, arrived) { Path = "pipe:[exec]" }, closeOnExec: false);
        }

        input.Arrived = () => Locked(arrived.WakeAll);
    }

    /// <summary>Gives a task that has not run yet its user's filter.</summary>
    private static void Confine(KernelTask task, ContainerUser user)
    {
        if (user.SystemCallFilter is { } filter)
            Syscalls.FilterCalls.Add(task, [.. filter]);
    }

    /// <summary>Makes a process that has not run yet somebody's.</summary>
    /// <exception cref="HypervisorException">A limit is of no resource.</exception>
    private static void BecomeUser(Process process, ContainerUser user)
    {
        if (user.SystemCallFilter is { } filter && FilterProgram.Check([.. filter]) is null)
            throw new HypervisorException($"Container '{process.Container.Options.Name}': the filter over its system calls is none: an instruction is unknown, jumps beyond the end, or reads what was not written, or the last does not return; compile it anew.");
        process.Umask = user.Umask;
        ulong bounding = user.BoundingCapabilities ?? Capability.All;
        ulong capabilities = (user.Capabilities ?? (user.Uid == 0 ? Capability.All : 0)) & bounding;
        process.Credentials = new Credentials
        {
            Uid = user.Uid,
            EffectiveUid = user.Uid,
            SavedUid = user.Uid,
            FileUid = user.Uid,
            Gid = user.Gid,
            EffectiveGid = user.Gid,
            SavedGid = user.Gid,
            FileGid = user.Gid,
            Groups = user.Groups,
            Permitted = capabilities,
            Effective = capabilities,
            Bounding = bounding,
            NoNewPrivileges = user.NoNewPrivileges,
        };
        foreach (ResourceLimit limit in user.Limits)
        {
            if (limit.Resource is < 0 or >= ResourceLimits.Count || limit.Soft > limit.Hard)
                throw new HypervisorException($"Container '{process.Container.Options.Name}': there is no limit {limit}.");
            process.Limits[limit.Resource] = (limit.Soft, limit.Hard);
        }

        process.Files.Limit = (int)Math.Min(process.Limits[ResourceLimits.OpenFiles].Soft, ResourceLimits.MostFiles);
    }
}
