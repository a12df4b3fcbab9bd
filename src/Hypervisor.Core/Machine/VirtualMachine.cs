using Hypervisor.Core.Engine;
using Hypervisor.Core.Memory;
using Hypervisor.Core.Time;

namespace Hypervisor.Core.Machine;

/// <summary>How a machine ended.</summary>
/// <param name="Code">0 where it ended well; otherwise the guest's own code, or 1.</param>
/// <param name="Reason">What ended it, for the user.</param>
/// <param name="Reboot">Whether the guest asked to be started again: whoever made the machine makes it anew.</param>
public readonly record struct MachineExit(int Code, string Reason, bool Reboot = false);

/// <summary>One guest machine, or one container host: RAM, vCPUs, device space and the time it lives in.</summary>
public sealed class VirtualMachine : IDisposable
{
    // Arrays are replaced as a whole on change, so that readers need no lock and no copy.
    private volatile VCpu[] _vcpus = [];
    private uint _favoured;
    private CodeCache?[] _codeCaches = [];
    private CodeCache?[] _countingCaches = [];
    private readonly List<int> _ownTimers = [];
    private readonly Lock _lock = new();
    // Without spinning: a machine runs for longer than anybody should spin.
    private readonly ManualResetEventSlim _ended = new(initialState: false, spinCount: 0);
    private MachineExit? _exit;
    private volatile bool _hasEnded;
    private int _nextVCpu;
    private IReadOnlySet<ulong>? _breakpoints;

    internal VirtualMachine(string name, GuestMemory memory, ITimerService timers)
    {
        Name = name;
        Memory = memory;
        Timers = timers;
    }

    /// <summary>The name it was given.</summary>
    public string Name { get; }

    /// <summary>Its RAM.</summary>
    public GuestMemory Memory { get; }

    /// <summary>Its vCPUs, in the order of their numbers.</summary>
    public IReadOnlyList<VCpu> VCpus => _vcpus;

    /// <summary>Whether one of its vCPUs may wait for another.</summary>
    internal bool HasSeveralVCpus => _vcpus.Length > 1;

    /// <summary>How it ended, or null while it lives.</summary>
    public MachineExit? Exit
    {
        get
        {
            lock (_lock)
                return _exit;
        }
    }

    /// <summary>Whether there is an <see cref="Exit"/>: asked at each end of a slice.</summary>
    internal bool HasEnded => _hasEnded;

    internal ITimerService Timers { get; }

    /// <summary>Bits in a vector register of its harts: 128, 256 or 512, or 0 for harts without vectors. Set before they are made.</summary>
    internal int VectorBits { get; set; }

    /// <summary>The scheduler's group that its vCPUs are in; null for none.</summary>
    internal Scheduling.SchedulingGroup? Group { get; set; }

    /// <summary>The debugger on this machine, if any.</summary>
    internal MachineDebugger? Debugger { get; set; }

    /// <summary>Called once, on the thread that ended the machine, after <see cref="Exit"/> is set and every vCPU was kicked.</summary>
    internal Action<VirtualMachine>? Ended { get; set; }

    /// <summary>Takes the machine off its host loop; returns when none of its vCPUs runs. Null while it is on none.</summary>
    internal Action<VirtualMachine>? Leave { get; set; }

    /// <summary>Called for each vCPU added after the machine was put on a host loop (a container's new task).</summary>
    internal Action<VCpu>? VCpuAdded { get; set; }

    /// <summary>Adds a vCPU. It is scheduled once it is started by the host loop or, on a machine already on one, by <see cref="VCpuAdded"/>.</summary>
    internal VCpu AddVCpu(HartContext hart, IPersonality personality, IExecutionEngine engine)
    {
        VCpu vcpu;
        lock (_lock)
        {
            vcpu = new VCpu(this, _nextVCpu++, hart, personality, engine);
            _vcpus = [.. _vcpus, vcpu];
        }

        VCpuAdded?.Invoke(vcpu);
        return vcpu;
    }

    /// <summary>The vCPU that one which spins makes way for: by turns each of those that want a physical CPU and have none; null where there is none. Under the host loop's lock.</summary>
    /// <param name="spinning">The one that spins.</param>
    internal VCpu? NextFavoured(VCpu spinning)
    {
        // A machine's harts; among a container kernel's many tasks any might be waited for, and the scheduler knows best.
        const int most = 64;
        VCpu[] vcpus = _vcpus;
        for (int i = 0; i < vcpus.Length && vcpus.Length <= most; i++)
        {
            VCpu next = vcpus[++_favoured % (uint)vcpus.Length];
            if (next != spinning && next.Status == VCpuStatus.Runnable)
                return next;
        }

        return null;
    }

    /// <summary>Adds a vCPU that was made beforehand, as a container's task is, and has it scheduled.</summary>
    internal void Add(VCpu vcpu)
    {
        lock (_lock)
        {
            _nextVCpu = Math.Max(_nextVCpu, vcpu.Id + 1);
            _vcpus = [.. _vcpus, vcpu];
        }

        VCpuAdded?.Invoke(vcpu);
    }

    /// <summary>
    /// What vCPUs used that are no longer there (a container's ended tasks): instructions and exits to the end, times up to
    /// their last slice.
    /// </summary>
    public VCpuMeter EndedVCpus { get; } = new();

    private TranslationCounts _endedTranslations;

    /// <summary>Forgets a stopped vCPU (a container task that ended and was reaped).</summary>
    internal void RemoveVCpu(VCpu vcpu)
    {
        lock (_lock)
        {
            _vcpus = Array.FindAll(_vcpus, other => other != vcpu);
            EndedVCpus.Add(vcpu.Meter);
            _endedTranslations += TranslationCounts.Of(vcpu.Hart);
        }
    }

    /// <summary>What translating addresses took, of all vCPUs that there are and were.</summary>
    internal TranslationCounts Translations
    {
        get
        {
            lock (_lock)
            {
                TranslationCounts sum = _endedTranslations;
                foreach (VCpu vcpu in _vcpus)
                    sum += TranslationCounts.Of(vcpu.Hart);
                return sum;
            }
        }
    }

    /// <summary>Waits until the machine has ended or the time is over.</summary>
    internal void WaitForEnd(TimeSpan timeout) => _ended.Wait(timeout);

    /// <summary>Ends the machine; the first call wins. Any thread.</summary>
    internal void PowerOff(MachineExit exit)
    {
        VCpu[] all;
        lock (_lock)
        {
            if (_exit is not null)
                return;
            _exit = exit;
            _hasEnded = true;
            all = _vcpus;
        }

        foreach (VCpu vcpu in all)
            vcpu.Kick();
        Ended?.Invoke(this);
        _ended.Set();
    }

    /// <summary>The code cache that a host thread (numbered from 0) uses for this machine: one each, so that none is locked.</summary>
    internal CodeCache CodeCacheFor(int hostThread) => Of(_codeCaches, hostThread) ?? MakeCache(ref _codeCaches, hostThread, counting: false);

    /// <summary>Whether some slices are run with code that counts memory accesses, to tell how often the TLB hits.</summary>
    internal bool SamplesAccesses { get; set; }

    /// <summary>Blocks of guest code decoded so far.</summary>
    internal long BlocksDecoded
    {
        get
        {
            lock (_lock)
                return _codeCaches.Sum(cache => cache?.BlocksBuilt ?? 0);
        }
    }

    /// <summary>A host thread's second code cache, whose code counts memory accesses.</summary>
    internal CodeCache CountingCacheFor(int hostThread) => Of(_countingCaches, hostThread) ?? MakeCache(ref _countingCaches, hostThread, counting: true);

    private static CodeCache? Of(CodeCache?[] caches, int hostThread) => hostThread < caches.Length ? caches[hostThread] : null;

    private CodeCache MakeCache(ref CodeCache?[] caches, int hostThread, bool counting)
    {
        lock (_lock)
        {
            var made = new CodeCache(Memory) { Breakpoints = _breakpoints, CountsAccesses = counting };
            var all = new CodeCache?[Math.Max(caches.Length, hostThread + 1)];
            caches.CopyTo(all, 0);
            all[hostThread] = made;
            Volatile.Write(ref caches, all);
            return made;
        }
    }

    /// <summary>Has code decoded anew with breakpoints in it. No vCPU may be in guest code.</summary>
    internal void SetBreakpoints(IReadOnlySet<ulong>? breakpoints)
    {
        lock (_lock)
        {
            _breakpoints = breakpoints;
            foreach (CodeCache? cache in _codeCaches.Concat(_countingCaches))
            {
                if (cache is null)
                    continue;
                cache.Breakpoints = breakpoints;
                cache.Clear();
            }
        }
    }

    /// <summary>Makes a timer that lasts as long as the machine.</summary>
    internal int CreateTimer(Action fired)
    {
        int timer = Timers.CreateTimer(fired);
        lock (_lock)
            _ownTimers.Add(timer);
        return timer;
    }

    /// <summary>Ends the machine where it lives and takes it off its host loop.</summary>
    internal void Halt()
    {
        PowerOff(new MachineExit(1, "disposed"));
        Leave?.Invoke(this);
        Leave = null;
    }

    /// <summary>
    /// Ends the machine where it still lives, takes it off its host, and releases vCPUs, code caches and RAM. Not to be called
    /// from one of its own exits, as it waits for its vCPUs to come out.
    /// </summary>
    public void Dispose()
    {
        Halt();
        foreach (int timer in _ownTimers)
            Timers.DeleteTimer(timer);
        _ownTimers.Clear();
        foreach (VCpu vcpu in _vcpus)
            vcpu.Dispose();
        foreach (CodeCache? cache in _codeCaches)
            cache?.Dispose();
        foreach (CodeCache? cache in _countingCaches)
            cache?.Dispose();
        Memory.Dispose();
        _ended.Dispose();
    }
}
