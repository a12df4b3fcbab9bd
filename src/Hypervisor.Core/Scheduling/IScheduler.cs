namespace Hypervisor.Core.Scheduling;

/// <summary>
/// A scheduling policy: pure bookkeeping of who runs next. It reads no clock, starts no thread, and knows nothing of
/// instruction sets; the host loop tells it the time, in nanoseconds, and carries out what it answers. Calls come one at a
/// time and with times that never go back.
/// </summary>
/// <remarks>
/// Numbers of vCPUs are given by the caller, from 0 and densely. Asking for a vCPU that was never set, readying one that is
/// ready, or stopping one that does not run is a broken invariant of the caller: <see cref="System.Diagnostics.UnreachableException"/>.
/// </remarks>
public interface IScheduler
{
    /// <summary>The policy's name, as <see cref="Schedulers.Create"/> knows it.</summary>
    string Name { get; }

    /// <summary>Adds a vCPU, not ready, or changes the parameters of one; what it ran until now counts by the old ones.</summary>
    /// <param name="vcpu">Its number.</param>
    /// <param name="parameters">What the policy goes by from now on.</param>
    /// <param name="now">The time.</param>
    /// <param name="arriving">For a new one, what another domain's <see cref="Remove"/> gave it to take along.</param>
    /// <returns>The physical CPUs that should pick again: where affinity changed, one it must leave or those it may now use.</returns>
    /// <exception cref="HypervisorException">A parameter is out of its range.</exception>
    CpuSet Set(int vcpu, in SchedulingParameters parameters, long now, RemovalToken arriving = default);

    /// <summary>A vCPU wants to run.</summary>
    /// <returns>The physical CPUs that should pick again.</returns>
    CpuSet Ready(int vcpu, ReadyReason reason, long now);

    /// <summary>Chooses what a physical CPU that has stopped its vCPU runs next.</summary>
    PickResult Pick(int cpu, long now);

    /// <summary>The vCPU picked for a physical CPU left it.</summary>
    /// <param name="cpu">The physical CPU.</param>
    /// <param name="vcpu">Its vCPU.</param>
    /// <param name="used">Nanoseconds it ran, at least 0.</param>
    /// <param name="reason">Why it left; it stays ready unless it blocked.</param>
    /// <param name="yieldTo">With a directed yield, the vCPU to favour; else -1.</param>
    /// <param name="now">The time.</param>
    /// <returns>Other physical CPUs that should pick again.</returns>
    CpuSet Stopped(int cpu, int vcpu, long used, StopReason reason, int yieldTo, long now);

    /// <summary>Forgets a vCPU that is not running.</summary>
    /// <returns>What another domain's policy may give it back.</returns>
    RemovalToken Remove(int vcpu, long now);
}

/// <summary>Why a vCPU became ready.</summary>
public enum ReadyReason : byte
{
    /// <summary>It is new.</summary>
    Started,

    /// <summary>It slept and something arrived for it.</summary>
    Woken,
}

/// <summary>Why a vCPU left its physical CPU.</summary>
public enum StopReason : byte
{
    /// <summary>Its slice is used up.</summary>
    Expired,

    /// <summary>It was called out before its slice ended.</summary>
    Preempted,

    /// <summary>It sleeps: it is not ready any more.</summary>
    Blocked,

    /// <summary>It gave up the rest of its slice.</summary>
    Yielded,

    /// <summary>A cap took it off.</summary>
    Throttled,
}

/// <summary>What a policy goes by for one vCPU.</summary>
/// <param name="Weight">Its share relative to others, 1 to <see cref="MaximumWeight"/>.</param>
/// <param name="SliceNanoseconds">How long it runs at a time, 1000 to <see cref="MaximumSlice"/>; 0 for the policy's own.</param>
/// <param name="Affinity">The physical CPUs it may use; at least one must belong to the scheduling domain.</param>
public readonly record struct SchedulingParameters(int Weight, long SliceNanoseconds, CpuSet Affinity)
{
    /// <summary>The largest weight.</summary>
    public const int MaximumWeight = 1 << 20;

    /// <summary>The longest slice: an hour.</summary>
    public const long MaximumSlice = 3_600_000_000_000;

    /// <summary>The most it may use in each period, whatever is free; none where it is the default.</summary>
    public Bandwidth Cap { get; init; }

    /// <summary>What a reservation policy promises it in each period; others do without. None where it is the default.</summary>
    public Bandwidth Reservation { get; init; }

    /// <summary>The group it is in; null for none. Only policies made by <see cref="Schedulers.CreateGrouped"/> and gangs know groups.</summary>
    public SchedulingGroup? Group { get; init; }

    /// <summary>Weight 100, the policy's slice, any physical CPU.</summary>
    public static SchedulingParameters Default => new(100, 0, CpuSet.All);

    internal void Validate(int vcpu, int cpus, int mostWeight = MaximumWeight)
    {
        if (Weight < 1 || Weight > mostWeight)
            throw new HypervisorException($"vCPU {vcpu} has weight {Weight}; a weight lies between 1 and {MaximumWeight}.");
        if (SliceNanoseconds is < 0 or (> 0 and < 1000) or > MaximumSlice)
            throw new HypervisorException($"vCPU {vcpu} has a slice of {SliceNanoseconds} ns; a slice is 1000 ns to an hour, or 0 for the policy's own.");
        if ((Affinity.Bits & CpuSet.First(cpus).Bits) == 0)
            throw new HypervisorException($"vCPU {vcpu} may run on no physical CPU of this domain of {cpus}; give it at least one.");
        Cap.Validate(vcpu, "cap");
        Reservation.Validate(vcpu, "reservation");
    }
}

/// <summary>Time in every period.</summary>
/// <param name="Budget">Nanoseconds of it, at most the period; 0 for none.</param>
/// <param name="Period">The period in nanoseconds, 10 µs to an hour.</param>
public readonly record struct Bandwidth(long Budget, long Period)
{
    /// <summary>Whether there is none.</summary>
    public bool IsNone => Budget == 0 && Period == 0;

    internal void Validate(int vcpu, string what)
    {
        if (IsNone)
            return;
        if (Period is < 10_000 or > SchedulingParameters.MaximumSlice)
            throw new HypervisorException($"vCPU {vcpu} has a {what} with a period of {Period} ns; a period is 10 µs to an hour.");
        if (Budget < 1000 || Budget > Period)
            throw new HypervisorException($"vCPU {vcpu} has a {what} of {Budget} ns in {Period} ns; a vCPU uses 1 µs to the whole of one CPU.");
    }
}

/// <summary>A set of at most 64 physical CPUs.</summary>
/// <param name="Bits">Bit n stands for physical CPU n.</param>
public readonly record struct CpuSet(ulong Bits)
{
    /// <summary>No CPU.</summary>
    public static CpuSet None => default;

    /// <summary>Every CPU.</summary>
    public static CpuSet All => new(ulong.MaxValue);

    /// <summary>The first so many CPUs, 1 to 64.</summary>
    public static CpuSet First(int cpus) => new(ulong.MaxValue >> (64 - cpus));

    /// <summary>Whether no CPU is in it.</summary>
    public bool IsEmpty => Bits == 0;

    /// <summary>A set of one.</summary>
    public static CpuSet Of(int cpu) => new(1UL << cpu);

    /// <summary>Whether a CPU is in it.</summary>
    public bool Contains(int cpu) => (Bits >> cpu & 1) != 0;
}

/// <summary>What a physical CPU does next.</summary>
/// <param name="VCpu">The vCPU to run, or -1 to idle.</param>
/// <param name="RunUntil">When its slice ends.</param>
/// <param name="NextEvent">When an idle CPU should pick again at the latest; <see cref="long.MaxValue"/> for not before it is kicked.</param>
public readonly record struct PickResult(int VCpu, long RunUntil, long NextEvent)
{
    /// <summary>Nothing to run.</summary>
    public static PickResult Idle => new(-1, 0, long.MaxValue);
}

/// <summary>What a vCPU takes along when it leaves a scheduling domain: what it was owed, in a form any policy can use.</summary>
/// <param name="Lag">Nanoseconds of service it was owed (positive) or ahead (negative).</param>
public readonly record struct RemovalToken(long Lag)
{
    /// <summary>The period of its cap that it was in, and what it used of that.</summary>
    internal long CapPeriod { get; init; }

    internal long CapUsed { get; init; }
}

/// <summary>The policies by name.</summary>
public static class Schedulers
{
    /// <summary>Before a name: a queue for each CPU, with stealing, as in <c>partitioned:eevdf</c>.</summary>
    public const string PartitionedPrefix = "partitioned:";

    /// <summary>Before the name of a policy of shares or turns: the vCPUs of a group run together, as in <c>gang:eevdf</c>.</summary>
    public const string GangPrefix = "gang:";

    /// <summary>The names that <see cref="Create"/> knows, alone or behind a prefix.</summary>
    public static IReadOnlyList<string> Names { get; } = (string[])["eevdf", "stride", "sfq", "credit2", "lottery", "round-robin", "reservation", "rtds", "cyclic"];

    /// <summary>Makes a policy that follows a table: see <see cref="CyclicWindow"/>. Gaps are idle.</summary>
    /// <param name="cpus">Physical CPUs, 1 to 64.</param>
    /// <param name="majorFrame">After how many nanoseconds the table begins again.</param>
    /// <param name="windows">The table.</param>
    /// <exception cref="HypervisorException">Windows overlap, on a CPU or for a vCPU, or lie outside the frame.</exception>
    public static IScheduler CreateCyclic(int cpus, long majorFrame, IReadOnlyList<CyclicWindow> windows)
    {
        if (cpus is < 1 or > 64)
            throw new HypervisorException($"{cpus} physical CPUs were asked for; a scheduling domain has 1 to 64.");
        return new Cyclic(cpus, majorFrame, majorFrame, windows);
    }

    /// <summary>Makes a policy whose vCPUs may be in groups (<see cref="SchedulingParameters.Group"/>).</summary>
    /// <param name="name">The policy among groups, and vCPUs in none: any that <see cref="Create"/> knows. Behind <see cref="GangPrefix"/> the group that a vCPU names is its gang, and groups lie around gangs.</param>
    /// <param name="cpus">Physical CPUs, 1 to 64.</param>
    /// <param name="sliceNanoseconds">The default slice.</param>
    /// <exception cref="HypervisorException">No such policy, or a number out of its range.</exception>
    public static IScheduler CreateGrouped(string name, int cpus, long sliceNanoseconds = 1_000_000)
    {
        Validate(cpus, sliceNanoseconds);
        return name.StartsWith(GangPrefix, StringComparison.Ordinal)
            ? new Gang(name[GangPrefix.Length..], cpus, sliceNanoseconds, inGroups: true)
            : new Grouped(name, cpus, sliceNanoseconds);
    }

    /// <summary>Makes a policy.</summary>
    /// <param name="name">One of <see cref="Names"/>, or one of them behind a prefix.</param>
    /// <param name="cpus">Physical CPUs, 1 to 64.</param>
    /// <param name="sliceNanoseconds">The default slice.</param>
    /// <exception cref="HypervisorException">No such policy, or a number out of its range.</exception>
    public static IScheduler Create(string name, int cpus, long sliceNanoseconds = 1_000_000)
    {
        Validate(cpus, sliceNanoseconds);
        return name.StartsWith(GangPrefix, StringComparison.Ordinal)
            ? new Gang(name[GangPrefix.Length..], cpus, sliceNanoseconds, inGroups: false)
            : Make(name, cpus, sliceNanoseconds, seed: 1);
    }

    /// <summary>Whether <see cref="Create"/> makes a policy of this name.</summary>
    public static bool IsKnown(string name)
        => name.StartsWith(PartitionedPrefix, StringComparison.Ordinal) ? HasName(name[PartitionedPrefix.Length..])
            : name.StartsWith(GangPrefix, StringComparison.Ordinal) ? HasName(name[GangPrefix.Length..]) && !GivesTime(name[GangPrefix.Length..])
            : HasName(name);

    private static bool HasName(string name)
    {
        foreach (string each in Names)
        {
            if (each == name)
                return true;
        }

        return false;
    }

    /// <summary>Whether a policy gives time at given moments instead of shares or turns, so that it serves neither gangs nor the inside of groups.</summary>
    internal static bool GivesTime(string name) => name is "reservation" or "rtds" or "cyclic";

    /// <param name="name">The policy.</param>
    /// <param name="cpus">CPUs on which its vCPUs may run.</param>
    /// <param name="slice">The default slice, in nanoseconds.</param>
    /// <param name="seed">For what is drawn by lot.</param>
    /// <param name="usesOne">Whether it has but one of these CPUs at any moment: then no weight is too large to be served.</param>
    internal static Policy Make(string name, int cpus, long slice, ulong seed, bool usesOne = false)
        => name == "eevdf" ? new Eevdf(cpus, slice, !usesOne) : MakeOther(name, cpus, slice, seed, usesOne);

    /// <summary>All but the commonest: a method of its own, so that who asks for that has the types of no other loaded.</summary>
    private static Policy MakeOther(string name, int cpus, long slice, ulong seed, bool usesOne) => name switch
    {
        _ when name.StartsWith(PartitionedPrefix, StringComparison.Ordinal) && !name.AsSpan(PartitionedPrefix.Length).Contains(':') => new Partitioned(name[PartitionedPrefix.Length..], cpus, slice, seed),
        "round-robin" => new RoundRobin(cpus, slice),
        "stride" => new Stride(cpus, slice, !usesOne),
        "sfq" => new Sfq(cpus, slice, !usesOne),
        "lottery" => new Lottery(cpus, slice, seed),
        "reservation" => new Reservation(cpus, slice, deferrable: false),
        "rtds" => new Reservation(cpus, slice, deferrable: true),
        "cyclic" => new Cyclic(cpus, slice),
        "credit2" => new Credit2(cpus, slice),
        _ => throw new HypervisorException($"There is no scheduler '{name}'; known are {string.Join(", ", Names)}, alone or behind {PartitionedPrefix} or {GangPrefix}."),
    };

    private static void Validate(int cpus, long slice)
    {
        if (cpus is < 1 or > 64)
            throw new HypervisorException($"{cpus} physical CPUs were asked for; a scheduling domain has 1 to 64.");
        if (slice is < 1000 or > SchedulingParameters.MaximumSlice)
            throw new HypervisorException($"A slice of {slice} ns was asked for; a slice is 1000 ns to an hour.");
    }
}
