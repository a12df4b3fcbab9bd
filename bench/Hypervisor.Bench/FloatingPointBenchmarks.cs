using BenchmarkDotNet.Attributes;
using Hypervisor.Core.Hart.FloatingPoint;

namespace Hypervisor.Bench;

/// <summary>Double-precision operations, rounding to nearest: with inexact already accrued, and cleared before each.</summary>
public class FloatingPointBenchmarks
{
    private const int Operations = 1024;
    private readonly ulong[] values = new ulong[Operations + 2];

    [Params(0U, 1U)]
    public uint FlagsBefore { get; set; }

    [GlobalSetup]
    public void Fill()
    {
        var random = new Random(1);
        for (var i = 0; i < values.Length; i++)
            values[i] = BitConverter.DoubleToUInt64Bits((random.NextDouble() * 1000) + 0.001);
    }

    [Benchmark(OperationsPerInvoke = Operations)]
    public ulong Add()
    {
        var sum = 0UL;
        for (var i = 0; i < Operations; i++)
        {
            var flags = FlagsBefore;
            sum ^= Fp64.Add(values[i], values[i + 1], FpRounding.RNE, ref flags);
        }

        return sum;
    }

    [Benchmark(OperationsPerInvoke = Operations)]
    public ulong Mul()
    {
        var sum = 0UL;
        for (var i = 0; i < Operations; i++)
        {
            var flags = FlagsBefore;
            sum ^= Fp64.Mul(values[i], values[i + 1], FpRounding.RNE, ref flags);
        }

        return sum;
    }

    [Benchmark(OperationsPerInvoke = Operations)]
    public ulong Fma()
    {
        var sum = 0UL;
        for (var i = 0; i < Operations; i++)
        {
            var flags = FlagsBefore;
            sum ^= Fp64.Fma(values[i], values[i + 1], values[i + 2], FpRounding.RNE, ref flags);
        }

        return sum;
    }

    [Benchmark(OperationsPerInvoke = Operations)]
    public ulong Div()
    {
        var sum = 0UL;
        for (var i = 0; i < Operations; i++)
        {
            var flags = FlagsBefore;
            sum ^= Fp64.Div(values[i], values[i + 1], FpRounding.RNE, ref flags);
        }

        return sum;
    }
}
