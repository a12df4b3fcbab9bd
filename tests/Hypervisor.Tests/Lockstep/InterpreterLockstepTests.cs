using System.Diagnostics;
using Hypervisor.Core.Engine;
using Hypervisor.Core.Engine.Interpreter;
using Hypervisor.Core.Engine.Native;
using Hypervisor.Core.Isa;
using Hypervisor.Tests.Engine;
using Hypervisor.Tests.Support;

namespace Hypervisor.Tests.Lockstep;

/// <summary>Every implemented user-level instruction, on random operands, beside QEMU's user-mode emulator.</summary>
public sealed class InterpreterLockstepTests
{
    private const string Qemu = "qemu-riscv64-static";
    private const string Cpu = "rv64,zbkb=true,zbkc=true,zbkx=true,zknd=true,zkne=true,zknh=true,zksed=true,zksh=true,Zfh=true";
    private const int Sequences = 1200;

    [PeerTheory(Qemu)]
    [InlineData(20261)]
    [InlineData(20262)]
    [InlineData(20263)]
    public void Interpreter_RandomSequences_AgreeWithQemu(int seed)
    {
        var program = new RandomProgram(seed, Sequences, length: 12);
        byte[] expected = RunOnQemu(program);
        Assert.Equal(Sequences * 520, expected.Length);
        AssertSame(program, expected, RunHere(program, fuse: true, _ => long.MaxValue / 2, out long retired), $"seed {seed}");
        AssertSame(program, expected, RunHere(program, fuse: false, _ => long.MaxValue / 2, out long retiredPlain), $"seed {seed}, no fused pairs");
        var slices = new Random(seed);
        AssertSame(program, expected, RunHere(program, fuse: true, _ => slices.Next(1, 200), out long retiredSliced), $"seed {seed}, random slices");
        AssertSame(program, expected, RunHere(program, fuse: true, _ => long.MaxValue / 2, out long retiredTranslated, forced: true), $"seed {seed}, translated");
        AssertSame(program, expected, RunHere(program, fuse: true, _ => slices.Next(1, 400), out long retiredSlicedTranslated, forced: true), $"seed {seed}, translated, random slices");
        if (TraceCompiler.IsSupported)
        {
            AssertSame(program, expected, RunHere(program, _ => long.MaxValue / 2, out long retiredTraced, TestEngine.Traced()), $"seed {seed}, traces");
            AssertSame(program, expected, RunHere(program, _ => slices.Next(1, 400), out long retiredSlicedTraced, TestEngine.Traced()), $"seed {seed}, traces, random slices");
            Assert.Equal(retired, retiredTraced);
            Assert.Equal(retired, retiredSlicedTraced);
        }

        Assert.Equal(retired, retiredPlain);
        Assert.Equal(retired, retiredSliced);
        Assert.Equal(retired, retiredTranslated);
        Assert.Equal(retired, retiredSlicedTranslated);
    }

    /// <summary>Every sequence of operations that one handler does, each by itself between two that no handler joins.</summary>
    [PeerFact(Qemu)]
    public void Interpreter_FusedSequences_AgreeWithQemu()
    {
        Opcode[][] patterns = [.. FusedSequenceTests.Sequences().Where(kinds => kinds[^1] is not (FusedKind.Jump or FusedKind.JumpRegister))
            .Select(kinds => (Opcode[])[Opcode.Remu, .. kinds.Select(FusedSequenceTests.OpcodeOf), Opcode.Remu])];
        var program = new RandomProgram(20264, patterns.Length * 3, length: 0, i => patterns[i % patterns.Length]);
        byte[] expected = RunOnQemu(program);
        AssertSame(program, expected, RunHere(program, fuse: true, _ => long.MaxValue / 2, out long retired), "fused");
        var slices = new Random(1);
        AssertSame(program, expected, RunHere(program, fuse: true, _ => slices.Next(1, 200), out long retiredSliced), "fused, random slices");
        Assert.Equal(retired, retiredSliced);
    }

    private static void AssertSame(RandomProgram program, byte[] expected, byte[] actual, string what)
    {
        Assert.Equal(expected.Length, actual.Length);
        for (int i = 0; i < expected.Length; i += 8)
        {
            ulong want = BitConverter.ToUInt64(expected, i);
            ulong got = BitConverter.ToUInt64(actual, i);
            if (want != got)
                Assert.Fail($"{what}: {program.Describe(i)} is 0x{got:x16}, QEMU has 0x{want:x16}");
        }
    }

    private static byte[] RunHere(RandomProgram program, bool fuse, Func<int, long> slice, out long retired, bool forced = false)
        => RunHere(program, slice, out retired, forced ? TestEngine.Forced(fuse) : TestEngine.Create(fuse));

    private static byte[] RunHere(RandomProgram program, Func<int, long> slice, out long retired, Interpreter engine)
    {
        using var guest = new FlatGuest(0, 512 << 20, engine);
        Assert.True(guest.Memory.TryWrite(RandomProgram.CodeBase, program.Code));
        Assert.True(guest.Memory.TryWrite(RandomProgram.DataBase, program.Data()));
        guest.Pc = RandomProgram.CodeBase;
        retired = 0;
        byte[]? output = null;
        for (int i = 0; ; i++)
        {
            long budget = slice(i);
            VmExit exit = guest.Run(budget);
            retired += exit.Retired;
            if (exit.Reason == VmExitReason.BudgetExpired)
            {
                Assert.Equal(budget, exit.Retired);
                continue;
            }

            Assert.True(exit.Reason == VmExitReason.EnvironmentCall, $"{exit.Reason} at 0x{guest.Pc:x}, instruction 0x{exit.Instruction:x8}, value 0x{exit.Value:x}");
            if (guest[17] == 93)
                return output ?? throw new UnreachableException("the program ended without writing");
            output = new byte[guest[12]];
            Assert.True(guest.Memory.TryRead(guest[11], output.AsSpan()));
            guest.Pc += 4;
            retired++;
        }
    }

    private static byte[] RunOnQemu(RandomProgram program)
    {
        using var folder = new TemporaryFolder();
        string path = folder.Write("random.elf", program.ToElf());
        if (!OperatingSystem.IsWindows())
            File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserExecute);
        var start = new ProcessStartInfo(Qemu, ["-cpu", Cpu, path]) { RedirectStandardOutput = true };
        using Process process = Process.Start(start)!;
        using var output = new MemoryStream();
        process.StandardOutput.BaseStream.CopyTo(output);
        process.WaitForExit();
        Assert.Equal(0, process.ExitCode);
        return output.ToArray();
    }
}
