using Hypervisor.Guests.Container.Kernel;

namespace Hypervisor.Guests.Container.Files;

/// <summary>The pseudo-terminals of a container (pts(4)).</summary>
internal sealed class PtyList(Container container)
{
    private const int Most = 4096;

    /// <summary>In the order of their numbers.</summary>
    private readonly List<Pty> _open = [];

    public IEnumerable<int> Numbers => _open.Select(pty => pty.Number);

    public Pty? Find(int number) => _open.Find(pty => pty.Number == number);

    /// <summary>Makes a pair with the lowest free number; null where there are too many.</summary>
    public Pty? Make(Credentials owner)
    {
        int number = 0;
        while (number < _open.Count && _open[number].Number == number)
            number++;
        if (number == Most)
            return null;
        var pty = new Pty(container, number, owner);
        _open.Insert(number, pty);
        return pty;
    }

    public void Forget(Pty pty) => _open.Remove(pty);
}

/// <summary>A pseudo-terminal: a terminal whose far end is a file that a program has open.</summary>
internal sealed class Pty
{
    private const int Room = 16 << 10;

    private readonly Container _container;
    private readonly Queue<byte> _output = new();
    private bool _slaveWasOpen;

    public Pty(Container container, int number, Credentials owner)
    {
        _container = container;
        Number = number;
        Terminal = new Terminal(container, Transmit) { Device = 136 << 8 | number };
        Slave = new PtyInode(container.Store, this) { Uid = owner.FileUid, Gid = 5 };
    }

    public int Number { get; }

    public Terminal Terminal { get; }

    /// <summary>Its entry in /dev/pts.</summary>
    public PtyInode Slave { get; }

    /// <summary>Nobody may open the slave yet.</summary>
    public bool IsLocked { get; set; } = true;

    /// <summary>Open files of the slave.</summary>
    public int Slaves { get; private set; }

    /// <summary>Woken when the master has something to read, or room to write.</summary>
    public WaitQueue MasterReady { get; } = new();

    public int Available => _output.Count;

    public bool SlavesGone => _slaveWasOpen && Slaves == 0;

    public void SlaveOpened()
    {
        Slaves++;
        _slaveWasOpen = true;
    }

    public void SlaveClosed()
    {
        Slaves--;
        MasterReady.WakeAll();
    }

    /// <summary>The master was closed: the terminal is hung up.</summary>
    public void MasterClosed()
    {
        Terminal.IsHungUp = true;
        _container.Ptys.Forget(this);
        JobControl.HangUp(_container, Terminal);
        Terminal.Ready.WakeAll();
    }

    public int Read(Span<byte> buffer)
    {
        if (_output.Count == 0)
            return SlavesGone ? -Errno.EIO : -Errno.EAGAIN;
        int count = Math.Min(buffer.Length, _output.Count);
        for (int i = 0; i < count; i++)
            buffer[i] = _output.Dequeue();
        Terminal.Ready.WakeAll();
        return count;
    }

    /// <summary>Drops what was written and not read.</summary>
    public void FlushOutput() => _output.Clear();

    private int Transmit(ReadOnlySpan<byte> bytes)
    {
        int count = Math.Min(bytes.Length, Room - _output.Count);
        foreach (byte value in bytes[..count])
            _output.Enqueue(value);
        if (count > 0)
            MasterReady.WakeAll();
        return count;
    }
}

/// <summary>/dev/ptmx: each opening makes a pair.</summary>
internal sealed class PtyMasterInode(Container container) : Inode(container.Store.NextNumber(), InodeMode.Character | 0x1B6, container.Store.Now)
{
    public override ulong Device => 5 << 8 | 2;

    public override int TryOpen(KernelTask task, int flags, out OpenFile? file)
    {
        file = container.Ptys.Make(task.Process.Credentials) is { } pty ? new PtyMasterFile(this, flags, pty) : null;
        return file is null ? -Errno.ENOSPC : 0;
    }

    public override OpenFile Open(int flags) => throw new System.Diagnostics.UnreachableException("ptmx is opened by tasks only");
}

/// <summary>The master's end of a pair.</summary>
internal sealed class PtyMasterFile(Inode inode, int flags, Pty pty) : OpenFile(inode, flags)
{
    public Pty Pty => pty;

    public override Terminal Terminal => pty.Terminal;

    public override WaitQueue Ready => pty.MasterReady;

    public override bool IsTerminal => true;

    public override int Read(Span<byte> buffer) => pty.Read(buffer);

    public override int Write(ReadOnlySpan<byte> data)
    {
        int taken = pty.Terminal.Receive(data);
        return taken == 0 && data.Length > 0 ? -Errno.EAGAIN : taken;
    }

    public override PollEvents Poll() => (pty.Available > 0 ? PollEvents.In : PollEvents.None)
        | PollEvents.Out | (pty.SlavesGone ? PollEvents.HangUp : PollEvents.None);

    protected override void Closed() => pty.MasterClosed();
}

/// <summary>A slave in /dev/pts.</summary>
internal sealed class PtyInode(FileStore store, Pty pty) : Inode(store.NextNumber(), InodeMode.Character | 0x190, store.Now)
{
    public override ulong Device => 136 << 8 | (uint)pty.Number;

    public override int TryOpen(KernelTask task, int flags, out OpenFile? file)
    {
        file = null;
        if (pty.IsLocked || pty.Terminal.IsHungUp)
            return -Errno.EIO;
        file = Open(flags);
        JobControl.Adopt(task.Process, pty.Terminal, flags);
        return 0;
    }

    public override OpenFile Open(int flags)
    {
        pty.SlaveOpened();
        return new TerminalFile(this, flags, pty.Terminal, pty.SlaveClosed) { Path = $"/dev/pts/{pty.Number}" };
    }
}

/// <summary>/dev/tty: the terminal that controls whoever opens it.</summary>
internal sealed class ControllingTerminalInode(FileStore store) : Inode(store.NextNumber(), InodeMode.Character | 0x1B6, store.Now)
{
    public override ulong Device => 5 << 8;

    public override int TryOpen(KernelTask task, int flags, out OpenFile? file)
    {
        file = null;
        if (task.Process.Terminal is not { IsHungUp: false } terminal)
            return -Errno.ENXIO;
        file = new TerminalFile(this, flags, terminal, static () => { });
        return 0;
    }

    public override OpenFile Open(int flags) => throw new System.Diagnostics.UnreachableException("tty is opened by tasks only");
}

/// <summary>The near end of a terminal.</summary>
internal sealed class TerminalFile(Inode inode, int flags, Terminal terminal, Action closed) : OpenFile(inode, flags)
{
    public override Terminal Terminal => terminal;

    public override WaitQueue Ready => terminal.Ready;

    public override bool IsTerminal => true;

    public override int Read(Span<byte> buffer) => terminal.Read(buffer);

    public override int Write(ReadOnlySpan<byte> data) => terminal.Write(data);

    public override PollEvents Poll() => (terminal.CanRead ? PollEvents.In : PollEvents.None)
        | (terminal.IsStopped ? PollEvents.None : PollEvents.Out) | (terminal.IsHungUp ? PollEvents.HangUp | PollEvents.Error : PollEvents.None);

    protected override void Closed() => closed();
}
