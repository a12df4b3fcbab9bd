using Hypervisor.Core.State;
using Hypervisor.Core.Time;

namespace Hypervisor.Core.Devices;

/// <summary>The interrupt lines of one hart that a <see cref="Clint"/> drives: its MSIP and its MTIP.</summary>
internal readonly record struct ClintHart(IInterruptLine Software, IInterruptLine Timer);

/// <summary>
/// The core-local interruptor: software interrupts between harts and the machine timer (SiFive FU540 manual, chapter 9; RISC-V
/// ACLINT specification 1.0, MSWI and MTIMER). Registers answer to 4 and 8 bytes.
/// </summary>
internal sealed class Clint : IMmioDevice, IDisposable
{
    /// <summary>Nanoseconds in one tick of <c>mtime</c>: 10 MHz, as the time CSR.</summary>
    public const long NanosecondsPerTick = 100;

    private const ulong CompareBase = 0x4000;
    private const ulong TimeBase = 0xbff8;

    private readonly Lock _lock = new();
    private readonly ITimerService _timers;
    private readonly HartTimer[] _harts;
    private ulong _timeOffset;

    /// <summary>Creates the device with no interrupt pending and every timer unarmed.</summary>
    /// <param name="timers">The machine's time.</param>
    /// <param name="harts">The harts in the order of their ids; at most 4095.</param>
    public Clint(ITimerService timers, IReadOnlyList<ClintHart> harts)
    {
        if (harts.Count is 0 or > 4095)
            throw new HypervisorException($"A CLINT serves 1 to 4095 harts, not {harts.Count}.");
        _timers = timers;
        _harts = new HartTimer[harts.Count];
        for (int i = 0; i < _harts.Length; i++)
        {
            int hart = i;
            _harts[i] = new HartTimer { Lines = harts[i], Compare = ulong.MaxValue, Timer = timers.CreateTimer(() => Fired(hart)) };
        }
    }

    /// <inheritdoc/>
    public ulong Size => 0x10000;

    /// <summary>The <c>mtime</c> register.</summary>
    public ulong Time
    {
        get
        {
            lock (_lock)
                return TimeLocked;
        }
    }

    private ulong TimeLocked => (ulong)(_timers.NowNanoseconds / NanosecondsPerTick) + _timeOffset;

    /// <inheritdoc/>
    public ulong Read(ulong offset, int size)
    {
        if (size < 4)
            return 0;
        lock (_lock)
        {
            if (offset < CompareBase)
            {
                ulong low = SoftwarePending(offset / 4) ? 1u : 0u;
                return size == 8 && SoftwarePending((offset / 4) + 1) ? low | (1UL << 32) : low;
            }

            if (offset >= TimeBase)
                return offset < TimeBase + 8 ? RegisterAccess.Extract(TimeLocked, offset, size) : 0;
            ulong hart = (offset - CompareBase) / 8;
            return hart < (ulong)_harts.Length ? RegisterAccess.Extract(_harts[hart].Compare, offset, size) : 0;
        }
    }

    /// <inheritdoc/>
    public void Write(ulong offset, int size, ulong value)
    {
        if (size < 4)
            return;
        lock (_lock)
        {
            if (offset < CompareBase)
            {
                SetSoftware(offset / 4, (value & 1) != 0);
                if (size == 8)
                    SetSoftware((offset / 4) + 1, ((value >> 32) & 1) != 0);
            }
            else if (offset >= TimeBase)
            {
                if (offset < TimeBase + 8)
                    SetTime(RegisterAccess.Deposit(TimeLocked, offset, size, value));
            }
            else if ((offset - CompareBase) / 8 < (ulong)_harts.Length)
            {
                ref HartTimer hart = ref _harts[(offset - CompareBase) / 8];
                hart.Compare = RegisterAccess.Deposit(hart.Compare, offset, size, value);
                Update(ref hart);
            }
        }
    }

    /// <inheritdoc/>
    public void Save(StateWriter writer)
    {
        lock (_lock)
        {
            writer.Begin("CLNT"u8, 1);
            writer.Write(TimeLocked);
            writer.Write((uint)_harts.Length);
            foreach (HartTimer hart in _harts)
            {
                writer.Write(hart.Compare);
                writer.Write(hart.Software);
            }
        }
    }

    /// <inheritdoc/>
    public void Load(StateReader reader)
    {
        lock (_lock)
        {
            reader.Begin("CLNT"u8, 1);
            ulong time = reader.ReadUInt64();
            uint count = reader.ReadUInt32();
            if (count != (uint)_harts.Length)
                throw reader.Damaged($"a CLINT of {count} harts where there are {_harts.Length}");
            for (int i = 0; i < _harts.Length; i++)
            {
                _harts[i].Compare = reader.ReadUInt64();
                _harts[i].Software = reader.ReadBool();
                _harts[i].Lines.Software.Set(_harts[i].Software);
            }

            SetTime(time);
        }
    }

    /// <summary>Gives the timers back.</summary>
    public void Dispose()
    {
        foreach (HartTimer hart in _harts)
            _timers.DeleteTimer(hart.Timer);
    }

    private bool SoftwarePending(ulong hart) => hart < (ulong)_harts.Length && _harts[hart].Software;

    private void SetSoftware(ulong hart, bool pending)
    {
        if (hart >= (ulong)_harts.Length)
            return;
        _harts[hart].Software = pending;
        _harts[hart].Lines.Software.Set(pending);
    }

    private void SetTime(ulong time)
    {
        _timeOffset += time - TimeLocked;
        for (int i = 0; i < _harts.Length; i++)
            Update(ref _harts[i]);
    }

    private void Fired(int hart)
    {
        lock (_lock)
            Update(ref _harts[hart]);
    }

    /// <summary>Raises MTIP where the deadline has passed, else lowers it and arms the timer for it.</summary>
    private void Update(ref HartTimer hart)
    {
        ulong now = TimeLocked;
        bool passed = now >= hart.Compare;
        hart.Lines.Timer.Set(passed);

        // Counted from now, so that the offset's wrap does not matter; beyond what nanoseconds can tell lie centuries.
        long nowTicks = _timers.NowNanoseconds / NanosecondsPerTick;
        ulong left = hart.Compare - now;
        if (passed || left > (ulong)((long.MaxValue / NanosecondsPerTick) - nowTicks))
            _timers.Disarm(hart.Timer);
        else
            _timers.Arm(hart.Timer, (nowTicks + (long)left) * NanosecondsPerTick);
    }

    private struct HartTimer
    {
        public ClintHart Lines;
        public ulong Compare;
        public bool Software;
        public int Timer;
    }
}
