using Hypervisor.Guests.Container.Files;
using Hypervisor.Guests.Container.Kernel;
using Hypervisor.Guests.Container.Memory;

namespace Hypervisor.Guests.Container.Syscalls;

/// <summary>Calls that change a process's mappings.</summary>
internal static class MemoryCalls
{
    private const ulong Page = AddressSpace.PageSize;
    private const ulong Shared = 1, Private = 2, Fixed = 0x10, Anonymous = 0x20, FixedNoReplace = 0x10_0000;

    public static long SetBreak(KernelTask task, in SyscallArguments a)
    {
        AddressSpace space = task.Process.Space;
        if (a.A0 < space.BreakStart || a.A0 > space.BreakStart + (1UL << 36))
            return (long)space.Break;
        ulong old = PageUp(space.Break);
        ulong wanted = PageUp(a.A0);
        if (wanted > old)
        {
            if (!space.IsFree(old, wanted))
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
        if (a.A1 == 0 || (a.A5 & (Page - 1)) != 0 || (flags & (Shared | Private)) == 0)
            return -Errno.EINVAL;
        if (a.A1 > AddressSpace.Limit)
            return -Errno.ENOMEM;
        ulong length = PageUp(a.A1);
        Inode? file = null;
        string name = "";
        if ((flags & Anonymous) == 0)
        {
            if (task.Process.Files[(int)a.A4] is not { } open)
                return -Errno.EBADF;
            if (!open.CanRead)
                return -Errno.EACCES;
            if (open.Inode.IsRegular)
                file = open.Inode;
            else if (open is not ZeroFile)
                return -Errno.ENODEV;
            name = open.Path;

            // Writes to a shared mapping of a file would have to reach the file: refused rather than lost.
            if ((flags & Shared) != 0 && (a.A2 & 2) != 0 && file is not null)
                return -Errno.ENODEV;
        }

        ulong address = a.A0 & ~(Page - 1);
        if ((flags & (Fixed | FixedNoReplace)) != 0)
        {
            if ((a.A0 & (Page - 1)) != 0 || address == 0 || address + length > AddressSpace.Limit || address + length < address)
                return -Errno.EINVAL;
            if ((flags & FixedNoReplace) != 0 && !space.IsFree(address, address + length))
                return -Errno.EEXIST;
        }
        else if (address == 0 || address + length > ProgramLoader.MapCeiling || !space.IsFree(address, address + length))
        {
            address = space.FindFree(length, ProgramLoader.MapCeiling);
            if (address == 0)
                return -Errno.ENOMEM;
        }

        space.Map(new Mapping(address, address + length, (Protection)(a.A2 & 7), (flags & Shared) != 0, file, (long)a.A5, name));
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
        if (!IsRange(a.A0, a.A1))
            return -Errno.EINVAL;
        return a.A1 == 0 || task.Process.Space.Protect(a.A0, a.A0 + PageUp(a.A1), (Protection)(a.A2 & 7)) ? 0 : -Errno.ENOMEM;
    }

    public static long Remap(KernelTask task, in SyscallArguments a)
    {
        const ulong MayMove = 1;
        AddressSpace space = task.Process.Space;
        if (!IsRange(a.A0, a.A1) || a.A2 == 0 || a.A1 == 0 || a.A2 > AddressSpace.Limit || (a.A3 & ~MayMove) != 0)
            return -Errno.EINVAL;
        ulong old = PageUp(a.A1);
        ulong wanted = PageUp(a.A2);
        if (space.Find(a.A0) is not { } mapping || mapping.End < a.A0 + old)
            return -Errno.EFAULT;
        if (wanted <= old)
        {
            if (wanted < old)
                space.Unmap(a.A0 + wanted, a.A0 + old);
            return (long)a.A0;
        }

        if (mapping.End == a.A0 + old && a.A0 + wanted <= AddressSpace.Limit && space.IsFree(a.A0 + old, a.A0 + wanted))
        {
            space.Map(mapping with { Start = a.A0 + old, End = a.A0 + wanted, FileOffset = mapping.FileOffset + (long)(a.A0 + old - mapping.Start) });
            return (long)a.A0;
        }

        if ((a.A3 & MayMove) == 0)
            return -Errno.ENOMEM;
        ulong to = space.FindFree(wanted, ProgramLoader.MapCeiling);
        if (to == 0)
            return -Errno.ENOMEM;
        space.Move(mapping, a.A0, old, to, wanted);
        return (long)to;
    }

    public static long Advise(KernelTask task, in SyscallArguments a)
    {
        const ulong DontNeed = 4;
        if (!IsRange(a.A0, a.A1))
            return -Errno.EINVAL;
        if (a.A2 == DontNeed)
            task.Process.Space.Discard(a.A0, a.A0 + PageUp(a.A1));
        return 0;
    }

    private static bool IsRange(ulong address, ulong length)
        => (address & (Page - 1)) == 0 && length <= AddressSpace.Limit && address <= AddressSpace.Limit - PageUp(length);

    private static ulong PageUp(ulong value) => (value + Page - 1) & ~(Page - 1);
}
