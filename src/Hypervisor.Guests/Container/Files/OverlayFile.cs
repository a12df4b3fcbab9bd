namespace Hypervisor.Guests.Container.Files;

/// <summary>A file that lies in a lower layer of an overlay, and is copied up before it is first changed. Who has it open or mapped sees the change.</summary>
internal sealed class OverlayFile : VolumeFile
{
    private const int CopyBytes = 64 << 10;

    private readonly IFileContent _lower;
    private OverlayDirectory _parent;
    private string _name;
    private HostTreeFile? _upper;
    private bool _isRemoved;
    private bool _holdsUpper;

    public OverlayFile(OverlayDirectory parent, string name, Inode seen, IFileContent lower)
        : base(parent.Volume, seen.Mode, seen.ModifyTime)
    {
        _parent = parent;
        _name = name;
        _lower = lower;
        TakeAttributes(seen);
    }

    public override long Length => _upper?.Length ?? _lower.Length;

    public override int Read(Span<byte> buffer, long offset) => _upper is { } upper ? upper.Read(buffer, offset) : _lower.Read(buffer, offset);

    public override int Write(ReadOnlySpan<byte> data, long offset)
    {
        int error = CopyUp(out _);
        return error != 0 ? error : _upper!.Write(data, offset);
    }

    public override int SetLength(long length)
    {
        int error = CopyUp(out _);
        return error != 0 ? error : _upper!.SetLength(length);
    }

    public override int ChangeMode(uint mode) => Change(upper => upper.ChangeMode(mode));

    public override int ChangeOwner(uint uid, uint gid) => Change(upper => upper.ChangeOwner(uid, gid));

    public override int ChangeTimes(long access, long modify) => Change(upper => upper.ChangeTimes(access, modify));

    public override OpenFile Open(int flags) => new RegularFile(this, flags);

    /// <summary>A name of it is about to go: who has it open goes on with what is above.</summary>
    public void Hold()
    {
        if (!IsHeld || _upper is null || _holdsUpper)
            return;
        _upper.Acquire();
        _holdsUpper = true;
    }

    /// <summary>A name of it is gone, or another file has it.</summary>
    public void Removed()
    {
        if (Links <= 1)
            _isRemoved = true;
    }

    public void Moved(OverlayDirectory parent, string name) => (_parent, _name) = (parent, name);

    /// <summary>Copies it to the upper directory, if it is not there yet; 0 or a negated error.</summary>
    public int CopyUp(out Inode? upper)
    {
        upper = _upper;
        if (upper is not null)
            return 0;
        int error = _parent.TryUpper(out HostTreeDirectory? above);
        if (error != 0)
            return error;

        // Without a name it needs one for a moment only.
        string name = _isRemoved ? $"{HostDirectory.Whiteout}.wh.gone.{Number}" : _name;
        error = above!.Make(name, InodeMode.Regular | (Mode & InodeMode.Permissions), out Inode? made);
        if (error != 0)
            return error;
        var copy = (HostTreeFile)made!;
        error = Fill(copy);
        if (error != 0)
        {
            above.Remove(name);
            return error;
        }

        OverlayDirectory.CopyAttributes(this, copy);
        if (_isRemoved)
        {
            copy.Acquire();
            _holdsUpper = true;
            above.Remove(name);
            copy.Unlinked();
        }

        upper = _upper = copy;
        return 0;
    }

    protected override void Forgotten()
    {
        Pages.Discard();
        if (_holdsUpper)
            _upper?.Release();
        _upper = null;
    }

    private int Fill(HostTreeFile copy)
    {
        var buffer = new byte[CopyBytes];
        for (long at = 0; at < _lower.Length;)
        {
            int count = _lower.Read(buffer, at);
            if (count <= 0)
                return count < 0 ? count : -Errno.EIO;
            int written = copy.Write(buffer.AsSpan(0, count), at);
            if (written < 0)
                return written;
            at += count;
        }

        return 0;
    }

    private int Change(Func<HostTreeFile, int> change)
    {
        int error = CopyUp(out _);
        if (error == 0)
            error = change(_upper!);
        if (error == 0)
            TakeAttributes(_upper!);
        return error;
    }
}
