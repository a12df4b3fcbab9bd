using Hypervisor.Guests.Container.Kernel;

namespace Hypervisor.Guests.Container.Files;

/// <summary>signalfd(2): the blocked signals of whoever reads it, as records of 128 bytes.</summary>
internal sealed class SignalFile(Inode inode, int flags, Process process, ulong mask) : OpenFile(inode, flags | OpenFlags.ReadWrite)
{
    private const int RecordBytes = 128;

    /// <summary>The signals it takes.</summary>
    public ulong Mask { get; set; } = mask;

    public override WaitQueue Ready => Reader.SignalArrived;

    private KernelTask? Task => process.Container.Host.Current;

    private Process Reader => Task?.Process ?? process;

    private ulong Waiting => ((Task is { } task ? task.Signals.Pending : 0) | Reader.Signals.Pending) & Mask;

    public override int Read(Span<byte> buffer)
    {
        if (buffer.Length < RecordBytes)
            return -Errno.EINVAL;
        int count = 0;
        while (Waiting is var waiting && waiting != 0 && (count + 1) * RecordBytes <= buffer.Length)
        {
            int signal = System.Numerics.BitOperations.TrailingZeroCount(waiting) + 1;
            if (Task is not { } task || !task.Signals.TryTake(signal, out SignalInfo info))
                Reader.Signals.TryTake(signal, out info);
            Write(buffer.Slice(count * RecordBytes, RecordBytes), info);
            count++;
        }

        return count == 0 ? -Errno.EAGAIN : count * RecordBytes;
    }

    public override int Write(ReadOnlySpan<byte> data) => -Errno.EINVAL;

    public override PollEvents Poll() => Waiting != 0 ? PollEvents.In : PollEvents.None;

    private static void Write(Span<byte> record, in SignalInfo info)
    {
        record.Clear();
        BitConverter.TryWriteBytes(record, info.Signal);
        BitConverter.TryWriteBytes(record[8..], info.Code);
        BitConverter.TryWriteBytes(record[12..], info.Pid);
        BitConverter.TryWriteBytes(record[16..], info.Uid);
        if (info.Signal == Signals.SIGCHLD)
        {
            BitConverter.TryWriteBytes(record[40..], (int)info.Second);
            return;
        }

        BitConverter.TryWriteBytes(record[44..], (int)info.Second);
        BitConverter.TryWriteBytes(record[48..], info.Second);
        if (info.Signal is Signals.SIGSEGV or Signals.SIGBUS or Signals.SIGILL or Signals.SIGFPE or Signals.SIGTRAP)
            BitConverter.TryWriteBytes(record[72..], info.First);
    }
}
