using Hypervisor.Guests.Container.Files;
using Hypervisor.Guests.Container.Kernel;
using Hypervisor.Guests.Container.Memory;

namespace Hypervisor.Guests.Container.Syscalls;

/// <summary>Calls that change a process's mappings.</summary>
internal static class MemoryCalls
{
    private const ulong Page = AddressSpace.PageSize;
    private const ulong TypeMask = 0xF, Shared = 1, Private = 2, SharedValidate = 3;
    private const ulong Fixed = 0x10, Anonymous = 0x20, Populate = 0x8000, FixedNoReplace = 0x10_0000;
    public const int MostMappings = 65_530;

    public static long SetBreak(KernelTask task, in SyscallArguments a)
    {
        AddressSpace space = task.Process.Space;
        if (a.A0 < space.BreakStart || a.A0 > space.BreakStart + (1UL << 36))
            return (long)space.Break;
        ulong old = PageUp(space.Break);
        ulong wanted = PageUp(a.A0);
        if (wanted > old)
        {
            if (!space.IsFree(old, wanted) || IsBeyondLimit(task, wanted - old, isData: true))
                return (long)space.Break;
            space.Map(new Mapping(old, wanted, Protection.Read | Protection.Write, false, null, 0, "[heap]"));
        }
        else if (wanted < old)
        {
            space.Unmap(wanted, old);
        }

        space.Break = a.A0;
        return (long)a.A0;
    }

    public static long Map(KernelTask task, in SyscallArguments a)
    {
        AddressSpace space = task.Process.Space;
        ulong flags = a.A3;
        var protection = (Protection)(a.A2 & 7);
        bool shared = (flags & TypeMask) is Shared or SharedValidate;
        if ((a.A5 & (Page - 1)) != 0)
            return -Errno.EINVAL;
        Inode? file = null;
        string name = "";
        bool mayWrite = true;
        if ((flags & Anonymous) == 0)
        {
            if (task.Process.Files[(int)a.A4] is not { } open || (open.Flags & OpenFlags.PathOnly) != 0)
                return -Errno.EBADF;
            if (a.A1 == 0)
                return -Errno.EINVAL;
            int error = Check(open, shared, protection, out mayWrite);
            if (error != 0)
                return error;
            file = open.Inode.Pages is null ? null : open.Inode;
            name = file is null ? "/dev/zero" : open.Path;
        }

        if (a.A1 == 0 || (flags & TypeMask) is not (Shared or Private or SharedValidate))
            return -Errno.EINVAL;
        if (a.A1 > AddressSpace.Limit || IsBeyondLimit(task, a.A1, !shared && (protection & Protection.Write) != 0) || space.MappingCount >= MostMappings)
            return -Errno.ENOMEM;
        ulong length = PageUp(a.A1);
        if (a.A5 > ulong.MaxValue - length || (file is not null && a.A5 + length > long.MaxValue))
            return -Errno.EOVERFLOW;
        ulong address = a.A0 & ~(Page - 1);
        if ((flags & (Fixed | FixedNoReplace)) != 0)
        {
            if ((a.A0 & (Page - 1)) != 0)
                return -Errno.EINVAL;
            if (address == 0)
                return -Errno.EPERM;
            if (address > AddressSpace.Limit - length)
                return -Errno.ENOMEM;
            if ((flags & FixedNoReplace) != 0 && !space.IsFree(address, address + length))
                return -Errno.EEXIST;
        }
        else if (address == 0 || address > ProgramLoader.MapCeiling - Math.Min(length, ProgramLoader.MapCeiling) || !space.IsFree(address, address + length))
        {
            address = space.FindFree(length, ProgramLoader.MapCeiling);
            if (address == 0)
                return -Errno.ENOMEM;
        }

        long offset = (long)a.A5;
        if (shared && file is null)
        {
            // Memory that processes share is a file that has no name.
            file = new MemoryFile(task.Process.Container.Store, 0x1B6) { Links = 0 };
            file.Truncate((long)length);
            offset = 0;
            name = "/dev/zero (deleted)";
        }

        space.Map(new Mapping(address, address + length, protection, shared, file, offset, name) { MayWrite = mayWrite });
        if ((flags & Populate) != 0 && protection != 0)
            space.Populate(address, address + length, (protection & Protection.Write) != 0);
        return (long)address;
    }

    public static long Unmap(KernelTask task, in SyscallArguments a)
    {
        if (!IsRange(a.A0, a.A1) || a.A1 == 0)
            return -Errno.EINVAL;
        task.Process.Space.Unmap(a.A0, a.A0 + PageUp(a.A1));
        return 0;
    }

    public static long Protect(KernelTask task, in SyscallArguments a)
    {
        const ulong growsDown = 0x0100_0000, growsUp = 0x0200_0000;
        if ((a.A0 & (Page - 1)) != 0 || (a.A2 & ~(7UL | 8 | growsDown | growsUp)) != 0)
            return -Errno.EINVAL;
        if (a.A1 == 0)
            return 0;
        return !IsRange(a.A0, a.A1) ? -Errno.ENOMEM : task.Process.Space.Protect(a.A0, a.A0 + PageUp(a.A1), (Protection)(a.A2 & 7));
    }

    public static long Remap(KernelTask task, in SyscallArguments a)
    {
        const ulong mayMove = 1, fixedPlace = 2, keepOld = 4;
        AddressSpace space = task.Process.Space;
        ulong flags = a.A3;
        if ((a.A0 & (Page - 1)) != 0 || a.A2 == 0 || (flags & ~(mayMove | fixedPlace | keepOld)) != 0
            || ((flags & (fixedPlace | keepOld)) != 0 && (flags & mayMove) == 0))
            return -Errno.EINVAL;
        if (a.A2 > AddressSpace.Limit || a.A1 > AddressSpace.Limit)
            return a.A2 > AddressSpace.Limit ? -Errno.EINVAL : -Errno.EFAULT;
        ulong old = PageUp(a.A1);
        ulong wanted = PageUp(a.A2);
        if ((flags & keepOld) != 0 && old != wanted)
            return -Errno.EINVAL;
        bool overlaps = (flags & fixedPlace) != 0 && a.A4 < a.A0 + old && a.A0 < a.A4 + wanted;
        if ((flags & fixedPlace) != 0 && ((a.A4 & (Page - 1)) != 0 || a.A4 > AddressSpace.Limit - wanted || overlaps))
            return -Errno.EINVAL;
        if (!IsRange(a.A0, Math.Max(old, 1)) || space.Find(a.A0) is not { } mapping)
            return -Errno.EFAULT;

        // With no old size a shared mapping is mapped once more elsewhere.
        bool again = old == 0;
        if (again && (!mapping.Shared || (flags & mayMove) == 0))
            return -Errno.EINVAL;
        if (mapping.End < a.A0 + old)
            return -Errno.EFAULT;
        if ((flags & (fixedPlace | keepOld)) == 0 && !again)
        {
            if (wanted <= old)
            {
                if (wanted < old)
                    space.Unmap(a.A0 + wanted, a.A0 + old);
                return (long)a.A0;
            }

            if (IsBeyondLimit(task, wanted - old))
                return -Errno.ENOMEM;
            if (mapping.End == a.A0 + old && a.A0 + wanted <= AddressSpace.Limit && space.IsFree(a.A0 + old, a.A0 + wanted))
            {
                space.Map(mapping with { Start = a.A0 + old, End = a.A0 + wanted, FileOffset = mapping.FileOffset + (long)(a.A0 + old - mapping.Start) });
                return (long)a.A0;
            }

            if ((flags & mayMove) == 0)
                return -Errno.ENOMEM;
        }

        ulong to = (flags & fixedPlace) != 0 ? a.A4 : space.FindFree(wanted, ProgramLoader.MapCeiling);
        if (to == 0)
            return -Errno.ENOMEM;
        if (again)
            space.Map(mapping.Slice(a.A0, mapping.End) with { Start = to, End = to + wanted });
        else
            space.Move(mapping, a.A0, old, to, wanted, (flags & keepOld) != 0);
        return (long)to;
    }

    public static long Advise(KernelTask task, in SyscallArguments a)
    {
        const int dontNeed = 4, free = 8, remove = 9, dontFork = 10, doFork = 11, wipeOnFork = 18, keepOnFork = 19;
        const int populateRead = 22, populateWrite = 23, dontNeedLocked = 24;
        int advice = (int)a.A2;
        bool known = advice is (>= 0 and <= 4) or (>= 8 and <= 21) or (>= 22 and <= 25);
        if (!known || !IsRange(a.A0, a.A1))
            return -Errno.EINVAL;
        AddressSpace space = task.Process.Space;
        (ulong start, ulong end) = (a.A0, a.A0 + PageUp(a.A1));
        if (start == end)
            return 0;
        bool isMapped = space.IsMapped(start, end);
        switch (advice)
        {
            case free when space.Overlapping(start, end).Any(mapping => mapping.File is not null):
                return -Errno.EINVAL;
            case dontNeed or free or dontNeedLocked:
                space.Discard(start, end);
                break;
            case remove:
                foreach (Mapping mapping in space.Overlapping(start, end))
                {
                    if (!mapping.Shared || mapping.File?.Pages is not { } pages || !mapping.MayWrite)
                        return mapping.Shared ? -Errno.EACCES : -Errno.EINVAL;
                    ulong from = Math.Max(start, mapping.Start);
                    pages.PunchHole(mapping.FileOffset + (long)(from - mapping.Start), (long)(Math.Min(end, mapping.End) - from));
                }

                break;
            case wipeOnFork when space.Overlapping(start, end).Any(mapping => mapping.File is not null):
                return -Errno.EINVAL;
            case dontFork or doFork or wipeOnFork or keepOnFork:
                space.SetForkBehaviour(start, end, advice switch { dontFork => ForkBehaviour.Omit, wipeOnFork => ForkBehaviour.Wipe, _ => ForkBehaviour.Copy });
                break;
            case populateRead or populateWrite:
                return !isMapped ? -Errno.ENOMEM : space.Populate(start, end, advice == populateWrite) ? 0 : -Errno.EFAULT;
        }

        return isMapped ? 0 : -Errno.ENOMEM;
    }

    /// <summary>Mapped files are one with their content: there is nothing to write back.</summary>
    public static long Synchronize(KernelTask task, in SyscallArguments a)
    {
        const ulong asynchronous = 1, invalidate = 2, synchronous = 4;
        ulong both = asynchronous | synchronous;
        if ((a.A0 & (Page - 1)) != 0 || (a.A2 & ~(both | invalidate)) != 0 || (a.A2 & both) == both)
            return -Errno.EINVAL;
        return IsRange(a.A0, a.A1) && task.Process.Space.IsMapped(a.A0, a.A0 + PageUp(a.A1)) ? 0 : -Errno.ENOMEM;
    }

    /// <summary>Nothing is ever paged out: memory that is there is locked already.</summary>
    public static long Lock(KernelTask task, in SyscallArguments a)
    {
        ulong start = a.A0 & ~(Page - 1);
        ulong length = a.A1 + (a.A0 - start);
        if (start + PageUp(length) < start)
            return -Errno.EINVAL;
        if (!task.Process.Credentials.Has(Capability.LockMemory) && task.Process.Limits[ResourceLimits.LockedMemory].Soft is var most && PageUp(length) > most)
            return most == 0 ? -Errno.EPERM : -Errno.ENOMEM;
        return IsRange(start, length) && task.Process.Space.IsMapped(start, start + PageUp(length)) ? 0 : -Errno.ENOMEM;
    }

    public static long LockAll(KernelTask task, in SyscallArguments a) => a.A0 is >= 1 and <= 7 and not 4 ? 0 : -Errno.EINVAL;

    public static long Resident(KernelTask task, in SyscallArguments a)
    {
        if ((a.A0 & (Page - 1)) != 0)
            return -Errno.EINVAL;
        if (!IsRange(a.A0, a.A1) || !task.Process.Space.IsMapped(a.A0, a.A0 + PageUp(a.A1)))
            return -Errno.ENOMEM;
        ulong pages = PageUp(a.A1) / Page;
        for (ulong i = 0; i < pages; i++)
        {
            if (!task.TryWrite(a.A2 + i, (byte)(task.Process.Space.IsResident(a.A0 + (i * Page)) ? 1 : 0)))
                return -Errno.EFAULT;
        }

        return 0;
    }

    /// <summary>Whether a file may be mapped so; 0 or a negated error.</summary>
    private static int Check(OpenFile open, bool shared, Protection protection, out bool mayWrite)
    {
        mayWrite = !shared || open.CanWrite;
        if (!open.CanRead)
            return -Errno.EACCES;
        if (shared && (protection & Protection.Write) != 0 && !open.CanWrite)
            return -Errno.EACCES;
        if ((protection & Protection.Execute) != 0 && open.Mount is { } mount && (mount.Rights & MountRights.NoExecute) != 0)
            return -Errno.EPERM;
        if (open.Inode.Pages is null && open is not ZeroFile)
            return -Errno.ENODEV;
        if (shared && open.Inode is MemoryFile { Seals: { } seals } && (seals & (MemoryFile.SealWrite | MemoryFile.SealFutureWrite)) != 0)
        {
            if ((protection & Protection.Write) != 0)
                return -Errno.EPERM;
            mayWrite = false;
        }

        return 0;
    }

    public static bool IsBeyondLimit(KernelTask task, ulong more, bool isData = false)
        => (isData && task.Process.Space.DataBytes + more > task.Process.Limits[ResourceLimits.Data].Soft)
            || (task.Process.Limits[ResourceLimits.AddressSpace].Soft is var limit && limit != ulong.MaxValue && task.Process.Space.MappedBytes + more > limit);

    private static bool IsRange(ulong address, ulong length)
        => (address & (Page - 1)) == 0 && length <= AddressSpace.Limit && address <= AddressSpace.Limit - PageUp(length);

    private static ulong PageUp(ulong value) => (value + Page - 1) & ~(Page - 1);
}
