using System.Numerics;

namespace Hypervisor.Core.Scheduling;

/// <summary>
/// Gang scheduling around any policy of shares or turns (after Ousterhout, "Scheduling Techniques for Concurrent Systems", ICDCS 1982):
/// the ready vCPUs of a group, a machine's say, are dispatched together, each on a CPU of its own, so that none spins for one that does
/// not run.
/// </summary>
/// <remarks>
/// <para>Time goes in rounds of a slice. When one begins the inner policy names gangs in its order as long as they fit into the CPUs left,
/// affinities kept by a bipartite matching; those that do not fit are passed over in that order, the first is never refused, and one that was
/// next and did not fit for sixteen slices begins a round, so that none waits for ever. A gang larger than all CPUs runs as many as fit, by turns. All of a round begin at one moment and end at one.
/// CPUs that are left take gangs that wake and fit, until the round ends; who wakes in a gang that runs joins it where a CPU is free.</para>
/// <para>A CPU kept for a gang's vCPU that went to sleep stays idle to the round's end, and others idle where no gang fits: that is the
/// exception to work conservation. A gang is charged for the CPUs it was given for the time it had them. A vCPU in no group is a gang of
/// one.</para>
/// <para>In groups the gang is the group that a vCPU names, and what that lies in are groups around gangs: <see cref="Grouped"/> over the
/// inner policy, with gangs for its vCPUs; beside groups that lie in its own, a gang has the default weight. A limit is then of the CPU time that gangs were given; a gang whose limit leaves it less than a
/// round leaves before the round ends. Weights that a gang, or the gangs of a group, could not use up count as what they can.</para>
/// </remarks>
internal sealed class Gang : Policy, IGangFilter
{
    private const int LongestRefusal = 16;

    private readonly int _cpus;
    private readonly string _name;
    private readonly Policy _policy;
    private readonly Dictionary<SchedulingGroup, Team> _groups = [];
    private readonly List<Team?> _teams = [];
    private readonly Stack<int> _freeTeams = new();

    // Of the round: whom each CPU is kept for, or -1; and which teams run, by the CPU as which the inner policy knows them.
    private readonly int[] _kept;
    private readonly int[] _match;
    private readonly List<int> _order = [];
    private readonly Team?[] _running;
    private Team?[] _ofVCpu = [];
    private long _end;
    private long _innerNextEvent = long.MaxValue;
    private readonly bool _inGroups;

    // Teams that were next and did not fit, and since when; and the one that a round begins with because it was refused for too long. Beside
    // a group whose other gangs fit, it might never be the first of all by itself.
    private readonly Queue<(Team Team, long Since)> _refused = new();
    private readonly long _longestRefusal;
    private Team? _overdue;
    private long _now;
    private bool _isNewRound;

    // No team that runs ends before.
    private long _firstEnd = long.MaxValue;

    private sealed class Team(int number, SchedulingGroup? group)
    {
        public readonly int Number = number;
        public readonly SchedulingGroup? Group = group;

        // Those that are ready or run, the one that waits longest first; and how many vCPUs there are in all.
        public readonly List<int> Active = [];
        public int Users;
        public int Slot = -1;
        public bool IsRefused;
        public long Since;
        public long End;
        public int Given;

        // How many CPUs it may be given in this run: for so many its limit has room.
        public int Most;
        public long Owes;
    }

    public Gang(string policy, int cpus, long slice, bool inGroups)
        : base(cpus, slice)
    {
        _cpus = cpus;
        _inGroups = inGroups;
        _longestRefusal = LongestRefusal * slice;
        _name = Schedulers.GangPrefix + policy;
        if (Schedulers.Names.Contains(policy) && Schedulers.GivesTime(policy))
            throw new HypervisorException($"Gangs cannot follow '{policy}', which gives time instead of shares or turns.");
        if (policy.Contains(':', StringComparison.Ordinal))
            throw new HypervisorException($"Gangs cannot follow '{policy}': they need all CPUs under one policy.");
        _policy = inGroups ? new Grouped(policy, cpus, slice, this) : Schedulers.Make(policy, cpus, slice, seed: 1);
        if (!inGroups)
            _policy.Filter = this;
        _kept = new int[cpus];
        _match = new int[cpus];
        Array.Fill(_kept, -1);
        _running = new Team?[cpus];
    }

    public override string Name => _name;

    protected override bool KnowsGroups => true;

    protected override bool HandsYieldsOn => true;

    /// <summary>Whether a team fits into the CPUs that are left.</summary>
    bool IRunFilter.MayRun(int number, int cpu)
    {
        Team team = _teams[number]!;
        if (Fits(number))
            return true;
        if (_overdue is null && !team.IsRefused)
        {
            team.IsRefused = true;
            _refused.Enqueue((team, _now));
        }

        return false;
    }

    bool IGangFilter.Fits(int vcpu) => Fits(vcpu);

    private bool Fits(int number)
    {
        Team team = _teams[number]!;
        if (_overdue is not null)
            return team == _overdue;
        ulong free = FreeCpus;
        ulong all = CpuSet.First(_cpus).Bits;
        return free == all || Match(team, free) == Match(team, all);
    }

    long IGangFilter.RunsUntil(long until) => _isNewRound ? until : _end;

    int IGangFilter.MostCpus(int team) => Math.Min(_cpus, _teams[team]!.Users);

    protected override void Check(int vcpu, in SchedulingParameters parameters, bool isNew, RemovalToken arriving, long now)
    {
        if (!isNew && parameters.Group != Parameters(vcpu).Group)
            throw new HypervisorException($"vCPU {vcpu} is to change its gang; a vCPU stays in the gang it began in.");
        parameters.Group?.Validate(_cpus);
        if (!_inGroups && parameters.Group is { } alone && (alone.Parent is not null || !alone.Limit.IsNone || !alone.Reservation.IsNone))
            throw new HypervisorException($"Group '{alone.Name}' lies in another or has a limit or a reservation; this '{Name}' was made without groups around its gangs.");
        Reserve(Math.Max(vcpu + 1, _ofVCpu.Length));
        Team? team = isNew ? null : _ofVCpu[vcpu];
        bool isFirst = isNew && (parameters.Group is null || !_groups.TryGetValue(parameters.Group, out team));
        if (isFirst)
        {
            int number = _freeTeams.TryPeek(out int free) ? free : _teams.Count;
            team = new Team(number, parameters.Group);
        }

        // What is refused leaves nothing behind.
        SchedulingGroup? group = parameters.Group;
        var ofTeam = new SchedulingParameters(group is null ? parameters.Weight : _inGroups ? SchedulingParameters.Default.Weight : group.Weight, group?.SliceNanoseconds ?? parameters.SliceNanoseconds, CpuSet.All)
        {
            Group = _inGroups ? group : null,
        };
        _policy.Set(team!.Number, in ofTeam, now, isFirst ? new RemovalToken(arriving.Lag) : default);
        if (isFirst)
        {
            if (_freeTeams.TryPop(out _))
                _teams[team.Number] = team;
            else
                _teams.Add(team);
            if (group is not null)
                _groups.Add(group, team);
        }

        team.Users += isNew ? 1 : 0;
        _ofVCpu[vcpu] = team;
    }

    protected override void Reserve(int capacity)
    {
        if (capacity > _ofVCpu.Length)
            Array.Resize(ref _ofVCpu, capacity);
    }

    protected override void Added(int vcpu, RemovalToken arriving, long now)
    {
    }

    protected override void Changed(int vcpu, in SchedulingParameters old, long now)
    {
        int cpu = Array.IndexOf(_kept, vcpu);
        if (cpu < 0 || !IsReady(vcpu) || MayRunHere(vcpu, cpu))
            return;
        Release(_ofVCpu[vcpu]!, cpu, now);
        Keep(_ofVCpu[vcpu]!, now);
    }

    protected override void Join(int vcpu, long now)
    {
        Team team = _ofVCpu[vcpu]!;
        team.Active.Add(vcpu);
        NoteWidth(team, now);
        if (team.Slot < 0)
        {
            if (team.Active.Count == 1)
                _policy.Ready(team.Number, ReadyReason.Woken, now);
        }
        else if (now < team.End && !IsKept(vcpu))
        {
            Keep(team, now);
        }
    }

    private void NoteWidth(Team team, long now) => _policy.SetWidth(team.Number, Math.Clamp(team.Active.Count, 1, _cpus), now);

    protected override void Requeue(int vcpu, StopReason reason, long now)
    {
        Team team = _ofVCpu[vcpu]!;
        int cpu = CpuOf(vcpu);
        if (_kept[cpu] != vcpu)
            return;
        if (!MayRunHere(vcpu, cpu))
        {
            Release(team, cpu, now);
            Keep(team, now);
        }
        else if (reason == StopReason.Yielded)
        {
            // To the one it names, or any other of its gang, that has no CPU.
            int other = Favoured(cpu);
            if (other < 0 || !IsKnown(other) || _ofVCpu[other] != team || !CanTake(other, cpu))
                other = FirstToTake(team, cpu);
            _kept[cpu] = other < 0 ? vcpu : other;
        }
    }

    private int FirstToTake(Team team, int cpu)
    {
        foreach (int vcpu in team.Active)
        {
            if (CanTake(vcpu, cpu))
                return vcpu;
        }

        return -1;
    }

    private bool CanTake(int vcpu, int cpu) => IsReady(vcpu) && !IsKept(vcpu) && MayRunHere(vcpu, cpu);

    protected override void Dequeue(int vcpu)
    {
    }

    protected override void Leave(int vcpu, long now)
    {
        Team team = _ofVCpu[vcpu]!;
        team.Active.Remove(vcpu);
        NoteWidth(team, now);
        if (team.Active.Count > 0)
        {
            // Its CPU stays its own to the end of the round, unless another of the gang has none.
            int cpu = Array.IndexOf(_kept, vcpu);
            if (cpu >= 0 && FirstToTake(team, cpu) >= 0)
            {
                Release(team, cpu, now);
                Keep(team, now);
            }

            return;
        }

        if (team.Slot < 0)
            _policy.Sleep(team.Number, now);
        else
            Finish(team, now);
    }

    protected override int Choose(int cpu, long now)
    {
        if (now >= _firstEnd)
        {
            _firstEnd = long.MaxValue;
            foreach (Team? team in _running)
            {
                if (team is not null && now >= team.End)
                    Finish(team, now);
                else if (team is not null)
                    _firstEnd = Math.Min(_firstEnd, team.End);
            }
        }

        int kept = _kept[cpu];
        if (kept < 0 || !IsReady(kept))
        {
            Fill(now);
            kept = _kept[cpu];
        }

        return kept >= 0 && IsReady(kept) && MayRunHere(kept, cpu) ? kept : -1;
    }

    protected override void Charge(int vcpu, long used, long now)
    {
    }

    protected override long Quantum(int vcpu, long now) => Math.Max(1, _ofVCpu[vcpu]!.End - now);

    protected override long NextEvent(long now)
    {
        long next = _innerNextEvent;
        foreach (Team? team in _running)
        {
            if (team is not null)
                next = Math.Min(next, team.End);
        }

        return next == long.MaxValue ? next : Math.Max(now + 1, next);
    }

    protected override RemovalToken Removed(int vcpu, long now)
    {
        Team team = _ofVCpu[vcpu]!;
        if (Array.IndexOf(_kept, vcpu) is >= 0 and int cpu)
            Release(team, cpu, now);
        _ofVCpu[vcpu] = null;
        if (--team.Users > 0)
            return default;
        _teams[team.Number] = null;
        _freeTeams.Push(team.Number);
        if (team.Group is not null)
            _groups.Remove(team.Group);
        return new RemovalToken(_policy.Remove(team.Number, now).Lag);
    }

    private bool MayRunHere(int vcpu, int cpu) => Parameters(vcpu).Affinity.Contains(cpu);

    /// <summary>Has the inner policy name teams for the CPUs that are left.</summary>
    private void Fill(long now)
    {
        _isNewRound = !Array.Exists(_running, team => team is not null);
        _innerNextEvent = long.MaxValue;
        _now = now;
        _overdue = _isNewRound ? NextOverdue(now) : null;
        for (int slot = 0; slot < _cpus; slot++)
        {
            if (_running[slot] is not null)
                continue;
            if (!Array.Exists(_kept, kept => kept < 0))
                return;
            PickResult pick = _policy.Pick(slot, now);
            if (_overdue is not null)
            {
                // Where its group's limit keeps it from running, the round begins with another.
                _overdue = null;
                if (pick.VCpu < 0)
                    pick = _policy.Pick(slot, now);
            }

            if (pick.VCpu < 0)
            {
                _innerNextEvent = pick.NextEvent;
                return;
            }

            Team team = _teams[pick.VCpu]!;
            team.Slot = slot;
            team.IsRefused = false;
            team.Since = now;
            team.Given = 0;
            team.Most = Math.Min(_cpus, team.Users);
            team.Owes = 0;
            _running[slot] = team;
            if (_isNewRound)
                _end = pick.RunUntil;
            _isNewRound = false;

            // Only a limit lets one leave before the round ends.
            team.End = _inGroups ? Math.Min(_end, pick.RunUntil) : _end;
            _firstEnd = Math.Min(_firstEnd, team.End);
            Keep(team, now);
        }
    }

    private Team? NextOverdue(long now)
    {
        while (_refused.TryPeek(out (Team Team, long Since) first) && now - first.Since >= _longestRefusal)
        {
            _refused.Dequeue();
            bool isWaiting = first.Team.IsRefused && first.Team.Active.Count > 0 && _teams[first.Team.Number] == first.Team;
            first.Team.IsRefused = false;
            if (isWaiting)
                return first.Team;
        }

        return null;
    }

    /// <summary>Keeps CPUs for those of a team that have none, as far as they go; the team pays for them from now on.</summary>
    private void Keep(Team team, long now)
    {
        Settle(team, now);
        Match(team, FreeCpus);
        for (int cpu = 0; cpu < _cpus; cpu++)
        {
            if (_match[cpu] < 0 || team.Given == team.Most)
                continue;
            _kept[cpu] = _match[cpu];
            team.Given++;
        }
    }

    /// <summary>A CPU is nobody's any more.</summary>
    private void Release(Team team, int cpu, long now)
    {
        Settle(team, now);
        _kept[cpu] = -1;
        team.Given--;
    }

    private static void Settle(Team team, long now)
    {
        team.Owes += Math.Max(0, now - team.Since) * team.Given;
        team.Since = now;
    }

    /// <summary>A team's run is over: at the end of its round, or because all of it sleeps.</summary>
    private void Finish(Team team, long now)
    {
        Settle(team, now);
        Rotate(team);
        for (int cpu = 0; cpu < _cpus; cpu++)
        {
            if (_kept[cpu] >= 0 && _ofVCpu[_kept[cpu]] == team)
                _kept[cpu] = -1;
        }

        int slot = team.Slot;
        team.Slot = -1;
        _running[slot] = null;
        if (now < _end)
            Unsettle();
        _policy.Stopped(slot, team.Number, team.Owes, team.Active.Count > 0 ? StopReason.Expired : StopReason.Blocked, -1, now);
    }

    /// <summary>Those that had a CPU come behind those that had none, for when not all fit.</summary>
    private void Rotate(Team team)
    {
        if (team.Active.Count <= 1)
            return;
        foreach (int vcpu in team.Active)
        {
            if (IsKept(vcpu))
                _order.Add(vcpu);
        }

        int place = 0;
        foreach (int vcpu in team.Active)
        {
            if (!IsKept(vcpu))
                _order.Insert(place++, vcpu);
        }

        team.Active.Clear();
        team.Active.AddRange(_order);
        _order.Clear();
    }

    private ulong FreeCpus
    {
        get
        {
            ulong free = 0;
            for (int cpu = 0; cpu < _cpus; cpu++)
                free |= _kept[cpu] < 0 ? 1UL << cpu : 0;
            return free;
        }
    }

    private bool IsKept(int vcpu) => Array.IndexOf(_kept, vcpu) >= 0;

    /// <summary>Finds CPUs of a set, one each, for as many as possible of a team that have none: a greatest bipartite matching by augmenting paths.</summary>
    private int Match(Team team, ulong free)
    {
        Array.Fill(_match, -1);
        int matched = 0;
        int cpus = BitOperations.PopCount(free);
        for (int i = 0; i < team.Active.Count && matched < cpus; i++)
        {
            ulong seen = 0;
            if ((team.Slot < 0 || !IsKept(team.Active[i])) && Augment(team.Active[i], free, ref seen))
                matched++;
        }

        return matched;
    }

    private bool Augment(int vcpu, ulong free, ref ulong seen)
    {
        // One that still runs, from the round before, can go on where it is and nowhere else.
        ulong allowed = IsRunning(vcpu) ? 1UL << CpuOf(vcpu) : Parameters(vcpu).Affinity.Bits;
        for (ulong rest = allowed & free & ~seen; rest != 0; rest = allowed & free & ~seen)
        {
            int cpu = BitOperations.TrailingZeroCount(rest);
            seen |= 1UL << cpu;
            if (_match[cpu] >= 0 && !Augment(_match[cpu], free, ref seen))
                continue;
            _match[cpu] = vcpu;
            return true;
        }

        return false;
    }
}
