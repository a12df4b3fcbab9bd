namespace Hypervisor.Guests.Common.Sbi;

/// <summary>
/// FWFT (SBI 3.0, section 18): features of the environment that a supervisor sets for its hart. Misaligned accesses never
/// trap, so their delegation is a fact; whether the hart sets A and D bits (Svadu) is the supervisor's choice.
/// </summary>
internal sealed class FirmwareFeaturesExtension(ISbiPlatform platform) : ISbiExtension
{
    private const uint MisalignedDelegation = 0;
    private const uint SetsAccessedAndDirty = 4;
    private const uint LastDefined = 5;
    private const ulong Lock = 1;

    private readonly bool[] _locked = new bool[platform.HartCount * (LastDefined + 1)];

    public string Name => "FWFT";

    public ulong FirstId => SbiExtensionId.FirmwareFeatures;

    public ulong LastId => SbiExtensionId.FirmwareFeatures;

    public SbiResult Call(in SbiCall call) => call.Function switch
    {
        0 => Set(in call),
        1 => Get(in call),
        _ => SbiError.NotSupported,
    };

    private SbiResult Set(in SbiCall call)
    {
        var feature = (uint)call.A0;
        if (feature > LastDefined)
            return SbiError.Denied;
        if (feature is not (MisalignedDelegation or SetsAccessedAndDirty))
            return SbiError.NotSupported;
        if (call.A1 > 1 || (call.A2 & ~Lock) != 0 || (feature == MisalignedDelegation && call.A1 != 1))
            return SbiError.InvalidParam;
        ref bool locked = ref _locked[(call.Hart * (int)(LastDefined + 1)) + (int)feature];
        if (locked)
            return SbiError.DeniedLocked;
        if (feature == SetsAccessedAndDirty)
            platform.SetsAccessedAndDirty(call.Hart, call.A1 == 1);
        locked = (call.A2 & Lock) != 0;
        return SbiError.Success;
    }

    private SbiResult Get(in SbiCall call) => (uint)call.A0 switch
    {
        MisalignedDelegation => SbiResult.Ok(1),
        SetsAccessedAndDirty => SbiResult.Ok(platform.SetsAccessedAndDirty(call.Hart, null) ? 1UL : 0),
        <= LastDefined => SbiError.NotSupported,
        _ => SbiError.Denied,
    };
}
