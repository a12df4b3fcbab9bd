using Hypervisor.Core.Hart;
using System.Runtime.CompilerServices;
using Hypervisor.Core.Memory;

namespace Hypervisor.Guests.Full;

/// <summary>A shadow entry: what a virtual page means to one of the guest's privilege contexts.</summary>
internal struct ShadowEntry
{
    /// <summary>Virtual page number and context; see <see cref="ShadowSpace.KeyOf"/>.</summary>
    public ulong Key;

    /// <summary>Guest-physical page address, and in its low bits the accesses that may pass.</summary>
    public ulong Page;

    /// <summary>The host page, or zero for device space.</summary>
    public nint Host;

    /// <summary>The age of the space when it was filled: one of another age is not there.</summary>
    public uint Age;


    /// <summary>Whether accesses of a kind may pass.</summary>
    public readonly bool Allows(AccessKind kind) => ((Page >> (int)kind) & 1) != 0;
}

/// <summary>The shadow of one of the guest's address spaces: a hash table from virtual pages to host pages.</summary>
/// <remarks>Dropping all is one increment: entries of an older age count as absent.</remarks>
internal sealed class ShadowSpace
{
    private const int FirstSize = 256;

    /// <summary>A guest cannot make the host keep more than this for one space: past it the space starts again.</summary>
    private const int MaximumSize = 1 << 16;

    /// <summary>More large pages than this are no longer told apart.</summary>
    private const int MaximumLarge = 1 << 12;

    private ShadowEntry[] _entries = new ShadowEntry[FirstSize];
    private readonly HashSet<ulong> _large = [];
    private bool _manyLarge;
    private int _count;
    private uint _age = 1;

    /// <summary>The satp it shadows.</summary>
    public ulong Satp { get; set; }

    /// <summary>When it was last in force, for choosing which to give up.</summary>
    public long LastUse { get; set; }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ulong KeyOf(ulong address, TlbContext context) => (address >> 12 << 2) | (uint)context;

    /// <summary>The entry of a page, or a null reference.</summary>
    public ref ShadowEntry Find(ulong address, TlbContext context)
    {
        ulong key = KeyOf(address, context);
        ShadowEntry[] entries = _entries;
        for (int i = SlotOf(key); ; i++)
        {
            ref ShadowEntry entry = ref entries[i & (entries.Length - 1)];
            if (entry.Age != _age)
                return ref Unsafe.NullRef<ShadowEntry>();
            if (entry.Key == key)
                return ref entry;
        }
    }

    /// <summary>Puts an entry in.</summary>
    /// <param name="address">The virtual address.</param>
    /// <param name="context">The privilege context.</param>
    /// <param name="page">Guest-physical page and rights, as in <see cref="ShadowEntry.Page"/>.</param>
    /// <param name="host">The host page, or zero.</param>
    /// <param name="shift">The base-2 logarithm of the bytes that the guest's entry maps.</param>
    public void Fill(ulong address, TlbContext context, ulong page, nint host, int shift)
    {
        if ((_count + 1) * 2 > _entries.Length)
            Grow();
        if (shift > 12)
            NoteLarge(LargeKey(address, shift));
        Insert(new ShadowEntry { Key = KeyOf(address, context), Page = page, Host = host, Age = _age });
    }

    /// <summary>Drops what is known of one virtual page, in every context; true where everything had to go.</summary>
    public bool DropPage(ulong address)
    {
        // Pieces of a larger page cannot be told by one address: then all go.
        if (_manyLarge || (_large.Count != 0 && (_large.Contains(LargeKey(address, 16)) || _large.Contains(LargeKey(address, 21))
            || _large.Contains(LargeKey(address, 30)) || _large.Contains(LargeKey(address, 39)) || _large.Contains(LargeKey(address, 48)))))
        {
            DropAll();
            return true;
        }

        for (var context = TlbContext.User; context <= TlbContext.Machine; context++)
        {
            ref ShadowEntry entry = ref Find(address, context);
            if (!Unsafe.IsNullRef(ref entry))
                entry.Page = 0;
        }

        return false;
    }

    /// <summary>Drops everything.</summary>
    public void DropAll()
    {
        if (_large.Count != 0)
            _large.Clear();
        _manyLarge = false;
        Restart();
    }

    /// <summary>
    /// Empties the table without forgetting which large pages there were: the engine's TLB may still hold pieces of them, and
    /// a fence for one address must find that out.
    /// </summary>
    private void Restart()
    {
        _count = 0;
        if (++_age == 0)
        {
            Array.Clear(_entries);
            _age = 1;
        }
    }

    private void NoteLarge(ulong key)
    {
        if (_large.Count < MaximumLarge)
            _large.Add(key);
        else
            _manyLarge = true;
    }

    private static ulong LargeKey(ulong address, int shift) => (address >> shift << shift) | (uint)shift;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private int SlotOf(ulong key) => (int)((key * 0x9E37_79B9_7F4A_7C15) >> 40) & (_entries.Length - 1);

    private void Insert(in ShadowEntry added)
    {
        for (int i = SlotOf(added.Key); ; i++)
        {
            ref ShadowEntry entry = ref _entries[i & (_entries.Length - 1)];
            if (entry.Age == _age && entry.Key != added.Key)
                continue;
            if (entry.Age != _age)
                _count++;
            entry = added;
            return;
        }
    }

    private void Grow()
    {
        if (_entries.Length >= MaximumSize)
        {
            Restart();
            return;
        }

        ShadowEntry[] old = _entries;
        _entries = new ShadowEntry[old.Length * 2];
        _count = 0;
        foreach (ref readonly ShadowEntry entry in old.AsSpan())
        {
            if (entry.Age == _age)
                Insert(in entry);
        }
    }
}
