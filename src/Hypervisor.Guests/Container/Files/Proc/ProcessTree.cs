using System.Globalization;
using System.Text;
using Hypervisor.Guests.Container.Isolation;
using Hypervisor.Guests.Container.Kernel;
using Hypervisor.Guests.Container.Memory;

namespace Hypervisor.Guests.Container.Files.Proc;

/// <summary>A process's directory in the /proc of a namespace.</summary>
internal sealed record ProcessDirectory(Inode Inode, TextTree Tree);

/// <summary>/proc/PID: what is to be known of a process.</summary>
internal static class ProcessTree
{
    private const long Tick = 10_000_000;
    private const long Page = 4096;

    /// <summary>The process's directory as a namespace shows it, made at the first look.</summary>
    public static Inode Of(Process process, ProcessNamespace pids)
    {
        if (!process.Directories.TryGetValue(pids, out ProcessDirectory? directory))
            process.Directories.Add(pids, directory = Build(process, pids));
        Credentials who = process.Credentials;
        (uint uid, uint gid) = process.Dumpable == 1 ? (who.EffectiveUid, who.EffectiveGid) : (0u, 0u);
        directory.Tree.SetOwner(uid, gid);
        (directory.Inode.Uid, directory.Inode.Gid) = (who.EffectiveUid, who.EffectiveGid);
        return directory.Inode;
    }

    private static ProcessDirectory Build(Process process, ProcessNamespace pids)
    {
        FileStore store = process.Container.Store;
        var tree = new TextTree(store, tree => Fill(tree, process, pids));
        tree.Add("exe", new GeneratedLink(store, () => process.ExecutablePath));
        return new ProcessDirectory(tree.Build(), tree);
    }

    private static void Fill(TextTree tree, Process process, ProcessNamespace pids)
    {
        FileStore store = process.Container.Store;
        tree.Add("cmdline", () => Strings(process, process.Space.Arguments, process.Arguments));
        tree.Add("environ", () => Strings(process, process.Space.Environment, process.Environment));
        tree.Add("cwd", new GeneratedLink(store, () => process.WorkingDirectory.PathFrom(process.Container.Host.Current?.Process.RootPlace, out _), () => JumpTarget.Of(process.WorkingDirectory)));
        tree.Add("root", new GeneratedLink(store, () => process.RootPlace.PathFrom(process.Container.Host.Current?.Process.RootPlace, out _), () => JumpTarget.Of(process.RootPlace)));
        tree.Add("mounts", () => MountText.Mounts(process));
        tree.Add("mountinfo", () => MountText.MountInfo(process));
        tree.Add("maps", () => Maps(process, details: false));
        tree.Add("smaps", () => Maps(process, details: true));
        tree.Add("statm", () => $"{process.Space.MappedBytes / (ulong)Page} {process.Space.ResidentPages} 0 0 0 {process.Space.ResidentPages} 0\n");
        tree.Add("limits", () => Limits(process));
        tree.Add("cgroup", () => "0::/\n");
        tree.Add("loginuid", () => "4294967295");
        tree.Add("sessionid", () => "4294967295");
        tree.Add("oom_score", () => "0\n");
        tree.AddSetting("oom_score_adj", "0");
        tree.AddSetting("oom_adj", "0");
        tree.AddSetting("coredump_filter", "00000033");
        tree.Add("io", () => "rchar: 0\nwchar: 0\nsyscr: 0\nsyscw: 0\nread_bytes: 0\nwrite_bytes: 0\ncancelled_write_bytes: 0\n");
        UserMapText.Add(tree, process);
        tree.Add("schedstat", () => $"{process.UsedNanoseconds} 0 0\n");
        foreach ((string name, ulong kind) in NamespaceKind.ByName)
            tree.Add($"ns/{name}", new GeneratedLink(store, () => Space(process, kind)?.Text ?? "", () => Space(process, kind) is { } space ? new JumpTarget(space.Inode, space.Text, space.Set.Tree, null) : null));
        tree.Add("ns/pid_for_children", new GeneratedLink(store, () => process.Namespaces.ForChildren.Text, () => process.IsAlive ? new JumpTarget(process.Namespaces.ForChildren.Inode, process.Namespaces.ForChildren.Text, process.Namespaces.ForChildren.Set.Tree, null) : null));
        NetText.Add(tree, process);
        AddTask(tree, "", process, () => process.Tasks.FirstOrDefault(), pids);
        tree.Add("fd", new GeneratedDirectory(store,
            name => Descriptor(process, name) is { } file ? new GeneratedLink(store, () => file.Path, () => JumpTarget.Of(file)) { Mode = InodeMode.Symlink | (file.CanRead ? 0x140u : 0) | (file.CanWrite ? 0xC0u : 0) } : null,
            () => process.Files.Numbers.Select(ProcTree.Number)));
        tree.Add("fdinfo", new GeneratedDirectory(store,
            name => Descriptor(process, name) is { } file ? new GeneratedInode(store, () => KernelText.Encode($"pos:\t{file.Position}\nflags:\t0{Convert.ToString(file.Flags, 8)}\nmnt_id:\t1\nino:\t{file.Inode.Number}\n")) : null,
            () => process.Files.Numbers.Select(ProcTree.Number)));
        tree.Add("task", new GeneratedDirectory(store,
            name => int.TryParse(name, NumberStyles.None, CultureInfo.InvariantCulture, out int id) && process.Tasks.Find(task => pids.ToLocal(task.Id) == id) is { } task ? TaskDirectory(process, task, pids) : null,
            () => process.Tasks.Select(task => ProcTree.Number(pids.ToLocal(task.Id)))));
    }

    private static Namespace? Space(Process process, ulong kind) => process.IsAlive ? Syscalls.NamespaceCalls.Of(process).First(each => each.Kind == kind) : null;

    private static GeneratedDirectory TaskDirectory(Process process, KernelTask task, ProcessNamespace pids)
    {
        var tree = new TextTree(process.Container.Store);
        AddTask(tree, "", process, () => task, pids);
        return tree.Build();
    }

    private static void AddTask(TextTree tree, string prefix, Process process, Func<KernelTask?> task, ProcessNamespace pids)
    {
        tree.Add(prefix + "comm", () => (task()?.Name ?? process.Name) + "\n", name =>
        {
            if (task() is { } named)
                named.Name = name.TrimEnd('\n') is { Length: > 15 } longer ? longer[..15] : name.TrimEnd('\n');
            return 0;
        });
        tree.Add(prefix + "stat", () => Stat(process, task(), pids));
        tree.Add(prefix + "status", () => Status(process, task(), pids));
        tree.Add(prefix + "wchan", () => "0");
    }

    private static OpenFile? Descriptor(Process process, string name)
        => int.TryParse(name, NumberStyles.None, CultureInfo.InvariantCulture, out int number) ? process.Files.Any(number) : null;

    /// <summary>Strings from where they stand in the process's memory, which may have changed them, or as they were given.</summary>
    private static string Strings(Process process, (ulong Start, ulong End) place, IReadOnlyList<string> given)
    {
        if (!process.IsAlive || place.End <= place.Start)
            return "";
        var bytes = new byte[Math.Min(place.End - place.Start, 2 << 20)];
        return process.Space.TryRead(place.Start, bytes) ? KernelText.Decode(bytes) : string.Concat(given.Select(each => each + "\0"));
    }

    private static string Maps(Process process, bool details)
    {
        var text = new StringBuilder();
        foreach (Mapping mapping in process.Space.Mappings)
        {
            int from = text.Length;
            text.Append(CultureInfo.InvariantCulture, $"{mapping.Start:x8}-{mapping.End:x8} ")
                .Append((mapping.Protection & Protection.Read) != 0 ? 'r' : '-')
                .Append((mapping.Protection & Protection.Write) != 0 ? 'w' : '-')
                .Append((mapping.Protection & Protection.Execute) != 0 ? 'x' : '-')
                .Append(mapping.Shared ? 's' : 'p')
                .Append(CultureInfo.InvariantCulture, $" {(mapping.File is null ? 0 : mapping.FileOffset):x8} 00:{(mapping.File is null ? 0 : 13):x2} {mapping.File?.Number ?? 0} ");
            if (mapping.Name.Length > 0)
                text.Append(' ', Math.Max(0, 73 - (text.Length - from))).Append(mapping.Name);
            text.Append('\n');
            if (!details)
                continue;
            long size = (long)(mapping.End - mapping.Start) >> 10;
            long resident = process.Space.ResidentIn(mapping) * 4L;
            text.Append(CultureInfo.InvariantCulture, $"Size:           {size,8} kB\nKernelPageSize:        4 kB\nMMUPageSize:           4 kB\nRss:            {resident,8} kB\nPss:            {resident,8} kB\nShared_Clean:          0 kB\nShared_Dirty:          0 kB\nPrivate_Clean:         0 kB\nPrivate_Dirty:  {resident,8} kB\nReferenced:     {resident,8} kB\nAnonymous:      {(mapping.File is null ? resident : 0),8} kB\nSwap:                  0 kB\nLocked:                0 kB\n");
        }

        return text.ToString();
    }

    private static char State(Process process, KernelTask? task)
        => !process.IsAlive ? 'Z' : process.StoppedBy != 0 ? 'T' : (task?.Restarted ?? true) && process.Tasks.TrueForAll(each => each.Restarted) ? 'S' : 'R';

    private static string Stat(Process process, KernelTask? task, ProcessNamespace pids)
    {
        bool alive = process.IsAlive;
        AddressSpace space = process.Space;
        long used = process.UsedNanoseconds / Tick;
        int id = pids.ToLocal(task?.Id ?? process.Id);
        ulong blocked = task?.SignalMask ?? 0;
        object[] fields =
        [
            id, $"({task?.Name ?? process.Name})", State(process, task), pids.ToLocal(process.Parent?.Id ?? 0), pids.ToLocal(process.Group), pids.ToLocal(process.Session), process.Terminal?.Device ?? 0, process.Terminal is { } terminal ? pids.ToLocal(terminal.Foreground) : -1,
            0x400000, space.PeakPages, 0, 0, 0, used, 0, process.ChildrenNanoseconds / Tick, 0, 20 + (task?.Nice ?? 0), task?.Nice ?? 0, process.Tasks.Count,
            0, process.StartedAt / Tick, alive ? space.MappedBytes : 0, alive ? space.ResidentPages : 0, process.Limits[ResourceLimits.Resident].Soft, 0, 0, 0, 0, 0,
            process.Signals.Pending & 0x7FFFFFFF, blocked & 0x7FFFFFFF, Dispositions(process, ignored: true) & 0x7FFFFFFF, Dispositions(process, ignored: false) & 0x7FFFFFFF,
            0, 0, 0, process.ExitSignal, 0, task?.Priority ?? 0, task?.Policy ?? 0, 0, 0, 0, 0, 0, space.BreakStart,
            space.Arguments.Start, space.Arguments.End, space.Environment.Start, space.Environment.End, process.WaitStatus ?? 0,
        ];
        return string.Join(' ', fields.Select(field => Convert.ToString(field, CultureInfo.InvariantCulture))) + "\n";
    }

    private static ulong Dispositions(Process process, bool ignored)
    {
        ulong set = 0;
        for (int signal = 1; signal <= Signals.Count; signal++)
            set |= (ignored ? process.Actions[signal].Handler == 1 : process.Actions[signal].Handler > 1) ? Signals.Bit(signal) : 0;
        return set;
    }

    private static string Status(Process process, KernelTask? task, ProcessNamespace pids)
    {
        Credentials who = process.Credentials;
        Credentials viewer = process.Container.Host.Current?.Process.Credentials ?? Credentials.Root;
        char state = State(process, task);
        string stateName = state switch { 'R' => "running", 'S' => "sleeping", 'T' => "stopped", _ => "zombie" };
        var text = new StringBuilder();
        text.Append(CultureInfo.InvariantCulture, $"Name:\t{task?.Name ?? process.Name}\nUmask:\t{Convert.ToString(process.Umask, 8).PadLeft(4, '0')}\nState:\t{state} ({stateName})\nTgid:\t{pids.ToLocal(process.Id)}\nNgid:\t0\nPid:\t{pids.ToLocal(task?.Id ?? process.Id)}\nPPid:\t{pids.ToLocal(process.Parent?.Id ?? 0)}\nTracerPid:\t0\n");
        text.Append(CultureInfo.InvariantCulture, $"Uid:\t{viewer.TellUser(who.Uid)}\t{viewer.TellUser(who.EffectiveUid)}\t{viewer.TellUser(who.SavedUid)}\t{viewer.TellUser(who.FileUid)}\nGid:\t{viewer.TellGroup(who.Gid)}\t{viewer.TellGroup(who.EffectiveGid)}\t{viewer.TellGroup(who.SavedGid)}\t{viewer.TellGroup(who.FileGid)}\nFDSize:\t64\nGroups:\t{string.Join(' ', who.Groups.Select(group => viewer.TellGroup(group)))} \nNStgid:{Numbers(process, pids, process.Id)}\nNSpid:{Numbers(process, pids, task?.Id ?? process.Id)}\nNSpgid:{Numbers(process, pids, process.Group)}\nNSsid:{Numbers(process, pids, process.Session)}\n");
        if (process.IsAlive)
        {
            long size = (long)process.Space.MappedBytes >> 10;
            long resident = process.Space.ResidentPages * 4L;
            text.Append(CultureInfo.InvariantCulture, $"VmPeak:\t{size,8} kB\nVmSize:\t{size,8} kB\nVmLck:\t       0 kB\nVmPin:\t       0 kB\nVmHWM:\t{process.Space.PeakPages * 4L,8} kB\nVmRSS:\t{resident,8} kB\nRssAnon:\t{resident,8} kB\nRssFile:\t       0 kB\nRssShmem:\t       0 kB\nVmData:\t{size,8} kB\nVmStk:\t     132 kB\nVmExe:\t       4 kB\nVmLib:\t       0 kB\nVmPTE:\t       0 kB\nVmSwap:\t       0 kB\n");
        }

        text.Append(CultureInfo.InvariantCulture, $"Threads:\t{Math.Max(1, process.Tasks.Count)}\nSigQ:\t{process.Signals.Count}/{process.Limits[ResourceLimits.PendingSignals].Soft}\nSigPnd:\t{task?.Signals.Pending ?? 0:x16}\nShdPnd:\t{process.Signals.Pending:x16}\nSigBlk:\t{task?.SignalMask ?? 0:x16}\nSigIgn:\t{Dispositions(process, ignored: true):x16}\nSigCgt:\t{Dispositions(process, ignored: false):x16}\n");
        text.Append(CultureInfo.InvariantCulture, $"CapInh:\t{who.Inheritable:x16}\nCapPrm:\t{who.Permitted:x16}\nCapEff:\t{who.Effective:x16}\nCapBnd:\t{who.Bounding:x16}\nCapAmb:\t{who.Ambient:x16}\nNoNewPrivs:\t{(who.NoNewPrivileges ? 1 : 0)}\nSeccomp:\t{task?.FilterMode ?? 0}\nSeccomp_filters:\t{task?.Filter?.Count ?? 0}\n");
        int processors = process.Container.Host.Processors;
        text.Append(CultureInfo.InvariantCulture, $"Cpus_allowed:\t{(processors >= 64 ? ulong.MaxValue : (1UL << processors) - 1):x}\nCpus_allowed_list:\t{(processors == 1 ? "0" : $"0-{processors - 1}")}\nMems_allowed:\t1\nMems_allowed_list:\t0\nvoluntary_ctxt_switches:\t0\nnonvoluntary_ctxt_switches:\t0\n");
        return text.ToString();
    }

    /// <summary>A number in every namespace from the viewer's to the process's own.</summary>
    private static string Numbers(Process process, ProcessNamespace pids, int id)
    {
        string text = "";
        for (ProcessNamespace? at = process.Pids; at is not null; at = at.Parent)
        {
            text = $"\t{at.ToLocal(id)}{text}";
            if (at == pids)
                break;
        }

        return text;
    }

    private static string Limits(Process process)
    {
        (string Name, string Unit)[] names =
        [
            ("Max cpu time", "seconds"), ("Max file size", "bytes"), ("Max data size", "bytes"), ("Max stack size", "bytes"), ("Max core file size", "bytes"), ("Max resident set", "bytes"),
            ("Max processes", "processes"), ("Max open files", "files"), ("Max locked memory", "bytes"), ("Max address space", "bytes"), ("Max file locks", "locks"), ("Max pending signals", "signals"),
            ("Max msgqueue size", "bytes"), ("Max nice priority", ""), ("Max realtime priority", ""), ("Max realtime timeout", "us"),
        ];
        var text = new StringBuilder("Limit                     Soft Limit           Hard Limit           Units     \n");
        for (int i = 0; i < names.Length; i++)
        {
            (ulong soft, ulong hard) = process.Limits[i];
            text.Append(CultureInfo.InvariantCulture, $"{names[i].Name,-25} {Limit(soft),-20} {Limit(hard),-20} {names[i].Unit,-10}\n");
        }

        return text.ToString();

        static string Limit(ulong value) => value == ulong.MaxValue ? "unlimited" : value.ToString(CultureInfo.InvariantCulture);
    }
}
