namespace Hypervisor.Guests.Common.Sbi;

/// <summary>TIME (SBI 2.0, section 6): the hart's timer.</summary>
internal sealed class TimeExtension(ISbiPlatform platform, SbiEvents events) : ISbiExtension
{
    public string Name => "TIME";

    public ulong FirstId => SbiExtensionId.Time;

    public ulong LastId => SbiExtensionId.Time;

    public SbiResult Call(in SbiCall call)
    {
        if (call.Function != 0)
            return SbiError.NotSupported;
        events.Count(call.Hart, SbiEvent.SetTimer);
        platform.SetTimer(call.Hart, call.A0);
        return SbiError.Success;
    }
}
