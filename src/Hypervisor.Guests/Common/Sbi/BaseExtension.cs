namespace Hypervisor.Guests.Common.Sbi;

/// <summary>Base (SBI 2.0, section 4): versions, and which extensions exist.</summary>
internal sealed class BaseExtension(SbiRegistry registry) : ISbiExtension
{
    /// <summary>Version 2.0: major in bits 30:24, minor below.</summary>
    public const ulong SpecificationVersion = 2UL << 24;

    /// <summary>Our implementation number: none is assigned, so one far above those that are.</summary>
    public const ulong ImplementationId = 0x4856;

    /// <summary>Our implementation version, major in bits 31:16.</summary>
    public const ulong ImplementationVersion = 0x0001_0000;

    public string Name => "Base";

    public ulong FirstId => SbiExtensionId.Base;

    public ulong LastId => SbiExtensionId.Base;

    public SbiResult Call(in SbiCall call) => call.Function switch
    {
        0 => SbiResult.Ok(SpecificationVersion),
        1 => SbiResult.Ok(ImplementationId),
        2 => SbiResult.Ok(ImplementationVersion),
        3 => SbiResult.Ok(registry.IsAvailable(call.A0) ? 1UL : 0),

        // mvendorid, marchid, mimpid: zero is legal and means "not given".
        4 or 5 or 6 => SbiResult.Ok(0),
        _ => SbiError.NotSupported,
    };
}
