using Hypervisor.Core.Scheduling;

namespace Hypervisor.Tests.Scheduling;

/// <summary>The faults that have been seen in implementations of EEVDF.</summary>
internal enum EevdfFault
{
    None,
    NoEligibilityTest,
    PicksLeastVirtualTime,
    MeanIsLeastVirtualTime,
    StaleDeadline,
    DeadlineNotByWeight,
    IgnoresWeight,
    ChargesFullSlice,
    PartialRunIsFree,
    TruncatesMean,
    StrictEligibility,
    LosesLagOnSleep,
    PlacesWithoutInflation,
    ReweighsWithoutLag,
}

/// <summary>EEVDF as its paper reads, for one CPU, in floating point and with linear scans; with a fault switched on it is a mutant.</summary>
internal sealed class EevdfReference(EevdfFault fault, long defaultSlice = 1_000_000) : IScheduler
{
    private const double Close = 1e-6;

    private readonly SortedDictionary<int, Client> _clients = [];
    private int _order;

    public string Name => "eevdf-reference";

    private IEnumerable<Client> Competing => _clients.Values.Where(client => client.Competes);

    private double Mean => fault switch
    {
        EevdfFault.MeanIsLeastVirtualTime => Competing.Min(client => client.V),
        EevdfFault.TruncatesMean => Math.Truncate(Competing.Sum(client => client.W * client.V) / Competing.Sum(client => client.W) / 1e6) * 1e6,
        _ => Competing.Sum(client => client.W * client.V) / Competing.Sum(client => client.W),
    };

    public double LagOf(int vcpu) => _clients[vcpu].W * (Mean - _clients[vcpu].V);

    public CpuSet Set(int vcpu, in SchedulingParameters parameters, long now, RemovalToken arriving = default)
    {
        double weight = fault == EevdfFault.IgnoresWeight ? 1 : parameters.Weight;
        double slice = parameters.SliceNanoseconds > 0 ? parameters.SliceNanoseconds : defaultSlice;
        if (!_clients.TryGetValue(vcpu, out Client? client))
        {
            _clients[vcpu] = new Client { W = weight, R = slice };
            return CpuSet.None;
        }

        if (client.Competes && fault != EevdfFault.ReweighsWithoutLag)
        {
            double mean = Mean;
            double rest = (client.D - client.V) * client.W;
            client.V = mean - ((mean - client.V) * client.W / weight);
            client.D = client.V + (rest / weight);
        }

        client.W = weight;
        client.R = slice;
        return CpuSet.None;
    }

    public CpuSet Ready(int vcpu, ReadyReason reason, long now)
    {
        Client client = _clients[vcpu];
        double others = Competing.Sum(other => other.W);
        double lag = fault == EevdfFault.LosesLagOnSleep ? 0 : client.Lag;
        client.V = others == 0 ? client.V : Mean - (lag / client.W * (fault == EevdfFault.PlacesWithoutInflation ? 1 : (others + client.W) / others));
        client.D = client.V + (client.R / (fault == EevdfFault.DeadlineNotByWeight ? 1 : client.W));
        client.Competes = true;
        client.Order = _order++;
        return CpuSet.None;
    }

    public PickResult Pick(int cpu, long now)
    {
        if (!Competing.Any())
            return PickResult.Idle;
        double mean = Mean;
        Client? best = null;
        int chosen = -1;
        foreach ((int id, Client client) in _clients)
        {
            bool eligible = fault switch
            {
                EevdfFault.NoEligibilityTest or EevdfFault.PicksLeastVirtualTime => true,
                EevdfFault.StrictEligibility => client.V < mean - Close,
                _ => client.V <= mean + Close,
            };
            if (!client.Competes || !eligible)
                continue;
            double key = fault == EevdfFault.PicksLeastVirtualTime ? client.V : client.D;
            double bestKey = best is null ? double.MaxValue : fault == EevdfFault.PicksLeastVirtualTime ? best.V : best.D;
            if (key < bestKey - Close || (Math.Abs(key - bestKey) <= Close && client.Order < best!.Order))
                (best, chosen) = (client, id);
        }

        if (best is null)
            return PickResult.Idle;
        double rest = fault == EevdfFault.DeadlineNotByWeight ? best.R : Math.Min((best.D - best.V) * best.W, best.R);
        return new PickResult(chosen, now + Math.Max(1000, (long)Math.Round(rest)), long.MaxValue);
    }

    public CpuSet Stopped(int cpu, int vcpu, long used, StopReason reason, int yieldTo, long now)
    {
        Client client = _clients[vcpu];
        double charged = fault switch
        {
            EevdfFault.ChargesFullSlice => client.R,
            EevdfFault.PartialRunIsFree when used < client.R => 0,
            _ => used,
        };
        client.V += charged / client.W;
        if (client.V >= client.D - Close && fault != EevdfFault.StaleDeadline)
            client.D = client.V + (client.R / (fault == EevdfFault.DeadlineNotByWeight ? 1 : client.W));
        client.Order = _order++;
        if (reason == StopReason.Blocked)
        {
            client.Lag = LagOf(vcpu);
            client.Competes = false;
        }

        return CpuSet.None;
    }

    public RemovalToken Remove(int vcpu, long now)
    {
        _clients.Remove(vcpu);
        return default;
    }

    private sealed class Client
    {
        public double W { get; set; }

        public double R { get; set; }

        public double V { get; set; }

        public double D { get; set; }

        public double Lag { get; set; }

        public bool Competes { get; set; }

        public int Order { get; set; }
    }
}
