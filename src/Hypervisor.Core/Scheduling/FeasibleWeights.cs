namespace Hypervisor.Core.Scheduling;

/// <summary>
/// Weights that several CPUs can give. What runs on one CPU at a time can be given no more than that CPU, whatever its weight: a weight
/// above is infeasible, and counted as it is its owner would seem to be owed more from day to day, and a newcomer level with it would
/// run alone until it caught up. So such weights count as what they can use, as in surplus fair scheduling (Chandra, Adler, Goyal
/// and Shenoy, OSDI 2000): going down from the heaviest, one is infeasible while its weight times the CPUs left exceeds its width times
/// the weight left. At most one less than there are CPUs are.
/// </summary>
/// <remarks>
/// A width is how many CPUs one can use at once: 1 but for gangs. Shares are weights times <see cref="Unit"/>, so that what is left for
/// each of 2, 3, 4, 6, 8 or 12 CPUs is a whole number.
/// </remarks>
internal sealed class FeasibleWeights(int cpus)
{
    /// <summary>What a weight of 1 counts as.</summary>
    public const int Unit = 24;

    // Orders by weight for each CPU of the width.
    private const int KeyShift = 20;

    private readonly HeapOrder _heaviest = new();
    private readonly List<int> _infeasible = [];
    private readonly List<int> _before = [];
    private readonly List<(int VCpu, long Share)> _changes = [];
    private (long Weight, int Width)[] _of = [];
    private long _weights;
    private int _widths;

    /// <summary>What counts weights for so many CPUs; null where nothing can be infeasible.</summary>
    public static FeasibleWeights? For(int cpus) => cpus > 1 ? new FeasibleWeights(cpus) : null;

    public void Reserve(int capacity)
    {
        if (capacity > _of.Length)
            Array.Resize(ref _of, capacity);
        _heaviest.Reserve(capacity);
    }

    /// <summary>One competes from now on.</summary>
    public void Add(int vcpu, long weight, int width)
    {
        _of[vcpu] = (weight, width);
        _weights += weight;
        _widths += width;
        _heaviest.Add(vcpu, Key(weight, width));
    }

    /// <summary>One does not compete any more.</summary>
    public void Remove(int vcpu)
    {
        _weights -= _of[vcpu].Weight;
        _widths -= _of[vcpu].Width;
        _heaviest.Remove(vcpu);
        _infeasible.Remove(vcpu);
    }

    /// <summary>One that competes has another weight or width.</summary>
    public void Change(int vcpu, long weight, int width)
    {
        _weights += weight - _of[vcpu].Weight;
        _widths += width - _of[vcpu].Width;
        _of[vcpu] = (weight, width);
        _heaviest.Rekey(vcpu, Key(weight, width));
    }

    /// <summary>Those whose share may be another now, with what it is. Who was added or changed and is not among them has its weight as its share.</summary>
    public List<(int VCpu, long Share)> Balance()
    {
        _changes.Clear();
        _before.Clear();
        _before.AddRange(_infeasible);
        _infeasible.Clear();
        long left = _weights;
        int cpusLeft = Math.Min(cpus, _widths);
        while (_heaviest.Count > 0)
        {
            (long weight, int width) = _of[_heaviest.First];
            if (weight * cpusLeft <= left * width)
                break;
            _infeasible.Add(_heaviest.First);
            _heaviest.PassOver();
            left -= weight;
            cpusLeft -= width;
        }

        _heaviest.PutBack();
        foreach (int vcpu in _before)
        {
            if (!_infeasible.Contains(vcpu))
                _changes.Add((vcpu, _of[vcpu].Weight * Unit));
        }

        foreach (int vcpu in _infeasible)
            _changes.Add((vcpu, Math.Max(1, left * Unit * _of[vcpu].Width / cpusLeft)));
        return _changes;
    }

    private static long Key(long weight, int width) => -(weight << KeyShift) / width;
}
