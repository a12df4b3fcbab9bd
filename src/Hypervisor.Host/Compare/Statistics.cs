namespace Hypervisor.Host.Compare;

/// <summary>The middle of repeated measurements and how far they lay apart.</summary>
/// <param name="Median">The middle value.</param>
/// <param name="Low">The least.</param>
/// <param name="High">The greatest.</param>
internal readonly record struct Spread(double Median, double Low, double High)
{
    /// <summary>Half the range as a part of the median.</summary>
    public double Relative => Median > 0 ? (High - Low) / 2 / Median : 0;

    /// <summary>Summarises at least one value.</summary>
    public static Spread Of(IReadOnlyCollection<double> values)
    {
        double[] sorted = [.. values.Order()];
        if (sorted.Length == 0)
            throw new ArgumentException("a median needs a value", nameof(values));
        int middle = sorted.Length / 2;
        double median = sorted.Length % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
        return new Spread(median, sorted[0], sorted[^1]);
    }
}
