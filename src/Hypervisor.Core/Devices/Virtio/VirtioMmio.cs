using Hypervisor.Core.Memory;
using Hypervisor.Core.State;
using Hypervisor.Core.Time;

namespace Hypervisor.Core.Devices.Virtio;

/// <summary>
/// The memory-mapped transport, version 2 (virtio 1.2 §4.2), for one device or for an empty slot (device id 0). Registers answer
/// to 4 bytes; the configuration space to any size.
/// </summary>
internal sealed class VirtioMmio : IMmioDevice, IDisposable
{
    private const uint Magic = 0x7472_6976;
    private const uint Version = 2;
    private const uint Vendor = 0x5652_5648;
    private const uint QueueInterrupt = 1;
    private const uint ConfigurationInterrupt = 2;
    private const ulong QueueNotify = 0x50;
    private const ulong ConfigurationBase = 0x100;
    private const int NoTimer = -1;

    private readonly Lock _lock = new();
    private readonly ITimerService _timers;
    private readonly VirtioDevice? _device;
    private readonly VirtioChain? _chain;
    private readonly VirtioQueue[] _queues;
    private readonly int _resume;
    private readonly ulong _offered;
    private IInterruptLine _line;
    private ulong _accepted;
    private uint _deviceFeaturesSelect;
    private uint _driverFeaturesSelect;
    private uint _queueSelect;
    private uint _interruptStatus;
    private uint _status;
    private uint _generation;
    private Task? _slowWork;

    /// <summary>Creates the transport.</summary>
    /// <param name="memory">The machine's RAM.</param>
    /// <param name="timers">The machine's time; continues queues whose guest adds without end.</param>
    /// <param name="line">Its interrupt.</param>
    /// <param name="device">The device, of which this becomes the only transport; null for an empty slot.</param>
    /// <param name="packed">Whether packed queues are offered beside split ones.</param>
    public VirtioMmio(GuestMemory memory, ITimerService timers, IInterruptLine line, VirtioDevice? device, bool packed = true)
    {
        _timers = timers;
        _line = line;
        _device = device;
        _queues = new VirtioQueue[device?.QueueCount ?? 0];
        _resume = NoTimer;
        if (device is null)
            return;
        _resume = timers.CreateTimer(Resume);
        _chain = new VirtioChain(memory);
        _offered = device.Features | VirtioFormat.FeatureVersion1 | VirtioFormat.FeatureIndirect | VirtioFormat.FeatureEventIndex
            | (packed ? VirtioFormat.FeaturePacked : 0);
        for (int i = 0; i < _queues.Length; i++)
            _queues[i] = new VirtioQueue(memory, device.QueueSize);
        device.Arrived = queue => Notify((uint)queue);
        device.ConfigurationChanged = TellConfigurationChange;
        Reset();
    }

    /// <inheritdoc/>
    public ulong Size => 0x1000;

    /// <summary>Where interrupts go; may be changed while the machine runs (to an event channel and back).</summary>
    public IInterruptLine Line
    {
        get
        {
            lock (_lock)
                return _line;
        }

        set
        {
            lock (_lock)
            {
                if (value == _line)
                    return;

                // The old receiver must not see a level for ever that nobody acknowledges there.
                _line.Set(false);
                _line = value;
                if (_interruptStatus != 0)
                    _line.Set(true);
            }
        }
    }

    /// <summary>Serves a queue, as a write of its number to QueueNotify does. Any thread.</summary>
    public void Notify(uint queue)
    {
        lock (_lock)
        {
            if (queue < (uint)_queues.Length)
                Serve((int)queue);
        }

        _device?.AfterProcess();
    }

    /// <inheritdoc/>
    public ulong Read(ulong offset, int size)
    {
        lock (_lock)
        {
            if (offset >= ConfigurationBase)
                return ReadConfiguration(offset - ConfigurationBase, size);
            return size == 4 ? ReadRegister(offset) : 0;
        }
    }

    /// <inheritdoc/>
    public void Write(ulong offset, int size, ulong value)
    {
        if (_device is null)
            return;
        if (offset >= ConfigurationBase)
        {
            WriteConfiguration(offset - ConfigurationBase, size, value);
            return;
        }

        if (size != 4)
            return;
        lock (_lock)
            WriteRegister(offset, (uint)value);
        if (offset == QueueNotify)
            _device.AfterProcess();
    }

    /// <inheritdoc/>
    public void Save(StateWriter writer)
    {
        FinishSlowWork();
        lock (_lock)
        {
            writer.Begin("VMIO"u8, 1);
            writer.Write(_device?.DeviceId ?? 0);
            writer.Write(_offered);
            writer.Write(_accepted);
            writer.Write(_deviceFeaturesSelect);
            writer.Write(_driverFeaturesSelect);
            writer.Write(_queueSelect);
            writer.Write(_interruptStatus);
            writer.Write(_status);
            foreach (VirtioQueue queue in _queues)
                queue.Save(writer);
            _device?.Save(writer);
        }
    }

    /// <inheritdoc/>
    public void Load(StateReader reader)
    {
        lock (_lock)
        {
            reader.Begin("VMIO"u8, 1);
            if (reader.ReadUInt32() != (_device?.DeviceId ?? 0) || reader.ReadUInt64() != _offered)
                throw reader.Damaged("another virtio device, or one with other features");
            _accepted = reader.ReadUInt64() & _offered;
            _deviceFeaturesSelect = reader.ReadUInt32();
            _driverFeaturesSelect = reader.ReadUInt32();
            _queueSelect = reader.ReadUInt32();
            _interruptStatus = reader.ReadUInt32() & (QueueInterrupt | ConfigurationInterrupt);
            _status = reader.ReadUInt32();
            foreach (VirtioQueue queue in _queues)
                queue.Load(reader, _accepted);
            _line.Set(_interruptStatus != 0);
            if (_device is null)
                return;
            _device.AcceptedFeatures = _accepted;
            _device.Load(reader);

            // Whether a round had been cut short is not saved: one more round finds out.
            _timers.Arm(_resume, _timers.NowNanoseconds);
        }
    }

    /// <summary>Gives the timer back; input that still arrives finds no queue.</summary>
    public void Dispose()
    {
        if (_resume == NoTimer)
            return;
        lock (_lock)
        {
            Reset();
            _timers.DeleteTimer(_resume);
        }

        FinishSlowWork();
    }

    private VirtioQueue? SelectedQueue => _queueSelect < (uint)_queues.Length ? _queues[_queueSelect] : null;

    private uint ReadRegister(ulong offset) => offset switch
    {
        0x00 => Magic,
        0x04 => Version,
        0x08 => _device?.DeviceId ?? 0,
        0x0c => Vendor,
        0x10 => FeatureWord(_offered, _deviceFeaturesSelect),
        0x34 => SelectedQueue?.MaximumSize ?? 0u,
        0x44 => SelectedQueue is { IsReady: true } ? 1u : 0,
        0x60 => _interruptStatus,
        0x70 => _status,

        0xfc => _generation,

        // No shared memory: length and base of all ones (§4.2.2).
        0xb0 or 0xb4 or 0xb8 or 0xbc => uint.MaxValue,
        _ => 0,
    };

    private ulong ReadConfiguration(ulong offset, int size)
    {
        ReadOnlySpan<byte> configuration = _device is null ? [] : _device.Configuration;
        ulong value = 0;
        for (int i = 0; i < size && offset + (ulong)i < (ulong)configuration.Length; i++)
            value |= (ulong)configuration[(int)offset + i] << (8 * i);
        return value;
    }

    private void WriteConfiguration(ulong offset, int size, ulong value)
    {
        lock (_lock)
        {
            for (int i = 0; i < size && offset + (ulong)i < (ulong)_device!.Configuration.Length; i++)
                _device.WriteConfiguration((int)offset + i, (byte)(value >> (8 * i)));
        }
    }

    private void WriteRegister(ulong offset, uint value)
    {
        switch (offset)
        {
            case 0x14:
                _deviceFeaturesSelect = value;
                break;
            case 0x20:
                AcceptFeatures(value);
                break;
            case 0x24:
                _driverFeaturesSelect = value;
                break;
            case 0x30:
                _queueSelect = value;
                break;
            case 0x44:
                SetQueueReady(value);
                break;
            case QueueNotify:
                if (value < (uint)_queues.Length)
                    Serve((int)value);
                break;
            case 0x64:
                _interruptStatus &= ~value;
                if (_interruptStatus == 0)
                    _line.Set(false);
                break;
            case 0x70:
                SetStatus(value);
                break;
            case 0x38 or (>= 0x80 and <= 0xa4):
                // The shape of a queue in use does not change (§4.2.2.2).
                if (SelectedQueue is { IsReady: false } queue)
                    ShapeQueue(queue, offset, value);
                break;
        }
    }

    private static void ShapeQueue(VirtioQueue queue, ulong offset, uint value)
    {
        switch (offset)
        {
            case 0x38:
                queue.Size = value;
                break;
            case 0x80 or 0x84:
                queue.DescriptorTable = RegisterAccess.Deposit(queue.DescriptorTable, offset, 4, value);
                break;
            case 0x90 or 0x94:
                queue.DriverArea = RegisterAccess.Deposit(queue.DriverArea, offset, 4, value);
                break;
            case 0xa0 or 0xa4:
                queue.DeviceArea = RegisterAccess.Deposit(queue.DeviceArea, offset, 4, value);
                break;
        }
    }

    private void AcceptFeatures(uint value)
    {
        // The choice is final once FEATURES_OK is set (§3.1.1).
        if ((_status & VirtioFormat.StatusFeaturesOk) != 0 || _driverFeaturesSelect > 1)
            return;
        _accepted = RegisterAccess.Deposit(_accepted, _driverFeaturesSelect * 4, 4, value);
    }

    private void SetQueueReady(uint value)
    {
        if (SelectedQueue is not { } queue)
            return;
        if ((value & 1) == 0)
        {
            queue.Disable();
        }
        else if (!queue.IsReady)
        {
            queue.Enable(_accepted);
            if (queue.IsBroken)
                DemandReset();
        }
    }

    private void SetStatus(uint value)
    {
        if (value == 0)
        {
            Reset();
            return;
        }

        // The driver cannot clear bits but by a reset, and cannot set the device's own bit (§2.1).
        uint status = _status | (value & 0xff & ~VirtioFormat.StatusNeedsReset);
        if ((status & ~_status & VirtioFormat.StatusFeaturesOk) != 0
            && ((_accepted & ~_offered) != 0 || (_accepted & VirtioFormat.FeatureVersion1) == 0))
            status &= ~VirtioFormat.StatusFeaturesOk;
        _status = status;
        if (_device is not null)
            _device.AcceptedFeatures = _accepted;
    }

    private void Reset()
    {
        _accepted = 0;
        _deviceFeaturesSelect = 0;
        _driverFeaturesSelect = 0;
        _queueSelect = 0;
        _interruptStatus = 0;
        _status = 0;
        foreach (VirtioQueue queue in _queues)
            queue.Reset();
        _device?.Reset();
        _timers.Disarm(_resume);
        _line.Set(false);
    }

    private void Resume()
    {
        lock (_lock)
        {
            for (int i = 0; i < _queues.Length; i++)
                Serve(i);
        }

        _device?.AfterProcess();
    }

    /// <summary>Serves one round of a queue. A device that is not live must not touch it (§2.1.2, §3.1).</summary>
    private void Serve(int index)
    {
        VirtioQueue queue = _queues[index];
        const uint live = VirtioFormat.StatusDriverOk | VirtioFormat.StatusFeaturesOk;
        if (_device is null || _chain is null || !queue.IsReady || (_status & (live | VirtioFormat.StatusNeedsReset)) != live)
            return;
        if (_slowWork is not null)
            return;
        queue.BeginRound();
        bool sound = _device.Process(index, queue, _chain);
        if (_device.SlowWork is { } slow)
            StartSlowWork(slow);
        if (queue.TakeInterrupt())
            Interrupt(QueueInterrupt);
        if (!sound || queue.IsBroken)
            DemandReset();
        else if (queue.QuotaUsed)
            _timers.Arm(_resume, _timers.NowNanoseconds);
    }

    // By itself, so that only a round that leaves something pays for the closure.
    private void StartSlowWork(Action work) => _slowWork = Task.Run(() => DoSlowWork(work));

    private void DoSlowWork(Action work)
    {
        work();
        lock (_lock)
        {
            _slowWork = null;
            for (int i = 0; i < _queues.Length; i++)
                Serve(i);
        }

        _device?.AfterProcess();
    }

    /// <summary>Waits until nothing is left to be done. No new work may come meanwhile.</summary>
    private void FinishSlowWork()
    {
        while (true)
        {
            Task? work;
            lock (_lock)
                work = _slowWork;
            if (work is null)
                return;
            work.Wait();
        }
    }

    private void TellConfigurationChange()
    {
        lock (_lock)
        {
            _generation++;
            if ((_status & VirtioFormat.StatusDriverOk) != 0)
                Interrupt(ConfigurationInterrupt);
        }
    }

    private void DemandReset()
    {
        _status |= VirtioFormat.StatusNeedsReset;
        if ((_status & VirtioFormat.StatusDriverOk) != 0)
            Interrupt(ConfigurationInterrupt);
    }

    private void Interrupt(uint cause)
    {
        _interruptStatus |= cause;
        _line.Set(true);
    }

    private static uint FeatureWord(ulong features, uint select) => select switch
    {
        0 => (uint)features,
        1 => (uint)(features >> 32),
        _ => 0,
    };
}
