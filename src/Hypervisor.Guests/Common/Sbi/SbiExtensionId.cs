namespace Hypervisor.Guests.Common.Sbi;

/// <summary>Extension numbers (SBI 2.0, sections 4 to 16; SBI 3.0, section 18).</summary>
internal static class SbiExtensionId
{
    public const ulong LegacySetTimer = 0x00;
    public const ulong LegacyConsolePutchar = 0x01;
    public const ulong LegacyConsoleGetchar = 0x02;
    public const ulong LegacyClearIpi = 0x03;
    public const ulong LegacySendIpi = 0x04;
    public const ulong LegacyFenceInstructions = 0x05;
    public const ulong LegacyFenceAddresses = 0x06;
    public const ulong LegacyFenceAddressSpace = 0x07;
    public const ulong LegacyShutdown = 0x08;
    public const ulong Base = 0x10;
    public const ulong Time = 0x54494D45;
    public const ulong Ipi = 0x735049;
    public const ulong RemoteFence = 0x52464E43;
    public const ulong HartState = 0x48534D;
    public const ulong SystemReset = 0x53525354;
    public const ulong DebugConsole = 0x4442434E;
    public const ulong PerformanceMonitoring = 0x504D55;
    public const ulong SystemSuspend = 0x53555350;
    public const ulong PerformanceControl = 0x43505043;
    public const ulong StealTime = 0x535441;
    public const ulong FirmwareFeatures = 0x46574654;
}
