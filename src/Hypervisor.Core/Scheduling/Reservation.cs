using Hypervisor.Core.Time;

namespace Hypervisor.Core.Scheduling;

/// <summary>
/// Reservations: a vCPU gets its budget Q in every period T, by earliest deadline first.
/// </summary>
/// <remarks>
/// <para>Each vCPU with a reservation is a server with a budget c and a deadline d. The ready server with the earliest deadline runs and
/// uses its budget; with none left it waits until d, when d moves on by T and c is Q again, less what it overran (a hard constant
/// bandwidth server: Abeni and Buttazzo, RTSS 1998, with the hard rule as in Linux's deadline class). On waking, if c ≥ (d − t)·Q/T,
/// which it could not use at its bandwidth any more, d = t + T and c = Q. In deferrable mode, as Xen's RTDS has it, periods go on
/// while a server sleeps and its budget is kept until their end; one that wakes late in a period may then harm others, which the
/// constant bandwidth rule prevents.</para>
/// <para>Admission: servers that are always ready get their budgets in every period on m CPUs if ΣU ≤ m − (m − 1)·U_max, where
/// U = Q/T (Goossens, Funk and Baruah, 2003); what exceeds it is refused. vCPUs with no reservation run round robin in what is left,
/// and those that used their budget up do not run in it: idle CPUs beside those are the promise, not a fault.</para>
/// </remarks>
internal sealed class Reservation(int cpus, long slice, bool deferrable) : Policy(cpus, slice)
{
    private readonly int _cpus = cpus;
    private readonly HeapOrder _ready = new();
    private readonly IndexedHeap _depleted = new();
    private readonly LinkedOrder _background = new();
    private readonly Dictionary<int, double> _utilizations = [];
    private Server[] _servers = [];
    private long _sequence;

    private struct Server
    {
        public long Budget;
        public long Deadline;
    }

    public override string Name => deferrable ? "rtds" : "reservation";

    internal override bool GivesTime => true;

    protected override void Check(int vcpu, in SchedulingParameters parameters, bool isNew, RemovalToken arriving, long now)
    {
        if (parameters.Reservation.IsNone)
        {
            _utilizations.Remove(vcpu);
            return;
        }

        double own = (double)parameters.Reservation.Budget / parameters.Reservation.Period;
        double sum = own;
        double most = own;
        foreach ((int each, double utilization) in _utilizations)
        {
            if (each == vcpu)
                continue;
            sum += utilization;
            most = Math.Max(most, utilization);
        }

        double bound = _cpus - ((_cpus - 1) * most);
        if (sum > bound + 1e-9)
        {
            throw new HypervisorException(FormattableString.Invariant(
                $"vCPU {vcpu} asks for {own:0.###} CPUs, which makes {sum:0.###} reserved; with {_cpus} CPUs and {most:0.###} as the largest, {bound:0.###} can be promised: {sum - bound:0.###} too much."));
        }

        _utilizations[vcpu] = own;
    }

    protected override void Reserve(int capacity)
    {
        if (capacity > _servers.Length)
            Array.Resize(ref _servers, capacity);
        _ready.Reserve(capacity);
        _background.Reserve(capacity);
    }

    protected override void Added(int vcpu, RemovalToken arriving, long now) => _servers[vcpu] = new Server { Deadline = now };

    protected override void Changed(int vcpu, in SchedulingParameters old, long now)
    {
        if (old.Reservation == Parameters(vcpu).Reservation)
            return;
        bool waits = IsReady(vcpu);
        if (waits)
            Take(vcpu, old.Reservation.IsNone);
        _servers[vcpu] = new Server { Deadline = now + Parameters(vcpu).Reservation.Period, Budget = Parameters(vcpu).Reservation.Budget };
        if (waits)
            Enqueue(vcpu);
    }

    protected override void Join(int vcpu, long now)
    {
        Bandwidth promised = Parameters(vcpu).Reservation;
        ref Server server = ref _servers[vcpu];
        if (!promised.IsNone)
        {
            if (deferrable)
            {
                if (now >= server.Deadline)
                {
                    server.Deadline += ((now - server.Deadline) / promised.Period * promised.Period) + promised.Period;
                    server.Budget = promised.Budget;
                }
            }
            else if (now >= server.Deadline || (server.Budget > 0 && (Int128)server.Budget * promised.Period >= (Int128)(server.Deadline - now) * promised.Budget))
            {
                server.Deadline = now + promised.Period;
                server.Budget = promised.Budget;
            }
        }

        Enqueue(vcpu);
    }

    protected override void Requeue(int vcpu, StopReason reason, long now) => Enqueue(vcpu);

    protected override void Dequeue(int vcpu) => Take(vcpu, Parameters(vcpu).Reservation.IsNone);

    protected override int Choose(int cpu, long now)
    {
        while (_depleted.Count > 0 && _depleted.FirstKey <= now)
        {
            int vcpu = _depleted.First;
            _depleted.Remove(vcpu);
            ref Server server = ref _servers[vcpu];
            Bandwidth promised = Parameters(vcpu).Reservation;
            long periods = Math.Max(1, (now - server.Deadline + promised.Period) / promised.Period);
            server.Budget = (long)Int128.Min(promised.Budget, server.Budget + ((Int128)periods * promised.Budget));
            server.Deadline += periods * promised.Period;
            Enqueue(vcpu);
        }

        int chosen = TakeFirst(_ready, cpu);
        for (int vcpu = _background.First; chosen < 0 && vcpu >= 0; vcpu = _background.After(vcpu))
        {
            if (MayRun(vcpu, cpu))
                _background.Remove(chosen = vcpu);
        }

        return chosen;
    }

    // Never before a server: what was admitted holds in order of deadlines only.
    protected override bool MayFavour(int vcpu, long now) => _ready.Count == 0 && Parameters(vcpu).Reservation.IsNone;

    protected override void Charge(int vcpu, long used, long now)
    {
        if (!Parameters(vcpu).Reservation.IsNone)
            _servers[vcpu].Budget -= used;
    }

    protected override long Quantum(int vcpu, long now)
    {
        // Up to the end of a budget, and to the moment at which somebody else's is filled again.
        long quantum = Parameters(vcpu).Reservation.IsNone ? Slice(vcpu) : _servers[vcpu].Budget;
        return Math.Max(1, _depleted.Count > 0 ? Math.Min(quantum, _depleted.FirstKey - now) : quantum);
    }

    protected override long NextEvent(long now) => _depleted.Count > 0 ? Math.Max(now + 1, _depleted.FirstKey) : long.MaxValue;

    protected override CpuSet Preempt(int vcpu, long now)
    {
        if (!_ready.Contains(vcpu))
            return CpuSet.None;
        long deadline = _servers[vcpu].Deadline;
        int latest = -1;
        for (int cpu = 0; cpu < Running.Length; cpu++)
        {
            if (Running[cpu] < 0 || !MayRun(vcpu, cpu))
                continue;
            long other = Parameters(Running[cpu]).Reservation.IsNone ? long.MaxValue : _servers[Running[cpu]].Deadline;
            if (other > deadline)
                (latest, deadline) = (cpu, other);
        }

        return latest < 0 ? CpuSet.None : CpuSet.Of(latest);
    }

    protected override RemovalToken Removed(int vcpu, long now)
    {
        _utilizations.Remove(vcpu);
        return default;
    }

    private void Enqueue(int vcpu)
    {
        if (Parameters(vcpu).Reservation.IsNone)
            _background.Append(vcpu);
        else if (_servers[vcpu].Budget > 0)
            _ready.Add(vcpu, _servers[vcpu].Deadline);
        else
            _depleted.Add(vcpu, _servers[vcpu].Deadline, _sequence++);
    }

    private void Take(int vcpu, bool background)
    {
        if (background)
            _background.Remove(vcpu);
        else if (_ready.Contains(vcpu))
            _ready.Remove(vcpu);
        else
            _depleted.Remove(vcpu);
    }
}
