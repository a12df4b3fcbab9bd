using System.Globalization;
using Hypervisor.Core.Hart.FloatingPoint;
using Hypervisor.Tests.Support;
using Xunit.Abstractions;

namespace Hypervisor.Tests.Hart.FloatingPoint;

/// <summary>Every operation, rounding mode and edge case against QEMU.</summary>
public sealed class FloatingPointPeerTests(ITestOutputHelper output)
{
    private const int VectorsPerOperation = 4_000;

    [PeerFact(QemuFloatingPoint.Compiler, QemuFloatingPoint.Emulator)]
    public void FloatingPoint_EdgeCaseVectors_MatchQemuInResultAndFlags()
    {
        var seed = SeedFromEnvironment() ?? Random.Shared.Next();
        output.WriteLine($"HV_FP_SEED={seed}");
        var source = new FpVectors(seed);
        var vectors = new List<FpVector>();
        for (var operation = 0; operation < FpOperation.All.Count; operation++)
        {
            for (var i = 0; i < VectorsPerOperation; i++)
                vectors.Add(source.Next(operation, FpOperation.All[operation].Operands));
        }

        Assert.True(vectors.Count >= 100_000);
        var truth = QemuFloatingPoint.Run(vectors);
        var wrong = new List<string>();
        for (var i = 0; i < vectors.Count; i++)
        {
            var vector = vectors[i];
            var operation = FpOperation.All[vector.Operation];
            var flags = 0U;
            var result = operation.Evaluate(vector, ref flags);
            var sticky = FpFlags.NX;
            var stickyResult = operation.Evaluate(vector, ref sticky);
            if ((result, flags) != truth[i] || (stickyResult, sticky) != (result, flags | FpFlags.NX))
            {
                wrong.Add(
                    $"{operation.Assembly} rm={vector.Rounding} a={vector.A:x16} b={vector.B:x16} c={vector.C:x16}: " +
                    $"{result:x16} flags {flags:x2}, with NX before {stickyResult:x16} flags {sticky:x2}, " +
                    $"QEMU {truth[i].Result:x16} flags {truth[i].Flags:x2}");
            }
        }

        Assert.True(
            wrong.Count == 0,
            $"{wrong.Count} of {vectors.Count} differ; HV_FP_SEED={seed}\n{string.Join('\n', wrong.Take(20))}");
    }

    private static int? SeedFromEnvironment() =>
        int.TryParse(Environment.GetEnvironmentVariable("HV_FP_SEED"), CultureInfo.InvariantCulture, out var seed) ? seed : null;
}
