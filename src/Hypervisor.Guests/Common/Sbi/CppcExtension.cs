namespace Hypervisor.Guests.Common.Sbi;

/// <summary>
/// CPPC (SBI 2.0, section 14): performance control. A vCPU has no performance levels of its own, so that no register is
/// there; a supervisor that probes for one learns it.
/// </summary>
internal sealed class CppcExtension : ISbiExtension
{
    public string Name => "CPPC";

    public ulong FirstId => SbiExtensionId.PerformanceControl;

    public ulong LastId => SbiExtensionId.PerformanceControl;

    public SbiResult Call(in SbiCall call) => call.Function switch
    {
        // A width of 0 bits: the register is not implemented. Reserved numbers are no registers at all.
        0 => call.A0 <= uint.MaxValue ? SbiResult.Ok(0) : SbiError.InvalidParam,
        _ => SbiError.NotSupported,
    };
}
