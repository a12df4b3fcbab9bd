using System.Numerics;

namespace Hypervisor.Core.Scheduling;

/// <summary>
/// A group in <see cref="Grouped"/>, or the root: a policy over its members, which are vCPUs and slots of the groups in it, and its
/// own slots in its parent's policy.
/// </summary>
internal sealed class GroupNode : IRunFilter
{
    public const int MostSlots = 64;

    private readonly int _cpus;
    private readonly ulong _cpuMask;
    private readonly Stack<int> _freeMembers = new();
    private readonly int[] _slotMembers;
    private readonly int[] _slotWeights;
    private readonly int[] _slotOn;
    private readonly long[] _granted;
    private readonly long[] _grantPeriods;
    private Member[] _members = new Member[4];
    private int _memberCount;
    private readonly IGangFilter? _gangs;
    private ulong _common = ulong.MaxValue;
    private long _owed;
    private int _unrestricted;
    private int[]? _restricted;

    public GroupNode(SchedulingGroup? group, GroupNode? parent, Policy policy, int number, int cpus, IGangFilter? gangs)
    {
        _gangs = gangs;
        if (cpus > 1)
            policy.Filter = this;
        Group = group;
        Parent = parent;
        Policy = policy;
        Number = number;
        _cpus = cpus;
        _cpuMask = CpuSet.First(cpus).Bits;
        _slotMembers = new int[parent is null ? 0 : parent.SlotsForChildren];
        Array.Fill(_slotMembers, -1);
        _slotWeights = new int[_slotMembers.Length];
        _slotOn = new int[cpus];
        Array.Fill(_slotOn, -1);
        _granted = new long[group is null || group.Limit.IsNone ? 0 : cpus];
        _grantPeriods = new long[_granted.Length];
        LimitLeft = group?.Limit.Budget ?? 0;
    }

    /// <summary>Who is behind a number in the policy: a vCPU, or a slot of a group.</summary>
    public struct Member
    {
        public int VCpu;
        public GroupNode? Child;
        public int Slot;
        public bool IsRefused;
    }

    public SchedulingGroup? Group { get; }

    public GroupNode? Parent { get; }

    public Policy Policy { get; }

    public int Number { get; }

    /// <summary>vCPUs and groups in it, whether they run or not.</summary>
    public int Users { get; set; }

    /// <summary>Members that are ready in its policy.</summary>
    public int ReadyMembers { get; set; }

    /// <summary>The weights of members that are ready or run, by their own words.</summary>
    public long ActiveWeight { get; set; }

    /// <summary>Its slots that are ready in the parent's policy, and those that run; bits by number.</summary>
    public ulong ReadySlots { get; private set; }

    public ulong RunningSlots { get; private set; }

    public bool IsActive => (ReadySlots | RunningSlots) != 0;

    /// <summary>Whether its limit keeps what is ready in it from running.</summary>
    public bool IsExhausted { get; private set; }

    public bool HasLimit => _granted.Length != 0;

    public long LimitLeft { get; private set; }

    public long LimitPeriod { get; private set; }

    /// <summary>Groups in it that were promised something, and how much together.</summary>
    public List<GroupNode> Reserved { get; } = [];

    /// <summary>The weight that counts in place of its own, so that what it was promised comes out; 0 for its own.</summary>
    public int RaisedWeight { get; set; }

    public bool IsRaised { get; set; }

    /// <summary>How many CPUs a group in it may use at once: policies that give time rather than shares have one server, or window, for it.</summary>
    public int SlotsForChildren => Policy.GivesTime ? 1 : _cpus;

    public ref readonly Member this[int member] => ref _members[member];

    /// <summary>How many CPUs its active members use at once together, and how many its slots count for in the parent's policy; followed for gangs only.</summary>
    public int Width { get; set; }

    public int SlotWidths { get; private set; }

    /// <summary>Whether a vCPU, or something ready in a group, may run on a CPU.</summary>
    public bool MayRun(int member, int cpu)
    {
        GroupNode? child = _members[member].Child;
        if ((OnlyChild is not null && child != OnlyChild) || (OnlyMember >= 0 && member != OnlyMember))
            return false;
        if (_gangs is null)
            return child is null || child.HasReadyFor(cpu);
        if (child is null)
            return _gangs.MayRun(_members[member].VCpu, cpu);

        // Which gangs fit changes with every one that is taken: they are looked through.
        for (int each = 0; each < child._memberCount; each++)
        {
            if (child.Policy.IsReady(each) && (child._members[each].Child is null ? _gangs.Fits(child._members[each].VCpu) : child.MayRun(each, cpu)))
                return true;
        }

        return false;
    }

    /// <summary>Divides the CPUs that its members use among its slots.</summary>
    public void SpreadWidth(long now)
    {
        ulong used = ReadySlots | RunningSlots;
        int slots = BitOperations.PopCount(used);
        int each = slots == 0 ? 0 : Math.Clamp((Width + slots - 1) / slots, 1, _cpus);
        SlotWidths = each * slots;
        for (ulong rest = used; rest != 0; rest &= rest - 1)
            Parent!.Policy.SetWidth(_slotMembers[BitOperations.TrailingZeroCount(rest)], each, now);
    }

    /// <summary>A member that was the next here and may not run on the CPU that picked.</summary>
    public void Refused(int member)
    {
        if (_gangs is not null || Parent is null || _members[member].IsRefused || OnlyMember >= 0 || OnlyChild is not null)
            return;
        _members[member].IsRefused = true;
        Refusals!.Enqueue((this, member, Now()));
    }

    /// <summary>Where refusals are noted.</summary>
    public required Queue<(GroupNode Node, int Member, long Since)>? Refusals { get; init; }

    public required Func<long> Now { get; init; }

    /// <summary>The one that a pick is to come to, while it is made; else null and -1.</summary>
    public GroupNode? OnlyChild { get; set; }

    public int OnlyMember { get; set; } = -1;

    public void ClearRefusal(int member) => _members[member].IsRefused = false;

    public int AddMember(Member member)
    {
        if (!_freeMembers.TryPop(out int number))
        {
            number = _memberCount++;
            if (number == _members.Length)
                Array.Resize(ref _members, number * 2);
        }

        _members[number] = member;
        return number;
    }

    public void RemoveMember(int member) => _freeMembers.Push(member);

    /// <summary>Counts vCPUs that are ready, for the CPUs they may use, here and in all groups above that this one's limit lets see them.</summary>
    public void CountReady(CpuSet affinity, int change)
    {
        ulong allowed = affinity.Bits & _cpuMask;
        for (GroupNode? node = this; node is not null; node = node.IsExhausted ? null : node.Parent)
            node.Count(allowed, change);
    }

    public void SetExhausted(bool value)
    {
        if (IsExhausted == value)
            return;
        IsExhausted = value;
        int sign = value ? -1 : 1;
        for (GroupNode? node = Parent; node is not null; node = node.IsExhausted ? null : node.Parent)
        {
            node._unrestricted += sign * _unrestricted;
            for (int cpu = 0; _restricted is not null && cpu < _cpus; cpu++)
                node.Restricted[cpu] += sign * _restricted[cpu];
        }
    }

    /// <summary>How many more slots should be ready than are.</summary>
    public int MissingSlots
        => (IsExhausted ? 0 : Math.Min(_slotMembers.Length - BitOperations.PopCount(RunningSlots), ReadyMembers)) - BitOperations.PopCount(ReadySlots);

    /// <summary>A slot that sleeps becomes ready.</summary>
    /// <returns>What the parent's policy wishes.</returns>
    public CpuSet WakeSlot(long now)
    {
        ulong used = ReadySlots | RunningSlots;
        int slot = BitOperations.TrailingZeroCount(~used);
        ReadySlots |= 1UL << slot;
        Reweigh(now);
        Parent!.ReadyMembers++;
        return Parent.Policy.Ready(_slotMembers[slot], ReadyReason.Woken, now);
    }

    /// <summary>A ready slot goes to sleep: it leaves the parent's policy and comes back with what it was owed.</summary>
    public void SleepSlot(long now)
    {
        int slot = BitOperations.Log2(ReadySlots);
        ReadySlots &= ~(1UL << slot);
        Parent!.ReadyMembers--;
        Parent.Policy.Sleep(_slotMembers[slot], now);
        Reweigh(now);
    }

    public void SlotPicked(int slot, int cpu)
    {
        ReadySlots &= ~(1UL << slot);
        RunningSlots |= 1UL << slot;
        _slotOn[cpu] = slot;
    }

    /// <summary>The slot that ran on a CPU leaves it, and stays ready where more should be.</summary>
    public void SlotStopped(int cpu, long used, StopReason reason, long now)
    {
        int slot = _slotOn[cpu];
        _slotOn[cpu] = -1;
        RunningSlots &= ~(1UL << slot);
        bool stays = MissingSlots > 0;
        Parent!.Policy.Stopped(cpu, _slotMembers[slot], used, stays ? reason : StopReason.Blocked, -1, now);
        if (stays)
        {
            ReadySlots |= 1UL << slot;
            Parent.ReadyMembers++;
        }
        else
        {
            Reweigh(now);
        }
    }

    /// <summary>Gives each slot in use its part of the weight.</summary>
    public void Reweigh(long now)
    {
        ulong used = ReadySlots | RunningSlots;
        if (used == 0)
            return;
        int weight = RaisedWeight > 0 ? RaisedWeight : Parent!.Scaled(Group!.Weight);
        (int each, int over) = Math.DivRem(weight, BitOperations.PopCount(used));
        for (ulong rest = used; rest != 0; rest &= rest - 1)
        {
            int slot = BitOperations.TrailingZeroCount(rest);
            int share = Math.Max(1, each + (over-- > 0 ? 1 : 0));
            if (_slotMembers[slot] < 0)
                _slotMembers[slot] = Parent!.AddMember(new Member { VCpu = -1, Child = this, Slot = slot });
            else if (_slotWeights[slot] == share)
                continue;
            _slotWeights[slot] = share;
            Parent!.Policy.Set(_slotMembers[slot], SlotParameters(share), now, new RemovalToken(_owed));
            _owed = 0;
        }
    }

    /// <summary>Makes the one slot of a group whose parent's policy gives time: it is admitted or refused before anything runs.</summary>
    public void MakeOnlySlot(CpuSet affinity, long now)
    {
        int member = Parent!.AddMember(new Member { VCpu = -1, Child = this, Slot = 0 });
        int weight = Parent.Scaled(Group!.Weight);
        _common = affinity.Bits & _cpuMask;
        try
        {
            Parent.Policy.Set(member, SlotParameters(weight), now);
        }
        catch (HypervisorException refusal)
        {
            Parent.RemoveMember(member);
            throw new HypervisorException($"Group '{Group.Name}' is not admitted: {refusal.Message}", refusal);
        }

        _slotMembers[0] = member;
        _slotWeights[0] = weight;
    }

    /// <summary>Its only slot may use these CPUs from now on, which all in it may use.</summary>
    /// <exception cref="HypervisorException">There are none, or the parent's policy refuses them.</exception>
    public void BindTo(ulong common, long now)
    {
        if (common == _common)
            return;
        if (common == 0)
            throw new HypervisorException($"Under '{Parent!.Policy.Name}' group '{Group!.Name}' uses one CPU at a time; give all vCPUs in it a CPU in common.");
        ulong before = _common;
        _common = common;
        try
        {
            Parent!.Policy.Set(_slotMembers[0], SlotParameters(_slotWeights[0]), now);
        }
        catch (HypervisorException)
        {
            _common = before;
            throw;
        }
    }

    /// <summary>CPUs that all in it may use, where it uses one at a time.</summary>
    public ulong Common => _common;

    /// <summary>Room for weights to be divided among slots: none is needed with one CPU.</summary>
    public int Scaled(int weight) => _cpus == 1 ? weight : weight * MostSlots;

    /// <summary>Takes its slots out of the parent's policy.</summary>
    /// <returns>What it is owed, and what is left of its limit, should it come back.</returns>
    public Rest Leave(long now)
    {
        long lag = 0;
        foreach (int member in _slotMembers)
        {
            if (member < 0)
                continue;
            lag += Parent!.Policy.Remove(member, now).Lag;
            Parent.RemoveMember(member);
        }

        return new Rest(lag, LimitLeft, LimitPeriod);
    }

    /// <summary>What a group leaves behind with its last vCPU.</summary>
    public sealed record Rest(long Lag, long LimitLeft, long LimitPeriod);

    /// <summary>It was here before.</summary>
    public void Restore(Rest rest)
    {
        _owed = rest.Lag;
        LimitLeft = rest.LimitLeft;
        LimitPeriod = rest.LimitPeriod;
    }

    /// <summary>Begins the period of the limit that a moment lies in.</summary>
    public void Refill(long now)
    {
        Bandwidth limit = Group!.Limit;
        long period = now / limit.Period;
        if (period <= LimitPeriod)
            return;
        LimitLeft = (long)Int128.Min(limit.Budget, LimitLeft + ((Int128)(period - LimitPeriod) * limit.Budget));
        LimitPeriod = period;
    }

    /// <summary>How long a member may run within the limit on so many CPUs.</summary>
    public long Grantable(int cpus, long now) => Math.Max(1, Math.Min(LimitLeft / cpus, ((LimitPeriod + 1) * Group!.Limit.Period) - now));

    public void Grant(int cpu, long time)
    {
        LimitLeft -= time;
        _granted[cpu] = time;
        _grantPeriods[cpu] = LimitPeriod;
    }

    /// <summary>What was not used comes back, unless its period is over; what was used beyond it is owed.</summary>
    public void Return(int cpu, long used)
    {
        long rest = _granted[cpu] - used;
        _granted[cpu] = 0;
        if (rest < 0 || _grantPeriods[cpu] == LimitPeriod)
            LimitLeft = Math.Min(Group!.Limit.Budget, LimitLeft + rest);
    }

    /// <summary>When the limit next leaves something.</summary>
    public long NextRelease => checked((LimitPeriod + (Math.Max(0, -LimitLeft) / Group!.Limit.Budget) + 1) * Group.Limit.Period);

    private int[] Restricted => _restricted ??= new int[_cpus];

    private SchedulingParameters SlotParameters(int weight) => new(weight, Group!.SliceNanoseconds, new CpuSet(_common))
    {
        Reservation = Parent!.Policy.GivesTime ? Group.Reservation : default,
    };

    private bool HasReadyFor(int cpu) => _unrestricted > 0 || (_restricted is not null && _restricted[cpu] > 0);

    private void Count(ulong allowed, int change)
    {
        if (allowed == _cpuMask)
        {
            _unrestricted += change;
            return;
        }

        for (; allowed != 0; allowed &= allowed - 1)
            Restricted[BitOperations.TrailingZeroCount(allowed)] += change;
    }
}
