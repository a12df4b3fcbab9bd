using Hypervisor.Guests.Container.Kernel;

namespace Hypervisor.Guests.Container.Isolation;

/// <summary>
/// Numbers of processes (pid_namespaces(7)). The container counts all its tasks; a namespace inside counts its own once more, and
/// those of the namespaces inside it.
/// </summary>
internal sealed class ProcessNamespace : Namespace
{
    /// <summary>How deep they may be in each other.</summary>
    public const int Deepest = 32;

    private const int FirstReused = 2;

    private readonly Dictionary<int, int> _global = [];
    private readonly Dictionary<int, int> _local = [];

    public ProcessNamespace(NamespaceSet set, UserNamespace? owner, ProcessNamespace? parent) : base(set, NamespaceKind.Processes, owner)
    {
        Parent = parent;
        Level = parent is null ? 0 : parent.Level + 1;
        parent?.Acquire();
    }

    public ProcessNamespace? Parent { get; }

    public int Level { get; }

    /// <summary>Its first process; null before it and in the container's own.</summary>
    public Process? First { get; set; }

    /// <summary>Its first process has ended: nothing can begin in it any more.</summary>
    public bool IsDead { get; set; }

    /// <summary>The number given out last; of no meaning in the container's own.</summary>
    public int Last { get; private set; }

    /// <summary>Whether it is another or inside it.</summary>
    public bool IsWithin(ProcessNamespace other)
    {
        ProcessNamespace? at = this;
        while (at is not null && at.Level > other.Level)
            at = at.Parent;
        return at == other;
    }

    /// <summary>A number of the container's as it is told here; 0 where it is not seen.</summary>
    public int ToLocal(int id) => Level == 0 ? id : _local.GetValueOrDefault(id);

    /// <summary>A number told here as the container counts; -1 where there is none.</summary>
    public int ToGlobal(int id) => Level == 0 ? id : _global.GetValueOrDefault(id, -1);

    /// <summary>Gives a new task its number here and in the namespaces around.</summary>
    public void Enter(int id)
    {
        Leave(id);
        for (ProcessNamespace at = this; at.Level > 0; at = at.Parent!)
        {
            do
                at.Last = at.Last >= Container.MostId ? FirstReused : at.Last + 1;
            while (at._global.ContainsKey(at.Last));
            at._global[at.Last] = id;
            at._local[id] = at.Last;
        }
    }

    /// <summary>A number is nobody's any more.</summary>
    public void Leave(int id)
    {
        for (ProcessNamespace at = this; at.Level > 0; at = at.Parent!)
        {
            if (at._local.Remove(id, out int local))
                at._global.Remove(local);
        }
    }

    protected override void Ended() => Parent?.Release();
}
