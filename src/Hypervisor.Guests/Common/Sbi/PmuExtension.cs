using Hypervisor.Core.Engine;
using Hypervisor.Core.Isa;

namespace Hypervisor.Guests.Common.Sbi;

/// <summary>
/// PMU (SBI 2.0, section 11): the hart's cycle and instruction counters, and counters kept here for firmware events. The
/// platform's own firmware event counts exits: by the number of their reason in event_data, or all of them with all ones.
/// Counters raise no interrupt, as there is no Sscofpmf, and there are no snapshots.
/// </summary>
internal sealed class PmuExtension(ISbiPlatform platform, SbiEvents events) : ISbiExtension
{
    private const int Hardware = 2;
    private const int Firmware = 16;
    private const int Counters = Hardware + Firmware;
    private const ulong InfoFirmware = 1UL << 63;
    private const ulong InfoWidth64 = 63UL << 12;

    private const ulong TypeHardware = 0;
    private const ulong TypeFirmware = 15;
    private const ulong EventCycles = 1;
    private const ulong EventInstructions = 2;
    private const ulong EventPlatform = 0xFFFF;
    private const ulong AllExits = ulong.MaxValue;

    private const ulong ConfigureSkipMatch = 1;
    private const ulong ConfigureClear = 2;
    private const ulong ConfigureStart = 4;
    private const ulong StartWithValue = 1;
    private const ulong StopAndForget = 1;

    private readonly Counter[] _counters = [.. Enumerable.Range(0, platform.HartCount * Counters).Select(_ => new Counter())];

    public string Name => "PMU";

    public ulong FirstId => SbiExtensionId.PerformanceMonitoring;

    public ulong LastId => SbiExtensionId.PerformanceMonitoring;

    public SbiResult Call(in SbiCall call) => call.Function switch
    {
        0 => SbiResult.Ok(Counters),
        1 => Describe(call.A0),
        2 => Configure(in call),
        3 => Start(in call),
        4 => Stop(in call),
        5 => Read(in call, high: false),
        6 => Read(in call, high: true),
        _ => SbiError.NotSupported,
    };

    private static SbiResult Describe(ulong index) => index switch
    {
        0 => SbiResult.Ok(InfoWidth64 | CsrNumber.Cycle),
        1 => SbiResult.Ok(InfoWidth64 | CsrNumber.Instret),
        < Counters => SbiResult.Ok(InfoFirmware),
        _ => SbiError.InvalidParam,
    };

    private Counter Of(int hart, int index) => _counters[(hart * Counters) + index];

    private SbiResult Configure(in SbiCall call)
    {
        (ulong first, ulong mask, ulong flags, ulong wanted, ulong data) = (call.A0, call.A1, call.A2, call.A3, call.A4);
        if (!IsSet(first, mask))
            return SbiError.InvalidParam;
        int index = -1;
        if ((flags & ConfigureSkipMatch) != 0)
        {
            // The caller names the one counter, which is configured already.
            index = (int)first + System.Numerics.BitOperations.TrailingZeroCount(mask);
            if (!Of(call.Hart, index).IsUsed)
                return SbiError.InvalidParam;
        }
        else if (Fits(wanted, data, out int fixedIndex))
        {
            for (int i = 0; i < Counters && index < 0; i++)
            {
                bool asked = (ulong)i >= first && (ulong)i - first < 64 && (mask >> (int)((ulong)i - first) & 1) != 0;
                bool suits = fixedIndex >= 0 ? i == fixedIndex : i >= Hardware;
                if (asked && suits && !Of(call.Hart, i).IsUsed)
                    index = i;
            }
        }

        if (index < 0)
            return SbiError.NotSupported;
        Counter counter = Of(call.Hart, index);
        if ((flags & ConfigureSkipMatch) == 0)
            counter.Use(wanted & 0xFFFF, data);
        if ((flags & ConfigureClear) != 0)
            SetValue(call.Hart, index, 0);
        if ((flags & ConfigureStart) != 0)
            SetRunning(call.Hart, index, true);
        return SbiResult.Ok((ulong)index);
    }

    private SbiResult Start(in SbiCall call)
    {
        if (!IsSet(call.A0, call.A1))
            return SbiError.InvalidParam;
        SbiError error = SbiError.Success;
        for (int bit = 0; bit < 64; bit++)
        {
            if ((call.A1 >> bit & 1) == 0)
                continue;
            int index = (int)call.A0 + bit;
            Counter counter = Of(call.Hart, index);
            if (!counter.IsUsed)
                return SbiError.InvalidParam;
            if (counter.IsRunning)
            {
                error = SbiError.AlreadyStarted;
                continue;
            }

            if ((call.A2 & StartWithValue) != 0)
                SetValue(call.Hart, index, call.A3);
            SetRunning(call.Hart, index, true);
        }

        return error;
    }

    private SbiResult Stop(in SbiCall call)
    {
        if (!IsSet(call.A0, call.A1))
            return SbiError.InvalidParam;
        SbiError error = SbiError.Success;
        for (int bit = 0; bit < 64; bit++)
        {
            if ((call.A1 >> bit & 1) == 0)
                continue;
            int index = (int)call.A0 + bit;
            Counter counter = Of(call.Hart, index);
            if (counter.IsRunning || index < Hardware)
                SetRunning(call.Hart, index, false);
            else
                error = SbiError.AlreadyStopped;
            if ((call.A2 & StopAndForget) != 0)
                counter.Forget();
        }

        return error;
    }

    private SbiResult Read(in SbiCall call, bool high)
    {
        if (call.A0 is < Hardware or >= Counters || !Of(call.Hart, (int)call.A0).IsUsed)
            return SbiError.InvalidParam;
        return high ? SbiResult.Ok(0) : SbiResult.Ok(ValueOf(call.Hart, (int)call.A0));
    }

    /// <summary>Whether every counter of a mask is there.</summary>
    private static bool IsSet(ulong first, ulong mask)
        => mask != 0 && first < Counters && first + 63 - (ulong)System.Numerics.BitOperations.LeadingZeroCount(mask) < Counters;

    /// <summary>Whether an event can be counted; the counter that alone counts it, or -1 where any firmware counter does.</summary>
    private static bool Fits(ulong wanted, ulong data, out int index)
    {
        ulong code = wanted & 0xFFFF;
        index = -1;
        switch (wanted >> 16)
        {
            case TypeHardware:
                index = code == EventCycles ? 0 : 1;
                return code is EventCycles or EventInstructions;
            case TypeFirmware:
                return SbiEvents.IsCounted(code) || (code == EventPlatform && (data == AllExits || data < (ulong)Enum.GetValues<VmExitReason>().Length));
            default:
                return false;
        }
    }

    /// <summary>How often a firmware counter's event has happened in all.</summary>
    private ulong Total(int hart, Counter counter)
    {
        if (counter.Event != EventPlatform)
            return events.CountOf(hart, (SbiEvent)counter.Event);
        Core.Machine.VCpuMeter meter = platform.MeterOf(hart);
        return (ulong)(counter.Data == AllExits ? meter.TotalExits : meter.Exits((VmExitReason)counter.Data));
    }

    private ulong ValueOf(int hart, int index)
    {
        Counter counter = Of(hart, index);
        return counter.IsRunning ? Total(hart, counter) + counter.Value : counter.Value;
    }

    private void SetValue(int hart, int index, ulong value)
    {
        Counter counter = Of(hart, index);
        if (index < Hardware)
            platform.SetCounter(hart, index == 0 ? 0 : 2, !counter.IsRunning, value);
        else
            counter.Value = counter.IsRunning ? value - Total(hart, counter) : value;
    }

    private void SetRunning(int hart, int index, bool running)
    {
        Counter counter = Of(hart, index);
        if (index < Hardware)
            platform.SetCounter(hart, index == 0 ? 0 : 2, !running, null);
        else if (running != counter.IsRunning)
            counter.Value = running ? counter.Value - Total(hart, counter) : counter.Value + Total(hart, counter);
        counter.IsRunning = running;
    }

    /// <summary>A counter of one hart. While it runs, its value is what to add to the total of its event.</summary>
    private sealed class Counter
    {
        public bool IsUsed { get; private set; }

        public bool IsRunning { get; set; }

        public ulong Event { get; private set; }

        public ulong Data { get; private set; }

        public ulong Value { get; set; }

        public void Use(ulong what, ulong data)
        {
            IsUsed = true;
            Event = what;
            Data = data;
        }

        public void Forget()
        {
            IsUsed = false;
            Value = 0;
        }
    }
}
