using Hypervisor.Core.State;
using Hypervisor.Core.Time;

namespace Hypervisor.Core.Devices;

/// <summary>
/// The Goldfish real-time clock, <c>google,goldfish-rtc</c>, as QEMU's board has it: nanoseconds since 1970 in two 32-bit
/// halves (reading the low one latches the high one) and one alarm. Registers answer to 4 bytes.
/// </summary>
internal sealed class GoldfishRtc : IMmioDevice, IDisposable
{
    private const ulong TimeLow = 0x00;
    private const ulong TimeHigh = 0x04;
    private const ulong AlarmLow = 0x08;
    private const ulong AlarmHigh = 0x0c;
    private const ulong InterruptEnabled = 0x10;
    private const ulong ClearAlarm = 0x14;
    private const ulong AlarmStatus = 0x18;
    private const ulong ClearInterrupt = 0x1c;

    private readonly Lock _lock = new();
    private readonly ITimerService _timers;
    private readonly IInterruptLine _line;
    private readonly int _timer;
    private ulong _offset;
    private ulong _alarm;
    private uint _latchedHigh;
    private bool _armed;
    private bool _pending;
    private bool _enabled;

    /// <summary>Creates the clock.</summary>
    /// <param name="timers">The machine's time.</param>
    /// <param name="line">Its interrupt.</param>
    /// <param name="epochNanoseconds">What the clock tells at the machine's time zero: nanoseconds since 1970.</param>
    public GoldfishRtc(ITimerService timers, IInterruptLine line, ulong epochNanoseconds)
    {
        _timers = timers;
        _line = line;
        _offset = epochNanoseconds;
        _timer = timers.CreateTimer(Fired);
    }

    /// <inheritdoc/>
    public ulong Size => 0x1000;

    private ulong Now => (ulong)_timers.NowNanoseconds + _offset;

    /// <inheritdoc/>
    public ulong Read(ulong offset, int size)
    {
        if (size != 4)
            return 0;
        lock (_lock)
        {
            switch (offset)
            {
                case TimeLow:
                    ulong now = Now;
                    _latchedHigh = (uint)(now >> 32);
                    return (uint)now;
                case TimeHigh:
                    return _latchedHigh;
                case AlarmLow:
                    return (uint)_alarm;
                case AlarmHigh:
                    return _alarm >> 32;
                case InterruptEnabled:
                    return _enabled ? 1u : 0;
                case AlarmStatus:
                    return _armed ? 1u : 0;
                default:
                    return 0;
            }
        }
    }

    /// <inheritdoc/>
    public void Write(ulong offset, int size, ulong value)
    {
        if (size != 4)
            return;
        lock (_lock)
        {
            switch (offset)
            {
                case TimeLow or TimeHigh:
                    ulong now = Now;
                    _offset += RegisterAccess.Deposit(now, offset, 4, value) - now;
                    break;
                case AlarmLow:
                    _alarm = RegisterAccess.Deposit(_alarm, 0, 4, value);
                    _armed = true;
                    break;
                case AlarmHigh:
                    _alarm = RegisterAccess.Deposit(_alarm, 4, 4, value);
                    break;
                case InterruptEnabled:
                    _enabled = (value & 1) != 0;
                    break;
                case ClearAlarm:
                    _armed = false;
                    break;
                case ClearInterrupt:
                    _pending = false;
                    break;
            }

            Update();
        }
    }

    /// <inheritdoc/>
    public void Save(StateWriter writer)
    {
        lock (_lock)
        {
            writer.Begin("GRTC"u8, 1);
            writer.Write(Now);
            writer.Write(_alarm);
            writer.Write(_latchedHigh);
            writer.Write(_armed);
            writer.Write(_pending);
            writer.Write(_enabled);
        }
    }

    /// <inheritdoc/>
    public void Load(StateReader reader)
    {
        lock (_lock)
        {
            reader.Begin("GRTC"u8, 1);
            _offset += reader.ReadUInt64() - Now;
            _alarm = reader.ReadUInt64();
            _latchedHigh = reader.ReadUInt32();
            _armed = reader.ReadBool();
            _pending = reader.ReadBool();
            _enabled = reader.ReadBool();
            Update();
        }
    }

    /// <summary>Gives the timer back.</summary>
    public void Dispose() => _timers.DeleteTimer(_timer);

    private void Fired()
    {
        lock (_lock)
            Update();
    }

    private void Update()
    {
        ulong now = Now;
        if (_armed && _alarm <= now)
        {
            _armed = false;
            _pending = true;
        }

        long host = _timers.NowNanoseconds;
        if (_armed && _alarm - now <= (ulong)(long.MaxValue - host))
            _timers.Arm(_timer, host + (long)(_alarm - now));
        else
            _timers.Disarm(_timer);
        _line.Set(_pending && _enabled);
    }
}
