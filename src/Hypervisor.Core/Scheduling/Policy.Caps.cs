namespace Hypervisor.Core.Scheduling;

/// <summary>Caps: budgets in aligned periods, and who waits for the next.</summary>
internal abstract partial class Policy
{
    private static long PeriodAt(in SchedulingParameters parameters, long now) => parameters.Cap.IsNone ? 0 : now / parameters.Cap.Period;

    private static void Refill(ref Terms terms, long now)
    {
        long period = PeriodAt(in terms.Parameters, now);
        if (period <= terms.CapPeriod)
            return;
        terms.CapLeft = (long)Int128.Min(terms.Parameters.Cap.Budget, terms.CapLeft + ((Int128)(period - terms.CapPeriod) * terms.Parameters.Cap.Budget));
        terms.CapPeriod = period;
    }

    /// <summary>As much of a run as the cap leaves in this period.</summary>
    private static long WithinCap(ref Terms terms, long quantum, long now)
    {
        Refill(ref terms, now);
        long toBoundary = ((terms.CapPeriod + 1) * terms.Parameters.Cap.Period) - now;
        return Math.Clamp(quantum, 1, Math.Max(1, Math.Min(terms.CapLeft, toBoundary)));
    }

    /// <summary>Puts one that may not run aside until its cap allows it.</summary>
    private bool IsThrottled(int vcpu, ref Entity entity, long now)
    {
        if (!entity.HasCap)
            return false;
        ref Terms terms = ref _terms[vcpu];
        Refill(ref terms, now);
        if (terms.CapLeft > 0)
            return false;
        long periods = (-terms.CapLeft / terms.Parameters.Cap.Budget) + 1;
        _throttled.Add(vcpu, checked((terms.CapPeriod + periods) * terms.Parameters.Cap.Period), _throttledSequence++);
        entity.Activity = Activity.Throttled;
        return true;
    }
}
