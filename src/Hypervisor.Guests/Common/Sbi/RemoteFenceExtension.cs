namespace Hypervisor.Guests.Common.Sbi;

/// <summary>
/// RFENCE (SBI 2.0, section 8). The functions for guests of guests (3 to 6) are not supported: harts have no hypervisor
/// extension.
/// </summary>
internal sealed class RemoteFenceExtension(ISbiPlatform platform, SbiEvents events) : ISbiExtension
{
    public string Name => "RFENCE";

    public ulong FirstId => SbiExtensionId.RemoteFence;

    public ulong LastId => SbiExtensionId.RemoteFence;

    public SbiResult Call(in SbiCall call)
    {
        if (call.Function > 2)
            return SbiError.NotSupported;
        if (!HartMask.TryParse(call.A0, call.A1, platform.HartCount, out HartMask harts))
            return SbiError.InvalidParam;
        SbiFence fence = call.Function == 0
            ? new SbiFence(SbiFenceKind.Instructions)
            : new SbiFence(SbiFenceKind.Addresses, call.A2, call.A3);
        if (!fence.IsEverything && fence.Size != 0 && fence.Start + (fence.Size - 1) < fence.Start)
            return SbiError.InvalidAddress;
        (SbiEvent sent, SbiEvent received) = call.Function switch
        {
            0 => (SbiEvent.InstructionFenceSent, SbiEvent.InstructionFenceReceived),
            1 => (SbiEvent.AddressFenceSent, SbiEvent.AddressFenceReceived),
            _ => (SbiEvent.AddressSpaceFenceSent, SbiEvent.AddressSpaceFenceReceived),
        };
        events.Count(call.Hart, sent);
        for (int hart = 0; hart < platform.HartCount; hart++)
        {
            if (!harts.Contains(hart))
                continue;
            if (hart != call.Hart)
                events.Count(hart, received);
            platform.Fence(hart, in fence);
        }

        platform.AwaitFences(call.Hart);
        return SbiError.Success;
    }
}
