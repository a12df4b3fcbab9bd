using System.Runtime.InteropServices;

namespace Hypervisor.Core.Engine.Translator;

/// <summary>
/// Where indirect jumps of translated code were seen to lead, out of their regions: those that keep leading to the same few places
/// get them into the region when it is next planned.
/// </summary>
internal sealed class JumpTargets
{
    /// <summary>A jump that leads to more places than this would fill any region.</summary>
    private const int Most = 32;

    /// <summary>How often a region is planned anew for its jumps.</summary>
    private const int MostAttempts = 3;

    /// <summary>Looks at a jump that must find nothing new before what it leads to counts as known.</summary>
    private const int Settled = 2;

    private const int MostSites = 4096;

    private readonly Dictionary<(ulong Pc, ulong Physical), Site> _sites = [];
    private readonly Dictionary<(ulong Pc, ulong Physical), int> _attempts = [];

    private sealed class Site
    {
        public List<ulong> Targets { get; } = [];

        public int Quiet { get; set; }
    }

    /// <summary>The places that a jump was seen to lead to.</summary>
    public IReadOnlyList<ulong> Of(ulong pc, ulong physical)
        => _sites.TryGetValue((pc, physical), out Site? site) && site.Targets.Count <= Most ? site.Targets : [];

    /// <summary>Notes where a jump led lately. True when what it leads to is known, so that it is time to plan its region anew.</summary>
    /// <param name="pc">The jump.</param>
    /// <param name="physical">Its guest-physical address.</param>
    /// <param name="recent">Where it led out of its region.</param>
    public bool Learn(ulong pc, ulong physical, ReadOnlySpan<ulong> recent)
    {
        if (!_sites.TryGetValue((pc, physical), out Site? site))
        {
            if (_sites.Count == MostSites)
                _sites.Clear();
            _sites[(pc, physical)] = site = new Site();
        }

        if (site.Targets.Count > Most)
            return false;
        site.Quiet++;
        foreach (ulong target in recent)
        {
            if (target == 0 || site.Targets.Contains(target))
                continue;
            site.Targets.Add(target);
            site.Quiet = 0;
        }

        if (site.Quiet < Settled)
            return false;
        site.Quiet = 0;
        return true;
    }

    /// <summary>Whether the region of a hot block is planned large, for what its jumps lead to.</summary>
    public bool IsWide(ulong pc, ulong physical) => _attempts.ContainsKey((pc, physical));

    /// <summary>A region is to be planned anew. False where that was done often enough.</summary>
    public bool TryWiden(ulong pc, ulong physical)
    {
        if (_attempts.Count == MostSites)
            _attempts.Clear();
        return ++CollectionsMarshal.GetValueRefOrAddDefault(_attempts, (pc, physical), out _) <= MostAttempts;
    }
}
