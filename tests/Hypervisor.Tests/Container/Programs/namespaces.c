// Namespaces and mounts by system call: users, processes, mounts, names, networks.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

static void check(const char *what, long result) { printf("%s: %s errno %d\n", what, result < 0 ? "-1" : "ok", result < 0 ? errno : 0); fflush(stdout); }
static void value(const char *what, long result) { printf("%s: %ld errno %d\n", what, result, result < 0 ? errno : 0); fflush(stdout); }

static int put(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY);
    if (fd < 0) return -1;
    int result = write(fd, text, strlen(text));
    int kept = errno;
    close(fd);
    errno = kept;
    return result < 0 ? -1 : 0;
}

static void show(const char *path)
{
    char text[4096];
    int fd = open(path, O_RDONLY);
    int count = fd < 0 ? 0 : read(fd, text, sizeof text - 1);
    text[count < 0 ? 0 : count] = 0;
    printf("%s: %s", path, text);
    fflush(stdout);
    close(fd);
}

// Runs a part in a process of its own, so that what it changes stays there.
static void part(const char *name, void (*body)(void))
{
    int status;
    printf("-- %s\n", name);
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) { body(); fflush(stdout); _exit(0); }
    waitpid(child, &status, 0);
    printf("status %x\n", status);
    fflush(stdout);
}

static void who(void)
{
    uid_t r, e, s;
    getresuid(&r, &e, &s);
    printf("uid %d %d %d gid %d %d\n", r, e, s, getgid(), getegid());
    fflush(stdout);
}

static void users(void)
{
    char text[64];
    struct stat st;
    gid_t groups[4] = { 5, 0, 0, 0 };
    setgroups(1, groups);
    setresgid(1000, 1000, 1000);
    setresuid(1000, 1000, 1000);
    value("dumpable", prctl(PR_GET_DUMPABLE));
    prctl(PR_SET_DUMPABLE, 1);
    check("no rights", unshare(CLONE_NEWNS));
    check("host name", sethostname("x", 1));
    check("unknown", unshare(0x80000000));
    check("user", unshare(CLONE_NEWUSER));
    who();
    show("/proc/self/uid_map");
    check("become", setuid(0));
    check("groups", setgroups(0, groups));
    check("group map early", put("/proc/self/gid_map", "0 1000 1\n"));
    check("deny", put("/proc/self/setgroups", "deny"));
    show("/proc/self/setgroups");
    check("allow again", put("/proc/self/setgroups", "allow"));
    check("bad map", put("/proc/self/uid_map", "0 1000\n"));
    check("overlap", put("/proc/self/uid_map", "0 1000 1\n0 1001 1\n"));
    check("nothing", put("/proc/self/uid_map", "0 1000 0\n"));
    check("somebody else", put("/proc/self/uid_map", "0 0 1\n"));
    check("two", put("/proc/self/uid_map", "0 1000 2\n"));
    check("map", put("/proc/self/uid_map", "0 1000 1\n"));
    check("map again", put("/proc/self/uid_map", "0 1000 1\n"));
    check("group map", put("/proc/self/gid_map", "7 1000 1\n"));
    show("/proc/self/uid_map");
    show("/proc/self/gid_map");
    who();
    value("groups", getgroups(4, groups));
    printf("%d\n", groups[0]);
    check("set groups", setgroups(0, groups));
    stat("/", &st);
    printf("root's %d %d\n", st.st_uid, st.st_gid);
    check("chown root's", chown("/", 0, 0));
    check("become nobody", setuid(5));
    check("host name", sethostname("x", 1));
    check("names", unshare(CLONE_NEWUTS));
    check("host name", sethostname("inside", 6));
    gethostname(text, sizeof text);
    printf("%s\n", text);
    check("chroot", chroot("/"));
    check("nested", unshare(CLONE_NEWUSER));
    check("nested map", put("/proc/self/uid_map", "3 0 1\n"));
    who();
    check("old names", sethostname("again", 5));
}

static int reader;
static void quiet(int signal) { }

static void processes(void)
{
    int status, fds[2];
    char byte;
    check("processes", unshare(CLONE_NEWPID));
    printf("still %d\n", getpid() > 1);
    pipe(fds);
    fflush(stdout);
    pid_t init = fork();
    if (init == 0) {
        printf("pid %d parent %d group %d\n", getpid(), getppid(), getpgrp());
        printf("session %d\n", setsid());
        fflush(stdout);
        raise(SIGTERM);
        kill(1, SIGKILL);
        printf("still here\n");
        check("kill outside", kill(2, 0));
        fflush(stdout);
        pid_t child = fork();
        if (child == 0) {
            printf("pid %d parent %d tid %ld\n", getpid(), getppid(), syscall(SYS_gettid));
            check("signal to init", kill(1, SIGTERM));
            pid_t parent = getpid(), orphan = fork();
            if (orphan == 0) { while (getppid() == parent) usleep(1000); printf("orphan %d of %d\n", getpid(), getppid()); fflush(stdout); _exit(4); }
            printf("made %d\n", orphan);
            fflush(stdout);
            _exit(3);
        }
        pid_t waited = waitpid(child, &status, 0);
        printf("waited %d %d\n", waited == child, WEXITSTATUS(status));
        waited = wait(&status);
        printf("adopted %d %d\n", waited, WEXITSTATUS(status));
        fflush(stdout);
        child = fork();
        if (child == 0) { close(fds[0]); for (;;) pause(); }
        close(fds[1]);
        _exit(7);
    }
    close(fds[1]);
    waitpid(init, &status, 0);
    printf("init ended %d\n", WEXITSTATUS(status));

    // The pipe closes when the last process of the namespace is gone.
    printf("all gone %zd\n", read(fds[0], &byte, 1));
    check("no more", fork());

    // What a thread may not.
    check("thread and users", unshare(CLONE_NEWUSER | CLONE_THREAD));
}

static void joining(void)
{
    char old[64], now[64];
    gethostname(old, sizeof old);
    int names = open("/proc/self/ns/uts", O_RDONLY);
    check("open", names);
    char link[64], again[64];
    memset(link, 0, sizeof link);
    memset(again, 0, sizeof again);
    readlink("/proc/self/ns/uts", link, sizeof link - 1);
    printf("%.5s\n", link);
    check("names", unshare(CLONE_NEWUTS));
    readlink("/proc/self/ns/uts", again, sizeof again - 1);
    printf("other %d\n", strcmp(link, again) != 0);
    check("set", sethostname("other-name", 10));
    check("too long", sethostname(link, 65));
    check("domain", setdomainname("domain", 6));
    gethostname(now, sizeof now);
    printf("%s\n", now);
    check("wrong kind", setns(names, CLONE_NEWNET));
    check("no namespace", setns(open("/dev/null", O_RDONLY), 0));
    check("no file", setns(999, 0));
    check("back", setns(names, CLONE_NEWUTS));
    gethostname(now, sizeof now);
    printf("back %d\n", strcmp(old, now) == 0);
    struct stat a, b;
    fstat(names, &a);
    stat("/proc/self/ns/uts", &b);
    printf("same %d\n", a.st_ino == b.st_ino);

    // A network of its own: ports are free again.
    int one = socket(AF_INET, SOCK_STREAM, 0), two;
    struct sockaddr_in address = { AF_INET, htons(34567) };
    check("bind", bind(one, (void *)&address, sizeof address));
    check("network", unshare(CLONE_NEWNET));
    two = socket(AF_INET, SOCK_STREAM, 0);
    check("bind again", bind(two, (void *)&address, sizeof address));
    check("all others", unshare(CLONE_NEWIPC | CLONE_NEWCGROUP));
    check("user joins own", setns(open("/proc/self/ns/user", O_RDONLY), 0));
}

static void mine(const char *what)
{
    char line[1024], root[200], path[200], rights[200];
    FILE *file = fopen("/proc/self/mountinfo", "r");
    printf("[%s]\n", what);
    while (fgets(line, sizeof line, file))
        if (sscanf(line, "%*d %*d %*s %199s %199s %199s", root, path, rights) == 3 && strncmp(path, "/tmp/hv-mnt", 11) == 0) {
            char *kind = strstr(line, " - ");
            int isMemory = strncmp(kind, " - tmpfs", 8) == 0;
            printf("%s %s %s %s\n", isMemory ? root : "?", path, rights, isMemory ? "tmpfs" : "?");
        }
    fclose(file);
    fflush(stdout);
}

static void mounts(void)
{
    struct stat a, b;
    char data[8192];
    memset(data, 'x', sizeof data);
    check("mounts", unshare(CLONE_NEWNS));
    check("private", mount("none", "/", 0, MS_REC | MS_PRIVATE, 0));
    check("two kinds", mount("none", "/", 0, MS_SHARED | MS_PRIVATE, 0));
    mkdir("/tmp/hv-mnt", 0755);
    check("no type", mount("none", "/tmp/hv-mnt", 0, 0, 0));
    check("unknown type", mount("none", "/tmp/hv-mnt", "nonesuch", 0, 0));
    check("no place", mount("none", "/tmp/hv-mnt/none/such", "tmpfs", 0, 0));
    check("wild", mount("none", (void *)8, "tmpfs", 0, 0));
    check("bad option", mount("none", "/tmp/hv-mnt", "tmpfs", 0, "colour=red"));
    check("tmpfs", mount("source", "/tmp/hv-mnt", "tmpfs", MS_NOSUID | MS_NODEV, "size=64k,mode=750"));
    stat("/tmp/hv-mnt", &a);
    stat("/", &b);
    printf("mode %o other device %d\n", a.st_mode, a.st_dev != b.st_dev);
    int fd = open("/tmp/hv-mnt/file", O_CREAT | O_RDWR, 0644);
    long total = 0, count;
    while ((count = write(fd, data, sizeof data)) > 0) total += count;
    printf("fits %ld errno %d\n", total, errno);
    ftruncate(fd, 100);
    mkdir("/tmp/hv-mnt/a", 0755);
    mkdir("/tmp/hv-mnt/a/b", 0755);
    mkdir("/tmp/hv-mnt/c", 0755);
    close(open("/tmp/hv-mnt/plain", O_CREAT | O_WRONLY, 0644));
    mine("tmpfs");
    check("bind", mount("/tmp/hv-mnt/a", "/tmp/hv-mnt/c", 0, MS_BIND, 0));
    mkdir("/tmp/hv-mnt/c/made", 0755);
    stat("/tmp/hv-mnt/a/made", &a);
    stat("/tmp/hv-mnt/c/made", &b);
    printf("one %d\n", a.st_ino == b.st_ino && a.st_dev == b.st_dev);
    check("bind file", mount("/tmp/hv-mnt/file", "/tmp/hv-mnt/plain", 0, MS_BIND, 0));
    stat("/tmp/hv-mnt/plain", &a);
    printf("size %ld\n", (long)a.st_size);
    check("file on directory", mount("/tmp/hv-mnt/file", "/tmp/hv-mnt/c", 0, MS_BIND, 0));
    check("directory on file", mount("/tmp/hv-mnt/c", "/tmp/hv-mnt/plain", 0, MS_BIND, 0));
    check("unlink covered", unlink("/tmp/hv-mnt/plain"));
    check("remove covered", rmdir("/tmp/hv-mnt/c"));
    check("read-only", mount("none", "/tmp/hv-mnt/c", 0, MS_REMOUNT | MS_BIND | MS_RDONLY, 0));
    mine("bound");
    check("mkdir there", mkdir("/tmp/hv-mnt/c/x", 0755));
    check("open there", open("/tmp/hv-mnt/c/x", O_CREAT | O_WRONLY, 0644));
    check("mkdir here", mkdir("/tmp/hv-mnt/a/x", 0755));
    check("remount no mount", mount("none", "/tmp/hv-mnt/a", 0, MS_REMOUNT | MS_BIND | MS_RDONLY, 0));
    check("busy for writing", mount("none", "/tmp/hv-mnt", 0, MS_REMOUNT | MS_RDONLY, 0));
    check("inner", mount("inner", "/tmp/hv-mnt/a/b", "tmpfs", 0, 0));
    close(open("/tmp/hv-mnt/a/b/deep", O_CREAT | O_WRONLY, 0644));
    mkdir("/tmp/hv-mnt/d", 0755);
    check("plain bind", mount("/tmp/hv-mnt/a", "/tmp/hv-mnt/d", 0, MS_BIND, 0));
    check("not there", access("/tmp/hv-mnt/d/b/deep", F_OK));
    check("undo", umount("/tmp/hv-mnt/d"));
    check("deep bind", mount("/tmp/hv-mnt/a", "/tmp/hv-mnt/d", 0, MS_BIND | MS_REC, 0));
    check("there", access("/tmp/hv-mnt/d/b/deep", F_OK));
    mine("deep");
    check("over others", umount("/tmp/hv-mnt/d"));
    check("detach", umount2("/tmp/hv-mnt/d", MNT_DETACH));
    check("no mount", umount("/tmp/hv-mnt/d"));
    check("flags", umount2("/tmp/hv-mnt/c", 0x100));
    check("itself below itself", mount("/tmp/hv-mnt/a", "/tmp/hv-mnt/a/made", 0, MS_BIND | MS_REC, 0));
    mine("loop");
    check("move into itself", mount("/tmp/hv-mnt/a/b", "/tmp/hv-mnt/a/b", 0, MS_MOVE, 0));
    check("move", mount("/tmp/hv-mnt/a/b", "/tmp/hv-mnt/d", 0, MS_MOVE, 0));
    check("moved", access("/tmp/hv-mnt/d/deep", F_OK));
    check("move no mount", mount("/tmp/hv-mnt/a", "/tmp/hv-mnt/d", 0, MS_MOVE, 0));
    int held = open("/tmp/hv-mnt/d/deep", O_RDONLY);
    check("busy", umount("/tmp/hv-mnt/d"));
    close(held);
    check("free", umount("/tmp/hv-mnt/d"));
    chdir("/tmp/hv-mnt/c");
    check("busy by cwd", umount("/tmp/hv-mnt/c"));
    check("lazily", umount2("/tmp/hv-mnt/c", MNT_DETACH));
    check("still usable", access("made", F_OK));
    chdir("/");

    // What a mount forbids.
    int from = open("/proc/self/exe", O_RDONLY), to = open("/tmp/hv-true", O_CREAT | O_WRONLY | O_TRUNC, 0755);
    while ((count = read(from, data, sizeof data)) > 0) write(to, data, count);
    close(to);
    check("noexec", mount("x", "/tmp/hv-mnt/d", "tmpfs", MS_NOEXEC | MS_NODEV, 0));
    close(open("/tmp/hv-mnt/d/program", O_CREAT | O_WRONLY, 0755));
    check("file to run", mount("/tmp/hv-true", "/tmp/hv-mnt/d/program", 0, MS_BIND, 0));
    check("run bound", access("/tmp/hv-mnt/d/program", X_OK));
    check("rights of its own", mount("none", "/tmp/hv-mnt/d/program", 0, MS_REMOUNT | MS_BIND | MS_NOEXEC, 0));
    check("run", access("/tmp/hv-mnt/d/program", X_OK));
    check("exec", execl("/tmp/hv-mnt/d/program", "program", "child", NULL));
    int program = open("/tmp/hv-mnt/d/program", O_RDONLY);
    check("map", mmap(0, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE, program, 0) == MAP_FAILED ? -1 : 0);
    check("protect", mmap(0, 4096, PROT_READ, MAP_PRIVATE, program, 0) == MAP_FAILED ? -1 : 0);
    close(open("/tmp/hv-mnt/d/null", O_CREAT | O_WRONLY, 0666));
    check("device", mount("/dev/null", "/tmp/hv-mnt/d/null", 0, MS_BIND, 0));
    check("device opens", open("/tmp/hv-mnt/d/null", O_RDWR));
    check("device forbidden", mount("none", "/tmp/hv-mnt/d/null", 0, MS_REMOUNT | MS_BIND | MS_NODEV, 0));
    check("device opens not", open("/tmp/hv-mnt/d/null", O_RDWR));
    mine("rights");
    unlink("/tmp/hv-true");
}

static void pivot(void)
{
    char where[200];
    struct stat st;
    check("apart", unshare(CLONE_NEWNS | CLONE_NEWPID));
    mount("none", "/", 0, MS_REC | MS_PRIVATE, 0);
    mkdir("/tmp/hv-mnt", 0755);
    fflush(stdout);
    int status;
    pid_t child = fork();
    if (child) { waitpid(child, &status, 0); printf("ended %x\n", status); return; }
    mount("base", "/tmp/hv-mnt", "tmpfs", 0, 0);
    chdir("/tmp/hv-mnt");
    mkdir("new", 0755);
    mkdir("old", 0755);
    check("no mount", syscall(SYS_pivot_root, "new", "new"));
    check("bind", mount("new", "new", 0, MS_BIND, 0));
    mkdir("new/proc", 0755);
    mkdir("new/sub", 0755);
    check("outside", syscall(SYS_pivot_root, "new", "old"));
    check("same", syscall(SYS_pivot_root, "/", "/"));
    check("no file", syscall(SYS_pivot_root, "none", "new"));
    check("pivot", syscall(SYS_pivot_root, "/tmp/hv-mnt", "old"));
    getcwd(where, sizeof where);
    printf("in %s\n", where);
    check("seen", access("/old/proc/self", F_OK));
    check("new seen", access("/new/sub", F_OK));
    check("proc", mount("proc", "/new/proc", "proc", MS_NOSUID | MS_NOEXEC | MS_NODEV, 0));
    check("old off", umount2("/old", MNT_DETACH));
    check("empty", rmdir("/old"));
    chdir("/new");
    check("onto itself", syscall(SYS_pivot_root, ".", "."));
    check("under it", umount2(".", MNT_DETACH));
    chdir("/");
    getcwd(where, sizeof where);
    printf("in %s\n", where);
    check("not seen", access("/old", F_OK));
    memset(where, 0, sizeof where);
    check("self", readlink("/proc/self", where, sizeof where - 1));
    printf("pid %s\n", where);
    stat("/..", &st);
    ino_t up = st.st_ino;
    stat("/", &st);
    printf("closed %d\n", up == st.st_ino);
    show("/proc/self/mounts");
    check("covered", mount("more", "/", "tmpfs", 0, 0));
    check("chroot", chroot("/sub"));
    chdir("/");
    check("out", chdir("../../.."));
    getcwd(where, sizeof where);
    printf("in %s\n", where);
    show("/proc/self/mounts");
    _exit(9);
}

static void all(void)
{
    // As unshare -Urpf --mount-proc does it, and what may not be changed from inside.
    int status;
    setresgid(1000, 1000, 1000);
    setresuid(1000, 1000, 1000);
    value("dumpable", prctl(PR_GET_DUMPABLE));
    prctl(PR_SET_DUMPABLE, 1);
    check("all", unshare(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWNET | CLONE_NEWCGROUP));
    check("deny", put("/proc/self/setgroups", "deny"));
    check("users", put("/proc/self/uid_map", "0 1000 1"));
    check("groups", put("/proc/self/gid_map", "0 1000 1"));
    check("private", mount("none", "/", 0, MS_REC | MS_PRIVATE, 0));
    fflush(stdout);
    if (fork() == 0) {
        printf("pid %d uid %d\n", getpid(), getuid());
        check("proc", mount("proc", "/proc", "proc", MS_NOSUID | MS_NOEXEC | MS_NODEV, 0));
        char text[64] = "";
        readlink("/proc/self", text, sizeof text - 1);
        printf("self %s\n", text);
        show("/proc/self/uid_map");
        check("locked", umount("/dev"));
        check("tmpfs", mount("t", "/tmp/hv-mnt", "tmpfs", 0, "size=1m"));
        check("made", open("/tmp/hv-mnt/x", O_CREAT | O_RDWR, 0600));
        struct stat st;
        stat("/tmp/hv-mnt/x", &st);
        printf("mine %d %d\n", st.st_uid, st.st_gid);
        check("not mine", chown("/tmp/hv-mnt/x", 5, 5));
        check("devices", mount("d", "/tmp/hv-mnt", "devtmpfs", 0, 0));
        check("sysfs", mount("s", "/sys", "sysfs", MS_RDONLY, 0));
        check("read-only", mount("none", "/tmp/hv-mnt", 0, MS_REMOUNT | MS_BIND | MS_RDONLY, 0));
        fflush(stdout);
        check("deeper", unshare(CLONE_NEWUSER | CLONE_NEWNS));
        check("loosen", mount("none", "/tmp/hv-mnt", 0, MS_REMOUNT | MS_BIND, 0));
        check("uncover", umount("/tmp/hv-mnt"));
        fflush(stdout);
        _exit(5);
    }
    wait(&status);
    printf("ended %x\n", status);
}

int main(int count, char **arguments)
{
    if (count > 1) return 6;
    mkdir("/tmp/hv-mnt", 0755);
    part("users", users);
    part("processes", processes);
    part("joining", joining);
    part("mounts", mounts);
    part("pivot", pivot);
    part("all", all);
    rmdir("/tmp/hv-mnt");
    return 0;
}
