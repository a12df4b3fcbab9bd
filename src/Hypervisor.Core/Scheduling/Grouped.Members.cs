namespace Hypervisor.Core.Scheduling;

/// <summary>vCPUs that enter groups, leave them, and move between them.</summary>
internal sealed partial class Grouped
{
    private void Enter(int vcpu, GroupNode node, in SchedulingParameters parameters, RemovalToken arriving, long now)
    {
        int member = node.AddMember(new GroupNode.Member { VCpu = vcpu });
        node.Users++;
        try
        {
            Bind(vcpu, node, parameters.Affinity, now);
            node.Policy.Set(member, Inner(node, in parameters), now, arriving);
        }
        catch (HypervisorException)
        {
            node.RemoveMember(member);
            node.Users--;
            Drop(node, now);
            throw;
        }

        Reserve(Math.Max(vcpu + 1, _places.Length));
        _places[vcpu] = new Place { Node = node, Member = member };
    }

    private RemovalToken Exit(int vcpu, long now)
    {
        ref Place place = ref _places[vcpu];
        GroupNode node = place.Node;
        bool wasReady = node.Policy.IsReady(place.Member);
        RemovalToken token = node.Policy.Remove(place.Member, now);
        node.RemoveMember(place.Member);
        node.Users--;
        if (wasReady)
            NoLongerReady(vcpu, node, now);

        Drop(node, now);
        return token;
    }

    private void Update(int vcpu, in SchedulingParameters parameters, long now)
    {
        ref Place place = ref _places[vcpu];
        if (parameters.Affinity != Parameters(vcpu).Affinity)
            Bind(vcpu, place.Node, parameters.Affinity, now);
        place.Moves = false;
        place.Node.Policy.Set(place.Member, Inner(place.Node, in parameters), now);
        SchedulingParameters old = Parameters(vcpu);
        if (IsReady(vcpu) && old.Affinity != parameters.Affinity)
        {
            place.Node.CountReady(old.Affinity, -1);
            place.Node.CountReady(parameters.Affinity, 1);
        }

        if (!IsAsleep(vcpu) && old.Weight != parameters.Weight)
            ChangeActiveWeight(place.Node, parameters.Weight - old.Weight, now);
    }

    private void Move(int vcpu, GroupNode node, in SchedulingParameters parameters, long now)
    {
        bool isReady = IsReady(vcpu);
        if (isReady)
            ChangeActiveWeight(_places[vcpu].Node, -Parameters(vcpu).Weight, now);
        node.Users++;
        RemovalToken token = Exit(vcpu, now);
        Enter(vcpu, node, in parameters, token, now);
        node.Users--;
        if (!isReady)
            return;
        node.Policy.Ready(_places[vcpu].Member, ReadyReason.Woken, now);
        BecameReady(vcpu, node, parameters.Affinity, now);
        ChangeActiveWeight(node, parameters.Weight, now);
    }

    private void FinishMove(int vcpu, long now)
    {
        SchedulingGroup? next = _places[vcpu].Next;
        SchedulingParameters parameters = Parameters(vcpu);
        Move(vcpu, NodeOf(next, parameters.Affinity, now), in parameters, now);
    }

    /// <summary>
    /// Where groups use one CPU at a time, that must be one that all in the group may use: else somebody could wait for a CPU that the
    /// group never gets.
    /// </summary>
    private void Bind(int vcpu, GroupNode node, CpuSet affinity, long now)
    {
        if (!_root.Policy.GivesTime || node.Parent is null)
            return;
        GroupNode outermost = Outermost(node);
        ulong common = affinity.Bits & CpuSet.First(_cpus).Bits;
        for (int other = 0; other < _places.Length; other++)
        {
            if (other != vcpu && _places[other].Node is { Parent: not null } its && Outermost(its) == outermost)
                common &= Parameters(other).Affinity.Bits;
        }

        outermost.BindTo(common, now);
    }

    private static GroupNode Outermost(GroupNode node)
    {
        while (node.Parent!.Parent is not null)
            node = node.Parent;
        return node;
    }
}
