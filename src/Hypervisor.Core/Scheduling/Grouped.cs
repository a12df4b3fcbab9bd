using System.Diagnostics;
using System.Runtime.CompilerServices;
using Hypervisor.Core.Time;

namespace Hypervisor.Core.Scheduling;

/// <summary>
/// Groups around any policy, in any depth: tenant over machine or container over vCPU. Every group has a policy of its own over what is
/// in it, and is itself an entity of its parent's policy, so that what happens inside moves nobody's share outside.
/// </summary>
/// <remarks>
/// <para>A policy runs an entity on one CPU at a time, and a group may use several. So a group is as many entities of its parent,
/// slots, as it could use CPUs now: the lesser of P and its members that are ready or run. Its weight is divided among them exactly.
/// Its fluid share is then min(m, λ·w) for m members, which is what one would want, and the parent's own treatment of infeasible
/// weights serves groups too. A pick goes down from the root: each level's policy chooses, and what was chosen runs for the shortest of
/// the slices on the way. A stop goes up the same way, each level charging what was used.</para>
/// <para>A limit is a budget of CPU time in every period [k·T, (k + 1)·T). Who is picked takes its run's length out of it beforehand and
/// gives back what it did not use, so that CPUs together do not exceed it. With nothing left the group's slots sleep until the next
/// period. A reservation raises a group's weight, while it wants CPUs, to where its fluid share is what was promised: with λ CPUs for
/// a unit of weight among those that are not raised, to R/λ. The sum of what is promised inside a group, or to all, may not exceed
/// what the group was promised, or the CPUs there are. Policies that give time instead of shares (reservation, rtds, cyclic) know one
/// server, or window, for a group, and have it use one CPU at a time.</para>
/// <para>A slot whose group has nothing for a CPU, because of affinities, is passed over there in its policy's own order. A group that
/// loses its last vCPU is forgotten.</para>
/// </remarks>
internal sealed partial class Grouped : Policy
{
    private const int DeepestGroup = 16;
    private const int LongestRefusal = 16;
    private const int MostInnerWeight = SchedulingParameters.MaximumWeight * GroupNode.MostSlots;

    private readonly int _cpus;
    private readonly long _slice;
    private readonly string _inside;
    private readonly GroupNode _root;
    private readonly Dictionary<SchedulingGroup, GroupNode> _nodes = [];

    // Of groups that nobody is in for now: what they were owed and what is left of their limits, so that ending and beginning anew
    // gains nothing.
    private readonly ConditionalWeakTable<SchedulingGroup, GroupNode.Rest> _rests = [];
    private readonly List<GroupNode?> _limited = [];
    private readonly IndexedHeap _releases = new();
    private Place[] _places = [];
    private long _sequence;
    private long _until;
    private long _rootsNextEvent = long.MaxValue;
    private CpuSet _wishes;
    private int _serial;

    // Members of groups that were next and may not run on the CPU that picked. Their group may have its share on other CPUs for ever, so that
    // nothing above shows that they wait: after sixteen slices a CPU that they may use comes to them.
    private readonly Queue<(GroupNode Node, int Member, long Since)> _refusals = new();
    private long _pickedAt;

    // Where gangs are scheduled: what fits, and the least of a limit that is worth a run, a nanosecond on each CPU.
    private readonly IGangFilter? _gangs;
    private readonly long _leastGrant;

    private struct Place
    {
        public GroupNode Node;
        public int Member;

        // Where it runs, what it ran there, and the group it goes to afterwards.
        public bool Runs;
        public long Used;
        public SchedulingGroup? Next;
        public bool Moves;
    }

    public Grouped(string policy, int cpus, long slice, IGangFilter? gangs = null)
        : base(cpus, slice)
    {
        _cpus = cpus;
        _slice = slice;
        _gangs = gangs;
        _leastGrant = gangs is null ? 1 : cpus;
        _root = new GroupNode(null, null, Make(policy, usesOne: false), -1, cpus, gangs) { Refusals = _refusals, Now = () => _pickedAt };
        _inside = _root.Policy.GivesTime ? "eevdf" : _root.Policy.Kind.Name;
    }

    public override string Name => _root.Policy.Name;

    protected override bool KnowsGroups => true;

    protected override bool HandsYieldsOn => true;

    protected override void Check(int vcpu, in SchedulingParameters parameters, bool isNew, RemovalToken arriving, long now)
    {
        if (!isNew && parameters.Group == Parameters(vcpu).Group)
        {
            Update(vcpu, in parameters, now);
            return;
        }

        GroupNode node = NodeOf(parameters.Group, parameters.Affinity, now);
        if (!isNew && IsRunning(vcpu))
        {
            try
            {
                Bind(vcpu, node, parameters.Affinity, now);
            }
            catch (HypervisorException)
            {
                Drop(node, now);
                throw;
            }

            // It is moved when it stops. What it is to be in the meantime counts from now.
            Update(vcpu, in parameters, now);
            (_places[vcpu].Next, _places[vcpu].Moves) = (parameters.Group, true);
            return;
        }

        if (isNew)
        {
            Enter(vcpu, node, in parameters, arriving, now);
            return;
        }

        Move(vcpu, node, in parameters, now);
    }

    protected override void Reserve(int capacity)
    {
        if (capacity > _places.Length)
            Array.Resize(ref _places, capacity);
    }

    protected override void Added(int vcpu, RemovalToken arriving, long now)
    {
    }

    protected override void Join(int vcpu, long now)
    {
        _wishes = CpuSet.None;
        ref Place place = ref _places[vcpu];
        _wishes = new CpuSet(_wishes.Bits | place.Node.Policy.Ready(place.Member, ReadyReason.Woken, now).Bits);
        BecameReady(vcpu, place.Node, Parameters(vcpu).Affinity, now);
        ChangeActiveWeight(place.Node, Parameters(vcpu).Weight, now);
        Widen(place.Node, Width(vcpu), now);
    }

    protected override void WidthChanged(int vcpu, long now)
    {
        GroupNode node = _places[vcpu].Node;
        int before = node.Policy.SetWidth(_places[vcpu].Member, Width(vcpu), now);
        if (!IsAsleep(vcpu))
            Widen(node, Width(vcpu) - before, now);
    }

    protected override CpuSet Preempt(int vcpu, long now) => _wishes;

    protected override void Requeue(int vcpu, StopReason reason, long now)
    {
        Stop(vcpu, reason, now);
        if (_places[vcpu].Moves)
            FinishMove(vcpu, now);
    }

    protected override void Leave(int vcpu, long now)
    {
        GroupNode node = _places[vcpu].Node;
        if (_places[vcpu].Runs)
        {
            Stop(vcpu, StopReason.Blocked, now);
        }
        else
        {
            node.Policy.Sleep(_places[vcpu].Member, now);
            NoLongerReady(vcpu, node, now);
        }

        ChangeActiveWeight(node, -Parameters(vcpu).Weight, now);
        Widen(node, -Width(vcpu), now);
        if (_places[vcpu].Moves)
            FinishMove(vcpu, now);
    }

    protected override void Dequeue(int vcpu)
    {
        // Only on its way out: yields are handed on, and picks go through the groups' policies. Leave and Removed do the rest.
    }

    protected override int Choose(int cpu, long now)
    {
        while (_releases.Count > 0 && _releases.FirstKey <= now)
        {
            GroupNode released = _limited[_releases.First]!;
            _releases.Remove(released.Number);
            CheckLimit(released, now);
        }

        _pickedAt = now;
        GroupNode? overdue = _refusals.Count > 0 ? NextOverdue(cpu, now) : null;
        GroupNode node = _root;
        _until = long.MaxValue;
        int vcpu = -1;
        while (vcpu < 0)
        {
            PickResult pick = node.Policy.Pick(cpu, now);
            if (pick.VCpu < 0 && node == _root && overdue is not null)
            {
                Only(overdue, -1);
                overdue = null;
                pick = node.Policy.Pick(cpu, now);
            }

            if (pick.VCpu < 0)
            {
                if (node != _root)
                    throw new UnreachableException($"group '{node.Group!.Name}' was to have something for CPU {cpu}");
                _rootsNextEvent = pick.NextEvent;
                return -1;
            }

            _until = Math.Min(_until, pick.RunUntil);
            node.ReadyMembers--;
            node.ClearRefusal(pick.VCpu);
            GroupNode.Member member = node[pick.VCpu];
            vcpu = member.VCpu;
            if (member.Child is { } child)
            {
                child.SlotPicked(member.Slot, cpu);
                node = child;
            }
        }

        if (overdue is not null)
            Only(overdue, -1);
        node.CountReady(Parameters(vcpu).Affinity, -1);
        _places[vcpu].Runs = true;
        if (_gangs is not null)
            _until = _gangs.RunsUntil(_until);
        TakeFromLimits(node, cpu, _gangs?.MostCpus(vcpu) ?? 1, now);
        return vcpu;
    }

    protected override void Charge(int vcpu, long used, long now) => _places[vcpu].Used += used;

    protected override long Quantum(int vcpu, long now) => _until - now;

    protected override long NextEvent(long now)
        => Math.Max(now + 1, Math.Min(_rootsNextEvent, _releases.Count > 0 ? _releases.FirstKey : long.MaxValue));

    protected override RemovalToken Removed(int vcpu, long now)
    {
        ref Place place = ref _places[vcpu];
        RemovalToken token = Exit(vcpu, now);
        place = default;
        return token;
    }

    private static int InnerWeight(GroupNode node, int weight) => node.Scaled(weight);

    private SchedulingParameters Inner(GroupNode node, in SchedulingParameters parameters)
        => parameters with { Weight = InnerWeight(node, parameters.Weight), Cap = default, Group = null };

    private Policy Make(string policy, bool usesOne)
    {
        Policy made = Schedulers.Make(policy, _cpus, _slice, (ulong)++_serial, usesOne);
        made.WeightLimit = MostInnerWeight;
        return made;
    }

    private GroupNode NodeOf(SchedulingGroup? group, CpuSet affinity, long now)
    {
        if (group is null)
            return _root;
        if (_nodes.TryGetValue(group, out GroupNode? node))
            return node;
        group.Validate(_cpus);
        if (group.Depth >= DeepestGroup)
            throw new HypervisorException($"Group '{group.Name}' lies in {group.Depth} others; the deepest lies in {DeepestGroup - 1}.");
        string inside = group.Inside ?? _inside;
        string kind = inside.StartsWith(Schedulers.PartitionedPrefix, StringComparison.Ordinal) ? inside[Schedulers.PartitionedPrefix.Length..] : inside;
        if (!Schedulers.Names.Contains(kind) || Schedulers.GivesTime(kind))
            throw new HypervisorException($"Group '{group.Name}' is to follow '{inside}' inside; a group follows a policy of shares or turns: eevdf, stride, sfq, credit2, lottery or round-robin.");
        GroupNode parent = NodeOf(group.Parent, affinity, now);
        try
        {
            Admit(group, parent);
            int number = -1;
            if (!group.Limit.IsNone)
            {
                number = _limited.IndexOf(null);
                if (number < 0)
                {
                    number = _limited.Count;
                    _limited.Add(null);
                }
            }

            node = new GroupNode(group, parent, Make(inside, usesOne: _root.Policy.GivesTime), number, _cpus, _gangs) { Refusals = _refusals, Now = _root.Now };
            if (_rests.TryGetValue(group, out GroupNode.Rest? rest))
                node.Restore(rest);
            if (parent.Policy.GivesTime)
                node.MakeOnlySlot(affinity, now);
        }
        catch (HypervisorException)
        {
            Drop(parent, now);
            throw;
        }

        if (node.HasLimit)
        {
            _limited[node.Number] = node;
            CheckLimit(node, now);
        }

        if (MayBeRaised(node))
            parent.Reserved.Add(node);
        _nodes.Add(group, node);
        parent.Users++;
        return node;
    }

    /// <summary>Forgets groups that nobody is in any more.</summary>
    private void Drop(GroupNode node, long now)
    {
        while (node.Parent is { } parent && node.Users == 0)
        {
            _rests.AddOrUpdate(node.Group!, node.Leave(now));
            if (node.HasLimit)
            {
                if (_releases.Contains(node.Number))
                    _releases.Remove(node.Number);
                _limited[node.Number] = null;
            }

            parent.Reserved.Remove(node);
            _nodes.Remove(node.Group!);
            parent.Users--;
            node = parent;
        }
    }

    private void BecameReady(int vcpu, GroupNode node, CpuSet affinity, long now)
    {
        node.ReadyMembers++;
        node.CountReady(affinity, 1);
        Arrange(node, now);
    }

    /// <summary>Has as many slots ready as there should be, here and above.</summary>
    private void Arrange(GroupNode start, long now)
    {
        for (GroupNode node = start; node.Parent is { } parent; node = parent)
        {
            int missing = node.MissingSlots;
            if (missing == 0)
                return;
            bool wasActive = node.IsActive;
            for (; missing > 0; missing--)
                _wishes = new CpuSet(_wishes.Bits | node.WakeSlot(now).Bits);
            for (; missing < 0; missing++)
                node.SleepSlot(now);
            NoteActivity(node, wasActive, now);
        }
    }

    /// <summary>The group of one that was refused for too long and may run on this CPU, with the way there the only one; null for none.</summary>
    private GroupNode? NextOverdue(int cpu, long now)
    {
        while (_refusals.TryPeek(out (GroupNode Node, int Member, long Since) first))
        {
            (GroupNode node, int member, long since) = first;
            bool isWaiting = node[member].IsRefused && node.Policy.IsReady(member);
            for (GroupNode each = node; isWaiting && each.Parent is not null; each = each.Parent)
                isWaiting = each.ReadySlots != 0;
            if (isWaiting && (now - since < LongestRefusal * _slice || !MayRunIn(node, member, cpu)))
                return null;
            _refusals.Dequeue();
            node.ClearRefusal(member);
            if (!isWaiting)
                continue;
            Only(node, member);
            return node;
        }

        return null;
    }

    private bool MayRunIn(GroupNode node, int member, int cpu)
        => node[member].Child is null ? Parameters(node[member].VCpu).Affinity.Contains(cpu) : node.MayRun(member, cpu);

    /// <summary>Has picks come to one member of a group only, or to all again.</summary>
    private static void Only(GroupNode node, int member)
    {
        node.OnlyMember = member;
        for (GroupNode each = node; each.Parent is { } parent; each = parent)
            parent.OnlyChild = member >= 0 ? each : null;
    }

    private void NoLongerReady(int vcpu, GroupNode node, long now)
    {
        node.ReadyMembers--;
        node.CountReady(Parameters(vcpu).Affinity, -1);
        Arrange(node, now);
    }

    /// <summary>What is active in a group uses so many more CPUs at once, or the group has other slots: what that makes of it above.</summary>
    private void Widen(GroupNode start, int change, long now)
    {
        if (_gangs is null)
            return;
        for (GroupNode node = start; ; node = node.Parent)
        {
            node.Width += change;
            if (node.Parent is null)
                return;
            int before = node.SlotWidths;
            node.SpreadWidth(now);
            change = node.SlotWidths - before;
            if (change == 0)
                return;
        }
    }

    private void NoteActivity(GroupNode node, bool wasActive, long now)
    {
        Widen(node, 0, now);
        if (node.IsActive != wasActive)
            ChangeActiveWeight(node.Parent!, wasActive ? -node.Group!.Weight : node.Group!.Weight, now);
    }

    private void ChangeActiveWeight(GroupNode node, long change, long now)
    {
        node.ActiveWeight += change;
        if (node.Reserved.Count > 0)
            Raise(node, now);
    }

    /// <summary>One that ran leaves its CPU, and so do the slots that it ran in.</summary>
    private void Stop(int vcpu, StopReason reason, long now)
    {
        ref Place place = ref _places[vcpu];
        int cpu = CpuOf(vcpu);
        long used = place.Used;
        place.Used = 0;
        place.Runs = false;
        GroupNode node = place.Node;
        int favoured = Favoured(cpu);
        int yieldTo = favoured >= 0 && IsKnown(favoured) && _places[favoured].Node == node ? _places[favoured].Member : -1;
        if (reason == StopReason.Blocked)
        {
            node.Policy.Stopped(cpu, place.Member, used, reason, yieldTo, now);
        }
        else
        {
            // A yield is to others of the group, while there are any.
            bool yieldsInside = reason == StopReason.Yielded && node.ReadyMembers > 0;
            node.Policy.Stopped(cpu, place.Member, used, reason, yieldTo, now);
            node.ReadyMembers++;
            node.CountReady(Parameters(vcpu).Affinity, 1);
            reason = yieldsInside ? StopReason.Preempted : reason;
        }

        StopReason above = reason == StopReason.Blocked ? StopReason.Preempted : reason;
        for (; node.Parent is { } parent; node = parent)
        {
            bool wasActive = node.IsActive;
            if (node.HasLimit)
                node.Return(cpu, used);
            node.SlotStopped(cpu, used, above, now);
            NoteActivity(node, wasActive, now);
            if (node.HasLimit)
                CheckLimit(node, now);
            Arrange(node, now);
        }
    }
}
