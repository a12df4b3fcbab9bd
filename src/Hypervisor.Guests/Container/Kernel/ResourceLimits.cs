namespace Hypervisor.Guests.Container.Kernel;

/// <summary>The resource limits of a process (getrlimit(2)), by number.</summary>
internal sealed class ResourceLimits
{
    public const int CpuTime = 0, FileSize = 1, Data = 2, Stack = 3, Core = 4, Resident = 5, Processes = 6, OpenFiles = 7, LockedMemory = 8;
    public const int AddressSpace = 9, Locks = 10, PendingSignals = 11, MessageQueue = 12, Nice = 13, RealTime = 14, RealTimeWait = 15;
    public const int Count = 16;

    /// <summary>The most open files that any limit allows.</summary>
    public const int MostFiles = 1 << 20;

    private readonly (ulong Soft, ulong Hard)[] _limits;

    public ResourceLimits(int tasks)
    {
        _limits = new (ulong, ulong)[Count];
        for (int i = 0; i < _limits.Length; i++)
            _limits[i] = (ulong.MaxValue, ulong.MaxValue);
        _limits[Stack] = (8 << 20, ulong.MaxValue);
        _limits[Core] = (0, ulong.MaxValue);
        _limits[Processes] = _limits[PendingSignals] = ((ulong)tasks, (ulong)tasks);
        _limits[OpenFiles] = (1024, MostFiles);
        _limits[LockedMemory] = (8 << 20, 8 << 20);
        _limits[MessageQueue] = (819_200, 819_200);
        _limits[Nice] = _limits[RealTime] = (0, 0);
    }

    private ResourceLimits((ulong, ulong)[] limits) => _limits = limits;

    public (ulong Soft, ulong Hard) this[int resource]
    {
        get => _limits[resource];
        set => _limits[resource] = value;
    }

    public ResourceLimits Copy()
    {
        var limits = new (ulong, ulong)[Count];
        _limits.CopyTo(limits, 0);
        return new ResourceLimits(limits);
    }
}
