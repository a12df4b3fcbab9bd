namespace Hypervisor.Guests.Container.Net;

/// <summary>Ends that wait at a listening socket to be accepted.</summary>
internal sealed class ListenQueue
{
    private const int MostWaiting = 4096;

    private readonly Queue<SocketFile> _waiting = new();
    private int _backlog;

    /// <summary>How many may wait, beside the one more that Linux takes.</summary>
    public int Backlog
    {
        get => _backlog;
        set => _backlog = Math.Clamp(value, 0, MostWaiting);
    }

    public int Count => _waiting.Count;

    public bool IsFull => _waiting.Count > _backlog;

    public void Add(SocketFile end) => _waiting.Enqueue(end);

    public SocketFile? Take() => _waiting.TryDequeue(out SocketFile? end) ? end : null;
}
