using Hypervisor.Core.State;

namespace Hypervisor.Core.Devices;

/// <summary>
/// A 16550A serial port (National Semiconductor PC16550D data sheet), one byte a register. What the guest sends reaches the
/// sink at once, so the transmitter is always empty; what comes in waits in a queue behind the receive FIFO, so nothing is
/// overrun. The baud rate is stored and means nothing.
/// </summary>
internal sealed class Uart16550 : IMmioDevice
{
    private const int FifoSize = 16;
    private const int QueueLimit = 64 << 10;

    private const byte EnableReceive = 0x01;
    private const byte EnableTransmit = 0x02;
    private const byte EnableModem = 0x08;

    private const byte NoInterrupt = 0x01;
    private const byte ModemInterrupt = 0x00;
    private const byte TransmitInterrupt = 0x02;
    private const byte ReceiveInterrupt = 0x04;
    private const byte TimeoutInterrupt = 0x0c;
    private const byte FifosEnabled = 0xc0;

    private const byte DivisorLatch = 0x80;
    private const byte Loopback = 0x10;
    private const byte DataReady = 0x01;
    private const byte TransmitterEmpty = 0x60;

    // Carrier, data set ready and clear to send: somebody is always at the other end.
    private const byte ModemConnected = 0xb0;

    private readonly Lock _lock = new();
    private readonly IInterruptLine _line;
    private readonly IConsoleSink _sink;
    private readonly ByteQueue _incoming = new(QueueLimit);
    private readonly byte[] _fifo = new byte[FifoSize];
    private int _fifoHead;
    private int _fifoCount;
    private ushort _divisor = 12;
    private byte _enabled;
    private byte _fifoControl;
    private byte _lineControl;
    private byte _modemControl;
    private byte _modemDelta;
    private byte _scratch;
    private bool _transmitPending;
    private bool _raised;

    /// <summary>Creates the port as after a reset.</summary>
    /// <param name="line">Its interrupt.</param>
    /// <param name="sink">Takes what the guest sends.</param>
    public Uart16550(IInterruptLine line, IConsoleSink sink)
    {
        _line = line;
        _sink = sink;
    }

    /// <inheritdoc/>
    public ulong Size => 0x100;

    private bool FifoEnabled => (_fifoControl & 1) != 0;

    private bool DivisorSelected => (_lineControl & DivisorLatch) != 0;

    private int Trigger => !FifoEnabled ? 1 : (_fifoControl >> 6) switch { 0 => 1, 1 => 4, 2 => 8, _ => 14 };

    /// <summary>Sends bytes to the guest. Any thread.</summary>
    /// <returns>How many were taken; the rest did not fit and may be offered again when the guest has read some.</returns>
    public int Receive(ReadOnlySpan<byte> bytes)
    {
        lock (_lock)
        {
            int taken = _incoming.Enqueue(bytes);
            Refill();
            Update();
            return taken;
        }
    }

    /// <inheritdoc/>
    public ulong Read(ulong offset, int size)
    {
        lock (_lock)
        {
            byte value = offset switch
            {
                0 => DivisorSelected ? (byte)_divisor : ReadData(),
                1 => DivisorSelected ? (byte)(_divisor >> 8) : _enabled,
                2 => ReadInterrupt(),
                3 => _lineControl,
                4 => _modemControl,
                5 => (byte)(TransmitterEmpty | (_fifoCount > 0 ? DataReady : 0)),
                6 => ReadModem(),
                7 => _scratch,
                _ => 0,
            };
            Update();
            return value;
        }
    }

    /// <inheritdoc/>
    public void Write(ulong offset, int size, ulong value)
    {
        var data = (byte)value;
        lock (_lock)
        {
            switch (offset)
            {
                case 0 when DivisorSelected:
                    _divisor = (ushort)((_divisor & 0xff00) | data);
                    break;
                case 0:
                    Send(data);
                    break;
                case 1 when DivisorSelected:
                    _divisor = (ushort)((_divisor & 0xff) | (data << 8));
                    break;
                case 1:
                    // Enabling the transmit interrupt while the transmitter is empty asks for one at once.
                    _transmitPending |= (data & ~_enabled & EnableTransmit) != 0;
                    _enabled = (byte)(data & 0x0f);
                    break;
                case 2:
                    WriteFifoControl(data);
                    break;
                case 3:
                    _lineControl = data;
                    break;
                case 4:
                    WriteModemControl((byte)(data & 0x1f));
                    break;
                case 7:
                    _scratch = data;
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
            writer.Begin("UART"u8, 1);
            writer.Write(_divisor);
            writer.Write(_enabled);
            writer.Write(_fifoControl);
            writer.Write(_lineControl);
            writer.Write(_modemControl);
            writer.Write(_modemDelta);
            writer.Write(_scratch);
            writer.Write(_transmitPending);
            Span<byte> fifo = stackalloc byte[FifoSize];
            for (int i = 0; i < _fifoCount; i++)
                fifo[i] = _fifo[(_fifoHead + i) % FifoSize];
            writer.Write(fifo[.._fifoCount]);
            writer.Write(_incoming.ToArray());
        }
    }

    /// <inheritdoc/>
    public void Load(StateReader reader)
    {
        lock (_lock)
        {
            reader.Begin("UART"u8, 1);
            _divisor = reader.ReadUInt16();
            _enabled = (byte)(reader.ReadByte() & 0x0f);
            _fifoControl = reader.ReadByte();
            _lineControl = reader.ReadByte();
            _modemControl = (byte)(reader.ReadByte() & 0x1f);
            _modemDelta = (byte)(reader.ReadByte() & 0x0f);
            _scratch = reader.ReadByte();
            _transmitPending = reader.ReadBool();
            ReadOnlySpan<byte> fifo = reader.ReadBytes(FifoSize);
            fifo.CopyTo(_fifo);
            _fifoHead = 0;
            _fifoCount = fifo.Length;
            _incoming.Clear();
            _incoming.Enqueue(reader.ReadBytes(QueueLimit));
            _raised = PendingInterrupt() != NoInterrupt;
            _line.Set(_raised);
        }
    }

    private byte ReadData()
    {
        if (_fifoCount == 0)
            return 0;
        byte data = _fifo[_fifoHead];
        _fifoHead = (_fifoHead + 1) % FifoSize;
        _fifoCount--;
        Refill();
        return data;
    }

    private byte ReadInterrupt()
    {
        byte pending = PendingInterrupt();
        if (pending == TransmitInterrupt)
            _transmitPending = false;
        return (byte)(pending | (FifoEnabled ? FifosEnabled : 0));
    }

    private byte ReadModem()
    {
        var status = (byte)(ModemStatus(_modemControl) | _modemDelta);
        _modemDelta = 0;
        return status;
    }

    private void Send(byte data)
    {
        if ((_modemControl & Loopback) == 0)
            _sink.Write([data]);
        else if (_fifoCount < (FifoEnabled ? FifoSize : 1))
            Push(data);
        _transmitPending = true;
    }

    private void WriteFifoControl(byte data)
    {
        // Turning the FIFOs on or off empties them, as does bit 1.
        if (((data ^ _fifoControl) & 1) != 0 || (data & 2) != 0)
            _fifoCount = 0;
        _fifoControl = (byte)((data & 1) != 0 ? data & 0xc9 : 0);
        Refill();
    }

    private void WriteModemControl(byte data)
    {
        int changed = ModemStatus(_modemControl) ^ ModemStatus(data);

        // The ring indicator notes only its falling edge.
        changed &= ~0x40 | ModemStatus(_modemControl);
        _modemDelta |= (byte)(changed >> 4);
        _modemControl = data;
        Refill();
    }

    /// <summary>In loopback the four outputs are wired to the four inputs.</summary>
    private static byte ModemStatus(byte control) => (control & Loopback) == 0
        ? ModemConnected
        : (byte)(((control & 0x02) << 3) | ((control & 0x01) << 5) | ((control & 0x0c) << 4));

    private void Refill()
    {
        if ((_modemControl & Loopback) != 0)
            return;
        int room = FifoEnabled ? FifoSize : 1;
        while (_fifoCount < room && _incoming.Count > 0)
            Push(_incoming.Dequeue());
    }

    private void Push(byte data)
    {
        _fifo[(_fifoHead + _fifoCount) % FifoSize] = data;
        _fifoCount++;
    }

    /// <summary>
    /// The pending interrupt of highest priority. Fewer bytes than the trigger raise the timeout at once: no more are on the
    /// wire, or they would be in the FIFO already.
    /// </summary>
    private byte PendingInterrupt()
    {
        if ((_enabled & EnableReceive) != 0 && _fifoCount > 0)
            return _fifoCount >= Trigger ? ReceiveInterrupt : TimeoutInterrupt;
        if ((_enabled & EnableTransmit) != 0 && _transmitPending)
            return TransmitInterrupt;
        return (_enabled & EnableModem) != 0 && _modemDelta != 0 ? ModemInterrupt : NoInterrupt;
    }

    private void Update()
    {
        bool raised = PendingInterrupt() != NoInterrupt;
        if (raised != _raised)
        {
            _raised = raised;
            _line.Set(raised);
        }
    }
}
