using Hypervisor.Core.Machine;

namespace Hypervisor.Guests.Common.Sbi;

/// <summary>
/// The legacy calls (SBI 2.0, section 5), which early consoles and old kernels use. They have a number each, know no function
/// number and change a0 alone. Sets of harts are masks in the caller's memory, at an address of its own address space.
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
            case SbiExtensionId.LegacySetTimer:
                platform.SetTimer(call.Hart, call.A0);
                return SbiResult.Legacy(0);
            case SbiExtensionId.LegacyClearIpi:
                platform.ClearSoftwareInterrupt(call.Hart);
                return SbiResult.Legacy(0);
            case SbiExtensionId.LegacySendIpi:
                return ForEach(in call, platform.SendSoftwareInterrupt);
            case SbiExtensionId.LegacyFenceInstructions:
                return Fence(in call, new SbiFence(SbiFenceKind.Instructions));
            case SbiExtensionId.LegacyFenceAddresses:
            case SbiExtensionId.LegacyFenceAddressSpace:
                return Fence(in call, new SbiFence(SbiFenceKind.Addresses, call.A1, call.A2));
            case SbiExtensionId.LegacyShutdown when call.Nested:
                return SbiError.Denied;
            case SbiExtensionId.LegacyShutdown:
                platform.End(new MachineExit(0, "guest asked for shutdown"));
                return new SbiResult(SbiError.Success, 0, SbiCompletion.Stop);
            default:
                return SbiError.NotSupported;
        }
    }

    private SbiResult Fence(in SbiCall call, SbiFence fence)
    {
        SbiResult result = ForEach(in call, hart => platform.Fence(hart, in fence));
        platform.AwaitFences(call.Hart);
        return result;
    }

    /// <summary>Does something to the harts of the caller's mask; a null mask means all of them.</summary>
    private SbiResult ForEach(in SbiCall call, Action<int> action)
    {
        ulong mask = ulong.MaxValue;
        if (call.A0 != 0 && !platform.TryReadVirtual(call.Hart, call.A0, out mask))
            return SbiResult.Legacy((long)SbiError.Failed);
        for (int hart = 0; hart < platform.HartCount && hart < 64; hart++)
        {
            if ((mask >> hart & 1) != 0)
                action(hart);
        }

        return SbiResult.Legacy(0);
    }
}
