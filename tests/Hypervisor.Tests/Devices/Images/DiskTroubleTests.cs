using Hypervisor.Core.Devices;
using Hypervisor.Core.Devices.Images;
using Hypervisor.Tests.Support;

namespace Hypervisor.Tests.Devices.Images;

/// <summary>Images that somebody cuts, removes or forbids while a machine uses them: an I/O error at worst, told to whoever asks.</summary>
[System.Runtime.Versioning.UnsupportedOSPlatform("windows")]
public sealed class DiskTroubleTests : IDisposable
{
    private const int Size = 1 << 20;

    private readonly TemporaryFolder _folder = new();
    private readonly byte[] _content = new byte[Size];

    public DiskTroubleTests() => new Random(3).NextBytes(_content);

    public void Dispose() => _folder.Dispose();

    [PeerTheory("truncate", "qemu-img")]
    [InlineData("disk.img")]
    [InlineData("disk.qcow2")]
    public void Image_CutWhileInUse_GivesErrorsOrZeroesForWhatIsGone(string name)
    {
        using OpenedDisk image = Open(name);
        byte[] read = new byte[4096];
        Assert.True(image.Disk.TryRead(Size - 4096, read));
        Assert.Equal(_content[(Size - 4096)..], read);
        Peer.Run("truncate", "-s", "300K", _folder[name]);
        bool answered = image.Disk.TryRead(Size - 4096, read);
        if (image.Disk is FileBlockBackend file)
        {
            Assert.False(answered);
            Assert.Contains("shorter", file.LastError!.Message);
        }
        else
        {
            Assert.Equal(new byte[4096], read);
        }

        // What is written goes there again.
        Assert.True(image.Disk.TryWrite(Size - 4096, _content.AsSpan(0, 4096)));
        Assert.True(image.Disk.TryRead(Size - 4096, read));
        Assert.Equal(_content[..4096], read);
    }

    [PeerTheory("qemu-img")]
    [InlineData("disk.img")]
    [InlineData("disk.qcow2")]
    public void Image_RemovedWhileInUse_GoesOnUntilItIsClosed(string name)
    {
        using OpenedDisk image = Open(name);
        File.Delete(_folder[name]);
        byte[] read = new byte[4096];
        Assert.True(image.Disk.TryWrite(8192, new byte[4096]));
        Assert.True(image.Disk.TryFlush());
        Assert.True(image.Disk.TryRead(8192, read));
        Assert.Equal(new byte[4096], read);
        Assert.True(image.Disk.TryRead(4096, read));
        Assert.Equal(_content[4096..8192], read);
    }

    [PeerTheory("qemu-img")]
    [InlineData("disk.img")]
    [InlineData("disk.qcow2")]
    public void Image_OpenedReadOnly_TakesNoChange(string name)
    {
        using OpenedDisk image = Open(name, readOnly: true);
        byte[] before = File.ReadAllBytes(_folder[name]);
        Assert.True(image.Disk.IsReadOnly);
        Assert.False(image.Disk.TryWrite(0, new byte[512]));
        Assert.False(image.Disk.TryZero(0, 512));
        Assert.False(image.Disk.TryDiscard(0, 512));
        Assert.True(image.Disk.TryFlush());
        Assert.Equal(before, File.ReadAllBytes(_folder[name]));
    }

    private OpenedDisk Open(string name, bool readOnly = false)
    {
        _folder.Write("disk.img", _content);
        if (name.EndsWith("qcow2", StringComparison.Ordinal))
            Peer.Run("qemu-img", "convert", "-O", "qcow2", _folder["disk.img"], _folder[name]);
        return new OpenedDisk(DiskImage.Open(_folder[name], null, readOnly));
    }
}
