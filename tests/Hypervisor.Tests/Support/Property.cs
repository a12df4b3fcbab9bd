using System.Globalization;
using FsCheck;
using FsCheck.Fluent;

namespace Hypervisor.Tests.Support;

/// <summary>
/// Runs an FsCheck property inside a plain xunit fact and fails the fact with the shrunk case and its seed. HV_PROPERTY_FACTOR
/// in the environment multiplies the cases, for long runs; HV_PROPERTY_REPLAY, the three numbers that a failure tells to replay
/// with, makes that case the first.
/// </summary>
internal static class Property
{
    /// <summary>Checks <paramref name="holds"/> for <paramref name="cases"/> random values of <paramref name="values"/>.</summary>
    /// <param name="values">The generator; use <see cref="Gen"/> and its LINQ-style combinators.</param>
    /// <param name="holds">Returns false, or throws, where the property does not hold.</param>
    /// <param name="cases">How many cases to try.</param>
    public static void ForAll<T>(Gen<T> values, Func<T, bool> holds, int cases = 200)
        => ForAll(values.ToArbitrary(), holds, cases);

    /// <inheritdoc cref="ForAll{T}(Gen{T}, Func{T, bool}, int)"/>
    public static void ForAll<T>(Arbitrary<T> values, Func<T, bool> holds, int cases = 200)
    {
        Config config = Config.QuickThrowOnFailure.WithMaxTest(cases * s_factor).WithQuietOnSuccess(true);
        if (Environment.GetEnvironmentVariable("HV_PROPERTY_REPLAY") is { Length: > 0 } replay)
        {
            string[] numbers = replay.Trim('(', ')').Split(',');
            config = config.WithReplay(
                ulong.Parse(numbers[0], CultureInfo.InvariantCulture), ulong.Parse(numbers[1], CultureInfo.InvariantCulture), int.Parse(numbers[2], CultureInfo.InvariantCulture));
        }

        Prop.ForAll(values, holds).Check(config);
    }

    private static readonly int s_factor =
        int.TryParse(Environment.GetEnvironmentVariable("HV_PROPERTY_FACTOR"), out int factor) && factor is > 0 and <= 100_000 ? factor : 1;
}
