namespace Hypervisor.Guests.Common.Sbi;

/// <summary>A set of harts as the SBI passes it (SBI 2.0, section 3.1): a mask and the hart number of its bit 0.</summary>
internal readonly struct HartMask
{
    private readonly ulong _mask;
    private readonly int _first;

    private HartMask(ulong mask, int first)
    {
        _mask = mask;
        _first = first;
    }

    /// <summary>Checks that every named hart exists. A base of all ones means every hart.</summary>
    public static bool TryParse(ulong mask, ulong first, int hartCount, out HartMask harts)
    {
        harts = new HartMask(0, 0);
        if (first == ulong.MaxValue)
        {
            harts = new HartMask(ulong.MaxValue, -1);
            return true;
        }

        if (mask == 0)
            return true;
        ulong highest = 63 - (ulong)System.Numerics.BitOperations.LeadingZeroCount(mask);
        if (first >= (ulong)hartCount || first + highest >= (ulong)hartCount)
            return false;
        harts = new HartMask(mask, (int)first);
        return true;
    }

    /// <summary>Whether a hart is in the set.</summary>
    public bool Contains(int hart)
        => _first < 0 || (hart >= _first && hart - _first < 64 && (_mask >> (hart - _first) & 1) != 0);
}
