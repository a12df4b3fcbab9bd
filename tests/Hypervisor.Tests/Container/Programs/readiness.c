// openat2, sizes of pipes, signals on readiness, restartable sequences.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/rseq.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

static void check(const char *what, long result) { printf("%s: %s errno %d\n", what, result < 0 ? "-1" : "ok", result < 0 ? errno : 0); fflush(stdout); }
static void value(const char *what, long result) { printf("%s: %ld errno %d\n", what, result, result < 0 ? errno : 0); fflush(stdout); }

static int open2(int dir, const char *path, unsigned long flags, unsigned long mode, unsigned long resolve)
{
    struct open_how how = { flags, mode, resolve };
    return syscall(SYS_openat2, dir, path, &how, sizeof how);
}

static void walk(const char *what, int dir, const char *path, unsigned long resolve)
{
    int fd = open2(dir, path, O_RDONLY, 0, resolve);
    char text[64];
    snprintf(text, sizeof text, "%s %s", what, path);
    check(text, fd);
    if (fd >= 0) close(fd);
}

static void opening(void)
{
    char folder[] = "/tmp/hv-open-XXXXXX";
    struct { struct open_how how; unsigned long more; } large = { { O_RDONLY } };
    mkdtemp(folder);
    chdir(folder);
    mkdir("in", 0755);
    mkdir("in/deep", 0755);
    close(open("in/file", O_CREAT | O_WRONLY, 0644));
    close(open("out", O_CREAT | O_WRONLY, 0644));
    symlink("file", "in/near");
    symlink("../out", "in/far");
    symlink("/proc/version", "in/absolute");
    symlink("/proc/self/fd/0", "in/magic");
    int dir = open("in", O_PATH | O_DIRECTORY);
    const char *paths[] = { "file", "near", "far", "absolute", "magic", "../out", "deep/../file", "deep/../../out", "/proc/version", "/file", "none", "/proc/self/fd/0", "/proc/self/status" };
    unsigned long limits[] = { 0, RESOLVE_BENEATH, RESOLVE_IN_ROOT, RESOLVE_NO_SYMLINKS, RESOLVE_NO_MAGICLINKS, RESOLVE_NO_XDEV };
    const char *names[] = { "free", "beneath", "in root", "no links", "no magic", "one mount" };
    for (int l = 0; l < 6; l++)
        for (int p = 0; p < 13; p++)
            if (l != 5 || (p != 3 && p != 8))
                walk(names[l], dir, paths[p], limits[l]);
    int fd = open2(dir, "made", O_CREAT | O_EXCL | O_RDWR, 0640, RESOLVE_BENEATH);
    check("make", fd);
    struct stat st;
    fstat(fd, &st);
    printf("mode %o\n", st.st_mode);
    check("link itself", open2(dir, "near", O_PATH | O_NOFOLLOW, 0, RESOLVE_NO_SYMLINKS));
    check("unknown flag", open2(dir, "file", 1UL << 40, 0, 0));
    check("unknown limit", open2(dir, "file", 0, 0, 64));
    check("both", open2(dir, "file", 0, 0, RESOLVE_BENEATH | RESOLVE_IN_ROOT));
    check("mode unasked", open2(dir, "file", 0, 0644, 0));
    check("wild mode", open2(dir, "other", O_CREAT | O_WRONLY, 0100000, 0));
    check("path and more", open2(dir, "file", O_PATH | O_RDWR, 0, 0));
    check("short", syscall(SYS_openat2, dir, "file", &large, 8));
    check("long", syscall(SYS_openat2, dir, "file", &large, sizeof large));
    large.more = 1;
    check("long and set", syscall(SYS_openat2, dir, "file", &large, sizeof large));
    check("huge", syscall(SYS_openat2, dir, "file", &large, 1 << 20));
    check("wild", syscall(SYS_openat2, dir, "file", (void *)8, 24));
    check("no directory", open2(999, "file", 0, 0, 0));
}

static void pipes(void)
{
    int fds[2];
    pipe2(fds, O_NONBLOCK);
    value("size", fcntl(fds[0], F_GETPIPE_SZ));
    value("one page", fcntl(fds[1], F_SETPIPE_SZ, 1));
    char *data = calloc(1, 1 << 20);
    value("fits", write(fds[1], data, 1 << 20));
    value("full", write(fds[1], data, 1));
    value("three pages", fcntl(fds[1], F_SETPIPE_SZ, 12000));
    value("more fits", write(fds[1], data, 1 << 20));
    value("too small now", fcntl(fds[1], F_SETPIPE_SZ, 4096));
    value("large", fcntl(fds[0], F_SETPIPE_SZ, 1 << 20));
    value("much fits", write(fds[1], data, 1 << 20));
    value("all", read(fds[0], data, 1 << 20));
    value("huge", fcntl(fds[0], F_SETPIPE_SZ, 0xFFFFFFFF));
    value("back", fcntl(fds[0], F_SETPIPE_SZ, 65536));
    value("no pipe", fcntl(open("/dev/null", O_RDONLY), F_GETPIPE_SZ));
}

static volatile sig_atomic_t count, code, band, descriptor;
static void ready(int signal, siginfo_t *info, void *context) { count++; code = info->si_code; band = info->si_band; descriptor = info->si_fd; }
static void told(const char *what, int fd) { printf("%s: %d code %d band %d own %d\n", what, count, code, band, descriptor == fd); fflush(stdout); count = code = band = 0; }

static void signals(void)
{
    int fds[2], pair[2];
    char byte = 0;
    struct sigaction action = { .sa_sigaction = ready, .sa_flags = SA_SIGINFO };
    struct f_owner_ex owner = { -1, -1 };
    sigaction(SIGIO, &action, 0);
    sigaction(SIGRTMIN + 1, &action, 0);
    pipe(fds);
    socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
    value("no owner", fcntl(fds[0], F_GETOWN));
    value("no signal", fcntl(fds[0], F_GETSIG));
    check("owner", fcntl(fds[0], F_SETOWN, getpid()));
    printf("own %d\n", fcntl(fds[0], F_GETOWN) == getpid());
    fcntl(fds[0], F_GETOWN_EX, &owner);
    printf("kind %d own %d\n", owner.type, owner.pid == getpid());
    check("nobody", fcntl(fds[0], F_SETOWN, 99999999));
    check("flag", fcntl(fds[0], F_SETFL, O_ASYNC));
    value("kept", (fcntl(fds[0], F_GETFL) & O_ASYNC) != 0);
    write(fds[1], &byte, 1);
    told("plain", fds[0]);
    check("wild signal", fcntl(fds[0], F_SETSIG, 99));
    check("signal", fcntl(fds[0], F_SETSIG, SIGRTMIN + 1));
    value("signal told", fcntl(fds[0], F_GETSIG) - SIGRTMIN);
    write(fds[1], &byte, 1);
    told("detailed", fds[0]);
    read(fds[0], &byte, 1);
    read(fds[0], &byte, 1);
    told("read", fds[0]);
    fcntl(fds[0], F_SETFL, 0);
    write(fds[1], &byte, 1);
    told("off", fds[0]);
    owner.type = F_OWNER_TID;
    owner.pid = gettid();
    check("own task", fcntl(pair[0], F_SETOWN_EX, &owner));
    fcntl(pair[0], F_SETSIG, SIGRTMIN + 1);
    int on = 1;
    check("by ioctl", ioctl(pair[0], FIOASYNC, &on));
    write(pair[1], &byte, 1);
    told("socket", pair[0]);
    owner.type = 7;
    check("no kind", fcntl(pair[0], F_SETOWN_EX, &owner));
    check("group", fcntl(pair[0], F_SETOWN, -getpgrp()));
    printf("group %d\n", fcntl(pair[0], F_GETOWN) == -getpgrp());
    check("nobody's", fcntl(pair[0], F_SETOWN, 0));
}

#if defined(__riscv)
#define SIGNATURE 0xf1401073
static long section(void *area)
{
    long aborted = 0;
    __asm__ volatile(".pushsection .data.rel,\"aw\"\n.balign 32\n3: .word 0, 0\n.quad 1f, 2f - 1f, 4f\n.popsection\n"
        "la t0, 3b\nsd t0, 8(%1)\n1: addi t1, t1, 1\nj 1b\n2: nop\nj 5f\n.balign 4\n.word 0xf1401073\n4: li %0, 1\n5:\n"
        : "+r"(aborted) : "r"(area) : "t0", "t1", "memory");
    return aborted;
}
#else
#define SIGNATURE 0x53053053
static long section(void *area)
{
    long aborted = 0;
    __asm__ volatile(".pushsection .data.rel,\"aw\"\n.balign 32\n3: .long 0, 0\n.quad 1f, 2f - 1f, 4f\n.popsection\n"
        "lea 3b(%%rip), %%rax\nmov %%rax, 8(%1)\n1: inc %%rcx\njmp 1b\n2: nop\njmp 5f\n.long 0x53053053\n4: mov $1, %0\n5:\n"
        : "+r"(aborted) : "r"(area) : "rax", "rcx", "memory");
    return aborted;
}
#endif

static struct rseq mine __attribute__((aligned(32)));
static volatile sig_atomic_t rang;
static void ring(int signal) { rang++; }
static long call(void *area, unsigned length, int flags, unsigned signature) { return syscall(SYS_rseq, area, length, flags, signature); }

static void sequences(void)
{
    // The library may have registered one of its own.
    if (__rseq_size) call((char *)__builtin_thread_pointer() + __rseq_offset, 32, 1, SIGNATURE);
    static struct rseq other __attribute__((aligned(32)));
    struct rseq *area = &other;
    check("register", call(area, 32, 0, SIGNATURE));
    check("again", call(area, 32, 0, SIGNATURE));
    check("other signature", call(area, 32, 0, 1));
    check("other place", call(&mine, 32, 0, SIGNATURE));
    check("leave wrong", call(area, 32, 1, 1));
    check("leave elsewhere", call(&mine, 32, 1, SIGNATURE));
    check("leave", call(area, 32, 1, SIGNATURE));
    printf("processor %d\n", (int)area->cpu_id);
    check("leave twice", call(area, 32, 1, SIGNATURE));
    check("flags", call(&mine, 32, 2, SIGNATURE));
    check("short", call(&mine, 16, 0, SIGNATURE));
    check("crooked", call((char *)&mine + 4, 32, 0, SIGNATURE));
    check("mine", call(&mine, 32, 0, SIGNATURE));
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(0, &set);
    sched_setaffinity(0, sizeof set, &set);
    sched_yield();
    printf("processor %d %d\n", (int)mine.cpu_id, (int)mine.cpu_id_start);

    // A signal's handler leaves the section, and so does whoever else gets the processor.
    struct itimerval soon = { { 0, 0 }, { 0, 20000 } };
    signal(SIGALRM, ring);
    setitimer(ITIMER_REAL, &soon, 0);
    printf("aborted %ld\n", section(&mine));
    while (!rang) ;
    printf("rang %d section %d\n", rang, mine.rseq_cs == 0);
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) { for (;;) ; }
    printf("preempted %ld\n", section(&mine));
    kill(child, SIGKILL);
    waitpid(child, 0, 0);

    // Barriers that leave sections.
    check("barrier early", syscall(SYS_membarrier, 128, 0, 0));
    check("ask for it", syscall(SYS_membarrier, 256, 0, 0));
    check("barrier", syscall(SYS_membarrier, 128, 0, 0));
    check("on a processor", syscall(SYS_membarrier, 128, 1, 0));
    check("wrong flag", syscall(SYS_membarrier, 128, 2, 0));
    check("flag of another", syscall(SYS_membarrier, 8, 1, 0));

    // What is no section of ours.
    fflush(stdout);
    int status;
    if ((child = fork()) == 0) { *(long *)((char *)&mine + 8) = 8; for (int i = 0; i < 100; i++) raise(SIGALRM); _exit(0); }
    waitpid(child, &status, 0);
    printf("wild section: signal %d\n", WTERMSIG(status));
}

int main(void)
{
    opening();
    pipes();
    signals();
    sequences();
    return 0;
}
