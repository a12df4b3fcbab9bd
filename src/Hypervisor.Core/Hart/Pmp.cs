using System.Numerics;
using System.Runtime.CompilerServices;

namespace Hypervisor.Core.Hart;

/// <summary>
/// Physical memory protection (privileged specification, section 3.7): sixteen entries with a grain of one page, so that a
/// page is wholly inside or outside of every region and its answer may be cached in a TLB.
/// </summary>
internal static unsafe class Pmp
{
    public const int Entries = 16;

    /// <summary>The encoding of the grain: pmpaddr counts 4-byte units, and 2^(G+2) bytes make a page.</summary>
    private const int G = 10;

    private const byte Read = 1;
    private const byte Write = 2;
    private const byte Execute = 4;
    private const byte Matching = 3 << 3;
    private const byte TopOfRange = 1 << 3;
    private const byte NaturallyAlignedFour = 2 << 3;
    private const byte PowerOfTwo = 3 << 3;
    private const byte Locked = 1 << 7;
    private const ulong AddressMask = (1UL << 54) - 1;

    /// <summary>A byte for each entry: nonzero where it takes part in matching.</summary>
    private const ulong MatchingBytes = 0x1818_1818_1818_1818;

    /// <summary>Opens all memory to supervisor and user mode: what firmware leaves behind before it starts a kernel there.</summary>
    public static void OpenAll(ref PrivilegedState p)
    {
        p.PmpAddress[0] = AddressMask;
        p.PmpConfig[0] = PowerOfTwo | Read | Write | Execute;
        FindOpenRange(ref p);
    }

    /// <summary>Whether an access to the page that holds an address is allowed.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool Allows(in PrivilegedState p, ulong address, AccessKind kind, PrivilegeMode mode)
        => (address - p.PmpOpenStart < p.PmpOpenBytes && mode != PrivilegeMode.Machine) || Search(in p, address, kind, mode);

    /// <summary>The same by the entries, in order of their numbers.</summary>
    private static bool Search(in PrivilegedState p, ulong address, AccessKind kind, PrivilegeMode mode)
    {
        fixed (PrivilegedState* state = &p)
        {
            ulong* config = (ulong*)state->PmpConfig;
            ulong low = config[0] & MatchingBytes;
            ulong high = config[1] & MatchingBytes;
            if ((low | high) == 0)
                return mode == PrivilegeMode.Machine;
            byte wanted = kind switch { AccessKind.Fetch => Execute, AccessKind.Load => Read, _ => Write };
            ulong page = (address >> 2) & ~((1UL << G) - 1);
            for (int half = 0; half < 2; half++)
            {
                ulong active = half == 0 ? low : high;
                while (active != 0)
                {
                    int index = BitOperations.TrailingZeroCount(active) >> 3;
                    active &= ~(0xFFUL << (index * 8));
                    index += half * 8;
                    byte entry = state->PmpConfig[index];
                    if (!Matches(state, index, entry, page))
                        continue;
                    if (mode == PrivilegeMode.Machine && (entry & Locked) == 0)
                        return true;
                    return (entry & wanted) != 0;
                }
            }

            return mode == PrivilegeMode.Machine;
        }
    }

    public static ulong ReadConfig(in PrivilegedState p, int register)
    {
        fixed (byte* config = p.PmpConfig)
            return ((ulong*)config)[register >> 1];
    }

    /// <summary>Writes pmpcfg0 or pmpcfg2; true where an entry changed.</summary>
    public static bool WriteConfig(ref PrivilegedState p, int register, ulong value)
    {
        bool changed = false;
        for (int i = 0; i < 8; i++)
        {
            ref byte entry = ref p.PmpConfig[register * 4 + i];
            if ((entry & Locked) != 0)
                continue;
            var wanted = (byte)(value >> (i * 8) & 0x9F);
            // Writable but not readable is reserved, and four-byte regions lie below the grain: neither can be chosen.
            if ((wanted & (Read | Write)) == Write)
                wanted = (byte)(wanted & ~Write);
            if ((wanted & Matching) == NaturallyAlignedFour)
                wanted = (byte)((wanted & ~Matching) | (entry & Matching));
            changed |= entry != wanted;
            entry = wanted;
        }

        if (changed)
            FindOpenRange(ref p);
        return changed;
    }

    /// <summary>The address as the grain shows it: low bits read as zeros, or as ones in a power-of-two region.</summary>
    public static ulong ReadAddress(in PrivilegedState p, int index)
    {
        ulong address = p.PmpAddress[index];
        return (p.PmpConfig[index] & Matching) == PowerOfTwo
            ? address | ((1UL << (G - 1)) - 1)
            : address & ~((1UL << G) - 1);
    }

    /// <summary>Writes a pmpaddr register; true where it changed. A locked top of range locks the entry below it too.</summary>
    public static bool WriteAddress(ref PrivilegedState p, int index, ulong value)
    {
        const byte lockedTop = Locked | TopOfRange;
        if ((p.PmpConfig[index] & Locked) != 0
            || (index + 1 < Entries && (p.PmpConfig[index + 1] & (Locked | Matching)) == lockedTop))
            return false;
        value &= AddressMask;
        bool changed = p.PmpAddress[index] != value;
        p.PmpAddress[index] = value;
        if (changed)
            FindOpenRange(ref p);
        return changed;
    }

    /// <summary>Between neighbouring bounds of regions nothing changes, so a look at each such interval's first page tells all.</summary>
    private static void FindOpenRange(ref PrivilegedState p)
    {
        Span<ulong> bounds = stackalloc ulong[2 * Entries + 2];
        int count = 0;
        bounds[count++] = 0;
        for (int i = 0; i < Entries; i++)
        {
            if ((p.PmpConfig[i] & Matching) == 0)
                continue;
            (ulong start, ulong end) = RegionOf(in p, i);
            if (end <= start)
                continue;
            bounds[count++] = start;
            bounds[count++] = end;
        }

        bounds[count++] = (AddressMask + 1) << 2;
        bounds[..count].Sort();
        (p.PmpOpenStart, p.PmpOpenBytes) = (0, 0);
        ulong openFrom = 0;
        bool open = false;
        for (int i = 0; i + 1 < count; i++)
        {
            if (bounds[i] == bounds[i + 1])
                continue;
            bool opens = Search(in p, bounds[i], AccessKind.Load, PrivilegeMode.User)
                && Search(in p, bounds[i], AccessKind.Store, PrivilegeMode.User)
                && Search(in p, bounds[i], AccessKind.Fetch, PrivilegeMode.User);
            if (opens && !open)
                openFrom = bounds[i];
            open = opens;
            if (open && bounds[i + 1] - openFrom > p.PmpOpenBytes)
                (p.PmpOpenStart, p.PmpOpenBytes) = (openFrom, bounds[i + 1] - openFrom);
        }
    }

    /// <summary>The bytes an entry covers; empty where its top lies below its bottom.</summary>
    private static (ulong Start, ulong End) RegionOf(in PrivilegedState p, int index)
    {
        const ulong grain = ~((1UL << G) - 1);
        ulong address = p.PmpAddress[index];
        if ((p.PmpConfig[index] & Matching) == TopOfRange)
            return (index == 0 ? 0 : (p.PmpAddress[index - 1] & grain) << 2, (address & grain) << 2);
        address |= (1UL << (G - 1)) - 1;
        ulong inside = address ^ (address + 1);
        ulong start = address & ~inside & AddressMask;
        return (start << 2, Math.Min(start + inside, AddressMask) + 1 << 2);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static bool Matches(PrivilegedState* p, int index, byte entry, ulong page)
    {
        ulong address = p->PmpAddress[index];
        if ((entry & Matching) == TopOfRange)
        {
            const ulong grain = ~((1UL << G) - 1);
            ulong bottom = index == 0 ? 0 : p->PmpAddress[index - 1] & grain;
            return page >= bottom && page < (address & grain);
        }

        address |= (1UL << (G - 1)) - 1;
        // Trailing ones up to the first zero are the size; all ones span everything.
        ulong inside = address ^ (address + 1);
        return ((page ^ address) & ~inside) == 0;
    }
}
