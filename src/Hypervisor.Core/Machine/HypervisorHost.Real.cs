using System.Runtime.CompilerServices;
using Hypervisor.Core.Scheduling;

namespace Hypervisor.Core.Machine;

/// <summary>Real time: a thread for each physical CPU and one for timers, which fire at most a millisecond late.</summary>
public sealed partial class HypervisorHost
{
    /// <summary>How long the timer thread waits at most before it looks again, in nanoseconds.</summary>
    private const long LongestWait = 100_000_000;

    /// <summary>Of a machine whose accesses are sampled, one slice in so many counts them.</summary>
    private const int SlicesPerSample = 16;

    /// <summary>How far a slice may overrun while others wait before the vCPU is fetched, in nanoseconds.</summary>
    private const long Overrun = 1_000_000;

    private readonly List<Thread> _threads = [];

    // An event, not a semaphore that spins before it waits: nearly every wait here is long, and the spinning would take a
    // processor from the guests. It is made with the timer thread, which is started when the first timer is armed.
    private AutoResetEvent? _timerSignal;
    private bool _started;
    private long _timersLookAt = long.MaxValue;
    private SemaphoreSlim[] _cpuSignals = [];
    private volatile bool _stopping;
    private volatile Exception? _failure;

    /// <summary>Starts the threads of a host in real time. Machines may be added before and after.</summary>
    public void Start()
    {
        if (_realClock is null)
            throw new HypervisorException("This host keeps virtual time: advance it with RunFor, RunUntil or RunUntilIdle.");
        if (_threads.Count != 0)
            return;
        _cpuSignals = new SemaphoreSlim[_cpus.Length];
        for (int i = 0; i < _cpus.Length; i++)
            _cpuSignals[i] = new SemaphoreSlim(0);
        foreach (PhysicalCpu cpu in _cpus)
            StartThread("pCPU " + cpu.Number, () => RunCpu(cpu));
        using (_gate.Enter())
        {
            _started = true;
            if (_timersLookAt != long.MaxValue)
                StartTimers();
        }
    }

    /// <summary>Waits until a machine has ended.</summary>
    /// <returns>How it ended; null where the time ran out first.</returns>
    public MachineExit? WaitFor(VirtualMachine machine, TimeSpan timeout, CancellationToken cancellation = default)
    {
        long end = timeout == Timeout.InfiniteTimeSpan ? long.MaxValue : Environment.TickCount64 + (long)timeout.TotalMilliseconds;
        while (machine.Exit is null && Environment.TickCount64 < end && !cancellation.IsCancellationRequested)
        {
            if (_failure is { } failure)
                throw new HypervisorException($"A host thread failed: {failure.Message}", failure);
            machine.WaitForEnd(TimeSpan.FromMilliseconds(Math.Min(100, Math.Max(1, end - Environment.TickCount64))));
        }

        if (machine.Exit is not null)
            WaitUntilStopped(machine);
        return machine.Exit;
    }

    private void StartThread(string name, Action body)
    {
        var thread = new Thread(() =>
        {
            try
            {
                body();
            }
            catch (Exception error)
            {
                // A defect of the host, not of a guest: it ends all machines, and whoever waits for one is told.
                _failure = error;
                foreach (VirtualMachine machine in Machines)
                    machine.PowerOff(new MachineExit(125, $"host failure: {error.Message}"));
            }
        })
        { IsBackground = true, Name = name };
        _threads.Add(thread);
        thread.Start();
    }

    private void RunCpu(PhysicalCpu cpu)
    {
        VCpu? ran = null;
        SliceEnd end = default;
        long start = 0;
        long retired = 0;
        while (true)
        {
            // One slice is closed and the next one begun at one moment under one lock.
            VCpu? vcpu;
            using (_gate.Enter())
            {
                long now = CurrentTime();
                if (ran is not null)
                {
                    TellOfWake(cpu, ran, now);
                    EndSlice(cpu, ran, end, retired, start, now);
                }

                ran = null;
                if (_stopping)
                    return;
                start = now;
                vcpu = PickFor(cpu, start);
                if (vcpu is not null && HasMoreVCpusThanCpus)
                    RealTimerArmed(cpu.SliceEnd + Overrun);
                if (vcpu is not null)
                    vcpu.MayPutOffWakes = IsNoneIdle();
            }

            if (vcpu is null)
            {
                _cpuSignals[cpu.Number].Wait(TimeSpan.FromMilliseconds(100));
                using (_gate.Enter())
                {
                    cpu.IdleNanoseconds += CurrentTime() - start;
                    cpu.IsIdle = false;
                }

                continue;
            }

            // The budget brings a vCPU out in time as long as it goes on at its pace; one that turns to slow work, such as
            // exits without end, is fetched by the timer thread.
            vcpu.Processor = cpu.Number;
            vcpu.RunningSince = start;
            long budget = Math.Clamp((long)((cpu.SliceEnd - start) * vcpu.Rate), 1000, 1L << 40);
            end = vcpu.Machine.SamplesAccesses && cpu.Slices % SlicesPerSample == 0
                ? SampleSlice(cpu, vcpu, budget, out retired)
                : vcpu.RunSlice(budget, vcpu.Machine.CodeCacheFor(cpu.Number), out retired);
            ran = vcpu;
        }
    }

    /// <summary>Whether every CPU runs something, so that nobody would begin at once with what is woken. Under the lock.</summary>
    private bool IsNoneIdle()
    {
        foreach (PhysicalCpu cpu in _cpus)
        {
            if (cpu.Current is null)
                return false;
        }

        return true;
    }

    /// <summary>Tells the policy of a waking that a vCPU put off: its CPU picks next in any case. Under the lock.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private void TellOfWake(PhysicalCpu cpu, VCpu vcpu, long now)
    {
        if (vcpu.PutOffWake is not { } woken)
            return;
        vcpu.PutOffWake = null;
        if (woken.Status == VCpuStatus.Blocked)
            Kick(new CpuSet(Awaken(woken, now).Bits & ~(1UL << cpu.Number)), now);
        else
            NoteWake(woken);
    }

    /// <summary>A vCPU came out of a slice that began at some time. Under the lock.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private void EndSlice(PhysicalCpu cpu, VCpu vcpu, SliceEnd end, long retired, long start, long now)
    {
        long used = Math.Max(1, now - start);
        if (end == SliceEnd.Attention && now >= cpu.SliceEnd)
            end = SliceEnd.Expired;
        if (end == SliceEnd.Expired)
            vcpu.Rate = Math.Clamp(vcpu.Rate * 0.5 + 0.5 * retired / used, 0.001, 20);
        Book(cpu, vcpu, used);
        CloseSlice(cpu, vcpu, end, used, now);
    }

    /// <summary>A slice with code that counts its memory accesses.</summary>
    private static SliceEnd SampleSlice(PhysicalCpu cpu, VCpu vcpu, long budget, out long retired)
    {
        ulong accesses = vcpu.CountedAccesses;
        long misses = vcpu.Hart.TlbRefills + vcpu.Hart.UncachedAccesses;
        SliceEnd end = vcpu.RunSlice(budget, vcpu.Machine.CountingCacheFor(cpu.Number), out retired);
        vcpu.Meter.SampledAccesses += (long)(vcpu.CountedAccesses - accesses);
        vcpu.Meter.SampledMisses += vcpu.Hart.TlbRefills + vcpu.Hart.UncachedAccesses - misses;
        return end;
    }

    private void RunTimers()
    {
        while (!_stopping)
        {
            Action? due;
            long wait;
            using (_gate.Enter())
            {
                long now = CurrentTime();
                due = _timers.TakeDue(now);
                long next = Math.Min(_timers.NextDeadline, FetchOverdue(now));
                wait = (Math.Clamp(next - now, 0, LongestWait) + 999_999) / 1_000_000;
                _timersLookAt = now + (wait * 1_000_000);
            }

            if (due is not null)
                due();
            else
                _timerSignal!.WaitOne((int)wait); // The system's waits count milliseconds: rounded up, for nobody to spin.
        }
    }

    /// <summary>Brings vCPUs out that are long past their slices; when to look again. Under the lock.</summary>
    private long FetchOverdue(long now)
    {
        long next = long.MaxValue;
        if (!HasMoreVCpusThanCpus)
            return next;
        foreach (PhysicalCpu cpu in _cpus)
        {
            if (cpu.Current is not { } vcpu)
                continue;
            if (now >= cpu.SliceEnd + Overrun)
                vcpu.Kick();
            next = Math.Min(next, Math.Max(cpu.SliceEnd, now) + Overrun);
        }

        return next;
    }

    private void RealTimerArmed(long deadline)
    {
        // Under the lock. A guest sets its timer again and again, mostly to times at which the thread looks anyway.
        if (deadline < _timersLookAt)
        {
            _timersLookAt = deadline;
            StartTimers();
            _timerSignal?.Set();
        }
    }

    /// <summary>Starts the timer thread where it does not run yet and may. Under the lock.</summary>
    private void StartTimers()
    {
        if (_timerSignal is not null || !_started || _stopping)
            return;
        _timerSignal = new AutoResetEvent(false);
        StartThread("timers", RunTimers);
    }

    private void Signal(PhysicalCpu cpu)
    {
        if (_cpuSignals.Length != 0)
            _cpuSignals[cpu.Number].Release();
    }

    private void WaitUntilStopped(VirtualMachine machine)
    {
        while (IsKnown(machine) && _threads.Count != 0 && _failure is null)
            Thread.Sleep(1);
    }

    private static bool IsKnown(VirtualMachine machine)
    {
        foreach (VCpu vcpu in machine.VCpus)
        {
            if (vcpu.SchedulingId >= 0)
                return true;
        }

        return false;
    }

    private void StopThreads()
    {
        // From here on nobody starts the timer thread.
        using (_gate.Enter())
            _stopping = true;
        _timerSignal?.Set();
        foreach (PhysicalCpu cpu in _cpus)
        {
            using (_gate.Enter())
                cpu.Current?.Kick();
            Signal(cpu);
        }

        foreach (Thread thread in _threads)
            thread.Join();
        _threads.Clear();
    }
}
