using System.Runtime.InteropServices;

namespace Hypervisor.Core.Engine.Translator;

/// <summary>
/// What was compiled, for all guests of an engine: a guest that runs the same program as another takes its code over as soon as it
/// meets it, instead of compiling it once more. It goes by the bytes of the code and their virtual addresses, never by where they
/// come from: nothing needs to say that two guests have an image in common.
/// </summary>
/// <remarks>Any thread. What is dropped from here stays with those that use it.</remarks>
internal sealed class RegionStore(TranslatorSettings settings)
{
    /// <summary>Regions that are kept for one address: programs that are no image of each other begin at the same.</summary>
    public const int MostForAddress = 8;

    private readonly Lock _lock = new();
    private readonly Dictionary<ulong, List<RegionCode>> _byBlock = [];
    private readonly HashSet<RegionCode> _all = [];
    private volatile bool _isEmpty = true;
    private long _uses;

    /// <summary>Guest instructions that are kept.</summary>
    public int Instructions { get; private set; }

    /// <summary>Whether there is nothing to be found.</summary>
    public bool IsEmpty => _isEmpty;

    /// <summary>Regions compiled so far, for reports.</summary>
    public long Compiled { get; private set; }

    /// <summary>What has a block at an address, the latest last.</summary>
    /// <param name="pc">The virtual address.</param>
    /// <param name="found">Room for it; what does not fit is left out.</param>
    /// <returns>How many there are in <paramref name="found"/>.</returns>
    public int Find(ulong pc, Span<RegionCode> found)
    {
        if (_isEmpty)
            return 0;
        lock (_lock)
        {
            if (!_byBlock.TryGetValue(pc, out List<RegionCode>? codes))
                return 0;
            int count = Math.Min(codes.Count, found.Length);
            CollectionsMarshal.AsSpan(codes)[^count..].CopyTo(found);
            return count;
        }
    }

    /// <summary>The code for a plan: what another plan like it was compiled to, or compiled now.</summary>
    public RegionCode Obtain(RegionPlan plan)
    {
        lock (_lock)
        {
            foreach (RegionCode code in _byBlock.GetValueOrDefault(plan.Pc) ?? [])
            {
                if (code.Fits(plan))
                    return code;
            }
        }

        RegionCode compiled = RegionCompiler.Compile(plan);
        if (!plan.IsCancelled)
            Add(compiled);
        return compiled;
    }

    /// <summary>Notes that somebody uses it, so that others go first.</summary>
    public void Use(RegionCode code)
    {
        lock (_lock)
            code.LastUse = ++_uses;
    }

    /// <summary>Gives nobody else what had better be compiled otherwise.</summary>
    public void Remove(RegionCode code)
    {
        lock (_lock)
        {
            if (!_all.Remove(code))
                return;
            Instructions -= code.InstructionCount;
            foreach (PlanBlock block in code.Blocks)
            {
                if (!_byBlock.TryGetValue(block.Pc, out List<RegionCode>? codes))
                    continue;
                codes.Remove(code);
                if (codes.Count == 0)
                    _byBlock.Remove(block.Pc);
            }

            _isEmpty = _all.Count == 0;
        }
    }

    private void Add(RegionCode code)
    {
        lock (_lock)
        {
            Compiled++;
            while (_all.Count != 0 && Instructions + code.InstructionCount > settings.SharedCapacity)
                Shrink();
            code.LastUse = ++_uses;
            _all.Add(code);
            Instructions += code.InstructionCount;
            foreach (PlanBlock block in code.Blocks)
            {
                ref List<RegionCode>? codes = ref CollectionsMarshal.GetValueRefOrAddDefault(_byBlock, block.Pc, out _);
                codes ??= [];
                codes.Add(code);
            }

            foreach (PlanBlock block in code.Blocks)
            {
                if (_byBlock[block.Pc] is [{ } oldest, ..] codes && codes.Count > MostForAddress)
                    Remove(oldest);
            }

            _isEmpty = false;
        }
    }

    /// <summary>Drops a quarter, so that to find what was not used for longest is paid for by many additions.</summary>
    private void Shrink()
    {
        foreach (RegionCode code in _all.OrderBy(code => code.LastUse).Take(_all.Count / 4 + 1).ToArray())
            Remove(code);
    }
}
