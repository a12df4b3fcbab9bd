using System.Diagnostics;
using Hypervisor.Core.Engine;
using Hypervisor.Tests.Engine;
using Hypervisor.Tests.Support;

namespace Hypervisor.Tests.Lockstep;

/// <summary>Every vector instruction, on random types, lengths, masks and operands, beside QEMU's user-mode emulator.</summary>
public sealed class VectorLockstepTests
{
    private const string Qemu = "qemu-riscv64-static";

    [PeerTheory(Qemu)]
    [InlineData(20261, 128)]
    [InlineData(20262, 128)]
    [InlineData(20263, 256)]
    [InlineData(20264, 512)]
    public void Interpreter_RandomVectorInstructions_AgreeWithQemu(int seed, int bits)
    {
        var program = new VectorProgram(seed, Rounds, bits);
        byte[] expected = RunOnQemu(program, bits);
        AssertSame(program, expected, RunHere(program, bits, _ => long.MaxValue / 2), $"seed {seed}");
        var slices = new Random(seed);
        AssertSame(program, expected, RunHere(program, bits, _ => slices.Next(1, 200)), $"seed {seed}, random slices");
    }

    /// <summary>The same within translated regions, which are entered and left anywhere as slices end.</summary>
    [PeerTheory(Qemu)]
    [InlineData(20265, 128)]
    [InlineData(20266, 256)]
    [InlineData(20267, 512)]
    public void Translator_RandomVectorInstructions_AgreeWithQemu(int seed, int bits)
    {
        var program = new VectorProgram(seed, Rounds / 3, bits);
        byte[] expected = RunOnQemu(program, bits);
        AssertSame(program, expected, RunHere(program, bits, _ => long.MaxValue / 2, forced: true), $"seed {seed}, translated");
        var slices = new Random(seed);
        AssertSame(program, expected, RunHere(program, bits, _ => slices.Next(1, 1000), forced: true), $"seed {seed}, translated, random slices");
    }

    private static int Rounds => int.TryParse(Environment.GetEnvironmentVariable("HV_VECTOR_ROUNDS"), out int rounds) ? rounds : 6;

    private static void AssertSame(VectorProgram program, byte[] expected, byte[] actual, string what)
    {
        Assert.Equal(expected.Length, actual.Length);
        var differences = new List<string>();
        int lastStep = -1;
        for (int i = 0; i < expected.Length && differences.Count < 60; i++)
        {
            if (expected[i] == actual[i] || i / program.DumpBytes == lastStep)
                continue;

            // QEMU keeps vstart where there is nothing to do; every vector instruction sets it to 0 (section 30.3.7).
            int dump = i - i % program.DumpBytes;
            if (i - dump is >= 24 and < 32 && BitConverter.ToUInt64(actual, dump + 24) == 0)
                continue;
            lastStep = i / program.DumpBytes;
            differences.Add($"{program.Describe(i)} is 0x{actual[i]:x2}, QEMU has 0x{expected[i]:x2}");
        }

        Assert.True(differences.Count == 0, $"{what}:\n{string.Join('\n', differences)}");
    }

    private static byte[] RunHere(VectorProgram program, int bits, Func<int, long> slice, bool forced = false)
    {
        using var guest = new FlatGuest(0, 512 << 20, forced: forced, vectorBits: bits);
        Assert.True(guest.Memory.TryWrite(VectorProgram.CodeBase, program.Code));
        Assert.True(guest.Memory.TryWrite(VectorProgram.DataBase, program.Data()));
        guest.Pc = VectorProgram.CodeBase;
        guest[2] = VectorProgram.CodeBase - 0x1000;
        byte[]? output = null;
        for (int i = 0; ; i++)
        {
            long budget = slice(i);
            VmExit exit = guest.Run(budget);
            switch (exit.Reason)
            {
                case VmExitReason.BudgetExpired:
                    Assert.Equal(budget, exit.Retired);
                    continue;
                case VmExitReason.IllegalInstruction:
                    guest[9]++;
                    guest.Pc += 4;
                    continue;
            }

            Assert.True(exit.Reason == VmExitReason.EnvironmentCall, $"{exit.Reason} at 0x{guest.Pc:x}, instruction 0x{exit.Instruction:x8}, value 0x{exit.Value:x}");
            if (guest[17] == 93)
                return output ?? throw new UnreachableException("the program ended without writing");
            if (guest[17] == 64)
            {
                output = new byte[guest[12]];
                Assert.True(guest.Memory.TryRead(guest[11], output.AsSpan()));
            }

            guest[10] = 0;
            guest.Pc += 4;
        }
    }

    private static byte[] RunOnQemu(VectorProgram program, int bits)
    {
        using var folder = new TemporaryFolder();
        string path = folder.Write("random.elf", program.ToElf());
        if (!OperatingSystem.IsWindows())
            File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserExecute);
        var start = new ProcessStartInfo(Qemu, ["-cpu", $"rv64,v=true,vext_spec=v1.0,vlen={bits}", path]) { RedirectStandardOutput = true };
        using Process process = Process.Start(start)!;
        using var output = new MemoryStream();
        process.StandardOutput.BaseStream.CopyTo(output);
        process.WaitForExit();
        Assert.True(process.ExitCode == 0, $"QEMU ended with {process.ExitCode} after {output.Length} bytes: {path}");
        return output.ToArray();
    }
}
