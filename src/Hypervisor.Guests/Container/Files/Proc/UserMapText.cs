using Hypervisor.Guests.Container.Isolation;
using Hypervisor.Guests.Container.Kernel;

namespace Hypervisor.Guests.Container.Files.Proc;

/// <summary>/proc/PID/uid_map, gid_map and setgroups: how a user namespace's users and groups become the container's (user_namespaces(7)).</summary>
internal static class UserMapText
{
    private const string Everybody = "         0          0 4294967295\n";
    private const int Longest = 4096;

    public static void Add(TextTree tree, Process process)
    {
        tree.Add("uid_map", () => Tell(process, ofUsers: true), text => Write(process, text, ofUsers: true));
        tree.Add("gid_map", () => Tell(process, ofUsers: false), text => Write(process, text, ofUsers: false));
        tree.Add("setgroups", () => process.Credentials.Namespace is { AllowsGroups: false } ? "deny\n" : "allow\n", text => WriteGroups(process, text));
    }

    private static string Tell(Process process, bool ofUsers)
    {
        if (process.Credentials.Namespace is not { } space)
            return Everybody;

        // Outer numbers are told as the viewer knows them; to the namespace itself, as the one around it does.
        UserNamespace? viewer = process.Container.Host.Current?.Process.Credentials.Namespace;
        if (viewer == space)
            viewer = space.Owner;
        return (ofUsers ? space.Users : space.Groups).Tell(ofUsers ? viewer?.Users : viewer?.Groups);
    }

    private static int Write(Process process, string text, bool ofUsers)
    {
        if (process.Container.Host.Current is not { Process: { } writer })
            return -Errno.EPERM;
        Credentials who = writer.Credentials;
        ulong capability = ofUsers ? Capability.SetUid : Capability.SetGid;
        if (process.Credentials.Namespace is not { } space || !(ofUsers ? space.Users : space.Groups).IsEmpty || !who.HasIn(space, Capability.Administer)
            || (who.Namespace != space && who.Namespace != space.Owner))
            return -Errno.EPERM;
        if (text.Length >= Longest)
            return -Errno.EINVAL;
        IdMap? map = IdMap.Parse(text, ofUsers ? space.Owner?.Users : space.Owner?.Groups, out uint? only, out bool isKnown);
        if (map is null)
            return -Errno.EINVAL;

        // Whoever made the namespace may map himself into it; more takes rights over the one around.
        bool isHimself = ofUsers
            ? space.OwnerUid == who.EffectiveUid && only == who.EffectiveUid
            : space.OwnerUid == who.EffectiveUid && only == who.EffectiveGid && !space.AllowsGroups;
        if (!isKnown || (!isHimself && !who.HasIn(space.Owner, capability)))
            return -Errno.EPERM;
        if (ofUsers)
            space.Users = map;
        else
            space.Groups = map;
        return 0;
    }

    private static int WriteGroups(Process process, string text)
    {
        if (process.Container.Host.Current is not { Process: { } writer } || process.Credentials.Namespace is not { } space)
            return -Errno.EPERM;
        if (!writer.Credentials.HasIn(space, Capability.Administer))
            return -Errno.EACCES;
        switch (text.TrimEnd('\n'))
        {
            case "allow":
                return space.AllowsGroups ? 0 : -Errno.EPERM;
            case "deny":
                if (space.AllowsGroups && !space.Groups.IsEmpty)
                    return -Errno.EPERM;
                space.AllowsGroups = false;
                return 0;
            default:
                return -Errno.EINVAL;
        }
    }
}
