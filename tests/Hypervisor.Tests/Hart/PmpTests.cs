using FsCheck;
using FsCheck.Fluent;
using Hypervisor.Core.Hart;

namespace Hypervisor.Tests.Hart;

/// <summary>Physical memory protection against a plain reading of the privileged specification, section 3.7.1.</summary>
public sealed class PmpTests
{
    private const ulong Page = 4096;

    private sealed record Setting(byte Config, ulong Address);

    [Fact]
    public void Allows_AnyEntries_AnswersAsTheEntriesInOrder()
    {
        Gen<ulong> address = Gen.OneOf(
            Gen.Choose(0, 64).Select(i => (ulong)i << 10),
            Gen.Choose(0, 5).Select(i => ((1UL << (9 + i)) - 1) | (ulong)i << 16),
            Gen.Constant((1UL << 54) - 1));
        Gen<Setting> setting = from config in Gen.Elements<byte>(0, 0x08, 0x09, 0x0B, 0x0C, 0x0F, 0x0F, 0x18, 0x1B, 0x1F, 0x1F, 0x9F)
                               from value in address
                               select new Setting(config, value);
        Gen<(Setting[], int[])> cases = from settings in Gen.ArrayOf(setting, 6)
                                        from pages in Gen.ArrayOf(Gen.Choose(0, 80), 12)
                                        select (settings, pages);
        Support.Property.ForAll(cases.ToArbitrary(), each => Agrees(each.Item1, each.Item2));
    }

    private static bool Agrees(Setting[] settings, int[] pages)
    {
        PrivilegedState p = default;
        for (int i = 0; i < settings.Length; i++)
            Pmp.WriteAddress(ref p, i, settings[i].Address);
        ulong config = 0;
        for (int i = 0; i < settings.Length; i++)
            config |= (ulong)settings[i].Config << (8 * i);
        Pmp.WriteConfig(ref p, 0, config);
        foreach (int page in pages)
        {
            ulong at = page == 80 ? 1UL << 55 : (ulong)page * Page;
            foreach (AccessKind kind in Enum.GetValues<AccessKind>())
            {
                foreach (PrivilegeMode mode in Enum.GetValues<PrivilegeMode>())
                {
                    if (Pmp.Allows(in p, at, kind, mode) != Reference(settings, at, kind, mode))
                        return false;
                }
            }
        }

        return true;
    }

    /// <summary>The lowest-numbered entry that covers the page decides; none is yes for machine mode alone.</summary>
    private static bool Reference(Setting[] settings, ulong address, AccessKind kind, PrivilegeMode mode)
    {
        for (int i = 0; i < settings.Length; i++)
        {
            byte config = settings[i].Config;
            int matching = config >> 3 & 3;
            (UInt128 start, UInt128 end) = matching switch
            {
                1 => ((UInt128)(i == 0 ? 0 : settings[i - 1].Address & ~0x3FFUL) * 4, (UInt128)(settings[i].Address & ~0x3FFUL) * 4),
                3 => PowerOfTwo(settings[i].Address | 0x1FF),
                _ => ((UInt128)1, (UInt128)0),
            };
            if (address < start || address >= end)
                continue;
            byte right = kind switch { AccessKind.Load => 1, AccessKind.Fetch => 4, _ => 2 };
            return (mode == PrivilegeMode.Machine && config < 0x80) || (config & right) != 0;
        }

        return mode == PrivilegeMode.Machine;
    }

    private static (UInt128 Start, UInt128 End) PowerOfTwo(ulong address)
    {
        UInt128 size = 8;
        UInt128 start = (UInt128)address * 4;
        for (; (address & 1) != 0; address >>= 1)
        {
            size *= 2;
            start &= ~(size / 2);
        }

        start &= ~(size - 1);
        return (start, start + size);
    }
}
