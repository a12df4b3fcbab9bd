using Hypervisor.Guests.BuiltIn;

namespace Hypervisor.Tests.BuiltIn;

/// <summary>What the tests know of the workloads from elsewhere than their code.</summary>
internal static class WorkloadPrograms
{
    /// <summary>A program written on top of <c>user-lib.s</c>.</summary>
    public static byte[] OnUserLibrary(string assetName)
    {
        var library = BuiltInGuests.WorkloadSource("syscall");
        library = library[..library.IndexOf("# Null system call", StringComparison.Ordinal)];
        return BuiltInGuests.AssembleProgram(library + Assets.ReadText(assetName), assetName).ToElf();
    }

    /// <summary>The checksum that follows from a workload's description; null where only running it tells.</summary>
    public static ulong? ExpectedChecksum(string name, int iterations)
    {
        var sum = 0UL;
        switch (name)
        {
            case "syscall" or "timer":
                return (ulong)iterations;
            case "console":
                return (ulong)iterations * 64;
            case "pagefault":
                for (var round = (iterations + 63) / 64; round > 0; round--)
                {
                    sum += 64 * (ulong)round;
                }

                return sum;
            case "switch":
                for (var left = iterations; left > 0; left--)
                {
                    sum += (byte)(left + 1);
                }

                return sum;
            case "process":
                for (var left = iterations; left > 0; left--)
                {
                    sum += (ulong)(left & 127) << 8;
                }

                return sum;
            case "block":
                var words = new ulong[512];
                for (var (index, word) = (0, 7UL); index < words.Length; index++)
                {
                    words[index] = word;
                    word = word * 31 + 1;
                }

                for (var left = iterations; left > 0; left--)
                {
                    words[0] = words[248] = (ulong)left;
                    for (var index = 0; index < words.Length; index += 8)
                    {
                        sum += words[index];
                    }
                }

                return sum;
            default:
                return null;
        }
    }
}

