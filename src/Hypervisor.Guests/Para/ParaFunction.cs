namespace Hypervisor.Guests.Para;

/// <summary>The paravirtual extension's numbers: docs/para-abi.md, section 2.</summary>
internal static class ParaFunction
{
    public const ulong ExtensionId = 0x0A48_5650;

    public const ulong Features = 0x00;
    public const ulong RegisterSharedInfo = 0x01;
    public const ulong Yield = 0x02;
    public const ulong Block = 0x03;
    public const ulong Multicall = 0x04;
    public const ulong Mark = 0x05;
    public const ulong YieldTo = 0x06;
    public const ulong Domain = 0x07;
    public const ulong EventBind = 0x10;
    public const ulong EventSend = 0x11;
    public const ulong EventClose = 0x12;
    public const ulong EventPoll = 0x13;
    public const ulong EventOffer = 0x14;
    public const ulong EventConnect = 0x15;
    public const ulong MmuPinTable = 0x20;
    public const ulong MmuUnpinTable = 0x21;
    public const ulong MmuUpdate = 0x22;
    public const ulong MmuSetRoot = 0x23;
    public const ulong MmuFlush = 0x24;
    public const ulong GrantCreate = 0x30;
    public const ulong GrantEnd = 0x31;
    public const ulong GrantMap = 0x32;
    public const ulong GrantUnmap = 0x33;
    public const ulong GrantCopy = 0x34;
    public const ulong MemoryRelease = 0x40;

    public const uint Version = 2;

    private const ulong DomainFeature = 1 << 6;
    private const ulong GrantFeature = 1 << 7;

    /// <summary>Whether machines of this host can have pages in common.</summary>
    public static bool CanMapGrants => OperatingSystem.IsLinux();

    /// <summary>
    /// The feature bits of a machine. Bits 0 to 5: events and shared info, direct paging, multicall, block and yield, doorbells,
    /// mark; 6 domains, 7 mapping of grants, 8 balloon, 9 yield to a hart.
    /// </summary>
    /// <param name="hasDomains">Whether the machine may talk to others.</param>
    public static ulong FeaturesOf(bool hasDomains) => 0x33F | (hasDomains ? DomainFeature : 0) | (hasDomains && CanMapGrants ? GrantFeature : 0);
}
