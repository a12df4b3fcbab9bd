namespace Hypervisor.Guests.Common.Sbi;

/// <summary>The standard set, the same for every personality that offers the SBI.</summary>
internal static class StandardExtensions
{
    /// <summary>A registry with Base, TIME, IPI, RFENCE, HSM, SRST, DBCN and the legacy console and shutdown calls.</summary>
    public static SbiRegistry Create(ISbiPlatform platform, ISbiConsole console)
    {
        var registry = new SbiRegistry();
        registry.Register(new BaseExtension(registry));
        registry.Register(new TimeExtension(platform));
        registry.Register(new IpiExtension(platform));
        registry.Register(new RemoteFenceExtension(platform));
        registry.Register(new HartStateExtension(platform));
        registry.Register(new SystemResetExtension(platform));
        registry.Register(new DebugConsoleExtension(platform, console));
        registry.Register(new LegacyExtension(SbiExtensionId.LegacyConsolePutchar, platform, console));
        registry.Register(new LegacyExtension(SbiExtensionId.LegacyConsoleGetchar, platform, console));
        registry.Register(new LegacyExtension(SbiExtensionId.LegacyShutdown, platform, console));
        return registry;
    }
}
