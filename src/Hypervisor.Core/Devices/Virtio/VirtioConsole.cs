using Hypervisor.Core.State;

namespace Hypervisor.Core.Devices.Virtio;

/// <summary>A console of one port (virtio 1.2 §5.3): queue 0 brings bytes to the guest, queue 1 takes what it prints.</summary>
/// <param name="sink">Takes what the guest prints.</param>
internal sealed class VirtioConsole(IConsoleSink sink) : VirtioDevice
{
    private const int ReceiveQueue = 0;
    private const int QueueLimit = 64 << 10;

    private readonly Lock _lock = new();
    private readonly ByteQueue _incoming = new(QueueLimit);

    /// <inheritdoc/>
    public override uint DeviceId => 3;

    /// <inheritdoc/>
    public override ulong Features => 0;

    /// <inheritdoc/>
    public override int QueueCount => 2;

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
        if (index == ReceiveQueue)
        {
            Deliver(queue, chain);
            return true;
        }

        while (queue.TryPop(chain))
        {
            for (int i = 0; i < chain.ReadableBuffers; i++)
                sink.Write(chain.Readable(i));
            queue.Push(chain.Head, 0);
        }

        return true;
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

    private void Deliver(VirtioQueue queue, VirtioChain chain)
    {
        lock (_lock)
        {
            while (_incoming.Count > 0 && queue.TryPop(chain))
            {
                uint written = 0;
                for (int i = 0; i < chain.WritableBuffers && _incoming.Count > 0; i++)
                {
                    int given = _incoming.Dequeue(chain.Writable(i, _incoming.Count));
                    chain.Written(i, given);
                    written += (uint)given;
                }

                queue.Push(chain.Head, written);
            }
        }
    }
}
