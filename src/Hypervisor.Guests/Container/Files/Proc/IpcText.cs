using System.Globalization;
using System.Text;
using Hypervisor.Guests.Container.Ipc;
using Hypervisor.Guests.Container.Kernel;

namespace Hypervisor.Guests.Container.Files.Proc;

/// <summary>/proc/sysvipc: the objects of the reader's namespace (sysvipc(7)).</summary>
internal static class IpcText
{
    public static void Add(TextTree tree, Container container)
    {
        tree.Add("sysvipc/shm", () => Segments(Viewer(container)));
        tree.Add("sysvipc/sem", () => Sets(Viewer(container)));
        tree.Add("sysvipc/msg", () => Messages(Viewer(container)));
    }

    private static Process Viewer(Container container) => container.Host.Current?.Process ?? container.Processes.First();

    private static string Segments(Process viewer)
    {
        var text = new StringBuilder("       key      shmid perms                  size  cpid  lpid nattch   uid   gid  cuid  cgid      atime      dtime      ctime                   rss                  swap\n");
        foreach (SharedSegment each in viewer.Namespaces.Ipc.Objects.Segments.All)
        {
            uint mode = each.Mode | (each.IsRemoved ? SharedSegment.Doomed : 0) | (each.IsLocked ? SharedSegment.Locked : 0);
            text.Append(CultureInfo.InvariantCulture, $"{each.Key,10} {each.Id,10}  {Octal(mode)} {each.Size,21} {viewer.Pids.ToLocal(each.Maker),5} {viewer.Pids.ToLocal(each.Last),5}  {each.CountAttached(viewer.Container),5} ")
                .Append(Owners(viewer, each)).Append(CultureInfo.InvariantCulture, $" {each.AttachedAt,10} {each.DetachedAt,10} {each.ChangedAt,10} {each.File.Allocated,21} {0,21}\n");
        }

        return text.ToString();
    }

    private static string Sets(Process viewer)
    {
        var text = new StringBuilder("       key      semid perms      nsems   uid   gid  cuid  cgid      otime      ctime\n");
        foreach (SemaphoreSet each in viewer.Namespaces.Ipc.Objects.Sets.All)
        {
            text.Append(CultureInfo.InvariantCulture, $"{each.Key,10} {each.Id,10}  {Octal(each.Mode)} {each.Semaphores.Length,10} ")
                .Append(Owners(viewer, each)).Append(CultureInfo.InvariantCulture, $" {each.OperatedAt,10} {each.ChangedAt,10}\n");
        }

        return text.ToString();
    }

    private static string Messages(Process viewer)
    {
        var text = new StringBuilder("       key      msqid perms      cbytes       qnum lspid lrpid   uid   gid  cuid  cgid      stime      rtime      ctime\n");
        foreach (MessageQueue each in viewer.Namespaces.Ipc.Objects.Messages.All)
        {
            text.Append(CultureInfo.InvariantCulture, $"{each.Key,10} {each.Id,10}  {Octal(each.Mode)}  {each.Bytes,10} {each.Count,10} {viewer.Pids.ToLocal(each.LastSender),5} {viewer.Pids.ToLocal(each.LastReceiver),5} ")
                .Append(Owners(viewer, each)).Append(CultureInfo.InvariantCulture, $" {each.SentAt,10} {each.ReceivedAt,10} {each.ChangedAt,10}\n");
        }

        return text.ToString();
    }

    private static string Owners(Process viewer, IpcObject item)
    {
        Credentials who = viewer.Credentials;
        return string.Create(CultureInfo.InvariantCulture, $"{who.TellUser(item.Uid),5} {who.TellGroup(item.Gid),5} {who.TellUser(item.MakerUid),5} {who.TellGroup(item.MakerGid),5}");
    }

    private static string Octal(uint mode) => Convert.ToString(mode, 8).PadLeft(4);
}
