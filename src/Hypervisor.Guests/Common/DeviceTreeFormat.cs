namespace Hypervisor.Guests.Common;

/// <summary>The numbers of the flattened device tree (Devicetree Specification 0.4, chapter 5).</summary>
internal static class DeviceTreeFormat
{
    public const uint Magic = 0xd00d_feed;
    public const uint Version = 17;
    public const uint LastCompatibleVersion = 16;
    public const int HeaderSize = 40;
    public const int ReservationSize = 16;

    public const uint BeginNode = 1;
    public const uint EndNode = 2;
    public const uint Property = 3;
    public const uint Nop = 4;
    public const uint End = 9;

    /// <summary>Kernels map two megabytes for the blob (Linux MAX_FDT_SIZE); a larger one could not be used.</summary>
    public const int MaximumSize = 2 << 20;

    /// <summary>Real trees are half a dozen deep.</summary>
    public const int MaximumDepth = 64;

    /// <summary>
    /// Names are up to 31 characters by the specification; some in the field are longer. The bound also bounds memory:
    /// properties of twelve bytes each may all point at long names.
    /// </summary>
    public const int MaximumNameLength = 127;

    public static int Align4(int value) => (value + 3) & ~3;
}
