namespace Hypervisor.Guests.Container.Files;

/// <summary>
/// epoll(7): a set of files and what is wanted of each. A file that is woken puts its entry on the list of those to look at, so
/// that waiting costs what is ready, not what is watched. Entries stay listed while they are ready, but for those that are
/// edge-triggered, which wait for the next wake.
/// </summary>
internal sealed class EpollFile(Inode inode, int flags) : OpenFile(inode, flags)
{
    private const uint EdgeTriggered = 1u << 31;
    private const uint OneShot = 1u << 30;
    private const uint EventMask = 0x0FFF_FFFF;

    private readonly Dictionary<(int Fd, OpenFile File), Entry> _entries = [];
    private readonly List<Entry> _listed = [];

    public override WaitQueue Ready { get; } = new();

    public override int Read(Span<byte> buffer) => -Errno.EINVAL;

    public override int Write(ReadOnlySpan<byte> data) => -Errno.EINVAL;

    public override PollEvents Poll()
    {
        foreach (Entry entry in _listed)
        {
            if (entry.Events() != 0)
                return PollEvents.In;
        }

        return PollEvents.None;
    }

    /// <summary>Watches a file.</summary>
    public int Add(int fd, OpenFile file, uint events, ulong data)
    {
        if (file == this || (file is EpollFile other && other.Reaches(this, 0)))
            return file == this ? -Errno.EINVAL : -Errno.ELOOP;
        if (file is RegularFile or DirectoryFile)
            return -Errno.EPERM;
        var entry = new Entry(this, fd, file) { Wanted = events, Data = data };
        if (!_entries.TryAdd((fd, file), entry))
            return -Errno.EEXIST;
        (file.Watchers ??= []).Add(entry);
        entry.Watch();
        return 0;
    }

    /// <summary>Changes what is wanted of a file.</summary>
    public int Modify(int fd, OpenFile file, uint events, ulong data)
    {
        if (!_entries.TryGetValue((fd, file), out Entry? entry))
            return -Errno.ENOENT;
        entry.Wanted = events;
        entry.Data = data;
        entry.Watch();
        return 0;
    }

    /// <summary>Watches a file no more.</summary>
    public int Remove(int fd, OpenFile file)
    {
        if (!_entries.TryGetValue((fd, file), out Entry? entry))
            return -Errno.ENOENT;
        entry.Forget();
        file.Watchers?.Remove(entry);
        return 0;
    }

    /// <summary>Takes what is ready, as <c>struct epoll_event</c> of 16 bytes each; how many.</summary>
    public int Take(Span<byte> events)
    {
        int count = 0;
        for (int i = 0; i < _listed.Count && (count + 1) * 16 <= events.Length;)
        {
            Entry entry = _listed[i];
            uint found = entry.Events();
            if (found != 0)
            {
                BitConverter.TryWriteBytes(events[(count * 16)..], (ulong)found);
                BitConverter.TryWriteBytes(events[((count * 16) + 8)..], entry.Data);
                count++;
            }

            if (found != 0 && (entry.Wanted & OneShot) != 0)
                entry.Wanted &= ~EventMask;
            if (found == 0 || (entry.Wanted & (EdgeTriggered | OneShot)) != 0)
            {
                _listed.RemoveAt(i);
                entry.IsListed = false;
                entry.Register();
                continue;
            }

            i++;
        }

        // Who did not fit comes first next time.
        if (count > 0 && count < _listed.Count)
        {
            List<Entry> served = _listed.GetRange(0, count);
            _listed.RemoveRange(0, count);
            _listed.AddRange(served);
        }

        return count;
    }

    protected override void Closed()
    {
        foreach (Entry entry in _entries.Values.ToArray())
        {
            entry.Forget();
            entry.File.Watchers?.Remove(entry);
        }
    }

    private bool Reaches(EpollFile other, int depth)
        => depth > 4 || _entries.Values.Any(entry => entry.File == other || (entry.File is EpollFile inner && inner.Reaches(other, depth + 1)));

    /// <summary>A file that is watched.</summary>
    private sealed class Entry(EpollFile set, int fd, OpenFile file) : IWaiter, IFileWatcher
    {
        public OpenFile File => file;

        public uint Wanted { get; set; }

        public ulong Data { get; set; }

        public bool IsListed { get; set; }

        public uint Events() => (Wanted & EventMask) == 0 ? 0 : (uint)file.Poll() & ((Wanted & EventMask) | (uint)(PollEvents.Error | PollEvents.HangUp));

        /// <summary>Waits to be woken.</summary>
        public void Register() => file.Ready?.Add(this);

        /// <summary>Looks now, and waits for later.</summary>
        public void Watch()
        {
            Register();
            if (Events() != 0)
                List();
        }

        public void Woken()
        {
            Register();
            List();
        }

        public void Forget()
        {
            file.Ready?.Remove(this);
            set._entries.Remove((fd, file));
            if (IsListed)
                set._listed.Remove(this);
            IsListed = false;
        }

        public void FileClosed() => Forget();

        private void List()
        {
            if (!IsListed)
            {
                IsListed = true;
                set._listed.Add(this);
            }

            set.Ready.WakeAll();
        }
    }
}
