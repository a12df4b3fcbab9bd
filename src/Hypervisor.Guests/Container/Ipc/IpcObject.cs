using Hypervisor.Guests.Container.Kernel;

namespace Hypervisor.Guests.Container.Ipc;

/// <summary>An object of System V's: what it is found by, whose it is, and what others may do with it (sysvipc(7)).</summary>
internal abstract class IpcObject(int key, Credentials maker, uint mode)
{
    public const int Private = 0;

    public const int Create = 0x200, Exclusive = 0x400, NoWait = 0x800;

    /// <summary>Bytes of <c>struct ipc64_perm</c>.</summary>
    public const int PermissionBytes = 48;

    private const uint Permissions = 0x1FF;

    public int Key { get; set; } = key;

    /// <summary>Its number; the lower bits are its place in the table.</summary>
    public int Id { get; set; }

    public uint Uid { get; set; } = maker.EffectiveUid;

    public uint Gid { get; set; } = maker.EffectiveGid;

    public uint MakerUid { get; } = maker.EffectiveUid;

    public uint MakerGid { get; } = maker.EffectiveGid;

    public uint Mode { get; set; } = mode & Permissions;

    /// <summary>When it was made or its settings changed, in seconds.</summary>
    public long ChangedAt { get; set; }

    /// <summary>It was removed; who still has it finishes.</summary>
    public bool IsRemoved { get; set; }

    /// <summary>Whether somebody has the permissions asked for, each as one of the three lower bits or all nine.</summary>
    public bool Allows(Credentials who, Isolation.UserNamespace? owner, uint wanted)
    {
        wanted = (wanted >> 6 | wanted >> 3 | wanted) & 7;
        uint granted = who.EffectiveUid == MakerUid || who.EffectiveUid == Uid ? Mode >> 6
            : IsIn(who, MakerGid) || IsIn(who, Gid) ? Mode >> 3 : Mode;
        return (wanted & ~granted) == 0 || who.HasIn(owner, Capability.OwnIpc);
    }

    /// <summary>Whether somebody may change or remove it.</summary>
    public bool IsOwnedBy(Credentials who, Isolation.UserNamespace? owner)
        => who.EffectiveUid == MakerUid || who.EffectiveUid == Uid || who.HasIn(owner, Capability.Administer);

    /// <summary>Writes a <c>struct ipc64_perm</c>, as somebody is told.</summary>
    public void WritePermissions(Span<byte> bytes, Credentials viewer, uint more = 0)
    {
        BitConverter.TryWriteBytes(bytes, Key);
        BitConverter.TryWriteBytes(bytes[4..], viewer.TellUser(Uid));
        BitConverter.TryWriteBytes(bytes[8..], viewer.TellGroup(Gid));
        BitConverter.TryWriteBytes(bytes[12..], viewer.TellUser(MakerUid));
        BitConverter.TryWriteBytes(bytes[16..], viewer.TellGroup(MakerGid));
        BitConverter.TryWriteBytes(bytes[20..], Mode | more);
        BitConverter.TryWriteBytes(bytes[24..], (ushort)(Id >> IpcTable<IpcObject>.IndexBits));
    }

    private static bool IsIn(Credentials who, uint gid) => who.EffectiveGid == gid || who.Groups.Contains(gid);
}

/// <summary>The objects of one kind in a namespace, by number and by key.</summary>
/// <param name="most">How many there may be.</param>
internal sealed class IpcTable<T>(int most) where T : IpcObject
{
    public const int IndexBits = 15;

    private const int IndexMask = (1 << IndexBits) - 1;
    private const int LeastCycle = 64;

    private readonly SortedDictionary<int, T> _objects = [];
    private readonly Dictionary<int, T> _keys = [];
    private int _sequence;
    private int _last = -1;

    public IEnumerable<T> All => _objects.Values;

    public int Count => _objects.Count;

    /// <summary>The highest place in use; 0 where none is.</summary>
    public int Highest => _objects.Count == 0 ? 0 : _objects.Keys.Max();

    public T? Find(int id) => id >= 0 && _objects.TryGetValue(id & IndexMask, out T? found) && found.Id == id ? found : null;

    public T? FindAt(int index) => _objects.GetValueOrDefault(index);

    public T? FindKey(int key) => _keys.GetValueOrDefault(key);

    /// <summary>Gives an object a number; false where there are too many.</summary>
    public bool TryAdd(T item)
    {
        if (_objects.Count >= most)
            return false;
        int limit = Math.Min(Math.Max(_objects.Count * 3 / 2, LeastCycle), most);
        int index = _last;
        do
            index = index + 1 >= limit ? 0 : index + 1;
        while (_objects.ContainsKey(index));
        if (index <= _last)
            _sequence = _sequence + 1 & 0xFFFF;
        _last = index;
        item.Id = _sequence << IndexBits | index;
        _objects.Add(index, item);
        if (item.Key != IpcObject.Private)
            _keys.Add(item.Key, item);
        return true;
    }

    public void Remove(T item)
    {
        if (FindAt(item.Id & IndexMask) == item)
            _objects.Remove(item.Id & IndexMask);
        ForgetKey(item);
    }

    /// <summary>An object is found by its key no more.</summary>
    public void ForgetKey(T item)
    {
        if (_keys.GetValueOrDefault(item.Key) == item)
            _keys.Remove(item.Key);
    }
}
