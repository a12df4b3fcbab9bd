using Hypervisor.Guests.Container.Kernel;

namespace Hypervisor.Guests.Container.Files;

/// <summary>Who is signalled about a file.</summary>
internal enum SignalledOwner
{
    Task = 0,
    Process = 1,
    Group = 2,
}

/// <summary>
/// Signals on readiness (O_ASYNC, F_SETOWN, F_SETSIG; fcntl(2)): the file's owner is signalled whenever there is something to
/// read, and when there is room to write again.
/// </summary>
/// <param name="file">The file.</param>
internal sealed class ReadinessSignal(OpenFile file) : IWaiter
{
    private const int CodeIn = 1, CodeOut = 2, CodeHangUp = 6;
    private const ulong BandIn = 0x41, BandOut = 0x304, BandHangUp = 0x18;

    private Container? _container;
    private bool _isOn;
    private bool _hadRoom;
    private int _had;
    private int _descriptor;

    public SignalledOwner Kind { get; set; } = SignalledOwner.Process;

    /// <summary>The owner's number in the container; 0 for nobody.</summary>
    public int Owner { get; set; }

    /// <summary>Who named the owner, with whose rights it is signalled.</summary>
    public Credentials Setter { get; set; } = Credentials.Root;

    /// <summary>The signal instead of SIGIO; 0 for SIGIO without details.</summary>
    public int Signal { get; set; }

    /// <summary>Whether a file tells when it is ready.</summary>
    public static bool IsTold(OpenFile file) => file is PipeFile or Net.SocketFile or NotifyFile || file.IsTerminal;

    /// <summary>Bytes that a file would give at once.</summary>
    public static int Available(OpenFile file) => file switch
    {
        PipeFile pipe => pipe.Available,
        Net.SocketFile socket => socket.Available,
        HostStreamFile stream => stream.Available,
        PtyMasterFile master => master.Pty.Available,
        TerminalFile terminal => terminal.Terminal.Available,
        NotifyFile notify => notify.Available,
        _ => (int)Math.Clamp(file.Inode.Size - file.Position, 0, int.MaxValue),
    };

    /// <summary>Begins or ends with what the file's flags say.</summary>
    public static void Update(KernelTask task, OpenFile file, int descriptor)
    {
        bool wanted = (file.Flags & OpenFlags.Asynchronous) != 0 && IsTold(file);
        if (!wanted)
        {
            file.Readiness?.Stop();
            return;
        }

        ReadinessSignal signal = file.Readiness ??= new ReadinessSignal(file);
        if (signal._isOn)
            return;
        signal._container = task.Process.Container;
        signal._descriptor = descriptor;
        signal._isOn = true;
        signal._hadRoom = (file.Poll() & PollEvents.Out) != 0;
        signal._had = Available(file);
        file.Ready?.Add(signal);
    }

    public void Stop()
    {
        if (_isOn)
            file.Ready?.Remove(this);
        _isOn = false;
    }

    public void Woken()
    {
        if (!_isOn)
            return;
        file.Ready?.Add(this);
        PollEvents events = file.Poll();
        bool hasRoom = (events & PollEvents.Out) != 0;
        int has = Available(file);

        // Who reads a part of it makes nothing new.
        bool hasMore = has == 0 || has > _had;
        _had = has;
        if ((events & PollEvents.In) != 0 && !hasMore)
            return;
        if ((events & PollEvents.In) != 0)
            Tell(CodeIn, BandIn);
        else if ((events & PollEvents.HangUp) != 0)
            Tell(CodeHangUp, BandHangUp);
        else if (hasRoom && !_hadRoom)
            Tell(CodeOut, BandOut);
        _hadRoom = hasRoom;
    }

    private void Tell(int code, ulong band)
    {
        if (Owner == 0 || _container is not { } container)
            return;
        SignalInfo info = Signal == 0 ? SignalInfo.OfKernel(Signals.SIGIO) : new SignalInfo(Signal, code, band, (uint)_descriptor);
        switch (Kind)
        {
            case SignalledOwner.Task:
                if (container.FindTask(Owner) is { } task && Process.MaySignal(Setter, task.Process))
                    container.Host.Send(task, info);
                break;
            case SignalledOwner.Process:
                if (container.FindProcess(Owner) is { } process && Process.MaySignal(Setter, process))
                    container.Host.Send(process, info);
                break;
            default:
                foreach (Process member in JobControl.Group(container, Owner).Where(member => Process.MaySignal(Setter, member)).ToArray())
                    container.Host.Send(member, info);
                break;
        }
    }
}
