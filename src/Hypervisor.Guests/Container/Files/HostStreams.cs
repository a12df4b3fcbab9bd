namespace Hypervisor.Guests.Container.Files;

/// <summary>
/// What a container reads as standard input: the embedder supplies bytes from any thread and says when there will be no
/// more.
/// </summary>
public sealed class ContainerInput
{
    private readonly Lock _lock = new();
    private readonly Queue<byte> _bytes = new();
    private bool _complete;

    /// <summary>Input that has ended already.</summary>
    public static ContainerInput Empty
    {
        get
        {
            var input = new ContainerInput();
            input.Complete();
            return input;
        }
    }

    internal Action? Arrived { get; set; }

    /// <summary>
    /// Called once, when the container first looks for input: gives what there is by then, and whether that is all. Whoever supplies
    /// the rest may begin then. Null where somebody supplies from the start.
    /// </summary>
    internal Func<(ReadOnlyMemory<byte> Bytes, bool IsAll)>? First { get; set; }

    internal bool HasNews
    {
        get
        {
            lock (_lock)
                return _bytes.Count > 0 || _complete;
        }
    }

    internal int Count
    {
        get
        {
            lock (_lock)
                return _bytes.Count;
        }
    }

    /// <summary>Adds bytes for the container to read.</summary>
    public void Supply(ReadOnlySpan<byte> bytes)
    {
        lock (_lock)
        {
            foreach (byte value in bytes)
                _bytes.Enqueue(value);
        }

        Arrived?.Invoke();
    }

    /// <summary>No more will come: the container reads end of file once it has read what there is.</summary>
    public void Complete()
    {
        lock (_lock)
            _complete = true;
        Arrived?.Invoke();
    }

    /// <summary>The container looks for input. Nobody who could be told sleeps on it yet, when it is the first time.</summary>
    internal void Look()
    {
        if (First is null)
            return;
        lock (_lock)
        {
            if (First is not { } first)
                return;
            First = null;
            (ReadOnlyMemory<byte> bytes, _complete) = first();
            foreach (byte value in bytes.Span)
                _bytes.Enqueue(value);
        }
    }

    internal int Read(Span<byte> buffer)
    {
        lock (_lock)
        {
            if (_bytes.Count == 0)
                return _complete ? 0 : -Errno.EAGAIN;
            int count = Math.Min(buffer.Length, _bytes.Count);
            for (int i = 0; i < count; i++)
                buffer[i] = _bytes.Dequeue();
            return count;
        }
    }
}

/// <summary>Takes what a container writes to standard output or error.</summary>
/// <param name="bytes">The bytes, valid during the call only.</param>
public delegate void ContainerOutput(ReadOnlySpan<byte> bytes);

/// <summary>The open files behind descriptors 0, 1 and 2.</summary>
internal sealed class HostStreamFile(Inode inode, int flags, ContainerInput? input, ContainerOutput? output, WaitQueue ready)
    : OpenFile(inode, flags)
{
    public override WaitQueue Ready => ready;

    public int Available
    {
        get
        {
            input?.Look();
            return input?.Count ?? 0;
        }
    }

    public override int Read(Span<byte> buffer)
    {
        input?.Look();
        return input?.Read(buffer) ?? 0;
    }

    public override int Write(ReadOnlySpan<byte> data)
    {
        output?.Invoke(data);
        return data.Length;
    }

    public override PollEvents Poll()
    {
        input?.Look();
        return (input is null || input.HasNews ? PollEvents.In : PollEvents.None) | PollEvents.Out;
    }
}

/// <summary>A container's streams as a terminal: keys come from its input, what is shown goes to its output.</summary>
internal sealed class ContainerConsole
{
    private readonly ContainerInput _input;

    public ContainerConsole(Container container)
        : this(container, container.Options.Input ?? ContainerInput.Empty, container.Options.Output, container.Options.TerminalRows, container.Options.TerminalColumns)
    {
    }

    public ContainerConsole(Container container, ContainerInput input, ContainerOutput? output, ushort rows, ushort columns)
    {
        _input = input;
        Terminal = new Terminal(container, bytes =>
        {
            output?.Invoke(bytes);
            return bytes.Length;
        })
        {
            Rows = rows,
            Columns = columns,
        };
    }

    public Terminal Terminal { get; }

    /// <summary>Takes what has come in, as far as the terminal has room.</summary>
    public void Pump()
    {
        Span<byte> key = stackalloc byte[1];
        while (Terminal.HasRoom && _input.Read(key) is var count && count != -Errno.EAGAIN)
        {
            if (count == 0)
            {
                Terminal.HasEnded = true;
                Terminal.Ready.WakeAll();
                return;
            }

            Terminal.Receive(key);
        }
    }
}
