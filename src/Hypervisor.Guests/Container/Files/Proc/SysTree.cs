namespace Hypervisor.Guests.Container.Files.Proc;

/// <summary>/sys as far as programs ask: processors, the loopback, settings of memory.</summary>
internal static class SysTree
{
    public static GeneratedDirectory Build(Container container) => new TextTree(container.Store, tree => Fill(tree, container)).Build();

    private static void Fill(TextTree tree, Container container)
    {
        FileStore store = container.Store;
        int processors = container.Host.Processors;
        string all = processors == 1 ? "0\n" : $"0-{processors - 1}\n";
        foreach (string name in new[] { "online", "possible", "present" })
            tree.Add($"devices/system/cpu/{name}", () => all);
        tree.Add("devices/system/cpu/offline", () => "\n");
        tree.Add("devices/system/cpu/kernel_max", () => "63\n");
        for (int i = 0; i < processors; i++)
        {
            int number = i;
            tree.Add($"devices/system/cpu/cpu{i}/topology/core_id", () => number + "\n");
            tree.Add($"devices/system/cpu/cpu{i}/topology/physical_package_id", () => "0\n");
            tree.Add($"devices/system/cpu/cpu{i}/topology/thread_siblings", () => $"{1UL << number:x}\n");
            tree.Add($"devices/system/cpu/cpu{i}/topology/core_siblings", () => $"{(1UL << processors) - 1:x}\n");
        }

        tree.Add("devices/system/node/online", () => "0\n");
        tree.Add("devices/system/node/possible", () => "0\n");
        tree.AddSetting("kernel/mm/transparent_hugepage/enabled", "always madvise [never]");
        tree.AddSetting("kernel/mm/transparent_hugepage/defrag", "always defer defer+madvise [madvise] never");
        tree.Add("kernel/mm/transparent_hugepage/hpage_pmd_size", () => "2097152\n");
        tree.Add("class/net/lo/mtu", () => "65536\n");
        tree.Add("class/net/lo/operstate", () => "unknown\n");
        tree.Add("class/net/lo/address", () => "00:00:00:00:00:00\n");
        tree.Add("class/net/lo/flags", () => "0x9\n");
        tree.Add("class/net/lo/ifindex", () => "1\n");
        tree.Add("class/tty/console/active", () => "console\n");
        tree.Add("block", new TextTree(store).Build());
        tree.Add("bus", new TextTree(store).Build());
        tree.Add("fs/cgroup", new MemoryDirectory(store, 0x1ED));
        tree.Add("module", new TextTree(store).Build());
    }
}
