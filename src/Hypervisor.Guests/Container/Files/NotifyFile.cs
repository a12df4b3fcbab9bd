using System.Runtime.CompilerServices;

namespace Hypervisor.Guests.Container.Files;

/// <summary>What happened to a file (inotify(7)).</summary>
[Flags]
internal enum NotifyEvents : uint
{
    None = 0,
    Accessed = 1,
    Modified = 2,
    Attributes = 4,
    ClosedWritten = 8,
    ClosedUnwritten = 0x10,
    Opened = 0x20,
    MovedFrom = 0x40,
    MovedTo = 0x80,
    Created = 0x100,
    Deleted = 0x200,
    SelfDeleted = 0x400,
    SelfMoved = 0x800,
    All = 0xFFF,
    Unmounted = 0x2000,
    Overflow = 0x4000,
    Ignored = 0x8000,
    OnlyDirectory = 0x0100_0000,
    DontFollow = 0x0200_0000,
    ExcludeUnlinked = 0x0400_0000,
    MaskCreate = 0x1000_0000,
    MaskAdd = 0x2000_0000,
    IsDirectory = 0x4000_0000,
    OneShot = 0x8000_0000,
}

/// <summary>One watch of an inotify file.</summary>
internal sealed class NotifyWatch(NotifyFile file, Inode inode, int number)
{
    public NotifyFile File => file;

    public Inode Inode => inode;

    public int Number => number;

    public NotifyEvents Mask { get; set; }
}

/// <summary>inotify(7): a queue of what happened to the files it watches.</summary>
internal sealed class NotifyFile(Inode inode, int flags) : OpenFile(inode, flags)
{
    private const int MostQueued = 16_384;
    private const int HeaderBytes = 16;

    private readonly Queue<byte[]> _events = new();
    private readonly Dictionary<int, NotifyWatch> _watches = [];
    private int _last;

    public override WaitQueue Ready { get; } = new();

    public int Available => _events.Sum(each => each.Length);

    public override int Read(Span<byte> buffer)
    {
        int used = 0;
        while (_events.TryPeek(out byte[]? next) && used + next.Length <= buffer.Length)
        {
            next.CopyTo(buffer[used..]);
            used += next.Length;
            _events.Dequeue();
        }

        return used > 0 ? used : _events.Count > 0 ? -Errno.EINVAL : -Errno.EAGAIN;
    }

    public override int Write(ReadOnlySpan<byte> data) => -Errno.EBADF;

    public override PollEvents Poll() => _events.Count > 0 ? PollEvents.In : PollEvents.None;

    /// <summary>Watches a file, or changes what is watched of it; the watch's number or a negated error.</summary>
    public int Watch(Inode watched, NotifyEvents mask)
    {
        NotifyWatch? watch = _watches.Values.FirstOrDefault(each => each.Inode == watched);
        if (watch is not null)
        {
            if ((mask & NotifyEvents.MaskCreate) != 0)
                return -Errno.EEXIST;
            watch.Mask = (mask & NotifyEvents.MaskAdd) != 0 ? watch.Mask | mask : mask;
            return watch.Number;
        }

        watch = new NotifyWatch(this, watched, ++_last) { Mask = mask };
        _watches.Add(watch.Number, watch);
        (watched.NotifyWatches ??= []).Add(watch);
        watched.Acquire();
        return watch.Number;
    }

    /// <summary>Ends a watch; 0 or a negated error.</summary>
    public int Remove(int number)
    {
        if (!_watches.TryGetValue(number, out NotifyWatch? watch))
            return -Errno.EINVAL;
        Forget(watch);
        Add(watch, NotifyEvents.Ignored, 0, "");
        return 0;
    }

    /// <summary>Queues an event; one like the last that waits is not told again.</summary>
    public void Add(NotifyWatch watch, NotifyEvents what, uint cookie, string name)
    {
        int nameBytes = name.Length == 0 ? 0 : (name.Length + HeaderBytes) / HeaderBytes * HeaderBytes;
        var record = new byte[HeaderBytes + nameBytes];
        bool overflows = _events.Count >= MostQueued;
        BitConverter.TryWriteBytes(record, overflows ? -1 : watch.Number);
        BitConverter.TryWriteBytes(record.AsSpan(4), (uint)(overflows ? NotifyEvents.Overflow : what));
        BitConverter.TryWriteBytes(record.AsSpan(8), cookie);
        BitConverter.TryWriteBytes(record.AsSpan(12), nameBytes);
        KernelText.Encode(name).CopyTo(record.AsSpan(HeaderBytes));
        if (_events.Count > MostQueued || (_events.Count > 0 && _events.Last().AsSpan().SequenceEqual(record)))
            return;
        _events.Enqueue(record);
        Ready.WakeAll();
    }

    public void Forget(NotifyWatch watch)
    {
        _watches.Remove(watch.Number);
        watch.Inode.NotifyWatches?.Remove(watch);
        watch.Inode.Release();
    }

    protected override void Closed()
    {
        foreach (NotifyWatch watch in _watches.Values.ToArray())
            Forget(watch);
    }
}

/// <summary>Where the kernel tells what happens to files. Costs nothing for files that nobody watches.</summary>
internal static class Notify
{
    public static void Accessed(OpenFile file) => Of(file, NotifyEvents.Accessed);

    public static void Changed(OpenFile file) => Of(file, NotifyEvents.Modified);

    public static void Opened(OpenFile file) => Of(file, NotifyEvents.Opened);

    public static void Closed(OpenFile file) => Of(file, file.CanWrite ? NotifyEvents.ClosedWritten : NotifyEvents.ClosedUnwritten);

    /// <summary>Something happened to a file, and so to an entry of the directory it is in.</summary>
    public static void Of(Inode inode, Inode? directory, string name, NotifyEvents what, uint cookie = 0)
    {
        if (inode.NotifyWatches is not null)
            Tell(inode, what, cookie, "", inode.IsDirectory);
        if (directory?.NotifyWatches is not null)
            Tell(directory, what, cookie, name, inode.IsDirectory);
    }

    /// <summary>An entry of a directory came or went.</summary>
    public static void Entry(Inode directory, string name, NotifyEvents what, bool isDirectory, uint cookie = 0)
    {
        if (directory.NotifyWatches is not null)
            Tell(directory, what, cookie, name, isDirectory);
    }

    /// <summary>A file itself was moved, or its last name went.</summary>
    public static void Self(Inode inode, NotifyEvents what)
    {
        if (inode.NotifyWatches is null)
            return;
        Tell(inode, what, 0, "", isDirectory: false);
        if (what != NotifyEvents.SelfDeleted)
            return;
        foreach (NotifyWatch watch in inode.NotifyWatches.ToArray())
            watch.File.Remove(watch.Number);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Of(OpenFile file, NotifyEvents what)
    {
        if (file.Inode.NotifyWatches is not null || file.Directory?.NotifyWatches is not null)
            Of(file.Inode, file.Directory, file.Path[(file.Path.LastIndexOf('/') + 1)..], what);
    }

    private static void Tell(Inode inode, NotifyEvents what, uint cookie, string name, bool isDirectory)
    {
        foreach (NotifyWatch watch in inode.NotifyWatches!.ToArray())
        {
            if ((watch.Mask & what) == 0)
                continue;
            watch.File.Add(watch, what | (isDirectory ? NotifyEvents.IsDirectory : 0), cookie, name);
            if ((watch.Mask & NotifyEvents.OneShot) != 0)
                watch.File.Remove(watch.Number);
        }
    }
}
