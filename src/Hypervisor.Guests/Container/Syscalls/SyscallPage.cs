using System.Globalization;
using System.Text;

namespace Hypervisor.Guests.Container.Syscalls;

/// <summary>The page of docs that says which system calls are served, made from the table.</summary>
internal static class SyscallPage
{
    private static readonly Dictionary<int, string> s_notes = new()
    {
        [25] = "leases are not given",
        [29] = "terminals and ptys, FIONREAD, FIONBIO, FIOCLEX",
        [33] = "fifos, sockets and regular files; device nodes give EPERM",
        [40] = "tmpfs, proc, sysfs, devpts, devtmpfs, cgroup2; bind, move and remount; propagation is taken as private, whatever is asked for",
        [90] = "versions 1 to 3",
        [92] = "PER_LINUX only",
        [97] = "all namespaces but those of time; a process's tasks have them in common",
        [268] = "by descriptors of /proc/PID/ns and of processes",
        [98] = "wait, wake, bitset, requeue, wake_op, PI locks without lending of priority; requeue to PI is not served",
        [117] = "",
        [119] = "kept and told, without effect on scheduling",
        [118] = "kept and told, without effect on scheduling",
        [122] = "kept and told, without effect on scheduling",
        [140] = "kept and told, without effect on scheduling",
        [274] = "kept and told, without effect on scheduling",
        [30] = "kept and told, without effect",
        [198] = "Unix streams, datagrams and sequenced packets; TCP, UDP and UDP-Lite of IPv4, and of IPv6 on the loopback; netlink tells links, addresses and routes; raw and packet sockets are not given",
        [208] = "kept and told; timeouts, address and port sharing, SO_LINGER, SO_PASSCRED, IPV6_V6ONLY, hops, traffic class and what packets tell have effect",
        [209] = "as setsockopt",
        [211] = "SCM_RIGHTS, SCM_CREDENTIALS, hops and traffic class; MSG_OOB is sent in line",
        [167] = "names, parent-death signal, sub-reaper, capabilities, no_new_privs, seccomp, dumpable, timer slack",
        [184] = "SIGEV_SIGNAL and SIGEV_NONE",
        [188] = "all but MSG_COPY",
        [220] = "processes and threads; CLONE_PARENT_SETTID, CHILD_SETTID, CLEARTID, SETTLS, PIDFD, PARENT, VFORK, FS, FILES; namespaces as unshare",
        [222] = "all but huge pages and MAP_GROWSDOWN, which is ignored",
        [233] = "hints are ignored; DONTNEED, FREE, REMOVE, DONTFORK, WIPEONFORK and POPULATE have effect",
        [258] = "what the harts have",
        [277] = "strict mode and filters; SECCOMP_RET_USER_NOTIF and its listener are not served",
        [435] = "as clone; set_tid and cgroup give EPERM and EINVAL",
    };

    /// <summary>The page.</summary>
    public static string Write()
    {
        var text = new StringBuilder("""
            # System calls

            Which of Linux's system calls on riscv64 the container kernel serves. This page is made from the kernel's own table; a test fails when it
            is out of date, and `HV_UPDATE_DOCS=1 dotnet test --filter SyscallPage` brings it up to date. Numbers are those of `asm-generic/unistd.h`.
            A call that is not served gives `ENOSYS`, and `hv run --stats` names it and counts how often it was made.


            """);
        int[] numbers = [.. SyscallNames.Numbers];
        int served = numbers.Count(SyscallTable.IsServed);
        text.Append(CultureInfo.InvariantCulture, $"{served} of {numbers.Length} calls are served.\n\n| number | call | served | note |\n|---|---|---|---|\n");
        foreach (int number in numbers)
        {
            string state = !SyscallTable.IsServed(number) ? "no" : SyscallTable.IsForbidden(number) ? "`EPERM`" : SyscallTable.DoesNothing(number) ? "succeeds, nothing to do" : "yes";
            text.Append(CultureInfo.InvariantCulture, $"| {number} | `{SyscallNames.Of((ulong)number)}` | {state} | {s_notes.GetValueOrDefault(number)} |\n");
        }

        return text.ToString();
    }
}
