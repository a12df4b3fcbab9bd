namespace Hypervisor.Guests.Container.Kernel;

/// <summary>A signal on its way, with what its receiver is told (<c>siginfo_t</c>).</summary>
/// <param name="Signal">Its number.</param>
/// <param name="Code">Why it was sent (<c>si_code</c>).</param>
/// <param name="First">The eight bytes at offset 16: sender's process and user, or an address.</param>
/// <param name="Second">The eight bytes at offset 24: a value or a status.</param>
internal readonly record struct SignalInfo(int Signal, int Code, ulong First = 0, ulong Second = 0)
{
    public const int Bytes = 128;

    /// <summary>The error that goes with it (<c>si_errno</c>).</summary>
    public int Error { get; init; }

    private const int FromKernel = 0x80, FromUser = 0, FromTask = -6, ChildEnded = 1;

    public int Pid => (int)First;

    public uint Uid => (uint)(First >> 32);

    /// <summary>A signal of the kernel's own.</summary>
    public static SignalInfo OfKernel(int signal) => new(signal, FromKernel);

    /// <summary>A signal that a process sent with kill.</summary>
    public static SignalInfo OfProcess(int signal, Process sender, Process receiver) => new(signal, FromUser, Identity(sender, receiver));

    /// <summary>A signal that a process sent to one task.</summary>
    public static SignalInfo OfTask(int signal, Process sender, Process receiver) => new(signal, FromTask, Identity(sender, receiver));

    /// <summary>What a parent hears of a child.</summary>
    /// <param name="parent">The parent.</param>
    /// <param name="child">The child.</param>
    /// <param name="code">CLD_EXITED and its kind.</param>
    /// <param name="status">Exit code or signal.</param>
    public static SignalInfo OfChild(Process parent, Process child, int code, int status) => new(Signals.SIGCHLD, code, Identity(child, parent), (uint)status);

    /// <summary>What a parent hears of a child that ended with a status as wait gives it.</summary>
    public static SignalInfo OfEnd(Process parent, Process child, int waitStatus)
        => (waitStatus & 0x7F) == 0 ? OfChild(parent, child, ChildEnded, waitStatus >> 8 & 0xFF) : OfChild(parent, child, ChildEnded + 1, waitStatus & 0x7F);

    /// <summary>Writes a <c>siginfo_t</c>.</summary>
    public void Write(Span<byte> bytes)
    {
        bytes[..Bytes].Clear();
        BitConverter.TryWriteBytes(bytes, Signal);
        BitConverter.TryWriteBytes(bytes[4..], Error);
        BitConverter.TryWriteBytes(bytes[8..], Code);
        BitConverter.TryWriteBytes(bytes[16..], First);
        BitConverter.TryWriteBytes(bytes[24..], Second);
    }

    /// <summary>A process and its user, as another is told of them.</summary>
    private static ulong Identity(Process process, Process receiver)
        => (uint)receiver.Pids.ToLocal(process.Id) | (ulong)receiver.Credentials.TellUser(process.Credentials.Uid) << 32;
}

/// <summary>Signals that wait to be taken: of the ordinary ones one each, of the real-time ones as many as were sent.</summary>
internal sealed class SignalQueue
{
    private const int FirstRealTime = 32;

    private readonly List<SignalInfo> _waiting = new(capacity: 2);

    /// <summary>Which wait; bit n-1 for signal n.</summary>
    public ulong Pending { get; private set; }

    public int Count => _waiting.Count;

    /// <summary>Adds a signal; an ordinary one that waits already is not added again.</summary>
    public void Add(in SignalInfo info)
    {
        ulong bit = Signals.Bit(info.Signal);
        if (info.Signal < FirstRealTime && (Pending & bit) != 0)
            return;
        Pending |= bit;
        _waiting.Add(info);
    }

    /// <summary>Takes the first of a number.</summary>
    public bool TryTake(int signal, out SignalInfo info)
    {
        int at = _waiting.FindIndex(each => each.Signal == signal);
        info = at < 0 ? default : _waiting[at];
        if (at < 0)
            return false;
        _waiting.RemoveAt(at);
        if (!_waiting.Exists(each => each.Signal == signal))
            Pending &= ~Signals.Bit(signal);
        return true;
    }

    /// <summary>Drops all of some numbers.</summary>
    public void Drop(ulong signals)
    {
        if ((Pending & signals) == 0)
            return;
        _waiting.RemoveAll(each => (Signals.Bit(each.Signal) & signals) != 0);
        Pending &= ~signals;
    }
}
