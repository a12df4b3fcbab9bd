using Hypervisor.Guests.Container.Kernel;

namespace Hypervisor.Guests.Container.Files;

/// <summary>A process as a file (pidfd_open(2)): readable once it has ended.</summary>
internal sealed class ProcessFile(Inode inode, int flags, Process process) : OpenFile(inode, flags)
{
    public Process Process => process;

    public override WaitQueue Ready => process.Ended;

    public override int Read(Span<byte> buffer) => -Errno.EINVAL;

    public override int Write(ReadOnlySpan<byte> data) => -Errno.EINVAL;

    public override PollEvents Poll() => process.IsAlive ? PollEvents.None : PollEvents.In;
}
