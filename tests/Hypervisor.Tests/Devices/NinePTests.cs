using System.Buffers.Binary;
using System.Text;
using FsCheck.Fluent;
using Hypervisor.Core;
using Hypervisor.Core.Devices.Virtio;
using Hypervisor.Core.Devices.Virtio.NineP;
using Hypervisor.Core.HostFiles;
using Hypervisor.Core.Memory;
using Hypervisor.Tests.Support;

namespace Hypervisor.Tests.Devices;

/// <summary>A shared directory by virtio and 9P2000.L: what Linux's diod describes of the protocol, and that nothing leads out of it.</summary>
[System.Runtime.Versioning.UnsupportedOSPlatform("windows")]
public sealed class NinePTests : IDisposable
{
    private const ulong Request = VirtioDriver.Ram + 0x20000;
    private const ulong Answer = VirtioDriver.Ram + 0x30000;

    private readonly TemporaryFolder _folder = new();

    public NinePTests()
    {
        Directory.CreateDirectory(_folder["share/sub"]);
        _folder.Write("secret", "do not read"u8);
        _folder.Write("share/file", "0123456789"u8);
        if (!OperatingSystem.IsWindows())
        {
            File.CreateSymbolicLink(_folder["share/out"], "../secret");
            File.CreateSymbolicLink(_folder["share/up"], "..");
        }
    }

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Share_OfWhatIsNoDirectory_SaysSo()
    {
        Assert.Contains("cannot name a shared directory", Assert.Throws<HypervisorException>(() => new VirtioNineP(_folder.Root, new string('t', 32), false)).Message);
        Assert.Contains(
            HostNode.IsSupported ? "is no directory that can be shared" : "sharing a directory needs a 64-bit Linux host",
            Assert.Throws<HypervisorException>(() => new VirtioNineP(_folder["none"], "t", false)).Message);
    }

    [LinuxFact]
    public void Requests_OfASession_DoWhatTheySay()
    {
        using var share = new Share(_folder["share"]);
        Assert.Equal("share", share.Tag);
        Assert.Equal((8192u, "9P2000.L"), share.Version(8192));
        share.Attach(0);
        Assert.Equal(0, share.Walk(0, 1, "file"));
        byte[] attributes = share.Ok(NinePType.GetAttributes, w => { w.Word(1); w.Long(0x7FF); });
        Assert.Equal(0x8000u, BinaryPrimitives.ReadUInt32LittleEndian(attributes.AsSpan(21)) & 0xF000);
        Assert.Equal(10UL, BinaryPrimitives.ReadUInt64LittleEndian(attributes.AsSpan(49)));
        share.Ok(NinePType.Open, w => { w.Word(1); w.Word(2); });
        Assert.Equal("3456", share.Read(1, 3, 4));
        Assert.Equal("89", share.Read(1, 8, 100));
        Assert.Equal("", share.Read(1, 10, 100));
        Assert.Equal(3u, share.Write(1, 8, "ABC"));
        Assert.Equal("01234567ABC", File.ReadAllText(_folder["share/file"]));
        share.Ok(NinePType.Sync, w => { w.Word(1); w.Word(0); });
        Assert.Equal(0, share.Ok(NinePType.Lock, w => { w.Word(1); w.Byte(1); w.Word(0); w.Long(0); w.Long(0); w.Word(7); w.Text("me"u8); })[0]);

        // The size, by number; a time given, the other now.
        share.Ok(NinePType.SetAttributes, w => { w.Word(1); w.Word(8 | 32 | 256); w.Word(0); w.Word(0); w.Word(0); w.Long(4); w.Long(0); w.Long(0); w.Long(1_000_000); w.Long(500); });
        Assert.Equal(4, new FileInfo(_folder["share/file"]).Length);
        Assert.Equal(DateTime.UnixEpoch.AddSeconds(1_000_000), File.GetLastWriteTimeUtc(_folder["share/file"]).AddTicks(-5));
        share.Ok(NinePType.SetAttributes, w => { w.Word(1); w.Word(1); w.Word(0x1C0); w.Word(0); w.Word(0); w.Long(0); w.Long(0); w.Long(0); w.Long(0); w.Long(0); });
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute, File.GetUnixFileMode(_folder["share/file"]));

        // Made, listed, renamed, linked, removed.
        share.Ok(NinePType.MakeDirectory, w => { w.Word(0); w.Text("made"u8); w.Word(0x1ED); w.Word(0); });
        share.Walk(0, 2, "made");
        share.Ok(NinePType.Create, w => { w.Word(2); w.Text("new"u8); w.Word(2); w.Word(0x1A4); w.Word(0); });
        Assert.Equal(5u, share.Write(2, 0, "hello"));
        share.Ok(NinePType.Clunk, w => w.Word(2));
        share.Walk(0, 2, "made");
        share.Walk(0, 3, "made", "new");
        share.Ok(NinePType.Link, w => { w.Word(2); w.Word(3); w.Text("hard"u8); });
        share.Ok(NinePType.Symlink, w => { w.Word(2); w.Text("soft"u8); w.Text("new"u8); w.Word(0); });
        share.Ok(NinePType.RenameAt, w => { w.Word(2); w.Text("new"u8); w.Word(0); w.Text("old"u8); });
        Assert.Equal("hello", File.ReadAllText(_folder["share/old"]));
        Assert.Equal("hello", File.ReadAllText(_folder["share/made/hard"]));
        share.Walk(2, 4, "soft");
        Assert.Equal("\u0003\0new", Encoding.ASCII.GetString(share.Ok(NinePType.ReadLink, w => w.Word(4))));
        share.Ok(NinePType.Open, w => { w.Word(2); w.Word(0); });
        Assert.Equal([".", "..", "hard", "soft"], share.List(2).Order(StringComparer.Ordinal));
        share.Ok(NinePType.UnlinkAt, w => { w.Word(0); w.Text("old"u8); w.Word(0); });
        Assert.Equal(HostError.NotEmpty, share.Fails(NinePType.UnlinkAt, w => { w.Word(0); w.Text("made"u8); w.Word(0x200); }));
        Assert.False(File.Exists(_folder["share/old"]));
        Assert.Equal(0x01021997u, BinaryPrimitives.ReadUInt32LittleEndian(share.Ok(NinePType.StatFs, w => w.Word(0))));
    }

    [LinuxFact]
    public void Walk_WhereverItWouldLeadOut_StaysInside()
    {
        using var share = new Share(_folder["share"]);
        share.Version(8192);
        share.Attach(0);
        Assert.Equal(0, share.Walk(0, 1, "..", "..", "..", "file"));
        Assert.Equal(0, share.Walk(0, 2, "sub", "..", "file"));
        foreach (string name in (string[])["", ".", "sub/../file", "/", "/etc", "a\0b", new string('n', 300)])
            Assert.NotEqual(0, share.Walk(0, 3, name));

        // A link that leads out is a link and nothing more: it is neither entered nor opened.
        Assert.NotEqual(0, share.Walk(0, 3, "up", "secret"));
        Assert.Equal(0, share.Walk(0, 3, "out"));
        Assert.Equal(HostError.AccessDenied, share.Fails(NinePType.Open, w => { w.Word(3); w.Word(2); }));
        Assert.NotEqual(0, share.Fails(NinePType.SetAttributes, w => { w.Word(3); w.Word(8); w.Word(0); w.Word(0); w.Word(0); w.Long(0); w.Long(0); w.Long(0); w.Long(0); w.Long(0); }));
        share.Walk(0, 4);
        Assert.NotEqual(0, share.Fails(NinePType.Create, w => { w.Word(4); w.Text("out"u8); w.Word(0x202); w.Word(0x1A4); w.Word(0); }));
        Assert.Equal("do not read", File.ReadAllText(_folder["secret"]));
    }

    [LinuxFact]
    public void Share_ReadOnly_ChangesNothing()
    {
        using var share = new Share(_folder["share"], readOnly: true);
        share.Version(8192);
        share.Attach(0);
        share.Walk(0, 1, "file");
        Assert.Equal(HostError.ReadOnlyFileSystem, share.Fails(NinePType.Open, w => { w.Word(1); w.Word(1); }));
        Assert.Equal(HostError.ReadOnlyFileSystem, share.Fails(NinePType.Open, w => { w.Word(1); w.Word(0x200); }));
        share.Ok(NinePType.Open, w => { w.Word(1); w.Word(0); });
        Assert.Equal("0123", share.Read(1, 0, 4));
        Assert.Equal(HostError.ReadOnlyFileSystem, share.Fails(NinePType.Write, w => { w.Word(1); w.Long(0); w.Word(1); w.Byte(65); }));
        Assert.Equal(HostError.ReadOnlyFileSystem, share.Fails(NinePType.MakeDirectory, w => { w.Word(0); w.Text("d"u8); w.Word(0x1ED); w.Word(0); }));
        Assert.Equal(HostError.ReadOnlyFileSystem, share.Fails(NinePType.UnlinkAt, w => { w.Word(0); w.Text("file"u8); w.Word(0); }));
    }

    [LinuxFact]
    public void AnyRequests_NeverChangeWhatLiesBeside()
    {
        var name = Gen.Elements("file", "sub", "out", "up", "..", ".", "", "a", "b", "../secret", "secret", "\0");
        var fid = Gen.Choose(0, 5).Select(v => (uint)v);
        var request = from type in Gen.OneOf(Gen.Elements(Enum.GetValues<NinePType>()), Gen.Choose(0, 255).Select(v => (NinePType)v))
                      from first in fid
                      from second in Gen.OneOf(fid, Gen.Constant(uint.MaxValue), Gen.Constant(0x8000_0000u))
                      from one in name
                      from other in name
                      from number in Gen.Elements(0u, 1u, 2u, 3u, 8u, 0x200u, 0x202u, 0x41EDu, 0x81A4u, 0x6000u, uint.MaxValue)
                      from cut in Gen.Choose(0, 60)
                      select (type, first, second, one, other, number, cut);
        Property.ForAll(request.ListOf(40), requests =>
        {
            using var folder = new TemporaryFolder();
            Directory.CreateDirectory(folder["share/sub"]);
            folder.Write("secret", "do not read"u8);
            folder.Write("share/file", "0123456789"u8);
            File.CreateSymbolicLink(folder["share/out"], "../secret");
            File.CreateSymbolicLink(folder["share/up"], "..");
            DateTime before = Directory.GetLastWriteTimeUtc(folder.Root);
            using var share = new Share(folder["share"]);
            share.Version(8192);
            share.Attach(0);
            foreach ((NinePType type, uint first, uint second, string one, string other, uint number, int cut) in requests)
            {
                byte[] answer = share.Send(type, w =>
                {
                    w.Word(first);
                    if (type is NinePType.Walk)
                    {
                        w.Word(second);
                        w.Short(number == uint.MaxValue ? ushort.MaxValue : (ushort)2);
                        w.Text(Encoding.UTF8.GetBytes(one));
                        w.Text(Encoding.UTF8.GetBytes(other));
                    }
                    else if (type is NinePType.Open or NinePType.Read or NinePType.Write or NinePType.ReadDirectory or NinePType.SetAttributes)
                    {
                        w.Word(number);
                        w.Long(second);
                        w.Long(number);
                        w.Long(second);
                        w.Long(second);
                        w.Long(number);
                    }
                    else
                    {
                        w.Text(Encoding.UTF8.GetBytes(one));
                        w.Word(number);
                        w.Text(Encoding.UTF8.GetBytes(other));
                        w.Word(second);
                        w.Word(number);
                        w.Word(number);
                    }
                }, cut > 40 ? 0 : cut);
                if (answer.AsSpan().IndexOf("do not read"u8) >= 0)
                    return false;
            }

            return File.ReadAllText(folder["secret"]) == "do not read" && Directory.GetFileSystemEntries(folder.Root).Length == 2
                && Directory.GetLastWriteTimeUtc(folder.Root) == before;
        }, 80);
    }

    /// <summary>A guest's side of a share.</summary>
    private sealed class Share : IDisposable
    {
        private readonly GuestMemory _memory = new(new MemoryRegion(VirtioDriver.Ram, 1 << 18));
        private readonly VirtioNineP _device;
        private readonly VirtioMmio _mmio;
        private readonly VirtioDriver _driver;

        public Share(string path, bool readOnly = false)
        {
            _device = new VirtioNineP(path, "share", readOnly);
            _mmio = new VirtioMmio(_memory, new FakeTimers(), new FakeLine(), _device);
            _driver = VirtioDriver.Start(_memory, _mmio, features: 1);
        }

        public string Tag
        {
            get
            {
                int length = (int)_mmio.Read(0x100, 2);
                return string.Concat(Enumerable.Range(0, length).Select(i => (char)_mmio.Read((ulong)(0x102 + i), 1)));
            }
        }

        public (uint Size, string Name) Version(uint size)
        {
            byte[] answer = Ok(NinePType.Version, w => { w.Word(size); w.Text("9P2000.L"u8); });
            return (BinaryPrimitives.ReadUInt32LittleEndian(answer), Encoding.ASCII.GetString(answer.AsSpan(6)));
        }

        public void Attach(uint fid) => Ok(NinePType.Attach, w => { w.Word(fid); w.Word(uint.MaxValue); w.Text("root"u8); w.Text(""u8); w.Word(0); });

        /// <summary>0, or the error; a walk that ends early counts as no such file.</summary>
        public int Walk(uint from, uint to, params string[] names)
        {
            byte[] answer = Send(NinePType.Walk, w =>
            {
                w.Word(from);
                w.Word(to);
                w.Short((ushort)names.Length);
                foreach (string name in names)
                    w.Text(Encoding.UTF8.GetBytes(name));
            });
            if (answer[4] == 7)
                return BinaryPrimitives.ReadInt32LittleEndian(answer.AsSpan(7));
            return BinaryPrimitives.ReadUInt16LittleEndian(answer.AsSpan(7)) == names.Length ? 0 : HostError.NotFound;
        }

        public string Read(uint fid, ulong offset, uint count)
        {
            byte[] answer = Ok(NinePType.Read, w => { w.Word(fid); w.Long(offset); w.Word(count); });
            Assert.Equal(BinaryPrimitives.ReadInt32LittleEndian(answer), answer.Length - 4);
            return Encoding.ASCII.GetString(answer.AsSpan(4));
        }

        public uint Write(uint fid, ulong offset, string text) => BinaryPrimitives.ReadUInt32LittleEndian(Ok(NinePType.Write, w =>
        {
            w.Word(fid);
            w.Long(offset);
            w.Word((uint)text.Length);
            w.Bytes(Encoding.ASCII.GetBytes(text));
        }));

        public List<string> List(uint fid)
        {
            var names = new List<string>();
            ulong place = 0;
            while (true)
            {
                byte[] answer = Ok(NinePType.ReadDirectory, w => { w.Word(fid); w.Long(place); w.Word(60); });
                if (answer.Length == 4)
                    return names;
                for (ReadOnlySpan<byte> left = answer.AsSpan(4); left.Length > 0;)
                {
                    place = BinaryPrimitives.ReadUInt64LittleEndian(left[13..]);
                    int length = BinaryPrimitives.ReadUInt16LittleEndian(left[22..]);
                    names.Add(Encoding.UTF8.GetString(left.Slice(24, length)));
                    left = left[(24 + length)..];
                }
            }
        }

        public byte[] Ok(NinePType type, Action<Builder> fill)
        {
            byte[] answer = Send(type, fill);
            Assert.Equal((byte)type + 1, answer[4]);
            return answer[7..];
        }

        public int Fails(NinePType type, Action<Builder> fill)
        {
            byte[] answer = Send(type, fill);
            Assert.Equal(7, answer[4]);
            Assert.Equal(11, answer.Length);
            return BinaryPrimitives.ReadInt32LittleEndian(answer.AsSpan(7));
        }

        /// <summary>Sends a request, cut short by some bytes, and returns the whole answer.</summary>
        public byte[] Send(NinePType type, Action<Builder> fill, int cut = 0)
        {
            var builder = new Builder();
            builder.Word(0);
            builder.Byte((byte)type);
            builder.Short(1);
            fill(builder);
            byte[] message = builder.ToArray();
            message = message[..Math.Max(7, message.Length - cut)];
            BinaryPrimitives.WriteInt32LittleEndian(message, message.Length);
            Assert.True(_memory.TryWrite(Request, message));

            // In several buffers, as a driver may.
            ushort head = message.Length > 9
                ? _driver.Add(new GuestBuffer(Request, 9, false), new GuestBuffer(Request + 9, (uint)message.Length - 9, false), new GuestBuffer(Answer, 11, true), new GuestBuffer(Answer + 11, 0x4000, true))
                : _driver.Add(new GuestBuffer(Request, (uint)message.Length, false), new GuestBuffer(Answer, 0x4000, true));
            _driver.Notify();
            (uint id, uint length) = _driver.Take();
            Assert.Equal(head, id);
            var answer = new byte[length];
            Assert.True(_memory.TryRead(Answer, answer));
            Assert.Equal(answer.Length, BinaryPrimitives.ReadInt32LittleEndian(answer));
            return answer;
        }

        public void Dispose()
        {
            _mmio.Dispose();
            _device.Dispose();
            _memory.Dispose();
        }
    }

    /// <summary>Puts a request together.</summary>
    private sealed class Builder
    {
        private readonly List<byte> _bytes = [];

        public void Byte(byte value) => _bytes.Add(value);

        public void Short(ushort value) => Put(value, 2);

        public void Word(uint value) => Put(value, 4);

        public void Long(ulong value) => Put(value, 8);

        public void Bytes(ReadOnlySpan<byte> bytes) => _bytes.AddRange(bytes);

        public void Text(ReadOnlySpan<byte> text)
        {
            Short((ushort)text.Length);
            Bytes(text);
        }

        public byte[] ToArray() => [.. _bytes];

        private void Put(ulong value, int size)
        {
            for (int i = 0; i < size; i++)
                _bytes.Add((byte)(value >> (8 * i)));
        }
    }
}
