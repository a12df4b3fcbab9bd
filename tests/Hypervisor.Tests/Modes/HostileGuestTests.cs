using FsCheck.Fluent;
using Hypervisor.Core.Engine.Interpreter;
using Hypervisor.Core.Isa;
using Hypervisor.Core.Machine;
using Hypervisor.Guests;
using Hypervisor.Guests.Common;
using Hypervisor.Tests.Support;

namespace Hypervisor.Tests.Modes;

/// <summary>Guests made of noise: whatever they do, the host neither throws nor hangs, in any mode.</summary>
public sealed class HostileGuestTests
{
    private const int Words = 4096;
    private const long Budget = 20_000;

    [Fact]
    public void RunSlice_RandomInstructions_ComesBackInEveryMode()
        => Property.ForAll(Gen.Choose(0, 1 << 30), seed =>
        {
            byte[] kernel = Noise(new Random(seed));
            foreach (string mode in MachineFactory.Modes)
            {
                using BoardGuest guest = MachineFactory.Create(
                    mode, new BoardGuestOptions { Engine = Support.TestEngine.Create(), Console = new ConsoleText(), RamBytes = 2 << 20 }, new EventLoop());
                guest.Boot(new BootImages { Kernel = kernel });
                VCpu vcpu = guest.Machine.VCpus[0];
                vcpu.Hart.PicosecondsPerInstruction = 1000;
                for (int slice = 0; slice < 5 && guest.Machine.Exit is null; slice++)
                {
                    vcpu.RunSlice(Budget, guest.Machine.CodeCacheFor(0), out long retired);
                    Assert.InRange(retired, 0, Budget);
                }
            }

            return true;
        }, cases: 60);

    /// <summary>Words of every table row, with operands at random; registers that point into RAM make accesses land.</summary>
    private static byte[] Noise(Random random)
    {
        var words = new uint[Words];
        var rows = InstructionTable.Rows;
        for (int i = 0; i < words.Length; i++)
        {
            var row = rows[random.Next(rows.Length)];
            words[i] = random.Next(16) switch
            {
                0 => (uint)random.NextInt64(1L << 32),
                1 => 0x8000_0037u | (uint)random.Next(32) << 7,
                2 or 3 => 0x0000_0073u | (uint)random.NextInt64(1L << 32) & 0xFFFF_FF80u,
                _ => row.Match | (uint)random.NextInt64(1L << 32) & ~row.Mask,
            };
        }

        return [.. words.SelectMany(BitConverter.GetBytes)];
    }
}
