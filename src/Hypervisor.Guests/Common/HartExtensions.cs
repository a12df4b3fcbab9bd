using Hypervisor.Core.Engine;

namespace Hypervisor.Guests.Common;

/// <summary>
/// What every hart of ours offers beyond rv64i: the one list behind the device tree, the auxiliary vector of programs and
/// riscv_hwprobe. It holds all that the profiles RVA22U64 and RVA22S64 demand and that is visible by itself.
/// </summary>
/// <remarks>
/// Svade is not named although clearing menvcfg.ADUE brings it: in a device tree svadu alone says that the hart sets A and D
/// bits from the start, which is so; both together would say that it does not.
/// </remarks>
internal static class HartExtensions
{
    /// <summary>Bytes of the block that cbo instructions work on (Zic64b).</summary>
    public const uint CacheBlockBytes = 64;

    /// <summary>Ticks of the time CSR in a second.</summary>
    public const uint TimebaseFrequency = (uint)(1_000_000_000 / HartContext.NanosecondsPerTick);

    /// <summary>The largest translation mode, as the device tree's mmu-type has it; Sv39 and Sv48 are there too.</summary>
    public const string TranslationMode = "riscv,sv57";

    // Names in canonical order, each with its bit in key IMA_EXT_0 of riscv_hwprobe, or -1 where it has none.
    private static readonly (string Name, int ProbeBit)[] s_all =
    [
        ("m", -1), ("a", -1), ("f", 0), ("d", 0), ("c", 1),
        ("zic64b", -1), ("zicbom", 55), ("zicbop", 60), ("zicboz", 6), ("ziccamoa", -1), ("ziccif", -1), ("zicclsm", -1),
        ("ziccrse", -1), ("zicntr", 50), ("zicond", 35), ("zicsr", -1), ("zifencei", -1), ("zihintntl", 29),
        ("zihintpause", 36), ("zihpm", 51), ("za64rs", -1), ("zaamo", 56), ("zalrsc", 57), ("zawrs", 48),
        ("zfh", 27), ("zfhmin", 28), ("zca", 43), ("zcd", 45),
        ("zba", 3), ("zbb", 4), ("zbc", 7), ("zbkb", 8), ("zbkc", 9), ("zbkx", 10), ("zbs", 5),
        ("zknd", 11), ("zkne", 12), ("zknh", 13), ("zkr", -1), ("zksed", 14), ("zksh", 15), ("zkt", 16),
        ("ssccptr", -1), ("sscounterenw", -1), ("sstc", -1), ("sstvala", -1), ("sstvecd", -1),
        ("svadu", -1), ("svinval", -1), ("svnapot", -1), ("svpbmt", -1),
    ];

    // What harts with vectors offer beside them; V comes behind the other letters.
    private static readonly (string Name, int ProbeBit)[] s_vectors =
    [
        ("v", 2), ("zve32f", 38), ("zve32x", 37), ("zve64d", 41), ("zve64f", 40), ("zve64x", 39), ("zvfh", 30), ("zvfhmin", 31),
    ];

    /// <summary>All of them that every hart has: a hart with vectors has more.</summary>
    public static IReadOnlyList<string> All { get; } = Names();

    /// <summary>What a hart with vector registers of some length offers, or without where that is 0.</summary>
    /// <param name="vectorBits">That length.</param>
    /// <param name="machineMode">Whether its guest has machine mode: without menvcfg nobody gives it stimecmp, and the SBI sets its timers.</param>
    public static IReadOnlyList<string> For(int vectorBits, bool machineMode = true)
    {
        IEnumerable<string> names = machineMode ? All : All.Where(name => name != "sstc");
        if (vectorBits == 0)
            return [.. names];
        string[] vectors = [.. s_vectors.Select(each => each.Name).Where(name => name.Length > 1)];
        return [.. names.Where(name => name.Length == 1), "v", .. names.Where(name => name.Length > 1 && name[0] == 'z'), .. vectors, .. names.Where(name => name[0] == 's' && name.Length > 1)];
    }

    /// <summary>The one string of old for a set of them: rv64i, the letters, the names.</summary>
    public static string IsaString(IReadOnlyList<string> extensions)
        => "rv64i" + string.Concat(extensions.Where(each => each.Length == 1)) + string.Concat(extensions.Where(each => each.Length > 1).Select(each => "_" + each));

    /// <summary>The value of key IMA_EXT_0 of riscv_hwprobe.</summary>
    public static ulong ProbeBits(int vectorBits)
        => (vectorBits == 0 ? s_all : [.. s_all, .. s_vectors]).Where(each => each.ProbeBit >= 0).Aggregate(0UL, (bits, each) => bits | 1UL << each.ProbeBit);

    /// <summary>The value of AT_HWCAP: a bit for each single letter, I among them.</summary>
    public static ulong CapabilityBits(int vectorBits)
    {
        // Every program that starts asks: without lists in between.
        ulong bits = 1UL << ('i' - 'a') | (vectorBits == 0 ? 0 : 1UL << ('v' - 'a'));
        foreach ((string name, _) in s_all)
            bits |= name.Length == 1 ? 1UL << (name[0] - 'a') : 0;
        return bits;
    }

    private static string[] Names()
    {
        var names = new string[s_all.Length];
        for (int i = 0; i < names.Length; i++)
            names[i] = s_all[i].Name;
        return names;
    }
}
