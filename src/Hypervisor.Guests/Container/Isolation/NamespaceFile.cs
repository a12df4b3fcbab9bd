using Hypervisor.Guests.Container.Files;

namespace Hypervisor.Guests.Container.Isolation;

/// <summary>A namespace as a file: what the links in /proc/PID/ns lead to.</summary>
internal sealed class NamespaceInode(Namespace what, FileStore store) : Inode(what.Number, InodeMode.Regular | 0x124, store.Now)
{
    public Namespace Namespace => what;

    public override OpenFile Open(int flags) => new NamespaceFile(this, flags) { Path = what.Text };
}

/// <summary>An open namespace, which lasts at least as long as it.</summary>
internal sealed class NamespaceFile : OpenFile
{
    public NamespaceFile(NamespaceInode inode, int flags) : base(inode, flags)
    {
        Namespace = inode.Namespace;
        Namespace.Acquire();
    }

    public Namespace Namespace { get; }

    public override int Read(Span<byte> buffer) => -Errno.EINVAL;

    public override int Write(ReadOnlySpan<byte> data) => -Errno.EINVAL;

    protected override void Closed() => Namespace.Release();
}
