namespace Hypervisor.Guests.Common.Sbi;

/// <summary>sPI (SBI 2.0, section 7): interrupts between harts.</summary>
internal sealed class IpiExtension(ISbiPlatform platform, SbiEvents events) : ISbiExtension
{
    public string Name => "IPI";

    public ulong FirstId => SbiExtensionId.Ipi;

    public ulong LastId => SbiExtensionId.Ipi;

    public SbiResult Call(in SbiCall call)
    {
        if (call.Function != 0)
            return SbiError.NotSupported;
        if (!HartMask.TryParse(call.A0, call.A1, platform.HartCount, out HartMask harts))
            return SbiError.InvalidParam;
        Send(call.Hart, harts);
        return SbiError.Success;
    }

    /// <summary>Interrupts a set of harts.</summary>
    public void Send(int caller, HartMask harts)
    {
        events.Count(caller, SbiEvent.IpiSent);
        for (int hart = 0; hart < platform.HartCount; hart++)
        {
            if (!harts.Contains(hart))
                continue;
            events.Count(hart, SbiEvent.IpiReceived);
            platform.SendSoftwareInterrupt(hart);
        }
    }
}
