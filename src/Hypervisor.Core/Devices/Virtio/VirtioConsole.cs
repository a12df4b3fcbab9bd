using System.Buffers.Binary;
using System.Text;
using Hypervisor.Core.State;

namespace Hypervisor.Core.Devices.Virtio;

/// <summary>
/// A console (virtio 1.2 §5.3): queue 0 brings bytes to the guest, queue 1 takes what it prints. With further ports, queues 2 and
/// 3 are those of control, and each port has two more.
/// </summary>
internal sealed class VirtioConsole : VirtioDevice
{
    private const int ReceiveQueue = 0;
    private const int TransmitQueue = 1;
    private const int ControlReceiveQueue = 2;
    private const int ControlTransmitQueue = 3;
    private const int QueueLimit = 64 << 10;
    private const int MostPorts = 30;

    private const ulong FeatureSize = 1;
    private const ulong FeaturePorts = 2;

    private const ushort DeviceReady = 0;
    private const ushort PortAdd = 1;
    private const ushort PortReady = 3;
    private const ushort ConsolePort = 4;
    private const ushort Resize = 5;
    private const ushort PortOpen = 6;
    private const ushort PortName = 7;
    private const int ControlSize = 8;
    private const int MostControls = 256;

    private readonly Lock _lock = new();
    private readonly IConsoleSink _sink;
    private readonly VirtioConsolePort[] _ports;
    private readonly ByteQueue _incoming = new(QueueLimit);
    private readonly Queue<byte[]> _controls = new();
    private readonly byte[] _configuration = new byte[12];
    private readonly bool[] _came;
    private readonly bool[] _opened;
    private bool _wantsControl;

    /// <summary>Creates the device.</summary>
    /// <param name="sink">Takes what the guest prints.</param>
    /// <param name="ports">Ports beside the console; at most 30.</param>
    /// <exception cref="HypervisorException">There are too many ports.</exception>
    public VirtioConsole(IConsoleSink sink, params ReadOnlySpan<VirtioConsolePort> ports)
    {
        if (ports.Length > MostPorts)
            throw new HypervisorException($"A console has at most {MostPorts} further ports, not {ports.Length}.");
        _sink = sink;
        _ports = ports.ToArray();
        _came = new bool[ports.Length];
        _opened = new bool[ports.Length];
        BinaryPrimitives.WriteUInt32LittleEndian(_configuration.AsSpan(4), (uint)ports.Length + 1);
        for (int i = 0; i < _ports.Length; i++)
        {
            int port = i;
            _ports[i].Look = toGuest => Arrived?.Invoke(QueueOf(port) + (toGuest ? 0 : 1));
            _ports[i].OpenChanged = () =>
            {
                lock (_lock)
                    Tell(port + 1, PortOpen, _ports[port].IsOpen ? (ushort)1 : (ushort)0);
                Arrived?.Invoke(ControlReceiveQueue);
            };
        }
    }

    /// <inheritdoc/>
    public override uint DeviceId => 3;

    /// <inheritdoc/>
    public override ulong Features => _ports.Length > 0 ? FeatureSize | FeaturePorts : FeatureSize;

    /// <inheritdoc/>
    public override int QueueCount => _ports.Length > 0 ? 4 + (2 * _ports.Length) : 2;

    /// <inheritdoc/>
    public override ReadOnlySpan<byte> Configuration => _configuration;

    private bool HasPorts => (AcceptedFeatures & FeaturePorts) != 0;

    /// <summary>Tells the guest how large the terminal is. Any thread.</summary>
    /// <param name="columns">Characters in a row.</param>
    /// <param name="rows">Rows.</param>
    public void SetSize(ushort columns, ushort rows)
    {
        lock (_lock)
        {
            BinaryPrimitives.WriteUInt16LittleEndian(_configuration, columns);
            BinaryPrimitives.WriteUInt16LittleEndian(_configuration.AsSpan(2), rows);
            if (HasPorts)
                TellSize();
        }

        ConfigurationChanged?.Invoke();
        if (HasPorts)
            Arrived?.Invoke(ControlReceiveQueue);
    }

    /// <summary>Sends bytes to the guest. Any thread.</summary>
    /// <returns>How many were taken; the rest did not fit and may be offered again when the guest has read some.</returns>
    public int Receive(ReadOnlySpan<byte> bytes)
    {
        int taken;
        lock (_lock)
            taken = _incoming.Enqueue(bytes);
        Arrived?.Invoke(ReceiveQueue);
        return taken;
    }

    /// <inheritdoc/>
    public override bool Process(int index, VirtioQueue queue, VirtioChain chain)
    {
        switch (index)
        {
            case ReceiveQueue:
                lock (_lock)
                    Deliver(_incoming, queue, chain);
                return true;
            case TransmitQueue:
                while (queue.TryPop(chain))
                {
                    for (int i = 0; i < chain.ReadableBuffers; i++)
                        _sink.Write(chain.Readable(i));
                    queue.Push(chain.Head, 0);
                }

                return true;
            case ControlReceiveQueue:
                lock (_lock)
                    DeliverControls(queue, chain);
                return true;
            case ControlTransmitQueue:
                lock (_lock)
                    TakeControls(queue, chain);
                return true;
            default:
                int port = (index - QueueOf(0)) / 2;
                if ((index & 1) == 0)
                    _ports[port].Deliver(queue, chain);
                else
                    _came[port] |= _ports[port].Accept(queue, chain);
                return true;
        }
    }

    /// <inheritdoc/>
    public override void AfterProcess()
    {
        for (int i = 0; i < _ports.Length; i++)
        {
            if (_came[i])
            {
                _came[i] = false;
                _ports[i].Waiting.Set();
            }

            if (_opened[i])
            {
                _opened[i] = false;
                Arrived?.Invoke(QueueOf(i));
            }
        }

        if (_wantsControl)
        {
            _wantsControl = false;
            Arrived?.Invoke(ControlReceiveQueue);
        }
    }

    /// <inheritdoc/>
    public override void Reset()
    {
        lock (_lock)
            _controls.Clear();
        foreach (VirtioConsolePort port in _ports)
            port.IsOpenInGuest = false;
    }

    /// <inheritdoc/>
    public override void Save(StateWriter writer)
    {
        lock (_lock)
            writer.Write(_incoming.ToArray());
    }

    /// <inheritdoc/>
    public override void Load(StateReader reader)
    {
        lock (_lock)
        {
            _incoming.Clear();
            _incoming.Enqueue(reader.ReadBytes(QueueLimit));
        }
    }

    /// <summary>Fills what the driver gave with bytes that wait.</summary>
    internal static void Deliver(ByteQueue bytes, VirtioQueue queue, VirtioChain chain)
    {
        while (bytes.Count > 0 && queue.TryPop(chain))
        {
            uint written = 0;
            for (int i = 0; i < chain.WritableBuffers && bytes.Count > 0; i++)
            {
                int given = bytes.Dequeue(chain.Writable(i, bytes.Count));
                chain.Written(i, given);
                written += (uint)given;
            }

            queue.Push(chain.Head, written);
        }
    }

    private static int QueueOf(int port) => 4 + (2 * port);

    private void DeliverControls(VirtioQueue queue, VirtioChain chain)
    {
        while (_controls.Count > 0 && queue.TryPop(chain))
            queue.Push(chain.Head, (uint)chain.CopyWritable(0, _controls.Dequeue()));
    }

    private void TakeControls(VirtioQueue queue, VirtioChain chain)
    {
        Span<byte> message = stackalloc byte[ControlSize];

        // A guest that takes no answers gets no more until it does.
        while (_controls.Count < MostControls && queue.TryPop(chain))
        {
            if (chain.CopyReadable(0, message) == message.Length && HasPorts)
                Take(BinaryPrimitives.ReadUInt32LittleEndian(message), BinaryPrimitives.ReadUInt16LittleEndian(message[4..]), message[6] != 0);
            queue.Push(chain.Head, 0);
        }
    }

    private void Take(uint port, ushort what, bool value)
    {
        if (what == DeviceReady)
        {
            for (int i = 0; i <= _ports.Length; i++)
                Tell(i, PortAdd, 1);
        }
        else if (what == PortReady && port == 0)
        {
            Tell(0, ConsolePort, 1);
            Tell(0, PortOpen, 1);
            TellSize();
        }
        else if (what == PortReady && port <= _ports.Length)
        {
            VirtioConsolePort ready = _ports[port - 1];
            Tell((int)port, PortName, 1, Encoding.ASCII.GetBytes(ready.Name));
            if (ready.IsOpen)
                Tell((int)port, PortOpen, 1);
        }
        else if (what == PortOpen && port - 1 < _ports.Length)
        {
            _ports[port - 1].IsOpenInGuest = value;
            _opened[port - 1] = value;
        }
    }

    private void TellSize()
    {
        if (BinaryPrimitives.ReadUInt32LittleEndian(_configuration) != 0)
            Tell(0, Resize, 1, [_configuration[2], _configuration[3], _configuration[0], _configuration[1]]);
    }

    private void Tell(int port, ushort what, ushort value, ReadOnlySpan<byte> more = default)
    {
        // Until the driver asked for ports nothing of them is said; what is said then tells all that is.
        if (!HasPorts)
            return;
        var message = new byte[ControlSize + more.Length];
        BinaryPrimitives.WriteInt32LittleEndian(message, port);
        BinaryPrimitives.WriteUInt16LittleEndian(message.AsSpan(4), what);
        BinaryPrimitives.WriteUInt16LittleEndian(message.AsSpan(6), value);
        more.CopyTo(message.AsSpan(ControlSize));
        _controls.Enqueue(message);
        _wantsControl = true;
    }
}
