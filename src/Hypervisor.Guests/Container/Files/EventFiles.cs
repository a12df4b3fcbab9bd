using Hypervisor.Core.Time;

namespace Hypervisor.Guests.Container.Files;

/// <summary>The inode behind files that no directory names: events, timers, sockets.</summary>
internal sealed class NamelessInode(FileStore store, uint mode) : Inode(store.NextNumber(), mode, store.Now)
{
    /// <summary>It is opened when it is made, and never again by name.</summary>
    public override OpenFile Open(int flags) => throw new System.Diagnostics.UnreachableException("a file without a name was opened by name");
}

/// <summary>eventfd(2): a counter that readers take and writers add to.</summary>
internal sealed class EventFile(Inode inode, int flags, ulong count, bool isSemaphore) : OpenFile(inode, flags | OpenFlags.ReadWrite)
{
    private ulong _count = count;

    public override WaitQueue Ready { get; } = new();

    public override int Read(Span<byte> buffer)
    {
        if (buffer.Length < 8)
            return -Errno.EINVAL;
        if (_count == 0)
            return -Errno.EAGAIN;
        ulong taken = isSemaphore ? 1 : _count;
        _count -= taken;
        BitConverter.TryWriteBytes(buffer, taken);
        Ready.WakeAll();
        return 8;
    }

    public override int Write(ReadOnlySpan<byte> data)
    {
        if (data.Length < 8)
            return -Errno.EINVAL;
        ulong added = BitConverter.ToUInt64(data);
        if (added == ulong.MaxValue)
            return -Errno.EINVAL;
        if (added > ulong.MaxValue - 1 - _count)
            return -Errno.EAGAIN;
        _count += added;
        Ready.WakeAll();
        return 8;
    }

    public override PollEvents Poll() => (_count > 0 ? PollEvents.In : PollEvents.None) | (_count < ulong.MaxValue - 1 ? PollEvents.Out : PollEvents.None);
}

/// <summary>timerfd_create(2): a timer whose expirations are read as a number.</summary>
internal sealed class TimerFile : OpenFile
{
    private readonly ContainerHost _host;
    private readonly ITimerService _timers;
    private readonly int _timer;
    private ulong _expired;
    private long _deadline;
    private long _interval;

    public TimerFile(Inode inode, int flags, ContainerHost host, bool isRealtime) : base(inode, flags)
    {
        _host = host;
        _timers = host.Machine.Timers;
        IsRealtime = isRealtime;
        _timer = _timers.CreateTimer(() => host.Locked(Expire));
    }

    /// <summary>Whether absolute times are those of the wall clock.</summary>
    public bool IsRealtime { get; }

    public override WaitQueue Ready { get; } = new();

    /// <summary>What is left until the next expiration, 0 where it is not armed, and the interval; nanoseconds.</summary>
    public (long Left, long Interval) Setting => (_deadline == 0 ? 0 : Math.Max(1, _deadline - _host.Now), _interval);

    /// <summary>Arms it for a time of the host, 0 for not at all, and then again and again.</summary>
    public void Set(long deadline, long interval)
    {
        _expired = 0;
        _deadline = deadline;
        _interval = interval;
        if (deadline == 0)
            _timers.Disarm(_timer);
        else
            _timers.Arm(_timer, Math.Max(deadline, _host.Now));
    }

    public override int Read(Span<byte> buffer)
    {
        if (buffer.Length < 8)
            return -Errno.EINVAL;
        if (_expired == 0)
            return -Errno.EAGAIN;
        BitConverter.TryWriteBytes(buffer, _expired);
        _expired = 0;
        return 8;
    }

    public override int Write(ReadOnlySpan<byte> data) => -Errno.EINVAL;

    public override PollEvents Poll() => _expired > 0 ? PollEvents.In : PollEvents.None;

    protected override void Closed() => _timers.DeleteTimer(_timer);

    private void Expire()
    {
        if (_deadline == 0)
            return;
        _expired++;
        if (_interval > 0)
        {
            // What was missed meanwhile counts, but is not lived through again.
            long missed = Math.Max(0, (_host.Now - _deadline) / _interval);
            _expired += (ulong)missed;
            _deadline += _interval * (missed + 1);
            _timers.Arm(_timer, _deadline);
        }
        else
        {
            _deadline = 0;
        }

        Ready.WakeAll();
    }
}
