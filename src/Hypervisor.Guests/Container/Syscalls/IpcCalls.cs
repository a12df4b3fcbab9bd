using Hypervisor.Guests.Container.Ipc;
using Hypervisor.Guests.Container.Isolation;
using Hypervisor.Guests.Container.Kernel;

namespace Hypervisor.Guests.Container.Syscalls;

/// <summary>What the calls of System V's objects have in common.</summary>
internal static class IpcCalls
{
    /// <summary>What IPC_SET sets.</summary>
    public readonly record struct Permissions(uint Uid, uint Gid, uint Mode);

    /// <summary>The clock that objects are stamped by, in seconds.</summary>
    public static long Seconds(KernelTask task) => task.Process.Container.Store.Now / 1_000_000_000;

    /// <summary>
    /// The object that a key names. 0 with an object where it may be used as it is, 0 without one where a new one is to be made;
    /// else a negated error.
    /// </summary>
    public static long Find<T>(KernelTask task, IpcTable<T> table, int key, int flags, out T? found) where T : IpcObject
    {
        found = key == IpcObject.Private ? null : table.FindKey(key);
        if (found is null)
            return key != IpcObject.Private && (flags & IpcObject.Create) == 0 ? -Errno.ENOENT : 0;
        return (flags & (IpcObject.Create | IpcObject.Exclusive)) == (IpcObject.Create | IpcObject.Exclusive) ? -Errno.EEXIST : 0;
    }

    /// <summary>The number of an object that was found, where the caller may have it.</summary>
    public static long Check(KernelTask task, IpcObject found, uint flags, long result)
        => result != 0 ? result : found.Allows(task.Process.Credentials, task.Process.Namespaces.Ipc.Owner, flags & 0x1FF) ? found.Id : -Errno.EACCES;

    public static bool ReadPermissions(KernelTask task, ulong address, out Permissions read)
    {
        read = default;
        Span<byte> bytes = stackalloc byte[IpcObject.PermissionBytes];
        if (!task.TryRead(address, bytes))
            return false;
        read = new Permissions(BitConverter.ToUInt32(bytes[4..]), BitConverter.ToUInt32(bytes[8..]), BitConverter.ToUInt32(bytes[20..]));
        return true;
    }

    /// <summary>IPC_SET: another owner and other permissions.</summary>
    public static long Set(KernelTask task, IpcObject item, ulong address)
    {
        if (!ReadPermissions(task, address, out Permissions wanted))
            return -Errno.EFAULT;
        Credentials who = task.Process.Credentials;
        (uint uid, uint gid) = (who.UserOf(wanted.Uid), who.GroupOf(wanted.Gid));
        if (uid == IdMap.None || gid == IdMap.None)
            return -Errno.EINVAL;
        (item.Uid, item.Gid) = (uid, gid);
        item.Mode = wanted.Mode & 0x1FF;
        item.ChangedAt = Seconds(task);
        return 0;
    }
}
