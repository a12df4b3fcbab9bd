namespace Hypervisor.Guests.Common.Sbi;

/// <summary>SUSP (SBI 2.0, section 13): suspends the whole machine to RAM, by its last running hart.</summary>
internal sealed class SystemSuspendExtension(ISbiPlatform platform) : ISbiExtension
{
    private const uint SuspendToRam = 0;

    public string Name => "SUSP";

    public ulong FirstId => SbiExtensionId.SystemSuspend;

    public ulong LastId => SbiExtensionId.SystemSuspend;

    public SbiResult Call(in SbiCall call)
    {
        if (call.Function != 0)
            return SbiError.NotSupported;
        if ((uint)call.A0 != SuspendToRam)
            return SbiError.InvalidParam;
        if ((call.A1 & 1) != 0 || !platform.Memory.Contains(call.A1, 2))
            return SbiError.InvalidAddress;
        if (call.Nested)
            return SbiError.Denied;
        for (int hart = 0; hart < platform.HartCount; hart++)
        {
            if (hart != call.Hart && platform.StatusOf(hart) != SbiHartStatus.Stopped)
                return SbiError.Denied;
        }

        platform.SuspendHart(call.Hart, call.A1, call.A2);
        return new SbiResult(SbiError.Success, 0, SbiCompletion.Block);
    }
}
