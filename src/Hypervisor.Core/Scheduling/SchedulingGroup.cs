namespace Hypervisor.Core.Scheduling;

/// <summary>
/// A group of vCPUs, and of groups, that shares CPUs with others as one: a tenant, a machine, a container. What happens inside moves
/// nobody's share outside. Policies made by <see cref="Schedulers.CreateGrouped"/> know groups; a vCPU names its own in
/// <see cref="SchedulingParameters.Group"/>.
/// </summary>
/// <remarks>Two objects are two groups, whatever they are called. A group is there from its first vCPU to its last.</remarks>
public sealed class SchedulingGroup
{
    /// <summary>Makes a group.</summary>
    /// <param name="name">What messages call it.</param>
    public SchedulingGroup(string name) => Name = name;

    /// <summary>Its name.</summary>
    public string Name { get; }

    /// <summary>The group it is in; null for none.</summary>
    public SchedulingGroup? Parent { get; init; }

    /// <summary>Its share beside whatever else is in its parent, 1 to <see cref="SchedulingParameters.MaximumWeight"/>, however many vCPUs it has.</summary>
    public int Weight { get; init; } = SchedulingParameters.Default.Weight;

    /// <summary>How long it runs at a time, as <see cref="SchedulingParameters.SliceNanoseconds"/>; 0 for the policy's own.</summary>
    public long SliceNanoseconds { get; init; }

    /// <summary>The most it may use in each period, on all CPUs together, whatever is free; none where it is the default.</summary>
    public Bandwidth Limit { get; init; }

    /// <summary>What it gets at least while it wants it, on all CPUs together; none where it is the default.</summary>
    public Bandwidth Reservation { get; init; }

    /// <summary>The policy among its members; null for that of the domain, or EEVDF where that one goes by time.</summary>
    public string? Inside { get; init; }

    /// <summary>How many groups it lies in.</summary>
    internal int Depth => Parent is null ? 0 : Parent.Depth + 1;

    internal void Validate(int cpus)
    {
        if (Weight is < 1 or > SchedulingParameters.MaximumWeight)
            throw new HypervisorException($"Group '{Name}' has weight {Weight}; a weight lies between 1 and {SchedulingParameters.MaximumWeight}.");
        if (SliceNanoseconds is < 0 or (> 0 and < 1000) or > SchedulingParameters.MaximumSlice)
            throw new HypervisorException($"Group '{Name}' has a slice of {SliceNanoseconds} ns; a slice is 1000 ns to an hour, or 0 for the policy's own.");
        Validate(Limit, "limit", cpus);
        Validate(Reservation, "reservation", cpus);
        if (!Limit.IsNone && !Reservation.IsNone && Rate(Reservation) > Rate(Limit))
            throw new HypervisorException(FormattableString.Invariant($"Group '{Name}' is to have at least {Rate(Reservation):0.###} CPUs and at most {Rate(Limit):0.###}; a reservation is no more than the limit."));
    }

    internal static double Rate(Bandwidth bandwidth) => bandwidth.IsNone ? 0 : (double)bandwidth.Budget / bandwidth.Period;

    private void Validate(Bandwidth bandwidth, string what, int cpus)
    {
        if (bandwidth.IsNone)
            return;
        if (bandwidth.Period is < 10_000 or > SchedulingParameters.MaximumSlice)
            throw new HypervisorException($"Group '{Name}' has a {what} with a period of {bandwidth.Period} ns; a period is 10 µs to an hour.");
        if (bandwidth.Budget < 1000 || bandwidth.Budget / cpus > bandwidth.Period || bandwidth.Budget > (Int128)bandwidth.Period * cpus)
            throw new HypervisorException($"Group '{Name}' has a {what} of {bandwidth.Budget} ns in {bandwidth.Period} ns; there are {cpus} CPUs, and the least is 1 µs.");
    }
}
