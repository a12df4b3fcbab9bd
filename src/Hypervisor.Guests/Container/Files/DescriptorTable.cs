using System.Runtime.CompilerServices;

namespace Hypervisor.Guests.Container.Files;

/// <summary>The file descriptors of a process, or of several that share them.</summary>
internal sealed class DescriptorTable
{
    private readonly List<Entry> _entries = new(capacity: 8);
    private int _references = 1;

    private struct Entry
    {
        public OpenFile? File;
        public bool CloseOnExec;
    }

    /// <summary>RLIMIT_NOFILE.</summary>
    public int Limit { get; set; } = 1024;

    public IEnumerable<int> Numbers => Enumerable.Range(0, _entries.Count).Where(fd => _entries[fd].File is not null);

    /// <summary>A file to do something with; null for none, and for one that was opened as a place only (O_PATH).</summary>
    public OpenFile? this[int fd]
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => Any(fd) is { } file && (file.Flags & OpenFlags.PathOnly) == 0 ? file : null;
    }

    /// <summary>A file, be it a place only; null for none.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public OpenFile? Any(int fd) => (uint)fd < (uint)_entries.Count ? _entries[fd].File : null;

    /// <summary>Whether there is a number for one more.</summary>
    public bool HasRoom
    {
        get
        {
            int fd = 0;
            while (fd < _entries.Count && _entries[fd].File is not null)
                fd++;
            return fd < Limit;
        }
    }

    /// <summary>Gives a file the lowest free number from a minimum on; takes over the caller's reference.</summary>
    public int Add(OpenFile file, bool closeOnExec, int minimum = 0)
    {
        int fd = minimum;
        while (fd < _entries.Count && _entries[fd].File is not null)
            fd++;
        if (fd >= Limit)
        {
            file.Release();
            return -Errno.EMFILE;
        }

        Set(fd, file, closeOnExec);
        return fd;
    }

    /// <summary>Puts a file at a number, closing what was there; takes over the caller's reference.</summary>
    public void Set(int fd, OpenFile file, bool closeOnExec)
    {
        while (_entries.Count <= fd)
            _entries.Add(default);
        OpenFile? old = _entries[fd].File;
        _entries[fd] = new Entry { File = file, CloseOnExec = closeOnExec };
        if (old is not null)
            Drop(old);
    }

    public int Close(int fd)
    {
        if (Any(fd) is not { } file)
            return -Errno.EBADF;
        _entries[fd] = default;
        Drop(file);
        return 0;
    }

    /// <summary>Whoever closes any descriptor of a file loses the locks that fcntl gave him on it (fcntl(2)).</summary>
    private void Drop(OpenFile file)
    {
        file.Inode.Locks?.GiveAll(this);
        file.Release();
    }

    public bool ClosesOnExec(int fd) => _entries[fd].CloseOnExec;

    public void SetCloseOnExec(int fd, bool value) => _entries[fd] = _entries[fd] with { CloseOnExec = value };

    /// <summary>The table of a forked process: the same open files.</summary>
    public DescriptorTable Fork()
    {
        var copy = new DescriptorTable { Limit = Limit };
        foreach (Entry entry in _entries)
        {
            entry.File?.Acquire();
            copy._entries.Add(entry);
        }

        return copy;
    }

    public void CloseForExec()
    {
        for (int fd = 0; fd < _entries.Count; fd++)
        {
            if (_entries[fd] is { File: not null, CloseOnExec: true })
                Close(fd);
        }
    }

    public void Acquire() => _references++;

    public void Release()
    {
        if (--_references != 0)
            return;
        for (int fd = 0; fd < _entries.Count; fd++)
        {
            if (_entries[fd].File is not null)
                Close(fd);
        }
    }
}
