namespace Hypervisor.Guests.Container.Files;

/// <summary>A lock on a range of a file.</summary>
/// <param name="Owner">Whose it is: a table of descriptors (fcntl), or an open file (flock and OFD locks).</param>
/// <param name="IsWrite">Whether it shuts out readers, too.</param>
/// <param name="Start">First byte.</param>
/// <param name="End">Last byte.</param>
/// <param name="Pid">The process to name to others; -1 for an open file's.</param>
internal sealed record FileLock(object Owner, bool IsWrite, long Start, long End, int Pid);

/// <summary>
/// The advisory locks of one file: ranges that fcntl takes, and whole-file locks of flock, which do not know of each other
/// (flock(2)).
/// </summary>
internal sealed class FileLocks
{
    private readonly List<FileLock> _ranges = [];
    private readonly List<FileLock> _whole = [];

    /// <summary>Woken when a lock was given back.</summary>
    public WaitQueue Freed { get; } = new();

    /// <summary>The first lock that stands in the way; null for none.</summary>
    public FileLock? Blocker(FileLock wanted, bool whole) => (whole ? _whole : _ranges).Find(held
        => held.Owner != wanted.Owner && (held.IsWrite || wanted.IsWrite) && held.Start <= wanted.End && wanted.Start <= held.End);

    /// <summary>Takes a lock that nothing stands in the way of; the owner's others give way where they overlap.</summary>
    public void Take(FileLock taken, bool whole)
    {
        List<FileLock> locks = whole ? _whole : _ranges;
        Cut(locks, taken.Owner, taken.Start, taken.End);
        FileLock? before = locks.Find(held => held.Owner == taken.Owner && held.IsWrite == taken.IsWrite && held.End != long.MaxValue && held.End + 1 == taken.Start);
        if (before is not null)
        {
            locks.Remove(before);
            taken = taken with { Start = before.Start };
        }

        FileLock? after = locks.Find(held => held.Owner == taken.Owner && held.IsWrite == taken.IsWrite && taken.End != long.MaxValue && taken.End + 1 == held.Start);
        if (after is not null)
        {
            locks.Remove(after);
            taken = taken with { End = after.End };
        }

        locks.Add(taken);
        Freed.WakeAll();
    }

    /// <summary>Gives back a range of an owner's.</summary>
    public void Give(object owner, long start, long end, bool whole)
    {
        if (Cut(whole ? _whole : _ranges, owner, start, end))
            Freed.WakeAll();
    }

    /// <summary>Gives back all of an owner's.</summary>
    public void GiveAll(object owner)
    {
        if (_ranges.RemoveAll(held => held.Owner == owner) + _whole.RemoveAll(held => held.Owner == owner) > 0)
            Freed.WakeAll();
    }

    public IEnumerable<(FileLock Lock, bool Whole)> All => _ranges.Select(each => (each, false)).Concat(_whole.Select(each => (each, true)));

    private static bool Cut(List<FileLock> locks, object owner, long start, long end)
    {
        bool any = false;
        foreach (FileLock held in locks.Where(held => held.Owner == owner && held.Start <= end && start <= held.End).ToArray())
        {
            any = true;
            locks.Remove(held);
            if (held.Start < start)
                locks.Add(held with { End = start - 1 });
            if (held.End > end)
                locks.Add(held with { Start = end + 1 });
        }

        return any;
    }
}
