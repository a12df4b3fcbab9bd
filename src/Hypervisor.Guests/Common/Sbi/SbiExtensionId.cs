namespace Hypervisor.Guests.Common.Sbi;

/// <summary>Extension numbers (SBI 2.0, sections 4 to 12).</summary>
internal static class SbiExtensionId
{
    public const ulong LegacyConsolePutchar = 0x01;
    public const ulong LegacyConsoleGetchar = 0x02;
    public const ulong LegacyShutdown = 0x08;
    public const ulong Base = 0x10;
    public const ulong Time = 0x54494D45;
    public const ulong Ipi = 0x735049;
    public const ulong RemoteFence = 0x52464E43;
    public const ulong HartState = 0x48534D;
    public const ulong SystemReset = 0x53525354;
    public const ulong DebugConsole = 0x4442434E;
}
