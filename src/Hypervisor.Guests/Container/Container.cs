using Hypervisor.Core;
using Hypervisor.Guests.Container.Files;
using Hypervisor.Guests.Container.Isolation;
using Hypervisor.Guests.Container.Kernel;
using Hypervisor.Guests.Container.Memory;
using Hypervisor.Guests.Container.Net;

namespace Hypervisor.Guests.Container;

/// <summary>
/// One container: a tree of files, a tree of processes with numbers of their own, and limits. It sees nothing of the others on
/// its <see cref="ContainerHost"/>.
/// </summary>
public sealed partial class Container
{
    private readonly Dictionary<int, Process> _processes = [];
    private readonly Dictionary<int, KernelTask> _tasks = [];
    /// <summary>Numbers of processes end here and begin again.</summary>
    internal const int MostId = 4_194_304;

    private const int FirstReused = 300;

    private string? _bootId;
    private uint _cookie;

    internal Container(ContainerHost host, ContainerOptions options)
    {
        Host = host;
        Options = options;
        Group = new Core.Scheduling.SchedulingGroup(options.Name) { Weight = options.Weight, Parent = host.Machine.Group };
        Account = new MemoryAccount((long)(options.MemoryLimit / AddressSpace.PageSize));
        Random = new Random(options.Seed);
        Store = new FileStore(() => host.Now + host.EpochNanoseconds, (long)options.FileLimit) { Frames = host.Frames, Shared = host.SharedContents };
        Network = new ContainerNetwork(Store)
        {
            Station = options.Link is { } link ? new Core.Network.Routing.IpStation(link, host.Machine.Timers, options.Seed) : null,
            Interfaces = options.Link is { } own ? [NetworkInterface.Loopback, NetworkInterface.OfStation(own)] : [NetworkInterface.Loopback],
            Listening = options.Listening,
            Caller = () => host.Current,
        };
        if (Network.Station is { } station)
            station.Changed = () => host.HandleNetwork(this);
        Ptys = new PtyList(this);
        Console = options.Terminal ? new ContainerConsole(this) : null;
        NamespaceSet = new NamespaceSet(Store);
        Users = new UserNamespace(NamespaceSet, null, 0, 0) { IsFirst = true };
        Pids = new ProcessNamespace(NamespaceSet, null, null);
        Paths = ContainerTree.Build(this);
        FirstNamespaces = new ProcessNamespaces(
            new MountNamespace(NamespaceSet, null, Paths),
            new NamesNamespace(NamespaceSet, null, KernelText.FromHost(options.HostName ?? options.Name), "(none)"),
            new IpcNamespace(NamespaceSet, null),
            new NetworkNamespace(NamespaceSet, null, Network),
            new ControlGroupNamespace(NamespaceSet, null),
            Pids).Acquire();
        Cpu = options.CpuLimit is { } limit ? new CpuAccount(host.Machine.Timers, limit, WakeAll) : null;
        Io = new IoAccount(host.Machine.Timers, options.Io, host.Locked);
        Store.Io = Io;
        TaskLimit = options.TaskLimit;
    }

    /// <summary>What it was made of.</summary>
    public ContainerOptions Options { get; }

    /// <summary>How it ended, or null while it runs.</summary>
    public ContainerExit? Exit { get; private set; }

    /// <summary>Called once when it has ended, on the thread that ran its last task.</summary>
    public Action<Container>? Ended { get; set; }

    /// <summary>Bytes of memory its processes use now.</summary>
    public ulong MemoryInUse => (ulong)Account.Used * AddressSpace.PageSize;

    /// <summary>Tasks it has now.</summary>
    public int TaskCount => _tasks.Count;

    /// <summary>System calls it made that the kernel does not have, by number.</summary>
    public IReadOnlyDictionary<ulong, long> UnknownCalls => Unknown;

    internal Dictionary<ulong, long> Unknown => field ??= [];

    internal ContainerHost Host { get; }

    /// <summary>What its tasks share CPUs as, where the host loop knows groups.</summary>
    internal Core.Scheduling.SchedulingGroup Group { get; }

    internal MemoryAccount Account { get; }

    internal Random Random { get; }

    /// <summary>Its limit on processor time, if it has one.</summary>
    internal CpuAccount? Cpu { get; set; }

    /// <summary>Its input and output on files of the host.</summary>
    internal IoAccount Io { get; }

    /// <summary>Tasks it may have at a time.</summary>
    internal int TaskLimit { get; set; }

    internal FileStore Store { get; }

    /// <summary>What its sockets share.</summary>
    internal ContainerNetwork Network { get; }

    /// <summary>Its own mounts, which its first process sees.</summary>
    internal PathWalk Paths { get; }

    /// <summary>Counts its namespaces.</summary>
    internal NamespaceSet NamespaceSet { get; }

    /// <summary>Stands for its own users where a file of a namespace is asked for.</summary>
    internal UserNamespace Users { get; }

    /// <summary>Its own numbers of processes.</summary>
    internal ProcessNamespace Pids { get; }

    /// <summary>The namespaces that its first process is in.</summary>
    internal ProcessNamespaces FirstNamespaces { get; }

    /// <summary>Its pseudo-terminals.</summary>
    internal PtyList Ptys { get; }

    /// <summary>The terminal that its streams are, where they are one.</summary>
    internal ContainerConsole? Console { get; }

    /// <summary>Woken when standard input has news.</summary>
    internal WaitQueue InputReady { get; } = new();

    /// <summary>Who sleeps on its futexes.</summary>
    internal FutexQueues Futexes { get; } = new();

    /// <summary>Calls that its tasks of now made without entering the kernel.</summary>
    internal long DirectCalls => _tasks.Values.Sum(task => task.DirectCalls);

    internal IEnumerable<Process> Processes => _processes.Values;

    internal Process? FindProcess(int id) => _processes.GetValueOrDefault(id);

    internal KernelTask? FindTask(int id) => _tasks.GetValueOrDefault(id);

    /// <summary>A number that tells the two events of a move belong together.</summary>
    internal uint NextCookie() => ++_cookie;

    /// <summary>The next number for a process or task; 0 where the limit on tasks is reached.</summary>
    internal int NextId()
    {
        if (_tasks.Count >= TaskLimit)
            return 0;
        do
            LastId = LastId >= MostId ? FirstReused : LastId + 1;
        while (_tasks.ContainsKey(LastId) || _processes.ContainsKey(LastId));
        return LastId;
    }

    /// <summary>The number given out last.</summary>
    internal int LastId { get; private set; }

    /// <summary>Processor time of processes that are gone.</summary>
    internal long EndedNanoseconds { get; private set; }

    /// <summary>Its load averages.</summary>
    internal LoadAverage Load { get; } = new();

    /// <summary>A name for this life of the container.</summary>
    internal string BootId => _bootId ??= Files.Proc.ProcTree.NewId(this);

    internal void Add(Process process) => _processes.Add(process.Id, process);

    internal void Forget(Process process)
    {
        if (!_processes.Remove(process.Id))
            return;
        EndedNanoseconds += process.EndedNanoseconds;
        Retire(process, process.Id);
        Retire(process, process.Group);
        Retire(process, process.Session);
    }

    internal void Add(KernelTask task) => _tasks.Add(task.Id, task);

    internal void Forget(KernelTask task)
    {
        _tasks.Remove(task.Id);
        Retire(task.Process, task.Id);
    }

    /// <summary>A task takes another's number, which is nobody's any more; the one it had is the other's, where that lives.</summary>
    internal void Rename(KernelTask task, int id)
    {
        int old = task.Id;
        _tasks.Remove(old);
        if (_tasks.Remove(id, out KernelTask? other))
        {
            other.Id = old;
            _tasks.Add(old, other);
        }
        else
        {
            Retire(task.Process, old);
        }

        task.Id = id;
        _tasks.Add(id, task);
    }

    /// <summary>A number that nobody has any more is given back to the namespaces it was told in.</summary>
    private void Retire(Process process, int id)
    {
        if (process.Pids.Level > 0 && IsNobodys(id))
            process.Pids.Leave(id);
    }

    private bool IsNobodys(int id)
        => !_tasks.ContainsKey(id) && !_processes.ContainsKey(id) && !_processes.Values.Any(other => other.Group == id || other.Session == id);

    internal void End(int waitStatus)
    {
        if (Exit is not null)
            return;
        int signal = waitStatus & 0x7F;
        Exit = signal == 0
            ? new ContainerExit(waitStatus >> 8 & 0xFF, "")
            : new ContainerExit(128 + signal, Account.Kills > 0 && signal == Signals.SIGKILL
                ? $"out of memory: the limit is {Account.Limit * (long)(AddressSpace.PageSize >> 10)} KiB"
                : $"ended by signal {signal}");

        // With its first process gone, the rest of the container goes too.
        Cpu?.Dispose();
        Io.Dispose();
        Network.Station?.Dispose();
        foreach (KernelTask task in _tasks.Values)
            task.Killed = true;
        WakeAll();
        Store.Close();
        Ended?.Invoke(this);
    }

    internal void WakeAll() => Host.Locked(() =>
    {
        var tasks = new KernelTask[_tasks.Count];
        _tasks.Values.CopyTo(tasks, 0);
        foreach (KernelTask task in tasks)
            task.Woken();
    });

    internal static void Validate(ContainerOptions options)
    {
        ValidateLimits(options);
        if (options.Arguments.Count == 0)
            throw new HypervisorException($"Container '{options.Name}' has no arguments; the first is the program's own name.");
        if (options.UpperDirectory is { } upper && (!Directory.Exists(upper) || options.RootIsHosts || (options.Image is null && options.RootDirectory is null)))
            throw new HypervisorException(Directory.Exists(upper)
                ? $"Container '{options.Name}' has a directory for changes, but no root directory or image that is to stay as it is."
                : $"The directory '{upper}' for changes of container '{options.Name}' does not exist.");
        if (options is { Image: not null, RootDirectory: not null })
            throw new HypervisorException($"Container '{options.Name}' has both an image and a root directory; choose one.");
        if (options.RootDirectory is { } root && !Directory.Exists(root))
            throw new HypervisorException($"The root directory '{root}' of container '{options.Name}' does not exist.");
    }

    internal static void ValidateLimits(ContainerOptions options)
    {
        if (options.MemoryLimit < 64 << 10)
            throw new HypervisorException($"Container '{options.Name}' may use {options.MemoryLimit} bytes of memory; give it at least 64 KiB.");
        if (options.CpuLimit is { } cpus && !(cpus is >= 0.01 and <= 64))
            throw new HypervisorException($"Container '{options.Name}' may use {cpus} CPUs; a limit lies between 0.01 and 64.");
        if (options.TaskLimit < 1)
            throw new HypervisorException($"Container '{options.Name}' may have {options.TaskLimit} tasks; give it at least 1.");
        if (options.Io is { } io && (io.ReadBytes == 0 || io.WriteBytes == 0 || io.Reads == 0 || io.Writes == 0))
            throw new HypervisorException($"Container '{options.Name}' has a limit of input and output of 0; leave a limit out for none.");
    }
}
