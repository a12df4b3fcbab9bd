using FsCheck.Fluent;
using Hypervisor.Core.Hart;
using Hypervisor.Core.Isa;
using Hypervisor.Core.Memory;
using Hypervisor.Tests.Support;

namespace Hypervisor.Tests.Hart;

/// <summary>Physical memory protection against the specification's section 3.7.1, written down once more entry by entry.</summary>
public sealed unsafe class PmpTests
{
    private const ulong PageMask = 0xFFF;

    [Fact]
    public void Allows_AnyEntriesWrittenInAnyOrder_IsWhatTheFirstMatchingEntrySays()
        => Property.ForAll(Gen.Choose(0, int.MaxValue - 1), Check, cases: 300);

    private static bool Check(int seed)
    {
        var random = new Random(seed);
        var p = default(PrivilegedState);
        CsrFile.Reset(ref p, 0);
        var state = default(HartState);
        var addresses = new List<ulong> { 0, 0x8000_0000, 0xFFFF_F000 };
        for (int i = 0; i < 30; i++)
        {
            int entry = random.Next(6);
            if (random.Next(2) == 0)
            {
                ulong address = 0x8000_0000 + (ulong)random.Next(32) * 4096;
                ulong value = random.Next(3) switch
                {
                    0 => address >> 2,
                    1 => address >> 2 | (1UL << random.Next(9, 16)) - 1,
                    _ => ulong.MaxValue >> random.Next(10, 40),
                };
                addresses.Add(address);
                Assert.True(CsrFile.TryWrite(&state, ref p, CsrNumber.Pmpaddr0 + entry, value, default, out _));
            }
            else
            {
                ulong config = 0;
                for (int k = 0; k < 6; k++)
                    config |= (ulong)(random.Next(32) | (random.Next(20) == 0 ? 0x80 : 0)) << (k * 8);
                Assert.True(CsrFile.TryWrite(&state, ref p, CsrNumber.Pmpcfg0, config, default, out _));
            }

            foreach (ulong address in addresses)
            {
                foreach (ulong near in (ulong[])[address, address - 8, address + 4096])
                {
                    if (near >> 56 != 0)
                        continue;
                    for (var kind = AccessKind.Fetch; kind <= AccessKind.Store; kind++)
                    {
                        foreach (PrivilegeMode mode in (PrivilegeMode[])[PrivilegeMode.Machine, PrivilegeMode.Supervisor])
                        {
                            Assert.True(
                                Pmp.Allows(in p, near, kind, mode) == Expected(in p, near, kind, mode),
                                $"{kind} of 0x{near:x} from {mode}: {Describe(in p)}");
                        }
                    }
                }
            }
        }

        return true;
    }

    private static string Describe(in PrivilegedState p)
    {
        var text = new System.Text.StringBuilder();
        for (int i = 0; i < 6; i++)
            text.Append($"{i}: {p.PmpConfig[i]:x2} 0x{p.PmpAddress[i]:x} ");
        return text.ToString();
    }

    /// <summary>From what software reads back: configuration bytes and addresses as they are in force.</summary>
    private static bool Expected(in PrivilegedState p, ulong address, AccessKind kind, PrivilegeMode mode)
    {
        UInt128 page = address & ~PageMask;
        for (int i = 0; i < Pmp.Entries; i++)
        {
            var config = (byte)(Pmp.ReadConfig(in p, i / 8 * 2) >> (i % 8 * 8));
            UInt128 start;
            UInt128 end;
            switch (config >> 3 & 3)
            {
                case 1:
                    start = i == 0 ? 0 : (UInt128)Pmp.ReadAddress(in p, i - 1) << 2 & ~(UInt128)PageMask;
                    end = (UInt128)Pmp.ReadAddress(in p, i) << 2;
                    break;
                case 3:
                    int ones = System.Numerics.BitOperations.TrailingZeroCount(~Pmp.ReadAddress(in p, i));
                    start = (UInt128)(Pmp.ReadAddress(in p, i) >> ones << ones) << 2;
                    end = start + ((UInt128)8 << ones);
                    break;
                default:
                    continue;
            }

            if (page < start || page >= end)
                continue;
            if (mode == PrivilegeMode.Machine && (config & 0x80) == 0)
                return true;
            return (config & (kind switch { AccessKind.Load => 1, AccessKind.Store => 2, _ => 4 })) != 0;
        }

        return mode == PrivilegeMode.Machine;
    }
}
