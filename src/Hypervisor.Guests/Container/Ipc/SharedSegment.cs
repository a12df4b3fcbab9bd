using Hypervisor.Guests.Container.Files;
using Hypervisor.Guests.Container.Kernel;

namespace Hypervisor.Guests.Container.Ipc;

/// <summary>A segment of System V shared memory: a file without a name that processes map.</summary>
internal sealed class SharedSegment : IpcObject
{
    public const uint Doomed = 0x200, Locked = 0x400;

    private readonly IpcObjects _objects;

    public SharedSegment(IpcObjects objects, FileStore store, int key, Credentials maker, uint mode, long size) : base(key, maker, mode)
    {
        _objects = objects;
        Size = size;
        File = new MemoryFile(store, mode & 0x1FF) { Links = 0, Gone = () => objects.Segments.Remove(this) };
        File.Truncate((size + 4095) & ~4095L);
        File.Acquire();
    }

    public MemoryFile File { get; }

    public long Size { get; }

    public bool IsLocked { get; set; }

    /// <summary>Processes that made it, and that attached or detached it last.</summary>
    public int Maker { get; init; }

    /// <inheritdoc cref="Maker"/>
    public int Last { get; set; }

    public long AttachedAt { get; set; }

    public long DetachedAt { get; set; }

    /// <summary>How often it is attached.</summary>
    public int CountAttached(Container container)
        => container.Processes.Where(process => process.IsAlive).Select(process => process.Space).Distinct().Sum(space => space.Mappings.Count(mapping => mapping.File == File));

    /// <summary>Nobody finds it any more; who has it attached keeps it.</summary>
    public void Doom()
    {
        if (IsRemoved)
            return;
        IsRemoved = true;
        _objects.Segments.ForgetKey(this);
        Key = Private;
        File.Release();
    }
}
