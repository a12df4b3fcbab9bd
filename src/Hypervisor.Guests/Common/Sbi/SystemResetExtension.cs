using Hypervisor.Core.Machine;

namespace Hypervisor.Guests.Common.Sbi;

/// <summary>
/// SRST (SBI 2.0, section 10). A machine lives once: shutdown and both reboots end it, and whoever made it makes it anew for
/// a reboot. A reason of
/// <c>0xF0000000 | code</c> with a code of 1 to 255 reports the guest's own failure code.
/// </summary>
internal sealed class SystemResetExtension(ISbiPlatform platform) : ISbiExtension
{
    private const uint GuestFailure = 0xF000_0000;

    public string Name => "SRST";

    public ulong FirstId => SbiExtensionId.SystemReset;

    public ulong LastId => SbiExtensionId.SystemReset;

    public SbiResult Call(in SbiCall call)
    {
        if (call.Function != 0)
            return SbiError.NotSupported;
        // Both are 32 bits wide, and C sign-extends them in a 64-bit register.
        var type = (uint)call.A0;
        var reason = (uint)call.A1;
        bool knownReason = reason <= 1 || (reason & ~0xFFU) == GuestFailure;
        if (type > 2 || !knownReason)
            return SbiError.InvalidParam;
        if (call.Nested)
            return SbiError.Denied;
        string what = type == 0 ? "shutdown" : "reboot";
        int code = reason >= GuestFailure ? (int)(reason & 0xFF) : (int)reason;
        platform.End(new MachineExit(code, code == 0 ? $"guest asked for {what}" : $"guest reported failure {code} and asked for {what}",
            Reboot: type != 0 && code == 0));
        return new SbiResult(SbiError.Success, 0, SbiCompletion.Stop);
    }
}
