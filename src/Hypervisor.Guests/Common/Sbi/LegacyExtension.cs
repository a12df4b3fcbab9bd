using Hypervisor.Core.Machine;

namespace Hypervisor.Guests.Common.Sbi;

/// <summary>
/// The legacy console and shutdown calls (SBI 2.0, section 5), which early consoles still use. They have a number each, know
/// no function number and change a0 alone.
/// </summary>
internal sealed class LegacyExtension(ulong id, ISbiPlatform platform, ISbiConsole console) : ISbiExtension
{
    public string Name => $"legacy 0x{id:x}";

    public ulong FirstId => id;

    public ulong LastId => id;

    public SbiResult Call(in SbiCall call)
    {
        switch (id)
        {
            case SbiExtensionId.LegacyConsolePutchar:
                console.Write([(byte)call.A0]);
                return SbiResult.Legacy(0);
            case SbiExtensionId.LegacyConsoleGetchar:
                Span<byte> one = stackalloc byte[1];
                return SbiResult.Legacy(console.Read(one) == 1 ? one[0] : -1);
            case SbiExtensionId.LegacyShutdown when call.Nested:
                return SbiError.Denied;
            case SbiExtensionId.LegacyShutdown:
                platform.End(new MachineExit(0, "guest asked for shutdown"));
                return new SbiResult(SbiError.Success, 0, SbiCompletion.Stop);
            default:
                return SbiError.NotSupported;
        }
    }
}
