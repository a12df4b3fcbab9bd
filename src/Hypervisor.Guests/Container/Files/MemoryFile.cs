namespace Hypervisor.Guests.Container.Files;

/// <summary>A regular file in memory; one that began as a host file reads from there what was not changed.</summary>
internal sealed class MemoryFile : Inode
{
    public const int SealSeal = 1, SealShrink = 2, SealGrow = 4, SealWrite = 8, SealFutureWrite = 16, SealExecute = 32;
    public const int AllSeals = 63;

    private readonly FileStore _store;

    public MemoryFile(FileStore store, uint permissions, IFileContent? lower = null)
        : base(store.NextNumber(), InodeMode.Regular | permissions, store.Now)
    {
        _store = store;
        Pages = new FilePages(store, lower);
    }

    public override FilePages Pages { get; }

    /// <summary>What may not be done to it any more (memfd_create(2)); null for a file that cannot be sealed.</summary>
    public int? Seals { get; set; }

    /// <summary>Whether a file that has no name may be given one (O_TMPFILE without O_EXCL).</summary>
    public bool MayBeLinked { get; init; }

    public override long Size => Pages.Size;

    public override long Allocated => Pages.Allocated;

    public override int ReadAt(Span<byte> buffer, long offset) => Pages.Read(buffer, offset);

    public override int WriteAt(ReadOnlySpan<byte> data, long offset)
        => IsSealed(SealWrite | SealFutureWrite) || (IsSealed(SealGrow) && offset + data.Length > Size) ? -Errno.EPERM : Changed(Pages.Write(data, offset));

    public override int Truncate(long size)
        => (size < Size && IsSealed(SealShrink)) || (size > Size && IsSealed(SealGrow)) ? -Errno.EPERM : Changed(Pages.Resize(size));

    public override int Allocate(long offset, long length, bool keepSize)
    {
        if (!keepSize && offset + length > Size && IsSealed(SealGrow))
            return -Errno.EPERM;
        int error = Pages.Allocate(offset, length);
        return error == 0 && !keepSize && offset + length > Size ? Changed(Pages.Resize(offset + length)) : error;
    }

    public override int PunchHole(long offset, long length)
        => IsSealed(SealWrite | SealFutureWrite) ? -Errno.EPERM : Changed(Pages.PunchHole(offset, length));

    public override OpenFile Open(int flags) => new RegularFile(this, flags);

    /// <summary>Called when it is gone.</summary>
    public Action? Gone { get; init; }

    protected override void Forgotten()
    {
        Pages.Discard();
        Gone?.Invoke();
    }

    private bool IsSealed(int seals) => ((Seals ?? 0) & seals) != 0;

    private int Changed(int result)
    {
        if (result >= 0)
            ModifyTime = ChangeTime = _store.Now;
        return result;
    }
}
