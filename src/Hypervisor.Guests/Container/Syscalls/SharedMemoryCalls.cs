using Hypervisor.Guests.Container.Ipc;
using Hypervisor.Guests.Container.Isolation;
using Hypervisor.Guests.Container.Kernel;
using Hypervisor.Guests.Container.Memory;

namespace Hypervisor.Guests.Container.Syscalls;

/// <summary>System V shared memory: shmget, shmat, shmdt and shmctl.</summary>
internal static class SharedMemoryCalls
{
    private const ulong Largest = ulong.MaxValue - (1UL << 24);
    private const int Readable = 0x124, Writable = 0x92, Executable = 0x49;

    public static long Get(KernelTask task, in SyscallArguments a)
    {
        const int huge = 0x800;
        (int key, ulong size, int flags) = ((int)a.A0, a.A1, (int)a.A2);
        IpcObjects objects = task.Process.Namespaces.Ipc.Objects;
        long result = IpcCalls.Find(task, objects.Segments, key, flags, out SharedSegment? found);
        if (found is not null)
            return result == 0 && size > (ulong)found.Size ? -Errno.EINVAL : IpcCalls.Check(task, found, (uint)flags, result);
        if (result != 0)
            return result;
        if (size is < 1 or > Largest)
            return -Errno.EINVAL;
        if ((flags & huge) != 0)
            return -Errno.ENOMEM;

        // More than there can ever be is refused at once; what is there is taken page by page.
        if (size > (ulong)task.Process.Container.Store.Capacity)
            return -Errno.ENOMEM;
        var made = new SharedSegment(objects, objects.Store, key, task.Process.Credentials, (uint)flags, (long)size) { Maker = task.Process.Id, ChangedAt = IpcCalls.Seconds(task) };
        if (objects.Segments.TryAdd(made))
            return made.Id;
        made.Doom();
        return -Errno.ENOSPC;
    }

    public static long Attach(KernelTask task, in SyscallArguments a)
    {
        const int readOnly = 0x1000, round = 0x2000, remap = 0x4000, execute = 0x8000;
        const ulong page = AddressSpace.PageSize;
        (ulong address, int flags) = (a.A1, (int)a.A2);
        if ((int)a.A0 < 0)
            return -Errno.EINVAL;
        if (address == 0 && (flags & remap) != 0)
            return -Errno.EINVAL;
        if ((address & (page - 1)) != 0)
        {
            if ((flags & round) == 0)
                return -Errno.EINVAL;
            address &= ~(page - 1);
            if (address == 0 && (flags & remap) != 0)
                return -Errno.EINVAL;
        }

        Process process = task.Process;
        IpcNamespace space = process.Namespaces.Ipc;
        if (space.Objects.Segments.Find((int)a.A0) is not { } segment)
            return -Errno.EINVAL;
        int wanted = Readable | ((flags & readOnly) == 0 ? Writable : 0) | ((flags & execute) != 0 ? Executable : 0);
        if (!segment.Allows(process.Credentials, space.Owner, (uint)wanted))
            return -Errno.EACCES;
        ulong length = ((ulong)segment.Size + page - 1) & ~(page - 1);
        AddressSpace memory = process.Space;
        if (memory.MappingCount >= MemoryCalls.MostMappings || MemoryCalls.IsBeyondLimit(task, length))
            return -Errno.ENOMEM;
        if (address == 0)
            address = memory.FindFree(length, ProgramLoader.MapCeiling);
        else if (length > AddressSpace.Limit || address > AddressSpace.Limit - length || ((flags & remap) == 0 && !memory.IsFree(address, address + length)))
            return -Errno.EINVAL;
        if (address == 0)
            return -Errno.ENOMEM;
        Protection protection = Protection.Read | ((flags & readOnly) == 0 ? Protection.Write : 0) | ((flags & execute) != 0 ? Protection.Execute : 0);
        memory.Map(new Mapping(address, address + length, protection, true, segment.File, 0, $"/SYSV{segment.Key:x8} (deleted)")
        {
            MayWrite = (flags & readOnly) == 0,
            Segment = segment.Id,
        });
        segment.AttachedAt = IpcCalls.Seconds(task);
        segment.Last = process.Id;
        return (long)address;
    }

    public static long Detach(KernelTask task, in SyscallArguments a)
    {
        AddressSpace memory = task.Process.Space;
        if ((a.A0 & (AddressSpace.PageSize - 1)) != 0)
            return -Errno.EINVAL;

        // What is left of an attachment that began there, even where its first pages are gone.
        ulong start = a.A0;
        if (memory.Mappings.FirstOrDefault(mapping => mapping.Segment is not null && mapping.Start - (ulong)mapping.FileOffset == start) is not { } first)
            return -Errno.EINVAL;
        SharedSegment? segment = task.Process.Namespaces.Ipc.Objects.Segments.Find(first.Segment!.Value);
        foreach (Mapping mapping in memory.Mappings.Where(mapping => mapping.Segment == first.Segment && mapping.Start - (ulong)mapping.FileOffset == start).ToArray())
            memory.Unmap(mapping.Start, mapping.End);
        if (segment is null)
            return 0;
        segment.DetachedAt = IpcCalls.Seconds(task);
        segment.Last = task.Process.Id;
        return 0;
    }

    public static long Control(KernelTask task, in SyscallArguments a)
    {
        const int removeIt = 0, set = 1, stat = 2, info = 3, locks = 11, unlocks = 12, statAt = 13, usage = 14, statAny = 15;
        (int id, int command, ulong address) = ((int)a.A0, (int)a.A1, a.A2);
        if (id < 0 || command < 0)
            return -Errno.EINVAL;
        IpcNamespace space = task.Process.Namespaces.Ipc;
        IpcObjects objects = space.Objects;
        switch (command)
        {
            case info:
            case usage:
                return WriteInfo(task, objects, address, ofUse: command == usage);
            case stat or statAt or statAny:
            {
                SharedSegment? segment = command == stat ? objects.Segments.Find(id) : objects.Segments.FindAt(id);
                if (segment is null)
                    return -Errno.EINVAL;
                if (command != statAny && !segment.Allows(task.Process.Credentials, space.Owner, Readable))
                    return -Errno.EACCES;
                return Write(task, segment, address) ? command == stat ? 0 : segment.Id : -Errno.EFAULT;
            }

            case removeIt or set:
            {
                if (command == set && !IpcCalls.ReadPermissions(task, address, out _))
                    return -Errno.EFAULT;
                if (objects.Segments.Find(id) is not { } segment)
                    return -Errno.EINVAL;
                if (!segment.IsOwnedBy(task.Process.Credentials, space.Owner))
                    return -Errno.EPERM;
                if (command == set)
                    return IpcCalls.Set(task, segment, address);
                segment.Doom();
                return 0;
            }

            case locks or unlocks:
            {
                if (objects.Segments.Find(id) is not { } segment)
                    return -Errno.EINVAL;
                Credentials who = task.Process.Credentials;
                if (!who.HasIn(space.Owner, Capability.LockMemory) && who.EffectiveUid != segment.Uid && who.EffectiveUid != segment.MakerUid)
                    return -Errno.EPERM;
                segment.IsLocked = command == locks;
                return 0;
            }

            default:
                return -Errno.EINVAL;
        }
    }

    private static bool Write(KernelTask task, SharedSegment segment, ulong address)
    {
        Span<byte> s = stackalloc byte[112];
        s.Clear();
        segment.WritePermissions(s, task.Process.Credentials, (segment.IsRemoved ? SharedSegment.Doomed : 0) | (segment.IsLocked ? SharedSegment.Locked : 0));
        BitConverter.TryWriteBytes(s[48..], segment.Size);
        BitConverter.TryWriteBytes(s[56..], segment.AttachedAt);
        BitConverter.TryWriteBytes(s[64..], segment.DetachedAt);
        BitConverter.TryWriteBytes(s[72..], segment.ChangedAt);
        BitConverter.TryWriteBytes(s[80..], task.LocalId(segment.Maker));
        BitConverter.TryWriteBytes(s[84..], task.LocalId(segment.Last));
        BitConverter.TryWriteBytes(s[88..], (long)segment.CountAttached(task.Process.Container));
        return task.TryWrite(address, s);
    }

    private static long WriteInfo(KernelTask task, IpcObjects objects, ulong address, bool ofUse)
    {
        Span<byte> s = stackalloc byte[72];
        s.Clear();
        if (ofUse)
        {
            BitConverter.TryWriteBytes(s, objects.Segments.Count);
            BitConverter.TryWriteBytes(s[8..], objects.SegmentPages);
            BitConverter.TryWriteBytes(s[16..], objects.Segments.All.Sum(segment => segment.File.Allocated >> 12));
            s = s[..48];
        }
        else
        {
            BitConverter.TryWriteBytes(s, Largest);
            BitConverter.TryWriteBytes(s[8..], 1UL);
            BitConverter.TryWriteBytes(s[16..], (ulong)IpcObjects.MostSegments);
            BitConverter.TryWriteBytes(s[24..], (ulong)IpcObjects.MostSegments);
            BitConverter.TryWriteBytes(s[32..], Largest);
        }

        return task.TryWrite(address, s) ? objects.Segments.Highest : -Errno.EFAULT;
    }
}
