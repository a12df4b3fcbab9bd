using Hypervisor.Guests.Container.Memory;

namespace Hypervisor.Guests.Container.Kernel;

/// <summary>
/// A task's restartable sequences (rseq(2)): it is told the processor it runs on, and a critical section that it was taken away
/// from, or that a signal's handler comes into, goes on at its abort handler.
/// </summary>
/// <param name="address">Where its <c>struct rseq</c> is.</param>
/// <param name="length">Its size, as the task gave it.</param>
/// <param name="signature">What stands before every abort handler.</param>
internal sealed class RestartableSequence(ulong address, uint length, uint signature)
{
    /// <summary>Bytes of the structure that are served, for the auxiliary vector.</summary>
    public const uint Served = 28;

    /// <summary>How the structure is to be aligned.</summary>
    public const uint Alignment = 32;

    private const uint Unregistered = uint.MaxValue;

    public ulong Address => address;

    public uint Length => length;

    public uint Signature => signature;

    /// <summary>Tells the task where it runs; false where its structure is gone.</summary>
    public bool TryTell(KernelTask task, uint processor)
    {
        Span<byte> words = stackalloc byte[8];
        BitConverter.TryWriteBytes(words, processor);
        BitConverter.TryWriteBytes(words[4..], processor);
        return task.TryWrite(address, words) && task.TryWrite(address + 20, 0u) && (length < Served || task.TryWrite(address + 24, processor));
    }

    /// <summary>Leaves a critical section; false where the task's structures are wrong.</summary>
    public bool TryAbort(KernelTask task)
    {
        if (!task.TryRead(address + 8, out ulong section))
            return false;
        if (section == 0)
            return true;
        if (section >= AddressSpace.Limit || !task.TryRead(section, out uint version) || !task.TryRead(section + 8, out ulong start)
            || !task.TryRead(section + 16, out ulong size) || !task.TryRead(section + 24, out ulong abort) || version != 0)
            return false;
        if (start >= AddressSpace.Limit || start + size < start || start + size > AddressSpace.Limit || abort >= AddressSpace.Limit || abort - start < size)
            return false;
        if (!task.TryRead(abort - 4, out uint before) || before != signature)
            return false;
        if (!task.TryWrite(address + 8, 0UL))
            return false;
        if (task.Pc - start < size)
            task.Pc = abort;
        return true;
    }

    /// <summary>The task wants no more of it; false where its structure is gone.</summary>
    public bool TryReset(KernelTask task)
    {
        Span<byte> words = stackalloc byte[8];
        words.Clear();
        BitConverter.TryWriteBytes(words[4..], Unregistered);
        return task.TryWrite(address, words) && task.TryWrite(address + 20, 0u) && (length < Served || task.TryWrite(address + 24, 0u));
    }
}
