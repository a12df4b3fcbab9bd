using Hypervisor.Core.Engine.Interpreter;
using Hypervisor.Core.Memory;

namespace Hypervisor.Core.Engine;

/// <summary>
/// The jump caches of a code cache, each of the fetch translations with a number (<see cref="HartContext.FetchNumber"/>): a hart that comes back to
/// an address space finds the one that it left.
/// </summary>
/// <remarks>
/// Invariant for the unsafe code: a cache is one mapping of <see cref="JumpCacheEntry.Count"/> entries, given back only with the object. Memory that was never
/// written is empty entries.
/// </remarks>
internal sealed unsafe class JumpCaches : IDisposable
{
    private const int Most = 8;

    /// <summary>Entries that are emptied one by one when a cache gets another number; where more were made, all are.</summary>
    private const int MostMade = 128;

    /// <summary>Entries that may change places to make room for one.</summary>
    private const int MostMoves = 6;

    private readonly Cache?[] _caches = new Cache?[Most];
    private Cache? _current;
    private JumpCacheEntry* _entries;
    private long _changes;

    private sealed class Cache
    {
        public readonly HostPages Pages = HostPages.Allocate((nuint)(JumpCacheEntry.Count * sizeof(JumpCacheEntry)));
        public readonly ushort[] MadeAt = new ushort[MostMade];
        public int Made;
        public ulong Number;
        public long LastUse;

        public JumpCacheEntry* Entries => (JumpCacheEntry*)Pages.Base;
    }

    /// <summary>The number that the cache in force belongs to; 0 for none.</summary>
    public ulong Number { get; private set; }

    /// <summary>The cache for a number, for <see cref="Hart.HartState.JumpCache"/>: that which it left, or an empty one.</summary>
    public JumpCacheEntry* Of(ulong number) => Number == number ? _entries : Change(number);

    /// <summary>Notes a block in the cache in force.</summary>
    /// <param name="key">Its address with the bits of its context.</param>
    /// <param name="op">Its first op.</param>
    public void Note(ulong key, Op* op)
    {
        JumpCacheEntry* entries = _entries;
        uint at = JumpCacheEntry.IndexOf(key);
        uint other = JumpCacheEntry.OtherIndexOf(key);
        if (entries[other].Key == key && other != at)
            at = other;
        uint start = at;
        var entry = new JumpCacheEntry { Key = key, Op = op };
        for (int move = 0; move < MostMoves; move++)
        {
            if (_current!.Made < MostMade)
                _current.MadeAt[_current.Made] = (ushort)at;
            _current.Made++;
            JumpCacheEntry before = entries[at];
            entries[at] = entry;
            uint first = JumpCacheEntry.IndexOf(before.Key);
            uint second = JumpCacheEntry.OtherIndexOf(before.Key);
            if (before.Key == entry.Key || (first != at && second != at) || first == second)
                return;
            entry = before;
            at = first == at ? second : first;
            if (at == start)
                return;
        }
    }

    /// <summary>Empties all: that in force at once, the others when their place is wanted.</summary>
    public void Clear()
    {
        foreach (Cache? cache in _caches)
        {
            if (cache is not null && cache != _current)
                (cache.Number, cache.LastUse) = (0, 0);
        }

        if (_current is not null)
            Empty(_current);
    }

    public void Dispose()
    {
        foreach (Cache? cache in _caches)
            cache?.Pages.Dispose();
    }

    private JumpCacheEntry* Change(ulong number)
    {
        int chosen = 0;
        for (int i = 0; i < Most; i++)
        {
            if (_caches[i]?.Number == number)
            {
                chosen = i;
                break;
            }

            // One that holds nothing, or else that which was not used for longest.
            if ((_caches[i]?.LastUse ?? 0) < (_caches[chosen]?.LastUse ?? 0))
                chosen = i;
        }

        Cache? cache = _caches[chosen];
        if (cache?.Number != number)
        {
            cache ??= _caches[chosen] = new Cache();
            Empty(cache);
            cache.Number = number;
        }

        cache.LastUse = ++_changes;
        _current = cache;
        Number = number;
        return _entries = cache.Entries;
    }

    /// <summary>Empties a cache.</summary>
    /// <remarks>
    /// A guest may jump to any address, so an empty entry is told by its place: its key belongs to another one. With no bit
    /// set it belongs to the first entry, in both ways, which gets a key of the second.
    /// </remarks>
    private static void Empty(Cache cache)
    {
        if (cache.Made > MostMade)
        {
            new Span<byte>(cache.Entries, JumpCacheEntry.Count * sizeof(JumpCacheEntry)).Clear();
        }
        else
        {
            for (int i = 0; i < cache.Made; i++)
                cache.Entries[cache.MadeAt[i]].Key = 0;
        }

        cache.Made = 0;
        cache.Entries[0].Key = 2;
    }
}
