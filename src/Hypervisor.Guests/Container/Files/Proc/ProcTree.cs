using System.Globalization;
using System.Text;
using Hypervisor.Guests.Common;
using Hypervisor.Guests.Container.Isolation;
using Hypervisor.Guests.Container.Kernel;
using Hypervisor.Guests.Container.Net;

namespace Hypervisor.Guests.Container.Files.Proc;

/// <summary>/proc of a container (proc(5)): the processes of a namespace in it, and what programs ask of the system.</summary>
internal static class ProcTree
{
    private const long Tick = 10_000_000;

    public static GeneratedDirectory Build(Container container, ProcessNamespace pids)
    {
        // Static programs look for their own name through this one when they start.
        var tree = new TextTree(container.Store, tree => Fill(tree, container, pids));
        tree.Add("self", new GeneratedLink(container.Store, () => Self(container, pids, task => Number(pids.ToLocal(task.Process.Id)))));
        return tree.Build(
            name => name is [>= '0' and <= '9', ..] && int.TryParse(name, NumberStyles.None, CultureInfo.InvariantCulture, out int id)
                && (container.FindProcess(pids.ToGlobal(id)) ?? container.FindTask(pids.ToGlobal(id))?.Process) is { } process ? ProcessTree.Of(process, pids)
                : null,
            () => container.Processes.Select(process => pids.ToLocal(process.Id)).Where(id => id != 0).Select(Number));
    }

    private static void Fill(TextTree tree, Container container, ProcessNamespace pids)
    {
        FileStore store = container.Store;
        tree.Add("thread-self", new GeneratedLink(store, () => Self(container, pids, task => $"{pids.ToLocal(task.Process.Id)}/task/{pids.ToLocal(task.Id)}")));
        tree.Add("mounts", new GeneratedLink(store, () => "self/mounts"));
        tree.Add("net", new GeneratedLink(store, () => "self/net"));
        tree.Add("cpuinfo", () => ProcessorInfo(container));
        tree.Add("meminfo", () => MemoryInfo(container));
        tree.Add("uptime", () => FormattableString.Invariant($"{container.Host.Now / 1e9:f2} {Idle(container) / 1e9:f2}\n"));
        tree.Add("loadavg", () => Load(container));
        tree.Add("stat", () => Stat(container));
        tree.Add("vmstat", () => $"nr_free_pages {container.Account.Limit - container.Account.Used}\nnr_anon_pages {container.Account.Used}\npgfault 0\npgmajfault 0\npswpin 0\npswpout 0\noom_kill {container.Account.Kills}\n");
        tree.Add("version", () => $"Linux version {Syscalls.SystemInfo.Release} (container kernel) #1 SMP\n");
        tree.Add("cmdline", () => "\n");
        tree.Add("filesystems", () => "nodev\tsysfs\nnodev\ttmpfs\nnodev\tproc\nnodev\tdevpts\nnodev\tdevtmpfs\nnodev\toverlay\n");
        tree.Add("swaps", () => "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n");
        tree.Add("partitions", () => "major minor  #blocks  name\n\n");
        tree.Add("diskstats", () => "");
        tree.Add("devices", () => "Character devices:\n  1 mem\n  5 /dev/tty\n  5 /dev/console\n  5 /dev/ptmx\n136 pts\n\nBlock devices:\n");
        tree.Add("interrupts", () => "           CPU0\n");
        tree.Add("modules", () => "");
        IpcText.Add(tree, container);
        AddSettings(tree, container);
        foreach ((string name, string value) in container.Options.KernelParameters)
            tree.AddSetting($"sys/{name.Replace('.', '/')}", KernelText.FromHost(value));
    }

    /// <summary>Where /proc/self leads a task; nowhere for one that this namespace does not see.</summary>
    private static string Self(Container container, ProcessNamespace pids, Func<KernelTask, string> path)
        => container.Host.Current is { } task && pids.ToLocal(task.Process.Id) != 0 ? path(task) : "";

    public static string Number(int number) => number.ToString(CultureInfo.InvariantCulture);

    private static void AddSettings(TextTree tree, Container container)
    {
        tree.Add("sys/kernel/osrelease", () => Syscalls.SystemInfo.Release + "\n");
        tree.Add("sys/kernel/ostype", () => "Linux\n");
        tree.Add("sys/kernel/version", () => "#1 SMP\n");
        tree.Add("sys/kernel/hostname", () => Names(container).Host + "\n");
        tree.Add("sys/kernel/domainname", () => Names(container).Domain + "\n");
        tree.Add("sys/kernel/pid_max", () => Container.MostId + "\n");
        tree.Add("sys/kernel/threads-max", () => container.Options.TaskLimit + "\n");
        tree.Add("sys/kernel/cap_last_cap", () => Capability.Last + "\n");
        tree.Add("sys/kernel/ngroups_max", () => "65536\n");
        tree.Add("sys/kernel/overflowuid", () => "65534\n");
        tree.Add("sys/kernel/overflowgid", () => "65534\n");
        tree.Add("sys/kernel/random/entropy_avail", () => "256\n");
        tree.Add("sys/kernel/random/poolsize", () => "256\n");
        tree.Add("sys/kernel/random/boot_id", () => container.BootId + "\n");
        tree.Add("sys/kernel/random/uuid", () => NewId(container) + "\n");
        tree.Add("sys/fs/file-nr", () => "0\t0\t1048576\n");
        foreach ((string path, string value) in new[]
        {
            ("kernel/shmmax", "18446744073692774399"), ("kernel/shmall", "18446744073692774399"), ("kernel/shmmni", "4096"), ("kernel/sem", "32000\t1024000000\t500\t32000"),
            ("kernel/msgmax", "8192"), ("kernel/msgmnb", "16384"), ("kernel/msgmni", "32000"), ("kernel/core_pattern", "core"), ("kernel/randomize_va_space", "0"),
            ("kernel/yama/ptrace_scope", "1"), ("kernel/seccomp/actions_avail", "kill_process kill_thread trap errno trace log allow"), ("kernel/perf_event_paranoid", "4"), ("kernel/sched_child_runs_first", "0"),
            ("vm/overcommit_memory", "0"), ("vm/overcommit_ratio", "50"), ("vm/max_map_count", "65530"), ("vm/swappiness", "60"), ("vm/mmap_min_addr", "4096"),
            ("fs/file-max", "1048576"), ("fs/nr_open", "1048576"), ("fs/pipe-max-size", "1048576"), ("fs/inotify/max_user_watches", "65536"), ("fs/inotify/max_user_instances", "128"),
            ("fs/inotify/max_queued_events", "16384"), ("fs/protected_hardlinks", "0"), ("fs/protected_symlinks", "0"), ("fs/mqueue/msg_max", "10"), ("fs/mqueue/msgsize_max", "8192"), ("fs/mqueue/queues_max", "256"), ("fs/mqueue/msg_default", "10"), ("fs/mqueue/msgsize_default", "8192"),
            ("user/max_user_namespaces", "2048"), ("user/max_mnt_namespaces", "2048"), ("user/max_pid_namespaces", "2048"), ("user/max_net_namespaces", "2048"), ("fs/mount-max", "4096"),
            ("net/core/somaxconn", "4096"), ("net/core/rmem_max", "212992"), ("net/core/wmem_max", "212992"), ("net/ipv4/ip_local_port_range", "32768\t60999"),
            ("net/ipv4/tcp_max_syn_backlog", "128"), ("net/ipv4/ip_forward", "0"), ("net/ipv4/tcp_fin_timeout", "60"), ("net/ipv6/conf/all/disable_ipv6", "0"), ("net/ipv6/bindv6only", "0"),
        })
            tree.AddSetting("sys/" + path, value);
    }

    private static NamesNamespace Names(Container container) => (container.Host.Current?.Process.Namespaces ?? container.FirstNamespaces).Names;

    /// <summary>A new identifier, from the container's own generator.</summary>
    public static string NewId(Container container)
    {
        Span<byte> bytes = stackalloc byte[16];
        container.Random.NextBytes(bytes);
        bytes[6] = (byte)((bytes[6] & 0x0F) | 0x40);
        bytes[8] = (byte)((bytes[8] & 0x3F) | 0x80);
        return new Guid(bytes, bigEndian: true).ToString();
    }

    private static string ProcessorInfo(Container container)
    {
        var text = new StringBuilder();
        for (int i = 0; i < container.Host.Processors; i++)
            text.Append(CultureInfo.InvariantCulture, $"processor\t: {i}\nhart\t\t: {i}\nisa\t\t: {HartExtensions.IsaString(HartExtensions.For(container.Host.VectorBits))}\nmmu\t\t: sv39\n\n");
        return text.ToString();
    }

    private static string MemoryInfo(Container container)
    {
        long total = container.Account.Limit * 4;
        long free = total - (container.Account.Used * 4);
        long files = container.Store.Used >> 10;
        return string.Create(CultureInfo.InvariantCulture, $"""
            MemTotal:       {total,8} kB
            MemFree:        {free,8} kB
            MemAvailable:   {free,8} kB
            Buffers:               0 kB
            Cached:         {files,8} kB
            SwapCached:            0 kB
            Active:         {total - free,8} kB
            Inactive:              0 kB
            SwapTotal:             0 kB
            SwapFree:              0 kB
            Dirty:                 0 kB
            Writeback:             0 kB
            AnonPages:      {total - free,8} kB
            Mapped:                0 kB
            Shmem:          {files,8} kB
            Slab:                  0 kB
            SReclaimable:          0 kB
            SUnreclaim:            0 kB
            PageTables:            0 kB
            CommitLimit:    {total,8} kB
            Committed_AS:   {total - free,8} kB
            VmallocTotal:   67108863 kB
            VmallocUsed:           0 kB
            HugePages_Total:       0
            HugePages_Free:        0
            Hugepagesize:       2048 kB

            """);
    }

    private static long Used(Container container) => container.EndedNanoseconds + container.Processes.Sum(process => process.IsAlive ? process.UsedNanoseconds : 0);

    private static long Idle(Container container) => Math.Max(0, (container.Host.Now * container.Host.Processors) - Used(container));

    private static int Running(Container container) => container.Processes.Sum(process => process.Tasks.Count(task => !task.Restarted && process.StoppedBy == 0));

    private static string Load(Container container)
    {
        int running = Running(container);
        container.Load.Update(container.Host.Now, running);
        return FormattableString.Invariant($"{container.Load.Over(0):f2} {container.Load.Over(1):f2} {container.Load.Over(2):f2} {running}/{container.TaskCount} {container.LastId}\n");
    }

    private static string Stat(Container container)
    {
        long used = Used(container) / Tick;
        long idle = Idle(container) / Tick;
        int processors = container.Host.Processors;
        var text = new StringBuilder();
        text.Append(CultureInfo.InvariantCulture, $"cpu  {used} 0 0 {idle} 0 0 0 0 0 0\n");
        for (int i = 0; i < processors; i++)
            text.Append(CultureInfo.InvariantCulture, $"cpu{i} {used / processors} 0 0 {idle / processors} 0 0 0 0 0 0\n");
        text.Append(CultureInfo.InvariantCulture, $"intr 0\nctxt {container.Host.SystemCalls}\nbtime {container.Host.EpochNanoseconds / 1_000_000_000}\nprocesses {container.LastId}\nprocs_running {Running(container)}\nprocs_blocked 0\nsoftirq 0\n");
        return text.ToString();
    }
}
