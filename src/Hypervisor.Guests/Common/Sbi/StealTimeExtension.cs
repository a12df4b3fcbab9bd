using Hypervisor.Core.Machine;

namespace Hypervisor.Guests.Common.Sbi;

/// <summary>
/// STA (SBI 2.0, section 16): each hart may name a structure of 64 bytes in which it finds for how long it was ready to run
/// but another had the physical CPU, by the scheduler's own books.
/// </summary>
internal sealed class StealTimeExtension(ISbiPlatform platform) : ISbiExtension
{
    private const ulong Size = 64;
    private const ulong None = ulong.MaxValue;
    private const ulong Sequence = 0;
    private const ulong Steal = 8;

    private readonly Page[] _pages = [.. Enumerable.Range(0, platform.HartCount).Select(_ => new Page())];

    public string Name => "STA";

    public ulong FirstId => SbiExtensionId.StealTime;

    public ulong LastId => SbiExtensionId.StealTime;

    public SbiResult Call(in SbiCall call)
    {
        if (call.Function != 0)
            return SbiError.NotSupported;
        Page page = _pages[call.Hart];
        if (call.A2 != 0)
            return SbiError.InvalidParam;
        if (call.A0 == None && call.A1 == None)
        {
            page.Address = None;
            return SbiError.Success;
        }

        if (call.A0 % Size != 0)
            return SbiError.InvalidParam;
        if (call.A1 != 0 || !platform.IsAccessible(call.A0, Size, write: true))
            return SbiError.InvalidAddress;
        platform.Memory.TryWrite(call.A0, new byte[Size]);
        page.Address = call.A0;
        page.Count = 0;
        Update(call.Hart, platform.MeterOf(call.Hart));
        return SbiError.Success;
    }

    /// <summary>Brings a hart's structure up to date; called before it runs, on its thread.</summary>
    public void Update(int hart, VCpuMeter meter)
    {
        Page page = _pages[hart];
        if (page.Address == None || !platform.IsAccessible(page.Address, Size, write: true))
            return;

        // Odd while it changes, for readers on other harts.
        platform.Memory.TryWrite(page.Address + Sequence, ++page.Count);
        Interlocked.MemoryBarrier();
        platform.Memory.TryWrite(page.Address + Steal, (ulong)meter.WaitNanoseconds);
        Interlocked.MemoryBarrier();
        platform.Memory.TryWrite(page.Address + Sequence, ++page.Count);
    }

    private sealed class Page
    {
        public ulong Address { get; set; } = None;

        public uint Count { get; set; }
    }
}
