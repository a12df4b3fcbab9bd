using Hypervisor.Core.Engine;
using Hypervisor.Core.Engine.Interpreter;
using Hypervisor.Core.Isa;

namespace Hypervisor.Tests.Engine;

/// <summary>Handlers of several operations beside those of one: what each does, where one of its operations faults too.</summary>
public sealed class FusedSequenceTests
{
    private const ulong Start = 0x1000;
    private const uint Ecall = 0x0000_0073;
    private static readonly InstructionRow[] s_rows = InstructionTable.Rows.ToArray();

    /// <summary>The kinds of each sequence.</summary>
    internal static FusedKind[][] Sequences()
        => [.. FusedSequences.Kinds.ToArray().Chunk(3).Select(kinds => kinds[2] == FusedKind.None ? kinds[..2] : kinds)];

    /// <summary>An opcode of a kind; <see cref="Opcode.Illegal"/> for a copy of a register, which has none of its own.</summary>
    internal static Opcode OpcodeOf(FusedKind kind) => kind switch
    {
        FusedKind.Constant => Opcode.Lui,
        FusedKind.Move => Opcode.Illegal,
        _ => Enum.Parse<Opcode>(kind.ToString()),
    };

    [Fact]
    public void Find_EverySequence_HasAHandlerAndOnlyThese()
    {
        FusedKind[][] sequences = Sequences();
        int[] keys = [.. FusedSequences.Kinds.ToArray().Chunk(3).Select(kinds => (int)kinds[0] << 16 | (int)kinds[1] << 8 | (int)kinds[2])];
        Assert.Equal(keys.Order().Distinct(), keys);
        Assert.All(sequences, kinds => Assert.NotEqual(0, FusedSequences.Find(kinds[0], kinds[1], kinds.ElementAtOrDefault(2))));
        int found = 0;
        for (FusedKind first = 0; first < FusedKind.Count; first++)
        {
            for (FusedKind second = 0; second < FusedKind.Count; second++)
            {
                for (FusedKind third = 0; third < FusedKind.Count; third++)
                    found += FusedSequences.Find(first, second, third) != 0 ? 1 : 0;
            }
        }

        Assert.Equal(sequences.Length, found);
    }

    [Fact]
    public void Run_EverySequence_DoesAsUnfused()
    {
        var random = new Random(1);
        using var fused = new FlatGuest(Start, 0x8000);
        using var plain = new FlatGuest(Start, 0x8000, fuse: false);
        var data = new byte[0x2000];
        foreach (FusedKind[] kinds in Sequences())
        {
            for (int round = 0; round < 12; round++)
            {
                uint[] code = [.. kinds.Select((kind, i) => Encode(kind, random, -4 * i)), Ecall, Ecall];
                random.NextBytes(data);
                var registers = new ulong[32];
                for (int i = 5; i < 16; i++)
                    registers[i] = random.Next(4) == 0 ? (ulong)random.NextInt64() : 0x3000 + (ulong)random.Next(-0x100, 0x100) * 8 + (random.Next(6) == 0 ? 1u : 0);
                registers[16] = random.Next(3) == 0 ? (ulong)random.NextInt64() : Start;
                VmExit[] exits = new VmExit[2];
                foreach ((FlatGuest guest, int number) in new[] { (fused, 0), (plain, 1) })
                {
                    guest.Load(Start, code);
                    guest.Memory.TryWrite(0x2000, data);
                    for (int i = 1; i < 32; i++)
                        guest[i] = registers[i];
                    guest.Pc = Start;

                    // The second time the translations are there.
                    exits[number] = guest.Run(35);
                    if (exits[number].Reason == VmExitReason.EnvironmentCall)
                    {
                        for (int i = 1; i < 32; i++)
                            guest[i] = registers[i];
                        guest.Pc = Start;
                        exits[number] = guest.Run(35);
                    }
                }

                string what = $"{string.Join(", ", kinds)}, round {round}: {string.Join(' ', code.Select(word => word.ToString("x8")))}";
                Assert.True((exits[0].Reason, exits[0].Value, exits[0].Retired, fused.Pc) == (exits[1].Reason, exits[1].Value, exits[1].Retired, plain.Pc), what);
                Assert.True(fused.Registers().SequenceEqual(plain.Registers()), what);
                byte[] after = new byte[0x2000], expected = new byte[0x2000];
                Assert.True(fused.Memory.TryRead(0x2000, after) && plain.Memory.TryRead(0x2000, expected) && after.AsSpan().SequenceEqual(expected), what);
            }
        }
    }

    /// <summary>An instruction of a kind on registers x5 to x15; jumps go back to the start, indirect ones through x16.</summary>
    private static uint Encode(FusedKind kind, Random random, int toStart)
    {
        uint rd = (uint)random.Next(5, 16), rs1 = (uint)random.Next(5, 16), rs2 = (uint)random.Next(5, 16);
        switch (kind)
        {
            case FusedKind.Jump:
                return 0x6f | ((uint)toStart & 0x7fe) << 20 | ((uint)toStart & 0xff800) | ((uint)toStart >> 11 & 1) << 20 | ((uint)toStart >> 20 & 1) << 31;
            case FusedKind.JumpRegister:
                return 0x67 | 16 << 15;
            case FusedKind.Move:
                return 0x13 | rd << 7 | rs1 << 15;
        }

        InstructionRow row = s_rows.First(each => each.Opcode == OpcodeOf(kind));
        uint word = row.Match | ((uint)random.NextInt64() & ~row.Mask);
        return row.Format switch
        {
            InstructionFormat.Branch => row.Match | rs1 << 15 | rs2 << 20 | 8 << 7,
            InstructionFormat.Store or InstructionFormat.FloatStore => row.Match | rs1 << 15 | rs2 << 20 | (uint)random.Next(4) * 8 << 7,
            InstructionFormat.Load or InstructionFormat.FloatLoad => row.Match | rs1 << 15 | rd << 7 | (uint)random.Next(64) * 8 << 20,
            InstructionFormat.Upper => (word & ~0xf80u) | rd << 7,
            _ when (row.Mask >> 25) == 0 => (word & ~0xf_8f80u) | rs1 << 15 | rd << 7,
            _ => (word & ~0x01ff_8f80u) | rs2 << 20 | rs1 << 15 | rd << 7,
        };
    }
}
