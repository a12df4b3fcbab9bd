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
    public const ulong EventBind = 0x10;
    public const ulong EventSend = 0x11;
    public const ulong EventClose = 0x12;
    public const ulong EventPoll = 0x13;
    public const ulong MmuPinTable = 0x20;
    public const ulong MmuUnpinTable = 0x21;
    public const ulong MmuUpdate = 0x22;
    public const ulong MmuSetRoot = 0x23;
    public const ulong MmuFlush = 0x24;

    /// <summary>Bits 0 to 5: events and shared info, direct paging, multicall, block and yield, doorbells, mark.</summary>
    public const ulong AllFeatures = 0x3F;

    public const uint Version = 1;
}
