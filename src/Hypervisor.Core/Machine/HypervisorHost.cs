using System.Diagnostics;
using System.Runtime.CompilerServices;
using Hypervisor.Core.Scheduling;
using Hypervisor.Core.Time;

namespace Hypervisor.Core.Machine;

/// <summary>
/// Multiplexes the vCPUs of many machines over physical CPUs by a scheduling policy, in virtual or in real time. The same
/// vCPUs, policies and bookkeeping serve both; they differ in who advances time.
/// </summary>
/// <remarks>
/// In virtual time the caller's thread does all the work and nothing here is synchronised beyond a lock that is always free.
/// In real time the lock is taken at slice edges, wakes and timers only, never while guest code runs.
/// </remarks>
public sealed partial class HypervisorHost : IDisposable
{
    private readonly HostOptions _options;
    private readonly IScheduler _scheduler;
    private readonly LightLock _gate = new();
    private readonly TimerQueue _timers = new();
    private readonly PhysicalCpu[] _cpus;
    private readonly List<VCpu?> _vcpus = [];
    private readonly List<VirtualMachine> _machines = [];
    private readonly HostTimers _timerService;
    private readonly RealClock? _realClock;
    private PhysicalCpu? _active;
    private readonly Stack<int> _freeIds = new();
    private int _vcpuCount;
    private long _now;
    private long _told;

    /// <summary>Makes a host with no machines.</summary>
    /// <exception cref="HypervisorException">An option is out of its range.</exception>
    public HypervisorHost(HostOptions options)
        : this(options, options.Groups
            ? Schedulers.CreateGrouped(options.Scheduler, options.PhysicalCpus, options.SliceNanoseconds)
            : Schedulers.Create(options.Scheduler, options.PhysicalCpus, options.SliceNanoseconds))
    {
    }

    /// <summary>Makes a host with no machines that schedules by a policy of the caller's.</summary>
    /// <param name="options">The options; the name of a policy and its slice play no part.</param>
    /// <param name="scheduler">A policy for as many CPUs that knows no vCPU yet. It belongs to this host from now on.</param>
    /// <exception cref="HypervisorException">An option is out of its range.</exception>
    public HypervisorHost(HostOptions options, IScheduler scheduler)
    {
        options.Validate();
        _options = options;
        _scheduler = scheduler;
        _cpus = new PhysicalCpu[options.PhysicalCpus];
        for (int i = 0; i < _cpus.Length; i++)
        {
            var cpu = new PhysicalCpu(i);
            cpu.LookTimer = _timers.Create(() => LookAgain(cpu));
            _cpus[i] = cpu;
        }

        _timerService = new HostTimers(this);
        if (options.Clock == HostClock.Real)
            _realClock = new RealClock();
    }

    /// <summary>The physical CPUs and what they did.</summary>
    public IReadOnlyList<PhysicalCpu> PhysicalCpus => _cpus;

    /// <summary>Nanoseconds since the host was made: simulated in virtual time, elapsed in real time.</summary>
    public long NowNanoseconds => CurrentTime();

    /// <summary>The machines on this host that have not ended.</summary>
    public IReadOnlyList<VirtualMachine> Machines
    {
        get
        {
            using (_gate.Enter())
                return [.. _machines];
        }
    }

    /// <summary>Timers in this host's time, for the machines that will run on it.</summary>
    internal ITimerService Timers => _timerService;

    /// <summary>Puts a machine on the host: its vCPUs compete for physical CPUs from now on.</summary>
    /// <param name="machine">A machine made with this host's timers.</param>
    /// <param name="parameters">Weight, slice, affinity and group of each of its vCPUs. Without a group a machine is a gang of its own where the policy knows gangs.</param>
    /// <exception cref="HypervisorException">The policy refuses them, a reservation that does not fit for example. The machine is then ended.</exception>
    public void Add(VirtualMachine machine, SchedulingParameters parameters)
    {
        if (parameters.Group is null && _scheduler.Name.StartsWith(Schedulers.GangPrefix, StringComparison.Ordinal))
            parameters = parameters with { Group = new SchedulingGroup(machine.Name) { Weight = parameters.Weight } };
        using (_gate.Enter())
        {
            machine.Group = parameters.Group;
            _machines.Add(machine);
            machine.Ended = OnEnded;
            machine.Leave = WaitUntilOff;
            machine.VCpuAdded = vcpu => Start(vcpu, parameters);
        }

        try
        {
            foreach (VCpu vcpu in machine.VCpus)
                Start(vcpu, parameters);
        }
        catch (HypervisorException)
        {
            machine.PowerOff(new MachineExit(1, "refused by the scheduler"));
            throw;
        }

        if (machine.Exit is not null)
            OnEnded(machine);
    }

    /// <summary>Changes weight, slice or affinity of a vCPU on this host. Its machine stays in its group.</summary>
    public void SetParameters(VCpu vcpu, SchedulingParameters parameters)
    {
        using (_gate.Enter())
        {
            if (vcpu.SchedulingId < 0)
                return;
            long now = CurrentTime();
            parameters = parameters with { Group = GroupOf(vcpu, vcpu.Machine.Group) };
            Kick(_scheduler.Set(vcpu.SchedulingId, in parameters, Told(now)), now);
        }
    }

    /// <summary>Takes a machine off the host. None of its vCPUs runs when this returns, so that no exit of its own may call it.</summary>
    public void Remove(VirtualMachine machine)
    {
        machine.PowerOff(new MachineExit(1, "taken off its host"));
        WaitUntilOff(machine);
    }

    /// <summary>Takes all machines off the host and stops its threads.</summary>
    public void Dispose()
    {
        StopThreads();
        foreach (VirtualMachine machine in Machines)
            machine.PowerOff(new MachineExit(1, "host disposed"));
    }

    /// <summary>A vCPU's own group where it lies in its machine's and the policy knows groups; else its machine's.</summary>
    private SchedulingGroup? GroupOf(VCpu vcpu, SchedulingGroup? machines)
        => _options.Groups && vcpu.Group is { } own && own.Parent == machines ? own : machines;

    /// <summary>Whether vCPUs may have to wait for each other.</summary>
    private bool HasMoreVCpusThanCpus => _vcpuCount > _cpus.Length;

    private void WaitUntilOff(VirtualMachine machine)
    {
        if (_options.Clock == HostClock.Real)
            WaitUntilStopped(machine);
    }

    private void Start(VCpu vcpu, SchedulingParameters parameters)
    {
        using (_gate.Enter())
        {
            parameters = parameters with { Group = GroupOf(vcpu, parameters.Group) };
            if (!_freeIds.TryPop(out int id))
            {
                id = _vcpus.Count;
                _vcpus.Add(null);
            }

            long now = CurrentTime();
            try
            {
                _scheduler.Set(id, in parameters, Told(now));
            }
            catch (HypervisorException)
            {
                _freeIds.Push(id);
                throw;
            }

            _vcpus[id] = vcpu;
            _vcpuCount++;
            vcpu.SchedulingId = id;
            vcpu.WakeRequested = Wake;
            vcpu.Hart.RealClock = _realClock;
            vcpu.Hart.PicosecondsPerInstruction = _realClock is null ? _options.PicosecondsPerInstruction : 0;
            vcpu.Hart.TimeAtEntry = now;
            if (vcpu.Status == VCpuStatus.Blocked)
                return;
            vcpu.Status = VCpuStatus.Runnable;
            vcpu.WaitingSince = now;
            Kick(_scheduler.Ready(id, ReadyReason.Started, Told(now)), now);
        }
    }

    /// <summary>Something arrived for a vCPU: called by <see cref="VCpu.Wake"/> on any thread.</summary>
    private void Wake(VCpu vcpu)
    {
        using (_gate.Enter())
        {
            if (vcpu.Status == VCpuStatus.Blocked)
            {
                long now = CurrentTime();
                Kick(Awaken(vcpu, now), now);
            }
            else
            {
                NoteWake(vcpu);
            }
        }
    }

    /// <summary>Something arrived for a vCPU that does not sleep: one that runs comes out, and does not go to sleep then. Under the lock.</summary>
    private static void NoteWake(VCpu vcpu)
    {
        if (vcpu.Status != VCpuStatus.Running)
            return;
        vcpu.WakePending = true;
        vcpu.Kick();
    }

    /// <summary>A vCPU that sleeps becomes runnable; the CPUs that should pick again. Under the lock.</summary>
    private CpuSet Awaken(VCpu vcpu, long now)
    {
        if (vcpu.SchedulingId < 0)
            return CpuSet.None;
        vcpu.Status = VCpuStatus.Runnable;
        vcpu.WaitingSince = now;
        return _scheduler.Ready(vcpu.SchedulingId, ReadyReason.Woken, Told(now));
    }

    /// <summary>Carries out a policy's wish that CPUs pick again: nearly always none. Under the lock.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private void Kick(CpuSet cpus, long now)
    {
        if (!cpus.IsEmpty)
            KickAll(cpus, now);
    }

    private void KickAll(CpuSet cpus, long now)
    {
        foreach (PhysicalCpu cpu in _cpus)
        {
            if (!cpus.Contains(cpu.Number))
                continue;
            if (cpu.IsIdle)
            {
                cpu.IsIdle = false;
                if (_realClock is null && cpu.LocalTime < now)
                {
                    cpu.IdleNanoseconds += now - cpu.LocalTime;
                    cpu.LocalTime = now;
                    cpu.LocalPicoseconds = 0;
                }

                Signal(cpu);
            }
            else if (cpu.Current is { } running)
            {
                if (_realClock is not null)
                    running.Kick();
                else
                    StopVirtual(cpu, running, now);
            }
        }
    }

    /// <summary>The time has come at which the policy may have something for an idle CPU.</summary>
    private void LookAgain(PhysicalCpu cpu)
    {
        using (_gate.Enter())
        {
            if (cpu.IsIdle)
                Kick(CpuSet.Of(cpu.Number), CurrentTime());
        }
    }

    /// <summary>Takes the next vCPU for a CPU. Under the lock.</summary>
    private VCpu? PickFor(PhysicalCpu cpu, long now)
    {
        long told = Told(now);
        PickResult pick = _scheduler.Pick(cpu.Number, told);
        if (cpu.LooksAgain)
        {
            _timers.Disarm(cpu.LookTimer);
            cpu.LooksAgain = false;
        }

        if (pick.VCpu < 0)
        {
            cpu.IsIdle = true;
            if (pick.NextEvent != long.MaxValue)
            {
                cpu.LooksAgain = true;
                _timers.Arm(cpu.LookTimer, pick.NextEvent);
                TimerArmed(pick.NextEvent);
            }

            return null;
        }

        VCpu vcpu = _vcpus[pick.VCpu] ?? throw new UnreachableException("the policy picked a vCPU that left");
        vcpu.Status = VCpuStatus.Running;
        vcpu.WakePending = false;
        vcpu.Meter.WaitNanoseconds += Math.Max(0, now - vcpu.WaitingSince);
        cpu.Current = vcpu;
        cpu.SliceEnd = pick.RunUntil - (told - now);
        cpu.SliceUsed = 0;
        cpu.StopAt = long.MaxValue;
        return vcpu;
    }

    /// <summary>Books what a CPU ran.</summary>
    private static void Book(PhysicalCpu cpu, VCpu vcpu, long used)
    {
        cpu.BusyNanoseconds += used;
        vcpu.Meter.RunNanoseconds += used;
    }

    /// <summary>Closes a slice: what becomes of the vCPU. Under the lock.</summary>
    private void CloseSlice(PhysicalCpu cpu, VCpu vcpu, SliceEnd end, long used, long now)
    {
        cpu.Current = null;
        cpu.EndedBy = null;
        cpu.Slices++;
        vcpu.WaitingSince = now;
        bool stopped = end == SliceEnd.Stopped || vcpu.Machine.HasEnded;
        bool sleeps = !stopped && (end is SliceEnd.Blocked or SliceEnd.Held);
        if (sleeps && (vcpu.WakePending || (end == SliceEnd.Blocked && vcpu.Personality.HasPendingWork(vcpu))))
            end = SliceEnd.Attention;
        StopReason reason = stopped ? StopReason.Blocked : end switch
        {
            SliceEnd.Expired => StopReason.Expired,
            SliceEnd.Attention => StopReason.Preempted,
            SliceEnd.Yielded or SliceEnd.Spun => StopReason.Yielded,
            _ => StopReason.Blocked,
        };
        vcpu.Status = stopped ? VCpuStatus.Stopped : reason == StopReason.Blocked ? VCpuStatus.Blocked : VCpuStatus.Runnable;
        if (end == SliceEnd.Spun)
            vcpu.YieldTarget = vcpu.Machine.NextFavoured(vcpu);
        Kick(_scheduler.Stopped(cpu.Number, vcpu.SchedulingId, used, reason, TakeYieldTarget(vcpu, reason), Told(now)), now);
        if (stopped)
            Forget(vcpu, now);
    }

    /// <summary>The number of the vCPU that one which yields would have run next, or -1. Under the lock.</summary>
    private static int TakeYieldTarget(VCpu vcpu, StopReason reason)
    {
        VCpu? target = vcpu.YieldTarget;
        vcpu.YieldTarget = null;
        return reason == StopReason.Yielded && target is not null && target.Machine == vcpu.Machine ? target.SchedulingId : -1;
    }

    private void Forget(VCpu vcpu, long now)
    {
        _scheduler.Remove(vcpu.SchedulingId, Told(now));
        _vcpus[vcpu.SchedulingId] = null;
        _freeIds.Push(vcpu.SchedulingId);
        _vcpuCount--;
        vcpu.SchedulingId = -1;
        vcpu.WakeRequested = null;
    }

    private void OnEnded(VirtualMachine machine)
    {
        using (_gate.Enter())
        {
            long now = CurrentTime();
            _machines.Remove(machine);
            machine.VCpuAdded = null;
            foreach (VCpu vcpu in machine.VCpus)
            {
                // A running one is forgotten when its slice closes.
                if (vcpu.SchedulingId < 0 || vcpu.Status == VCpuStatus.Running)
                    continue;
                vcpu.Status = VCpuStatus.Stopped;
                Forget(vcpu, now);
            }
        }
    }

    /// <summary>The time as a policy is told it, which never goes back: in virtual time CPUs are apart by up to a slice.</summary>
    private long Told(long now) => _told = Math.Max(_told, now);

    private long CurrentTime()
    {
        if (_realClock is not null)
            return _realClock.NowNanoseconds;
        return _active?.Current is { } vcpu ? Math.Max(_now, vcpu.Hart.NowInRun) : _now;
    }

    /// <summary>The timers of this host's machines. In real time callbacks run on the timer thread, outside the lock.</summary>
    private sealed class HostTimers(HypervisorHost host) : ITimerService
    {
        public long NowNanoseconds => host.CurrentTime();

        public int CreateTimer(Action fired)
        {
            using (host._gate.Enter())
                return host._timers.Create(fired);
        }

        public void Arm(int timer, long deadlineNanoseconds)
        {
            using (host._gate.Enter())
            {
                host._timers.Arm(timer, deadlineNanoseconds);
                host.TimerArmed(deadlineNanoseconds);
            }
        }

        public void Disarm(int timer)
        {
            using (host._gate.Enter())
                host._timers.Disarm(timer);
        }

        public void DeleteTimer(int timer)
        {
            using (host._gate.Enter())
                host._timers.Delete(timer);
        }
    }
}
