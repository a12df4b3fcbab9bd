using Hypervisor.Guests.Container.Kernel;

namespace Hypervisor.Guests.Container.Ipc;

/// <summary>A queue of System V messages.</summary>
internal sealed class MessageQueue(int key, Credentials maker, uint mode) : IpcObject(key, maker, mode)
{
    /// <summary>Bytes of the longest message, and of all messages of a queue.</summary>
    public const int LongestMessage = 8192, UsualBytes = 16384;

    /// <summary>What a message counts for beside its bytes against the container's room.</summary>
    public const int BytesBeside = 64;

    private readonly LinkedList<(long Type, byte[] Data)> _messages = [];

    /// <summary>Bytes it may hold.</summary>
    public ulong Most { get; set; } = UsualBytes;

    public long Bytes { get; private set; }

    public int Count => _messages.Count;

    public int LastSender { get; set; }

    public int LastReceiver { get; set; }

    public long SentAt { get; set; }

    public long ReceivedAt { get; set; }

    /// <summary>Woken when a message comes or goes.</summary>
    public WaitQueue Changed { get; } = new();

    public bool HasRoom(int bytes) => (ulong)(Bytes + bytes) <= Most && (ulong)_messages.Count + 1 <= Most;

    public void Add(long type, byte[] data)
    {
        _messages.AddLast((type, data));
        Bytes += data.Length;
        Changed.WakeAll();
    }

    /// <summary>The message that a receiver of a type gets: any for 0, the first of the least type up to that of a negative one.</summary>
    public LinkedListNode<(long Type, byte[] Data)>? Find(long type, bool isExcept)
    {
        LinkedListNode<(long Type, byte[] Data)>? found = null;
        for (LinkedListNode<(long Type, byte[] Data)>? node = _messages.First; node is not null; node = node.Next)
        {
            long at = node.Value.Type;
            if (type == 0 || (type > 0 && (at == type) != isExcept))
                return node;
            if (type < 0 && at <= (type == long.MinValue ? long.MaxValue : -type) && (found is null || at < found.Value.Type))
                found = node;
        }

        return found;
    }

    public void Take(LinkedListNode<(long Type, byte[] Data)> node)
    {
        _messages.Remove(node);
        Bytes -= node.Value.Data.Length;
        Changed.WakeAll();
    }

    /// <summary>What it counts for against the container's room.</summary>
    public long Room => Bytes + ((long)BytesBeside * _messages.Count);
}
