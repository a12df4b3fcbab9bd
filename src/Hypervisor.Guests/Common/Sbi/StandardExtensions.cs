namespace Hypervisor.Guests.Common.Sbi;

/// <summary>The standard set, the same for every personality that offers the SBI.</summary>
internal static class StandardExtensions
{
    /// <summary>
    /// A registry with Base, TIME, IPI, RFENCE, HSM, SRST, DBCN, PMU, SUSP, CPPC, FWFT, what is given, and the legacy calls.
    /// </summary>
    public static SbiRegistry Create(ISbiPlatform platform, ISbiConsole console, StealTimeExtension stealTime)
    {
        var events = new SbiEvents(platform.HartCount);
        var registry = new SbiRegistry();
        registry.Register(new BaseExtension(registry));
        registry.Register(new TimeExtension(platform, events));
        registry.Register(new IpiExtension(platform, events));
        registry.Register(new RemoteFenceExtension(platform, events));
        registry.Register(new HartStateExtension(platform));
        registry.Register(new SystemResetExtension(platform));
        registry.Register(new DebugConsoleExtension(platform, console));
        registry.Register(new PmuExtension(platform, events));
        registry.Register(new SystemSuspendExtension(platform));
        registry.Register(new CppcExtension());
        registry.Register(new FirmwareFeaturesExtension(platform));
        registry.Register(stealTime);
        for (ulong id = SbiExtensionId.LegacySetTimer; id <= SbiExtensionId.LegacyShutdown; id++)
            registry.Register(new LegacyExtension(id, platform, console));
        return registry;
    }
}
