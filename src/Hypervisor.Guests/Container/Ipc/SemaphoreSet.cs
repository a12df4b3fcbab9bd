using Hypervisor.Guests.Container.Kernel;

namespace Hypervisor.Guests.Container.Ipc;

/// <summary>One semaphore: its value, and who changed it last.</summary>
internal struct Semaphore
{
    public int Value;
    public int Last;
}

/// <summary>An operation on one semaphore of a set (<c>struct sembuf</c>).</summary>
internal readonly record struct SemaphoreOperation(ushort Number, short Change, short Flags)
{
    public const int Bytes = 6;

    private const short UndoFlag = 0x1000;

    public bool Undoes => (Flags & UndoFlag) != 0;

    public bool DoesNotWait => (Flags & IpcObject.NoWait) != 0;
}

/// <summary>A set of System V semaphores.</summary>
internal sealed class SemaphoreSet(int key, Credentials maker, uint mode, int count) : IpcObject(key, maker, mode)
{
    public const int Largest = 32767;

    /// <summary>What one semaphore counts for against the container's room.</summary>
    public const int BytesEach = 16;

    public Semaphore[] Semaphores { get; } = new Semaphore[count];

    public long OperatedAt { get; set; }

    /// <summary>Woken when a value changes.</summary>
    public WaitQueue Changed { get; } = new();

    /// <summary>Does all operations or none: 0, a negated error, or EAGAIN negated with the operation that has to wait.</summary>
    public int Operate(ReadOnlySpan<SemaphoreOperation> operations, SemaphoreUndo undo, int process, out int waits)
    {
        waits = -1;
        int done = 0;
        int error = 0;
        for (; done < operations.Length; done++)
        {
            SemaphoreOperation operation = operations[done];
            ref Semaphore semaphore = ref Semaphores[operation.Number];
            int value = semaphore.Value + operation.Change;
            if (operation.Change == 0 ? semaphore.Value != 0 : value < 0)
                (waits, error) = (done, -Errno.EAGAIN);
            else if (value > Largest || (operation.Undoes && Math.Abs(undo.Get(this, operation.Number) - operation.Change) > Largest))
                error = -Errno.ERANGE;
            else if (operation.Undoes && !undo.TryAdd(this, operation.Number, -operation.Change))
                error = -Errno.ENOMEM;
            if (error != 0)
                break;
            semaphore.Value = value;
        }

        if (error == 0)
        {
            foreach (SemaphoreOperation operation in operations)
                Semaphores[operation.Number].Last = process;
            return 0;
        }

        while (--done >= 0)
        {
            SemaphoreOperation operation = operations[done];
            Semaphores[operation.Number].Value -= operation.Change;
            if (operation.Undoes)
                undo.TryAdd(this, operation.Number, operation.Change);
        }

        return error;
    }
}

/// <summary>What a process's end undoes (SEM_UNDO).</summary>
internal sealed class SemaphoreUndo(Files.FileStore store)
{
    private const int BytesEach = 64;

    private readonly Dictionary<(SemaphoreSet Set, int Number), int> _changes = [];

    public int Get(SemaphoreSet set, int number) => _changes.GetValueOrDefault((set, number));

    /// <summary>Adds to what is undone; false where there is no room to remember it.</summary>
    public bool TryAdd(SemaphoreSet set, int number, int change)
    {
        if (!_changes.TryGetValue((set, number), out int old) && !store.TryTake(BytesEach))
            return false;
        _changes[(set, number)] = old + change;
        return true;
    }

    /// <summary>A semaphore was set to a value: nothing of before is undone.</summary>
    public void Forget(SemaphoreSet set, int? number = null)
    {
        foreach ((SemaphoreSet Set, int Number) key in _changes.Keys.Where(each => each.Set == set && (number is null || each.Number == number)).ToArray())
            Drop(key);
    }

    /// <summary>Undoes it all.</summary>
    public void Apply(int process)
    {
        foreach (((SemaphoreSet set, int number), int change) in _changes)
        {
            if (set.IsRemoved || change == 0)
                continue;
            ref Semaphore semaphore = ref set.Semaphores[number];
            semaphore.Value = Math.Clamp(semaphore.Value + change, 0, SemaphoreSet.Largest);
            semaphore.Last = process;
        }

        foreach ((SemaphoreSet Set, int Number) key in _changes.Keys.ToArray())
        {
            Drop(key);
            key.Set.Changed.WakeAll();
        }
    }

    private void Drop((SemaphoreSet, int) key)
    {
        if (_changes.Remove(key))
            store.Give(BytesEach);
    }
}
