using System.Runtime.CompilerServices;

namespace Hypervisor.Core.Machine;

/// <summary>
/// A lock for what is nearly always free, held for less than a microsecond, and taken at every system call and change of task: given back by
/// a store, where the runtime's takes a second atomic operation. A thread may take it again while it holds it.
/// </summary>
/// <remarks>
/// Giving back is a store of the owner and then a load of the number of those that wait, which a processor may do in the other order. So
/// whoever is about to sleep counts itself, has every processor that runs a thread of this process finish its stores, and tries once
/// more: an owner that has not looked by then will find it counted, and of one that has, the lock is found free. One permit to try is out
/// at a time; who takes it says so before it tries, so that an owner that it meets gives out the next.
/// </remarks>
internal sealed class LightLock
{
    private const int Spins = 40;

    private readonly SemaphoreSlim _permits = new(0);
    private int _owner;
    private int _depth;
    private int _waiting;
    private int _permitIsOut;

    /// <summary>Whether the calling thread holds it.</summary>
    public bool IsHeldByCurrentThread => Volatile.Read(ref _owner) == Environment.CurrentManagedThreadId;

    /// <summary>Takes it, until the scope is disposed of.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public Scope Enter()
    {
        int self = Environment.CurrentManagedThreadId;
        if (Interlocked.CompareExchange(ref _owner, self, 0) != 0)
            EnterSlowly(self);
        return new Scope(this);
    }

    private void EnterSlowly(int self)
    {
        if (Volatile.Read(ref _owner) == self)
        {
            _depth++;
            return;
        }

        var spin = default(SpinWait);
        for (int i = 0; i < Spins; i++)
        {
            spin.SpinOnce(sleep1Threshold: -1);
            if (TryTake(self))
                return;
        }

        Interlocked.Increment(ref _waiting);
        Interlocked.MemoryBarrierProcessWide();
        while (!TryTake(self))
        {
            _permits.Wait();
            Volatile.Write(ref _permitIsOut, 0);
        }

        Interlocked.Decrement(ref _waiting);
    }

    private bool TryTake(int self) => Interlocked.CompareExchange(ref _owner, self, 0) == 0;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private void Exit()
    {
        if (_depth != 0)
        {
            _depth--;
            return;
        }

        Volatile.Write(ref _owner, 0);
        if (Volatile.Read(ref _waiting) != 0)
            LetTry();
    }

    private void LetTry()
    {
        if (Interlocked.Exchange(ref _permitIsOut, 1) == 0)
            _permits.Release();
    }

    /// <summary>While it lasts the lock is held.</summary>
    public readonly ref struct Scope(LightLock held)
    {
        /// <summary>Gives it back.</summary>
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public void Dispose() => held.Exit();
    }
}
