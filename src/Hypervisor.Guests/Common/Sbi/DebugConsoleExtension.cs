namespace Hypervisor.Guests.Common.Sbi;

/// <summary>DBCN (SBI 2.0, section 12): console reads and writes from guest-physical buffers.</summary>
internal sealed class DebugConsoleExtension(ISbiPlatform platform, ISbiConsole console) : ISbiExtension
{
    /// <summary>The most that one call moves, so that none holds its hart for long: the specification allows partial transfers.</summary>
    public const int LargestTransfer = 64 * 1024;

    public string Name => "DBCN";

    public ulong FirstId => SbiExtensionId.DebugConsole;

    public ulong LastId => SbiExtensionId.DebugConsole;

    public SbiResult Call(in SbiCall call) => call.Function switch
    {
        0 => Write(in call),
        1 => Read(in call),
        2 => WriteByte(in call),
        _ => SbiError.NotSupported,
    };

    private SbiResult Write(in SbiCall call)
    {
        if (!IsBuffer(in call, write: false))
            return SbiError.InvalidParam;
        int length = (int)Math.Min(call.A0, LargestTransfer);
        if (length > 0)
            console.Write(platform.Memory.Window(call.A1, length));
        return SbiResult.Ok((ulong)length);
    }

    private SbiResult Read(in SbiCall call)
    {
        if (!IsBuffer(in call, write: true))
            return SbiError.InvalidParam;
        int length = (int)Math.Min(call.A0, LargestTransfer);
        return SbiResult.Ok(length == 0 ? 0 : (ulong)console.Read(platform.Memory.WritableWindow(call.A1, length)));
    }

    private SbiResult WriteByte(in SbiCall call)
    {
        console.Write([(byte)call.A0]);
        return SbiError.Success;
    }

    // The address has two halves of XLEN bits: on RV64 the upper one lies beyond any memory.
    private bool IsBuffer(in SbiCall call, bool write)
        => call.A2 == 0 && (call.A0 == 0 || platform.IsAccessible(call.A1, call.A0, write));
}
