namespace Hypervisor.Core.Scheduling;

/// <summary>What groups were promised and what they may have at most.</summary>
internal sealed partial class Grouped
{
    private void Admit(SchedulingGroup group, GroupNode parent)
    {
        if (group.Reservation.IsNone)
            return;
        double own = SchedulingGroup.Rate(group.Reservation);
        if (parent.Policy.Kind is Cyclic or RoundRobin || parent.Policy is Partitioned { GivesTime: false })
            throw new HypervisorException($"Group '{group.Name}' has a reservation; the policy '{parent.Policy.Name}' promises none.");
        if (parent.Policy.GivesTime && own > 1)
            throw new HypervisorException($"Group '{group.Name}' has a reservation of {own:0.###} CPUs; under the policy '{parent.Policy.Name}' a group uses one CPU at a time.");
        double most = Capacity(parent);
        double sum = own + parent.Reserved.Sum(each => SchedulingGroup.Rate(each.Group!.Reservation));
        if (!parent.Policy.GivesTime && sum > most + 1e-9)
        {
            throw new HypervisorException(FormattableString.Invariant(
                $"Group '{group.Name}' asks for {own:0.###} CPUs, which makes {sum:0.###} reserved {(parent.Group is { } above ? $"in group '{above.Name}', which was promised" : "of")} {most:0.###}: {sum - most:0.###} too much."));
        }
    }

    /// <summary>CPUs that a group's members can be promised.</summary>
    private double Capacity(GroupNode node) => node.Group is null ? _cpus : SchedulingGroup.Rate(node.Group.Reservation);

    private static bool MayBeRaised(GroupNode node) => !node.Group!.Reservation.IsNone && !node.Parent!.Policy.GivesTime;

    /// <summary>Gives groups whose weight would earn less than what they were promised the weight that earns it.</summary>
    private void Raise(GroupNode parent, long now)
    {
        double left = Capacity(parent);
        double weights = parent.ActiveWeight;
        foreach (GroupNode node in parent.Reserved)
            node.IsRaised = false;
        for (bool again = true; again;)
        {
            again = false;
            foreach (GroupNode node in parent.Reserved)
            {
                double promised = SchedulingGroup.Rate(node.Group!.Reservation);
                if (!node.IsActive || node.IsRaised || node.Group.Weight * left >= promised * weights)
                    continue;
                node.IsRaised = again = true;
                left -= promised;
                weights -= node.Group.Weight;
            }
        }

        foreach (GroupNode node in parent.Reserved)
        {
            int weight = 0;
            if (node.IsRaised)
            {
                // Where nobody is left who is not raised, only the ratios matter.
                double perCpu = weights < 0.5 ? 1000 : left <= 1e-9 ? double.MaxValue : weights / left;
                double exact = SchedulingGroup.Rate(node.Group!.Reservation) * perCpu * parent.Scaled(1);
                weight = (int)Math.Clamp(Math.Ceiling(exact), 1, MostInnerWeight);
            }

            if (weight == node.RaisedWeight)
                continue;
            node.RaisedWeight = weight;
            node.Reweigh(now);
        }
    }

    private void TakeFromLimits(GroupNode leaf, int cpu, int cpus, long now)
    {
        for (GroupNode? node = leaf; node.Parent is not null; node = node.Parent)
        {
            if (!node.HasLimit)
                continue;
            node.Refill(now);
            _until = Math.Min(_until, now + node.Grantable(cpus, now));
        }

        for (GroupNode? node = leaf; node.Parent is not null; node = node.Parent)
        {
            if (!node.HasLimit)
                continue;
            node.Grant(cpu, cpus * (_until - now));
            CheckLimit(node, now);
        }
    }

    /// <summary>Has a group wait where its limit is used up, or go on where it is not.</summary>
    private void CheckLimit(GroupNode node, long now)
    {
        node.Refill(now);
        bool exhausted = node.LimitLeft < _leastGrant;
        if (exhausted && !_releases.Contains(node.Number))
            _releases.Add(node.Number, node.NextRelease, _sequence++);
        if (exhausted == node.IsExhausted)
            return;
        Unsettle();
        if (!exhausted && _releases.Contains(node.Number))
            _releases.Remove(node.Number);
        node.SetExhausted(exhausted);
        Arrange(node, now);
    }
}
