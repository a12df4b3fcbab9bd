namespace Hypervisor.Guests.Common.Sbi;

/// <summary>HSM (SBI 2.0, section 9): starts, stops and suspends harts.</summary>
internal sealed class HartStateExtension(ISbiPlatform platform) : ISbiExtension
{
    private const uint DefaultRetentive = 0;
    private const uint DefaultNonRetentive = 0x8000_0000;

    public string Name => "HSM";

    public ulong FirstId => SbiExtensionId.HartState;

    public ulong LastId => SbiExtensionId.HartState;

    public SbiResult Call(in SbiCall call) => call.Function switch
    {
        0 => Start(in call),
        1 => Stop(in call),
        2 => call.A0 < (ulong)platform.HartCount ? SbiResult.Ok((ulong)platform.StatusOf((int)call.A0)) : SbiError.InvalidParam,
        3 => Suspend(in call),
        _ => SbiError.NotSupported,
    };

    private SbiResult Start(in SbiCall call)
    {
        if (call.A0 >= (ulong)platform.HartCount)
            return SbiError.InvalidParam;
        if (!IsCode(call.A1))
            return SbiError.InvalidAddress;
        return platform.TryStartHart((int)call.A0, call.A1, call.A2) ? SbiError.Success : SbiError.AlreadyAvailable;
    }

    private SbiResult Stop(in SbiCall call)
    {
        if (call.Nested)
            return SbiError.Denied;
        platform.StopHart(call.Hart);
        return new SbiResult(SbiError.Success, 0, SbiCompletion.Block);
    }

    private SbiResult Suspend(in SbiCall call)
    {
        // 32 bits wide: C sign-extends it in a 64-bit register.
        var type = (uint)call.A0;
        if (type is not (DefaultRetentive or DefaultNonRetentive))
            return SbiError.InvalidParam;
        if (call.Nested)
            return SbiError.Denied;
        bool keepsRegisters = type == DefaultRetentive;
        if (!keepsRegisters && !IsCode(call.A1))
            return SbiError.InvalidAddress;
        platform.SuspendHart(call.Hart, keepsRegisters ? null : call.A1, call.A2);
        return new SbiResult(SbiError.Success, 0, SbiCompletion.Block);
    }

    private bool IsCode(ulong address) => (address & 1) == 0 && platform.Memory.Contains(address, 2);
}
