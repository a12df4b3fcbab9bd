using FsCheck.Fluent;
using Hypervisor.Core.Memory;
using Hypervisor.Guests.Container;
using Hypervisor.Guests.Container.Files;
using Hypervisor.Guests.Container.Memory;
using Hypervisor.Tests.Support;

namespace Hypervisor.Tests.Container.Files;

/// <summary>Files that begin with one content share its frames, and nothing that is done to one of them is seen in another.</summary>
public sealed class SharedPagesTests
{
    private const string Compiler = "riscv64-linux-gnu-gcc";
    private const int PageSize = 4096;
    private const int Containers = 3;
    private const int MostPages = 5;
    private const ulong Private = 0x10_0000;
    private const ulong Shared = 0x20_0000;
    private const ulong ReadOnly = 0x30_0000;

    private enum Kind
    {
        Write,
        Resize,
        Punch,
        Allocate,
        WritePrivate,
        WriteShared,
        ReadMapped,
        Fork,
        Reclaim,
    }

    private sealed record Step(Kind Kind, int Container, int At, int Length, byte Value);

    [Fact]
    public void Files_OfOneContent_StayApartWhateverIsDoneToThem()
    {
        var step = from kind in Gen.Elements(Enum.GetValues<Kind>())
                   from container in Gen.Choose(0, Containers - 1)
                   from at in Gen.OneOf(Gen.Choose(0, MostPages).Select(page => page * PageSize), Gen.Choose(0, MostPages * PageSize))
                   from length in Gen.OneOf(Gen.Choose(1, 100), Gen.Constant(PageSize), Gen.Choose(1, 2 * PageSize))
                   from value in Gen.Choose(1, 255)
                   select new Step(kind, container, at, length, (byte)value);
        Property.ForAll(from size in Gen.Choose(1, MostPages * PageSize) from steps in Gen.ListOf(step) select (size, steps), run =>
        {
            byte[] original = [.. Enumerable.Range(0, run.size).Select(i => (byte)(1 + i * 7 % 251))];
            using var memory = new GuestMemory(new MemoryRegion(0x1_0000_0000, 1 << 20));
            var frames = new FrameAllocator(memory, new Core.Machine.LightLock());
            var contents = new SharedContents(frames);
            Side[] sides = [.. Enumerable.Range(0, Containers).Select(_ => new Side(frames, contents, original))];
            Assert.All(sides, side => Assert.Same(contents.Keep(original), side.Content));
            foreach (Step each in run.steps)
            {
                if (each.Kind == Kind.Reclaim)
                    frames.Reclaim();
                else
                    sides[each.Container].Do(each);
                foreach (Side side in sides)
                    side.Check();
                Assert.Equal(original, contents.Keep(original).Bytes);
            }

            foreach (Side side in sides)
                side.End();
            Assert.Equal(0, frames.Used);
            return true;
        }, cases: 300);
    }

    [PeerFact(Compiler)]
    public void Containers_OfOneProgram_HaveItsCodeOnce()
    {
        using var folder = new TemporaryFolder();
        folder.Write("wait.c", "#include <unistd.h>\nint main(void) { pause(); return 0; }\n"u8);
        Directory.CreateDirectory(folder["root"]);
        Peer.Run(Compiler, "-O2", "-static", "-o", folder["root/wait"], folder["wait.c"]);
        using var run = new ContainerRun();
        var options = new ContainerOptions { RootDirectory = folder["root"], Program = "/wait", Arguments = ["wait"] };
        run.Containers.Create(options);
        run.Host.RunFor(1_000_000_000);
        (int frames, long blocks) = (run.Containers.Frames.Used, run.Containers.Machine.BlocksDecoded);
        Guests.Container.Container second = run.Containers.Create(options);
        run.Host.RunFor(1_000_000_000);
        Assert.Equal(blocks, run.Containers.Machine.BlocksDecoded);

        // What the second has beside that is its own, and counted as such; what they share is counted to nobody.
        Assert.Equal(second.MemoryInUse / PageSize, (ulong)(run.Containers.Frames.Used - frames));

        // A program that was changed meanwhile is another.
        File.AppendAllText(folder["root/wait"], "more");
        run.Containers.Create(options);
        run.Host.RunFor(1_000_000_000);
        Assert.True(run.Containers.Machine.BlocksDecoded > blocks);
    }

    [LinuxFact]
    public void Directory_OfSeveralContainers_IsOpenOnceAndAnotherWhenItsPathIsAnothers()
    {
        using var folder = new TemporaryFolder();
        Directory.CreateDirectory(folder["root"]);
        folder.Write("root/file", "old"u8);
        using var memory = new GuestMemory(new MemoryRegion(0x1_0000_0000, 1 << 20));
        var contents = new SharedContents(new FrameAllocator(memory, new Core.Machine.LightLock()));
        HostDirectory first = contents.Directory(folder["root"]);
        Assert.Same(first, contents.Directory(folder["root"]));
        folder.Write("root/later", "seen"u8);
        Assert.Contains("later", contents.Directory(folder["root"]).Names());

        Directory.Move(folder["root"], folder["moved"]);
        Directory.CreateDirectory(folder["root"]);
        HostDirectory second = contents.Directory(folder["root"]);
        Assert.NotSame(first, second);
        Assert.Empty(second.Names());
        Assert.Equal(["file", "later"], first.Names().Order());
    }

    /// <summary>One container's file, mapped three times, beside what it ought to hold.</summary>
    private sealed class Side
    {
        private readonly FrameAllocator _frames;
        private readonly MemoryAccount _account = new(1 << 20);
        private readonly FileStore _store;
        private readonly MemoryFile _file;
        private readonly AddressSpace _space;
        private readonly Dictionary<int, byte[]> _private = [];
        private byte[] _expected;
        private AddressSpace? _child;

        public Side(FrameAllocator frames, SharedContents contents, byte[] original)
        {
            _frames = frames;
            _store = new FileStore(() => 0, 1 << 20) { Frames = frames, Shared = contents };
            Content = contents.Keep(original);
            _file = new MemoryFile(_store, 0x1A4, Content);
            _expected = [.. original];
            _space = new AddressSpace(frames, _account);
            Map(Private, Protection.Read | Protection.Write, shared: false, mayWrite: true);
            Map(Shared, Protection.Read | Protection.Write, shared: true, mayWrite: true);
            Map(ReadOnly, Protection.Read, shared: true, mayWrite: false);
        }

        public KeptBytes Content { get; }

        public void Do(Step step)
        {
            byte[] data = [.. Enumerable.Repeat(step.Value, step.Length)];
            switch (step.Kind)
            {
                case Kind.Write:
                    Assert.Equal(data.Length, _file.WriteAt(data, step.At));
                    if (_expected.Length < step.At + data.Length)
                        Array.Resize(ref _expected, step.At + data.Length);
                    data.CopyTo(_expected, step.At);
                    break;
                case Kind.Resize:
                    Assert.Equal(0, _file.Truncate(step.At));
                    Array.Resize(ref _expected, step.At);
                    break;
                case Kind.Punch:
                    Assert.Equal(0, _file.PunchHole(step.At, step.Length));
                    if (step.At < _expected.Length)
                        _expected.AsSpan(step.At, Math.Min(step.Length, _expected.Length - step.At)).Clear();
                    break;
                case Kind.Allocate:
                    Assert.Equal(0, _file.Allocate(step.At, step.Length, keepSize: true));
                    break;
                case Kind.WritePrivate when step.At < _expected.Length:
                    Assert.True(_space.TryWrite(Private + (ulong)step.At, step.Value));
                    int page = step.At / PageSize;
                    if (!_private.TryGetValue(page, out byte[]? own))
                        _private.Add(page, own = PageOf(page));
                    own[step.At % PageSize] = step.Value;
                    break;
                case Kind.WriteShared when step.At < _expected.Length:
                    Assert.True(_space.TryWrite(Shared + (ulong)step.At, step.Value));
                    _expected[step.At] = step.Value;
                    break;
                case Kind.ReadMapped when step.At < _expected.Length:
                    ulong start = (step.Value % 4) switch { 0 => Shared, 1 => Private, _ => ReadOnly };
                    Assert.True(_space.TryRead(start + (ulong)step.At, out byte _));
                    break;
                case Kind.Fork when _child is null:
                    _child = _space.Fork(_account);
                    break;
                case Kind.Fork:
                    _child.Release();
                    _child = null;
                    break;
            }
        }

        /// <summary>All that can be read of it is what it ought to be, without mapping more than is mapped.</summary>
        public void Check()
        {
            Assert.Equal(_expected.Length, _file.Size);
            var read = new byte[_expected.Length];
            Assert.Equal(read.Length, _file.ReadAt(read, 0));
            Assert.Equal(_expected, read);
            for (int page = 0; page * PageSize < _expected.Length; page++)
            {
                foreach (ulong start in new[] { Private, Shared, ReadOnly })
                    CheckPage(_space, start, page);
                if (_child is not null)
                    CheckPage(_child, ReadOnly, page);
            }

            Assert.False(_space.TryRead(ReadOnly + (ulong)((_expected.Length + PageSize - 1) / PageSize * PageSize), out byte _));
        }

        public void End()
        {
            _child?.Release();
            _space.Release();
            _file.Unlinked();
            Assert.Equal(0, _store.Used);
            Assert.Equal(0, _account.Used);
            _frames.Settle();
        }

        private void CheckPage(AddressSpace space, ulong start, int page)
        {
            if (!space.IsResident(start + (ulong)(page * PageSize)))
                return;
            var seen = new byte[PageSize];
            Assert.True(space.TryRead(start + (ulong)(page * PageSize), seen));
            Assert.Equal(start == Private && _private.TryGetValue(page, out byte[]? own) ? own : PageOf(page), seen);
        }

        private byte[] PageOf(int page)
        {
            var bytes = new byte[PageSize];
            _expected.AsSpan(page * PageSize, Math.Min(PageSize, _expected.Length - page * PageSize)).CopyTo(bytes);
            return bytes;
        }

        private void Map(ulong start, Protection protection, bool shared, bool mayWrite)
            => _space.Map(new Mapping(start, start + (MostPages + 4) * PageSize, protection, shared, _file, 0, "file") { MayWrite = mayWrite });
    }
}
