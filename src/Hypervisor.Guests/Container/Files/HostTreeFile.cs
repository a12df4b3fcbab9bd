using Microsoft.Win32.SafeHandles;

namespace Hypervisor.Guests.Container.Files;

/// <summary>A file of the host as of a time: its content is the same for as long as these are.</summary>
internal sealed record HostVersion(ulong FileSystem, ulong Number, long BirthTime, long ModifyTime, long ChangeTime);

/// <summary>A regular file of a <see cref="HostVolume"/>: reads and writes are the host's at once; pages are kept only while they are mapped.</summary>
internal sealed class HostTreeFile : VolumeFile, IHostEntry
{
    private SafeFileHandle? _handle;
    private bool _isWritable;

    public HostTreeFile(HostVolume volume, in HostStatus status)
        : base(volume, status.Mode, status.ModifyTime)
    {
        BirthTime = status.BirthTime;
    }

    public long BirthTime { get; }

    /// <summary>Which file it is of the host's, and as of when; null where the host does not number its files.</summary>
    public HostVersion? Version { get; private set; }

    public (HostTreeDirectory? Parent, string Name) At { get; set; }

    public override long Allocated => Length;

    public override long Length => TryHandle(forWriting: false, out SafeFileHandle? handle) == 0 ? RandomAccess.GetLength(handle!) : 0;

    public void Found(HostTreeDirectory parent, string name, in HostStatus status)
    {
        At = (parent, name);
        HostEntry.Take(this, in status);
        Version = HostCalls.AreThere ? new HostVersion(status.FileSystem, status.Number, status.BirthTime, status.ModifyTime, status.ChangeTime) : null;
    }

    public bool TryClose()
    {
        if (IsHeld || Links == 0)
            return false;
        _handle?.Dispose();
        _handle = null;
        return true;
    }

    /// <summary>Its name is about to go: who has it open goes on with it.</summary>
    public void KeepOpen()
    {
        if (IsHeld)
        {
            int error = TryHandle(forWriting: true, out _);
            if (error != 0)
                _ = TryHandle(forWriting: false, out _);
        }
    }

    public override int Read(Span<byte> buffer, long offset)
    {
        int error = TryHandle(forWriting: false, out SafeFileHandle? handle);
        if (error != 0)
            return error;
        try
        {
            int total = 0;
            while (total < buffer.Length)
            {
                int count = RandomAccess.Read(handle!, buffer[total..], offset + total);
                if (count == 0)
                    break;
                total += count;
            }

            Volume.Store.Io?.Charge(isWrite: false, total);
            return total;
        }
        catch (Exception problem) when (problem is IOException or UnauthorizedAccessException)
        {
            return -Errno.EIO;
        }
    }

    public override int Write(ReadOnlySpan<byte> data, long offset)
    {
        int error = TryHandle(forWriting: true, out SafeFileHandle? handle);
        if (error != 0)
            return error;
        Volume.Store.Io?.Charge(isWrite: true, data.Length);
        return WriteTo(handle!, data, offset);
    }

    public override int SetLength(long length)
    {
        int error = TryHandle(forWriting: true, out SafeFileHandle? handle);
        if (error != 0)
            return error;
        try
        {
            RandomAccess.SetLength(handle!, length);
            return 0;
        }
        catch (IOException problem)
        {
            return Error(problem);
        }
        catch (UnauthorizedAccessException)
        {
            return -Errno.EACCES;
        }
    }

    public override int ChangeMode(uint mode) => HostEntry.ChangeMode(this, mode);

    public override int ChangeOwner(uint uid, uint gid) => HostEntry.ChangeOwner(this, uid, gid);

    public override int ChangeTimes(long access, long modify) => HostEntry.ChangeTimes(this, access, modify);

    public override OpenFile Open(int flags)
    {
        // Opened now, so that who removes the name later does not take the content away. What cannot be opened says so when it is read.
        _ = TryHandle((flags & OpenFlags.AccessMode) != 0, out _);
        return new RegularFile(this, flags);
    }

    protected override void Forgotten()
    {
        Pages.Discard();
        _handle?.Dispose();
        _handle = null;
    }

    private int TryHandle(bool forWriting, out SafeFileHandle? handle)
    {
        handle = _handle;
        if (handle is not null && (_isWritable || !forWriting))
            return 0;
        if (At.Parent is null)
            return -Errno.ENOENT;
        int error = At.Parent.TryFolder(out HostFolder? folder);
        if (error == 0)
            error = folder!.OpenFile(At.Name, forWriting, isNew: false, 0, out handle);
        if (error != 0)
        {
            handle = null;
            return error;
        }

        _handle?.Dispose();
        _handle = handle;
        _isWritable = forWriting;
        Volume.Opened(this);
        return 0;
    }

    private static int WriteTo(SafeFileHandle handle, ReadOnlySpan<byte> data, long offset)
    {
        try
        {
            RandomAccess.Write(handle, data, offset);
            return data.Length;
        }
        catch (IOException problem)
        {
            return Error(problem);
        }
        catch (UnauthorizedAccessException)
        {
            return -Errno.EACCES;
        }
    }

    /// <summary>The host's disk is full, or the file too large for it; all else is trouble of input and output.</summary>
    private static int Error(IOException problem) => problem.HResult is Errno.ENOSPC or Errno.EFBIG ? -problem.HResult : -Errno.EIO;
}
