using Hypervisor.Core.Hart;
using Hypervisor.Core.Memory;
using Hypervisor.Guests.Container.Kernel;

namespace Hypervisor.Guests.Container.Syscalls;

/// <summary>
/// Calls that ask for what one read tells: made without entering the kernel, so without its lock, while the task counts as being in
/// its own code.
/// </summary>
/// <remarks>
/// Whatever is to happen to the task - a signal, its end, a stop, a flush - kicks it as it would kick one that computes, and is
/// done when it next comes out. So nothing here may change the kernel's state, or read what takes two reads to be true.
/// </remarks>
internal static unsafe class DirectCalls
{
    private const int GetTime = 113, GetId = 172, GetParentId = 173, GetUid = 174, GetEffectiveUid = 175, GetGid = 176, GetEffectiveGid = 177, GetTaskId = 178;
    private const long Second = 1_000_000_000;

    /// <summary>Makes the call in a task's registers; false with nothing done where the kernel is to make it.</summary>
    public static bool TryMake(KernelTask task)
    {
        HartState* s = task.State;
        ulong* x = RegisterFile.X(s);
        if (task.FilterMode != FilterCalls.None)
            return false;
        Process process = task.Process;
        Credentials who;
        long result;
        switch (x[17])
        {
            case GetId when process.Pids.Level == 0:
                result = process.Id;
                break;
            case GetParentId when process.Pids.Level == 0:
                result = process.Parent?.Id ?? 0;
                break;
            case GetTaskId when process.Pids.Level == 0:
                result = task.Id;
                break;
            case GetUid when (who = process.Credentials).Namespace is null:
                result = who.Uid;
                break;
            case GetEffectiveUid when (who = process.Credentials).Namespace is null:
                result = who.EffectiveUid;
                break;
            case GetGid when (who = process.Credentials).Namespace is null:
                result = who.Gid;
                break;
            case GetEffectiveGid when (who = process.Credentials).Namespace is null:
                result = who.EffectiveGid;
                break;
            case GetTime when TryTellTime(process.Container.Host, s, x[10], x[11]):
                result = 0;
                break;
            default:
                return false;
        }

        task.DirectCalls++;
        x[10] = (ulong)result;
        s->Pc += 4;
        return true;
    }

    /// <summary>Stores what a clock shows as the task's own code would: where its TLB says that it may.</summary>
    private static bool TryTellTime(ContainerHost host, HartState* s, ulong clock, ulong address)
    {
        const ulong pageMask = GuestMemory.PageSize - 1;
        TlbEntry* entry = Tlb.StoreEntry((TlbEntry*)s->Tlb, address);
        if (clock > 1 || entry->Tag != (address & ~pageMask) || (address & pageMask) > GuestMemory.PageSize - 16)
            return false;
        var place = (long*)((nint)address + entry->Addend);
        long time = host.Now + (clock == 0 ? host.EpochNanoseconds : 0);
        (long seconds, long rest) = Math.DivRem(time, Second);
        place[0] = seconds;
        place[1] = rest;
        return true;
    }
}
