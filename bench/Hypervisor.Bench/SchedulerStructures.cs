using System.Diagnostics;
using System.Globalization;
using System.Numerics;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using Hypervisor.Core.Scheduling;
using Hypervisor.Core.Time;

namespace Hypervisor.Bench;

/// <summary>
/// What EEVDF's order could be kept in, without a policy around it: of equal slices, one is charged, put back, and the eligible one with
/// the earliest deadline is picked. All choose alike but for ties.
/// </summary>
internal static class SchedulerStructures
{
    private const int Rounds = 60;
    private const int DecisionsInRound = 5_000;
    private const int Slice = 64_000_000;

    private static readonly int[] s_runnable = [10, 16, 64, 128, 256, 1000, 10_000, 100_000, 1_000_000];

    /// <summary>Where those that wait are kept.</summary>
    private interface IOrder
    {
        void Add(int id, long v, long deadline);

        /// <summary>Takes the one with the earliest deadline of those at or before V; with V the mean, there is one.</summary>
        int Take(long mean);
    }

    /// <summary>Prints the table.</summary>
    public static void Print()
    {
        Console.WriteLine($"structures for EEVDF's order, bare: ns to charge, put back and pick, the least of {Rounds} rounds");
        Console.WriteLine("structure          " + string.Concat(s_runnable.Select(n => n.ToString("N0", CultureInfo.InvariantCulture).PadLeft(11))));
        (string Name, Func<int, IOrder> Make, int Most)[] all =
        [
            ("4-ary heaps, lazy", n => new TwoQueues<LazyQueue>(new(), new(), n), int.MaxValue),
            ("4-ary, indexed", n => new TwoQueues<IndexedQueue>(new(), new(), n), int.MaxValue),
            ("red-black trees", n => new TwoQueues<Tree>(new(), new(), n), int.MaxValue),
            ("vector scan", n => new VectorScan(n), 10_000),
            ("timing wheels", n => new TwoQueues<WheelQueue>(WheelQueue.For(n), WheelQueue.For(n), n), int.MaxValue),
        ];
        foreach ((string name, Func<int, IOrder> make, int most) in all)
        {
            for (int i = 0; i < 8; i++)
                Measure(make, 100);
            Console.WriteLine(name.PadRight(19) + string.Concat(s_runnable.Select(n => (n > most ? "–" : Measure(make, n).ToString("0.0", CultureInfo.InvariantCulture)).PadLeft(11))));
        }

        Console.WriteLine();
    }

    private static double Measure(Func<int, IOrder> make, int runnable)
    {
        IOrder order = make(runnable);
        var random = new Random(1);
        var v = new long[runnable];
        var span = new long[runnable];
        long weights = 0;
        long moment = 0;
        for (int id = 0; id < runnable; id++)
        {
            int weight = 1 + random.Next(100);
            weights += weight;
            span[id] = Slice / weight;
            v[id] = random.NextInt64(span[id]);
            moment += weight * v[id];
            order.Add(id, v[id], v[id] + span[id]);
        }

        // Σ w·(v − mean): each slice moves it by the same.
        (long mean, moment) = Math.DivRem(moment, weights);
        long perSlice = Slice;
        Decide(Math.Clamp(runnable, 20_000, 1_000_000));
        double best = double.MaxValue;
        for (int round = 0; round < Rounds; round++)
        {
            long start = Stopwatch.GetTimestamp();
            Decide(DecisionsInRound);
            best = Math.Min(best, Stopwatch.GetElapsedTime(start).TotalNanoseconds / DecisionsInRound);
        }

        return best;

        void Decide(int times)
        {
            for (int i = 0; i < times; i++)
            {
                int id = order.Take(mean);
                v[id] += span[id];
                order.Add(id, v[id], v[id] + span[id]);
                moment += perSlice;
                (long ahead, moment) = Math.DivRem(moment, weights);
                mean += ahead;
            }
        }
    }

    /// <summary>Ids by keys. A structure, so that what is measured has its calls in line.</summary>
    private interface IQueue
    {
        int Count { get; }

        long FirstKey { get; }

        void Add(int id, long key);

        int TakeFirst();
    }

    /// <summary>Those that are eligible by their deadlines, the others by when they will be.</summary>
    private sealed class TwoQueues<TQueue>(TQueue eligible, TQueue early, int runnable) : IOrder
        where TQueue : struct, IQueue
    {
        private readonly long[] _deadlines = new long[runnable];
        private TQueue _eligible = eligible;
        private TQueue _early = early;

        public void Add(int id, long v, long deadline)
        {
            _deadlines[id] = deadline;
            _early.Add(id, v);
        }

        public int Take(long mean)
        {
            while (_early.Count > 0 && (_early.FirstKey <= mean || _eligible.Count == 0))
            {
                int id = _early.TakeFirst();
                _eligible.Add(id, _deadlines[id]);
            }

            return _eligible.TakeFirst();
        }
    }

    private struct LazyQueue() : IQueue
    {
        private readonly LazyHeap _heap = new();
        private uint _entry;

        public readonly int Count => _heap.Count;

        public readonly long FirstKey => _heap.FirstKey;

        public void Add(int id, long key) => _heap.Add(id, key, ++_entry);

        public readonly int TakeFirst()
        {
            int id = _heap.First;
            _heap.RemoveFirst();
            return id;
        }
    }

    private struct IndexedQueue() : IQueue
    {
        private readonly IndexedHeap _heap = new();
        private long _entry;

        public readonly int Count => _heap.Count;

        public readonly long FirstKey => _heap.FirstKey;

        public void Add(int id, long key) => _heap.Add(id, key, ++_entry);

        public readonly int TakeFirst()
        {
            int id = _heap.First;
            _heap.Remove(id);
            return id;
        }
    }

    private struct Tree() : IQueue
    {
        private readonly SortedSet<(long Key, long Entry, int Id)> _set = [];
        private long _entry;

        public readonly int Count => _set.Count;

        public readonly long FirstKey => _set.Min.Key;

        public void Add(int id, long key) => _set.Add((key, ++_entry, id));

        public readonly int TakeFirst()
        {
            (long Key, long Entry, int Id) first = _set.Min;
            _set.Remove(first);
            return first.Id;
        }
    }

    /// <summary>No order at all: deadlines and virtual times side by side, looked through four at a time.</summary>
    private sealed class VectorScan(int runnable) : IOrder
    {
        private readonly long[] _v = Filled(runnable);
        private readonly long[] _deadlines = Filled(runnable);

        public void Add(int id, long v, long deadline) => (_v[id], _deadlines[id]) = (v, deadline);

        public int Take(long mean)
        {
            ReadOnlySpan<Vector256<long>> v = MemoryMarshal.Cast<long, Vector256<long>>(_v.AsSpan());
            ReadOnlySpan<Vector256<long>> deadlines = MemoryMarshal.Cast<long, Vector256<long>>(_deadlines.AsSpan());
            Vector256<long> means = Vector256.Create(mean);
            Vector256<long> none = Vector256.Create(long.MaxValue);
            Vector256<long> best = none;
            for (int i = 0; i < v.Length; i++)
                best = Vector256.Min(best, Vector256.ConditionalSelect(Vector256.LessThanOrEqual(v[i], means), deadlines[i], none));
            long earliest = Math.Min(Math.Min(best[0], best[1]), Math.Min(best[2], best[3]));

            // Rounding may leave nobody eligible: then whoever is least early.
            int id = earliest == long.MaxValue ? LeastEarly() : -1;
            Vector256<long> wanted = Vector256.Create(earliest);
            for (int i = 0; id < 0; i++)
            {
                uint found = Vector256.Equals(deadlines[i], wanted).ExtractMostSignificantBits() & Vector256.LessThanOrEqual(v[i], means).ExtractMostSignificantBits();
                if (found != 0)
                    id = (i * 4) + BitOperations.TrailingZeroCount(found);
            }

            _v[id] = _deadlines[id] = long.MaxValue;
            return id;
        }

        private int LeastEarly()
        {
            int least = 0;
            for (int i = 1; i < _v.Length; i++)
            {
                if (_v[i] < _v[least])
                    least = i;
            }

            return least;
        }

        private static long[] Filled(int count)
        {
            var all = new long[(count + 3) / 4 * 4];
            Array.Fill(all, long.MaxValue);
            return all;
        }
    }

    private readonly struct WheelQueue(Wheel wheel) : IQueue
    {
        public int Count => wheel.Count;

        public long FirstKey => wheel.Least();

        public void Add(int id, long key) => wheel.Add(id, key);

        public int TakeFirst()
        {
            wheel.Least();
            return wheel.Remove();
        }

        /// <summary>A wheel with about one to a bucket: spans lie between a slice and a hundredth of it.</summary>
        public static WheelQueue For(int runnable)
        {
            int buckets = (int)BitOperations.RoundUpToPowerOf2((uint)Math.Max(64, runnable));
            return new WheelQueue(new Wheel(runnable, buckets, Math.Max(1, 2L * Slice / buckets)));
        }
    }

    /// <summary>
    /// A wheel of buckets (Varghese and Lauck's, with the keys of a lap ahead in the same bucket). A bucket is looked through for its least.
    /// </summary>
    private sealed class Wheel(int runnable, int buckets, long width)
    {
        private readonly int[] _first = Filled(buckets);
        private readonly int[] _next = new int[runnable];
        private readonly long[] _keys = new long[runnable];
        private long _hand;
        private int _before;
        private int _least = -1;

        public int Count { get; private set; }

        public void Add(int id, long key)
        {
            long slot = key / width;
            int bucket = (int)(slot & (buckets - 1));
            _keys[id] = key;
            _next[id] = _first[bucket];
            _first[bucket] = id;
            Count++;
            if (slot < _hand)
                _hand = slot;
            _least = -1;
        }

        /// <summary>The least key; the hand moves on to it.</summary>
        public long Least()
        {
            for (int passed = 0; _least < 0; _hand++, passed++)
            {
                // After a lap of nothing the hand goes where the next one is.
                if (passed > buckets)
                    _hand = _first.Where(first => first >= 0).Min(first => Chain(first).Min(id => _keys[id] / width));
                int before = -1;
                for (int id = _first[(int)(_hand & (buckets - 1))]; id >= 0; before = id, id = _next[id])
                {
                    if (_keys[id] / width == _hand && (_least < 0 || _keys[id] < _keys[_least]))
                        (_least, _before) = (id, before);
                }

                if (_least >= 0)
                    break;
            }

            return _keys[_least];
        }

        public int Remove()
        {
            int id = _least;
            if (_before < 0)
                _first[(int)(_hand & (buckets - 1))] = _next[id];
            else
                _next[_before] = _next[id];
            _least = -1;
            Count--;
            return id;
        }

        private IEnumerable<int> Chain(int id)
        {
            for (; id >= 0; id = _next[id])
                yield return id;
        }

        private static int[] Filled(int count)
        {
            var all = new int[count];
            Array.Fill(all, -1);
            return all;
        }
    }
}
