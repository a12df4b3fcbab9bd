using FsCheck.Fluent;
using Hypervisor.Core.Engine;
using Hypervisor.Core.Engine.Interpreter;
using Hypervisor.Tests.Support;

namespace Hypervisor.Tests.Engine;

public sealed unsafe class JumpCachesTests : IDisposable
{
    private readonly JumpCaches _caches = new();

    public void Dispose() => _caches.Dispose();

    /// <summary>Targets of a program: all over a few megabytes of code, and its libraries.</summary>
    [Fact]
    public void Note_HalfAsManyAsThereAreEntries_KeepsNearlyAll()
    {
        var random = new Random(1);
        ulong[] keys = [.. Enumerable.Range(0, JumpCacheEntry.Count / 2).Select(i => ((i & 1) == 0 ? 0x3f_8000_0000UL : 0x10000UL) + (ulong)random.Next(2 << 20) * 2 | 1).Distinct()];
        JumpCacheEntry* entries = _caches.Of(1);
        foreach (ulong key in keys)
            _caches.Note(key, OpOf(key));
        int found = keys.Count(key => Find(entries, key) == OpOf(key));
        Assert.InRange(found, keys.Length * 95 / 100, keys.Length);
    }

    /// <summary>Beside a plain dictionary: what is found is what was noted last, under the number in force, and since it was emptied.</summary>
    [Fact]
    public void Find_AfterAnyHistory_FindsWhatWasNotedOrNothing()
    {
        // Addresses of which some have like places, and those that could be taken for an empty entry's.
        FsCheck.Gen<ulong> key = Gen.OneOf(Gen.Elements<ulong>(0, 1, 2, 3, 4, ulong.MaxValue, ulong.MaxValue - 1, 1UL << 62), Gen.Choose(0, 200).Select(i => (ulong)i * JumpCacheEntry.Count * 2));
        Property.ForAll(Gen.Choose(0, 9).SelectMany(kind => key.Select(value => (Kind: kind, Value: value))).ArrayOf(400), steps =>
        {
            using var caches = new JumpCaches();
            var noted = new Dictionary<(ulong, ulong), nint>();
            ulong number = 1;
            JumpCacheEntry* entries = caches.Of(number);
            int time = 0;
            foreach ((int kind, ulong value) in steps)
            {
                time++;
                switch (kind)
                {
                    case 0:
                        number = value % 11 + 1;
                        entries = caches.Of(number);
                        break;
                    case 1 when value % 5 == 0:
                        caches.Clear();
                        noted.Clear();
                        break;
                    default:
                        caches.Note(value, (Op*)(nint)(time * 16));
                        noted[(number, value)] = time * 16;
                        Assert.True(Find(entries, value) == (Op*)(nint)(time * 16), "what was noted last is there");
                        break;
                }

                foreach (ulong each in (ReadOnlySpan<ulong>)[value, 0, 1, 2, ulong.MaxValue, ulong.MaxValue - 1])
                {
                    var op = (nint)Find(entries, each);
                    if (op != 0 && (!noted.TryGetValue((number, each), out nint expected) || expected != op))
                        return false;
                }
            }

            return true;
        });
    }

    private static Op* OpOf(ulong key) => (Op*)(nint)(key * 16);

    private static Op* Find(JumpCacheEntry* entries, ulong key)
    {
        JumpCacheEntry* first = entries + JumpCacheEntry.IndexOf(key);
        JumpCacheEntry* second = entries + JumpCacheEntry.OtherIndexOf(key);
        return first->Key == key ? first->Op : second->Key == key ? second->Op : null;
    }
}
