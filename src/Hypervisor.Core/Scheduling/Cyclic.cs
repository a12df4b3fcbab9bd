namespace Hypervisor.Core.Scheduling;

/// <summary>
/// A cyclic table, as ARINC 653 (part 1, partition scheduling) has it: a major frame is repeated for ever, and in each of its windows
/// one vCPU runs on one CPU, or, where it sleeps, nobody.
/// </summary>
/// <remarks>
/// What runs when is the table modulo the major frame: no vCPU's work or sleep moves another's window. That a CPU idles while others
/// wait is the promise. Without a table given, one is made: every vCPU gets one window as long as its slice, on the CPU it may use
/// that has least to do, in order of numbers; it is made anew, and the frame starts again, when a vCPU comes, goes or changes. Gaps of a
/// table given are idle. A directed yield does nothing. A decision is a binary search of the CPU's windows.
/// </remarks>
internal sealed class Cyclic : Policy
{
    private readonly List<CyclicWindow>[] _windows;
    private readonly bool _isGiven;
    private readonly SortedSet<int> _known = [];
    private long _frame;
    private long _epoch;
    private bool _started;
    private bool _isStale;

    public Cyclic(int cpus, long slice)
        : base(cpus, slice)
    {
        _windows = new List<CyclicWindow>[cpus];
        for (int cpu = 0; cpu < cpus; cpu++)
            _windows[cpu] = [];
    }

    public Cyclic(int cpus, long slice, long majorFrame, IReadOnlyList<CyclicWindow> windows)
        : this(cpus, slice)
    {
        if (majorFrame is < 1000 or > SchedulingParameters.MaximumSlice)
            throw new HypervisorException($"A major frame of {majorFrame} ns was given; it lasts 1000 ns to an hour.");
        _isGiven = true;
        _frame = majorFrame;
        foreach (CyclicWindow window in windows)
        {
            if (window.Cpu < 0 || window.Cpu >= cpus)
                throw new HypervisorException($"The table has a window on CPU {window.Cpu}; there are {cpus}.");
            if (window.VCpu < 0 || window.Start < 0 || window.Length < 1 || window.Length > majorFrame - window.Start)
                throw new HypervisorException($"The table has a window of {window.Length} ns at {window.Start} ns for vCPU {window.VCpu}; windows lie inside the major frame of {majorFrame} ns.");
            _windows[window.Cpu].Add(window);
        }

        foreach (List<CyclicWindow> ofOne in _windows)
            ofOne.Sort((a, b) => a.Start.CompareTo(b.Start));
        CyclicWindow[] all = [.. windows];
        Array.Sort(all, (a, b) => a.Start.CompareTo(b.Start));
        var ends = new Dictionary<(bool OfCpu, int Number), CyclicWindow>();
        foreach (CyclicWindow window in all)
        {
            foreach ((bool, int) place in ((bool, int)[])[(true, window.Cpu), (false, window.VCpu)])
            {
                if (ends.TryGetValue(place, out CyclicWindow before) && before.Start + before.Length > window.Start)
                    throw new HypervisorException($"The table's windows for vCPU {before.VCpu} at {before.Start} ns on CPU {before.Cpu} and for vCPU {window.VCpu} at {window.Start} ns on CPU {window.Cpu} overlap.");
                ends[place] = window;
            }
        }
    }

    public override string Name => "cyclic";

    internal override bool GivesTime => true;

    protected override void Reserve(int capacity)
    {
    }

    protected override void Added(int vcpu, RemovalToken arriving, long now)
    {
        _known.Add(vcpu);
        _isStale = true;
        if (!_started)
            (_epoch, _started) = (now, true);
    }

    protected override void Changed(int vcpu, in SchedulingParameters old, long now)
        => _isStale |= old.Affinity != Parameters(vcpu).Affinity || old.SliceNanoseconds != Parameters(vcpu).SliceNanoseconds;

    protected override void Join(int vcpu, long now)
    {
    }

    protected override void Requeue(int vcpu, StopReason reason, long now)
    {
    }

    protected override void Dequeue(int vcpu)
    {
    }

    protected override int Choose(int cpu, long now)
    {
        if (_isStale && !_isGiven)
            Arrange(now);
        int place = At(cpu, now, out long position);
        if (place < 0)
            return -1;
        CyclicWindow window = _windows[cpu][place];
        bool runs = position < window.Start + window.Length && IsKnown(window.VCpu) && IsReady(window.VCpu) && MayRun(window.VCpu, cpu);
        return runs ? window.VCpu : -1;
    }

    protected override void Charge(int vcpu, long used, long now)
    {
    }

    protected override bool MayFavour(int vcpu, long now) => false;

    protected override long Quantum(int vcpu, long now)
    {
        int cpu = Running.IndexOf(vcpu);
        CyclicWindow window = _windows[cpu][At(cpu, now, out long position)];
        return window.Start + window.Length - position;
    }

    protected override long NextEvent(long now)
    {
        // The next beginning of any window: a CPU looks once too often rather than late.
        long next = long.MaxValue;
        for (int cpu = 0; cpu < _windows.Length; cpu++)
        {
            int place = At(cpu, now, out long position);
            if (_windows[cpu].Count != 0)
                next = Math.Min(next, now - position + (place + 1 < _windows[cpu].Count ? _windows[cpu][place + 1].Start : _frame + _windows[cpu][0].Start));
        }

        return next;
    }

    protected override RemovalToken Removed(int vcpu, long now)
    {
        _known.Remove(vcpu);
        _isStale = true;
        return default;
    }

    /// <summary>The last of a CPU's windows that has begun in this frame, or -1.</summary>
    private int At(int cpu, long now, out long position)
    {
        position = _frame == 0 ? 0 : Math.Max(0, now - _epoch) % _frame;
        List<CyclicWindow> windows = _windows[cpu];
        int low = 0;
        int high = windows.Count;
        while (low < high)
        {
            int middle = (low + high) / 2;
            if (windows[middle].Start <= position)
                low = middle + 1;
            else
                high = middle;
        }

        return low - 1;
    }

    private void Arrange(long now)
    {
        _isStale = false;
        _frame = 0;
        foreach (List<CyclicWindow> windows in _windows)
            windows.Clear();
        foreach (int vcpu in _known)
        {
            int best = -1;
            for (int cpu = 0; cpu < _windows.Length; cpu++)
            {
                if (Parameters(vcpu).Affinity.Contains(cpu) && (best < 0 || End(cpu) < End(best)))
                    best = cpu;
            }

            _windows[best].Add(new CyclicWindow(best, vcpu, End(best), Slice(vcpu)));
            _frame = Math.Max(_frame, End(best));
        }

        long End(int cpu) => _windows[cpu] is [.., var last] ? last.Start + last.Length : 0;
    }
}

/// <summary>A window of a cyclic table.</summary>
/// <param name="Cpu">The physical CPU.</param>
/// <param name="VCpu">The vCPU that runs in it.</param>
/// <param name="Start">Nanoseconds from the beginning of the major frame.</param>
/// <param name="Length">How long it lasts.</param>
public readonly record struct CyclicWindow(int Cpu, int VCpu, long Start, long Length);
