using FsCheck.Fluent;
using Hypervisor.Core;
using Hypervisor.Core.Devices;
using Hypervisor.Core.Devices.Images;
using Hypervisor.Tests.Support;

namespace Hypervisor.Tests.Devices.Images;

/// <summary>Disk images, against QEMU's own tools and a disk that is just bytes.</summary>
public sealed class Qcow2Tests : IDisposable
{
    private const int Mebibyte = 1 << 20;

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [PeerFact("qemu-img")]
    public void Image_WrittenHere_IsSoundAndReadsTheSameThere()
    {
        byte[] disk = WriteRandomly(image => DiskImage.Create(image, 40 * Mebibyte), 40 * Mebibyte, []);
        Check("new.qcow2");
        Peer.Run("qemu-img", "convert", "-O", "raw", _folder["new.qcow2"], _folder["out.raw"]);
        Assert.Equal(disk, File.ReadAllBytes(_folder["out.raw"]));
    }

    [PeerFact("qemu-img")]
    public void Image_OverAnother_KeepsThatAsItWas()
    {
        byte[] below = new byte[3 * Mebibyte];
        new Random(5).NextBytes(below);
        _folder.Write("base.img", below);
        byte[] disk = WriteRandomly(image => DiskImage.Create(image, 5 * Mebibyte, "base.img"), 5 * Mebibyte, below);
        Check("new.qcow2");
        Peer.Run("qemu-img", "convert", "-O", "raw", _folder["new.qcow2"], _folder["out.raw"]);
        Assert.Equal(disk, File.ReadAllBytes(_folder["out.raw"]));
        Assert.Equal(below, File.ReadAllBytes(_folder["base.img"]));
        Assert.Contains("base.img", Peer.Run("qemu-img", "info", _folder["new.qcow2"]));
    }

    [PeerTheory("qemu-img")]
    [InlineData("-o", "cluster_size=512")]
    [InlineData("-o", "cluster_size=4096")]
    [InlineData("-o", "cluster_size=2M")]
    [InlineData("-o", "compat=0.10")]
    [InlineData("-c", "-q")]
    [InlineData("-o", "lazy_refcounts=on")]
    public void Image_OfQemu_IsReadAndWritten(string option, string value)
    {
        byte[] content = new byte[4 * Mebibyte];
        new Random(6).NextBytes(content.AsSpan(Mebibyte, Mebibyte));
        content.AsSpan(3 * Mebibyte, Mebibyte).Fill(7);
        _folder.Write("in.raw", content);
        Peer.Run("qemu-img", "convert", option, value, "-O", "qcow2", _folder["in.raw"], _folder["new.qcow2"]);
        byte[] disk = WriteRandomly(null, content.Length, content);
        Check("new.qcow2");
        Peer.Run("qemu-img", "convert", "-O", "raw", _folder["new.qcow2"], _folder["out.raw"]);
        Assert.Equal(disk, File.ReadAllBytes(_folder["out.raw"]));
    }

    [PeerFact("qemu-img")]
    public void Image_WithASnapshot_LeavesItAsItWas()
    {
        byte[] content = new byte[2 * Mebibyte];
        new Random(7).NextBytes(content);
        _folder.Write("in.raw", content);
        Peer.Run("qemu-img", "convert", "-O", "qcow2", _folder["in.raw"], _folder["new.qcow2"]);
        Peer.Run("qemu-img", "snapshot", "-c", "before", _folder["new.qcow2"]);
        byte[] disk = WriteRandomly(null, content.Length, content);
        Check("new.qcow2");
        Peer.Run("qemu-img", "convert", "-O", "raw", _folder["new.qcow2"], _folder["out.raw"]);
        Assert.Equal(disk, File.ReadAllBytes(_folder["out.raw"]));
        Peer.Run("qemu-img", "snapshot", "-a", "before", _folder["new.qcow2"]);
        Peer.Run("qemu-img", "convert", "-O", "raw", _folder["new.qcow2"], _folder["out.raw"]);
        Assert.Equal(content, File.ReadAllBytes(_folder["out.raw"]));
    }

    [PeerFact("qemu-img")]
    public void Image_LargeAndSparse_GrowsItsTables()
    {
        // With 512-byte clusters a table of counts names few: it has to grow.
        Peer.Run("qemu-img", "create", "-q", "-f", "qcow2", "-o", "cluster_size=512", _folder["new.qcow2"], "64M");
        byte[] block = new byte[4 * Mebibyte];
        new Random(8).NextBytes(block);
        using (OpenedDisk image = Open())
        {
            for (int at = 0; at < 64; at += 8)
                Assert.True(image.Disk.TryWrite(at * (long)Mebibyte, block));
        }

        Check("new.qcow2");
        using OpenedDisk again = Open();
        byte[] read = new byte[block.Length];
        Assert.True(again.Disk.TryRead(56L * Mebibyte, read));
        Assert.Equal(block, read);
    }

    [PeerFact("qemu-img")]
    public void Image_NotClosed_IsCountedAnewWhenItIsOpened()
    {
        DiskImage.Create(_folder["new.qcow2"], 8 * Mebibyte);
        byte[] bytes = new byte[300_000 / 512 * 512];
        new Random(9).NextBytes(bytes);
        byte[] killed;
        using (OpenedDisk image = Open())
        {
            Assert.True(image.Disk.TryWrite(100 * 512, bytes));
            Assert.True(image.Disk.TryFlush());
            Peer.Run("cp", _folder["new.qcow2"], _folder["killed"]);
            killed = File.ReadAllBytes(_folder["killed"]);
        }

        // As a process that was killed leaves it, and with counts that never reached the disk.
        killed.AsSpan(2 * 65536 + 8, 200).Clear();
        _folder.Write("new.qcow2", killed);
        using (OpenedDisk image = Open())
        {
            byte[] read = new byte[bytes.Length];
            Assert.True(image.Disk.TryRead(100 * 512, read));
            Assert.Equal(bytes, read);
        }

        Check("new.qcow2");
    }

    [Fact]
    public void Image_OpenedToForget_ChangesNothing()
    {
        byte[] content = new byte[Mebibyte];
        new Random(10).NextBytes(content);
        _folder.Write("base.raw", content);
        IBlockBackend disk = DiskImage.OpenForgetful(_folder["base.raw"]);
        byte[] read = new byte[1024];
        Assert.True(disk.TryRead(512, read));
        Assert.Equal(content[512..1536], read);
        Assert.True(disk.TryWrite(512, new byte[512]));
        Assert.True(disk.TryRead(512, read));
        Assert.Equal(new byte[512], read[..512]);
        Assert.Equal(content[1024..1536], read[512..]);
        ((IDisposable)disk).Dispose();
        Assert.Equal(content, File.ReadAllBytes(_folder["base.raw"]));
    }

    [Fact]
    public void Open_WhatCannotBe_SaysWhy()
    {
        _folder.Write("a.qcow2", new byte[512]);
        _folder.Write("short.qcow2", [0x51, 0x46]);
        Assert.Contains("is no qcow2 image", Refused("a.qcow2"));
        Assert.Contains("is no qcow2 image", Refused("short.qcow2"));
        Assert.Contains("of format 'vmdk'", Assert.Throws<HypervisorException>(() => DiskImage.Open(_folder["a.qcow2"], "vmdk")).Message);
        Assert.Contains("Cannot open", Refused("none.qcow2"));
        Assert.Contains("cannot be a disk of 100 bytes", Assert.Throws<HypervisorException>(() => DiskImage.Create(_folder["b.qcow2"], 100)).Message);
        Assert.Contains("cannot be made", Assert.Throws<HypervisorException>(() => DiskImage.Create(_folder["a.qcow2"], 512)).Message);
        Assert.Contains("Cannot open", Assert.Throws<HypervisorException>(() => DiskImage.Create(_folder["b.qcow2"], null, "none.raw")).Message);

        // Below itself.
        DiskImage.Create(_folder["loop.qcow2"], Mebibyte);
        byte[] bytes = File.ReadAllBytes(_folder["loop.qcow2"]);
        "loop.qcow2"u8.CopyTo(bytes.AsSpan(200));
        bytes[15] = 200;
        bytes[19] = 10;
        _folder.Write("loop.qcow2", bytes);
        Assert.Contains("below itself", Assert.Throws<HypervisorException>(() => DiskImage.Open(_folder["loop.qcow2"], null, readOnly: true)).Message);

        // A raw image stays raw, whatever its guest wrote into it.
        _folder.Write("guest.img", File.ReadAllBytes(_folder["loop.qcow2"])[..^0]);
        IBlockBackend raw = DiskImage.Open(_folder["guest.img"]);
        Assert.IsType<FileBlockBackend>(raw);
        ((IDisposable)raw).Dispose();
    }

    [Fact]
    public void AnyImage_Damaged_AnswersWithErrorsOnly()
    {
        DiskImage.Create(_folder["whole.qcow2"], 2 * Mebibyte);
        using (var image = new OpenedDisk(DiskImage.Open(_folder["whole.qcow2"])))
            Assert.True(image.Disk.TryWrite(70_000 / 512 * 512, new byte[512 * 300]));
        byte[] whole = File.ReadAllBytes(_folder["whole.qcow2"]);
        var place = Gen.OneOf(Gen.Choose(0, 112), Gen.Choose(65536, 65560), Gen.Choose(131072, 131100), Gen.Choose(196608, 196640), Gen.Choose(0, whole.Length - 1));
        var damage = from at in place
                     from value in Gen.Elements<byte>(0, 1, 2, 7, 0x40, 0x80, 0xff)
                     select (at, value);
        int number = 0;
        Property.ForAll(damage.ListOf(6), changes =>
        {
            byte[] bytes = (byte[])whole.Clone();
            foreach ((int at, byte value) in changes)
                bytes[at] = value;
            string name = $"damaged{number++}.qcow2";
            _folder.Write(name, bytes);
            try
            {
                using var image = new OpenedDisk(DiskImage.Open(_folder[name]));
                byte[] buffer = new byte[8192];
                for (long offset = 0; offset + buffer.Length <= Math.Min(image.Disk.Length, 4 * Mebibyte); offset += 131072)
                {
                    image.Disk.TryRead(offset, buffer);
                    image.Disk.TryWrite(offset, buffer);
                }

                image.Disk.TryDiscard(0, 65536);
                image.Disk.TryFlush();
            }
            catch (HypervisorException)
            {
                // Refused, with a reason.
            }

            File.Delete(_folder[name]);
            return true;
        }, 150);
    }

    /// <summary>Writes, zeroes, discards and reads at random beside a disk that is just bytes; what that holds in the end.</summary>
    private byte[] WriteRandomly(Action<string>? create, int length, byte[] below)
    {
        create?.Invoke(_folder["new.qcow2"]);
        byte[] disk = new byte[length];
        below.CopyTo(disk, 0);
        var random = new Random(length);
        for (int session = 0; session < 3; session++)
        {
            using OpenedDisk image = Open();
            Assert.Equal(length, image.Disk.Length);
            for (int step = 0; step < 120; step++)
            {
                int offset = random.Next(length / 512) * 512;
                int size = Math.Min(random.Next(1, random.Next(4) == 0 ? 1200 : 20) * 512, length - offset);
                Span<byte> range = disk.AsSpan(offset, size);
                switch (random.Next(6))
                {
                    case 0:
                        Assert.True(image.Disk.TryZero(offset, size));
                        range.Clear();
                        break;
                    case 1:
                        // What a discarded range holds is open: written whole again.
                        Assert.True(image.Disk.TryDiscard(offset, size));
                        random.NextBytes(range);
                        Assert.True(image.Disk.TryWrite(offset, range));
                        break;
                    case 2:
                        byte[] read = new byte[size];
                        Assert.True(image.Disk.TryRead(offset, read));
                        Assert.True(range.SequenceEqual(read));
                        break;
                    case 3 when step % 9 == 0:
                        Assert.True(image.Disk.TryFlush());
                        break;
                    default:
                        random.NextBytes(range);
                        Assert.True(image.Disk.TryWrite(offset, range));
                        break;
                }
            }
        }

        return disk;
    }

    private string Refused(string name) => Assert.Throws<HypervisorException>(() => DiskImage.Open(_folder[name])).Message;

    private OpenedDisk Open() => new(DiskImage.Open(_folder["new.qcow2"]));

    private void Check(string name) => Assert.Contains("No errors were found", Peer.Run("qemu-img", "check", _folder[name]));
}
