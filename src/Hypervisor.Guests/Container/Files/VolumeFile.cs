namespace Hypervisor.Guests.Container.Files;

/// <summary>A regular file whose content, and every change of it, goes to a <see cref="HostVolume"/> at once.</summary>
internal abstract class VolumeFile : Inode, IFileContent, IOnVolume
{
    protected VolumeFile(HostVolume volume, uint mode, long now)
        : base(volume.Store.NextNumber(), mode, now)
    {
        Volume = volume;
        Pages = new FilePages(volume.Store, this);
    }

    public HostVolume Volume { get; }

    public override FilePages Pages { get; }

    public override long Size => Length;

    public bool WritesThrough => true;

    public object? Identity => null;

    public abstract long Length { get; }

    public abstract int Read(Span<byte> buffer, long offset);

    public abstract int Write(ReadOnlySpan<byte> data, long offset);

    public abstract int SetLength(long length);

    public override int ReadAt(Span<byte> buffer, long offset) => Pages.Read(buffer, offset);

    public override int WriteAt(ReadOnlySpan<byte> data, long offset) => Changed(Pages.Write(data, offset));

    public override int Truncate(long size) => Changed(Pages.Resize(size));

    public override int Allocate(long offset, long length, bool keepSize)
        => !keepSize && offset + length > Size ? Changed(Pages.Resize(offset + length)) : 0;

    public override int PunchHole(long offset, long length) => Changed(Pages.PunchHole(offset, length));

    public override bool SharesFileSystem(Inode other) => other is IOnVolume entry && entry.Volume == Volume;

    private int Changed(int result)
    {
        if (result >= 0)
            ModifyTime = ChangeTime = Volume.Store.Now;
        return result;
    }
}
