using Hypervisor.Guests.Container.Kernel;

namespace Hypervisor.Guests.Container.Files;

/// <summary>Whether somebody may do something with a file, by owner, group, mode and capabilities (path_resolution(7)).</summary>
internal static class AccessCheck
{
    public const int Read = 4, Write = 2, Execute = 1;

    /// <summary>0, or EACCES negated.</summary>
    public static int Check(Credentials who, Inode inode, int wanted)
    {
        if (wanted == 0)
            return 0;
        uint mode = inode.Mode;
        uint granted = who.FileUid == inode.Uid ? mode >> 6 : who.IsInGroup(inode.Gid) ? mode >> 3 : mode;
        if ((wanted & ~(int)granted & 7) == 0)
            return 0;

        // Who overrides may still only execute what somebody may.
        bool anyExecutes = inode.IsDirectory || (mode & 0x49) != 0;
        if (who.HasOver(inode, Capability.OverrideAccess) && ((wanted & Execute) == 0 || anyExecutes))
            return 0;
        if (who.HasOver(inode, Capability.ReadSearch) && ((wanted == Read) || (inode.IsDirectory && (wanted & Write) == 0)))
            return 0;
        return -Errno.EACCES;
    }

    /// <summary>What an open asks of a file.</summary>
    public static int OfOpen(int flags) => (flags & OpenFlags.PathOnly) != 0 ? 0
        : ((flags & OpenFlags.AccessMode) switch { 0 => Read, 1 => Write, _ => Read | Write }) | ((flags & OpenFlags.Truncate) != 0 ? Write : 0);

    /// <summary>Whether an entry of a directory may be removed or renamed: in a sticky one only by its owner or the directory's.</summary>
    public static int CheckRemove(Credentials who, Inode directory, Inode entry)
    {
        const uint sticky = 0x200;
        if (Check(who, directory, Write | Execute) is < 0 and int error)
            return error;
        return (directory.Mode & sticky) == 0 || who.FileUid == entry.Uid || who.FileUid == directory.Uid || who.HasOver(entry, Capability.FileOwner) ? 0 : -Errno.EPERM;
    }

    /// <summary>Whether somebody may act as the owner of a file.</summary>
    public static bool IsOwner(Credentials who, Inode inode) => who.FileUid == inode.Uid || who.HasOver(inode, Capability.FileOwner);
}
