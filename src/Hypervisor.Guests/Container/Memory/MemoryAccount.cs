namespace Hypervisor.Guests.Container.Memory;

/// <summary>The pages a container has in use, and its limit. A frame that several of its processes share counts once.</summary>
internal sealed class MemoryAccount(long limitPages)
{
    public long Limit { get; set; } = limitPages;

    public long Used { get; private set; }

    /// <summary>The most that was used at a time.</summary>
    public long Peak { get; private set; }

    /// <summary>A charge failed since somebody last looked: a process of the container must go.</summary>
    public bool IsShort { get; set; }

    /// <summary>Processes were ended because memory ran out.</summary>
    public long Kills { get; set; }

    public bool TryCharge(long pages)
    {
        if (Used + pages > Limit)
        {
            IsShort = true;
            return false;
        }

        Used += pages;
        Peak = Math.Max(Peak, Used);
        return true;
    }

    public void Release(long pages) => Used -= pages;
}
