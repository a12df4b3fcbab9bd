// System calls with arguments that nobody should make: bad descriptors, pointers to nowhere, to the last byte of memory and to
// what may only be read, strings without an end, names too long, lengths that wrap. Each call is tried with each of its arguments
// made bad in turn, the others being good, in a process of its own. Linux and our kernel must answer the same.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PAGE 4096ul

static char *edge;      // the end of a mapping, with nothing behind it
static char *readonly;  // a page that may only be read
static char good[1 << 16];
static char *endless, *huge;
static int home_fd = 60, file_fd, dir_fd, path_fd, pipe_fds[2], event_fd, epoll_fd, socket_fd, pair[2];

// f descriptor of a file, g the same without those that no file system has, s socket, e epoll, d directory for a path, p path, P path to make, b memory to write to, r memory to read,
// n length, i flags, v vectors, c their count, t time, m message, a socket address, l length of one, S set of signals, z its size,
// x nothing bad is tried, with what stands behind it: a number in brackets.
struct call { const char *name; long number; const char *arguments; };

#define CALL(name, arguments) {#name, SYS_##name, arguments}
static const struct call calls[] = {
    CALL(getcwd, "bn"), CALL(openat, "dpix[0]"), CALL(mkdirat, "dPx[448]"), CALL(unlinkat, "dPi"), CALL(symlinkat, "pdP"),
    CALL(linkat, "dpdPi"), CALL(renameat2, "dpdPi"), CALL(readlinkat, "dpbn"), CALL(faccessat, "dpx[4]"), CALL(chdir, "p"), CALL(fchdir, "f"),
    CALL(newfstatat, "dpbi"), CALL(fstat, "fb"), CALL(statx, "dpix[2047]b"), CALL(statfs, "pb"), CALL(fstatfs, "fb"),
    CALL(getdents64, "Db n"), CALL(truncate, "px[10]"), CALL(ftruncate, "fx[10]"), CALL(fallocate, "fix[0]n"),
    CALL(fchmod, "gx[384]"), CALL(fchmodat, "dpx[384]"), CALL(fchownat, "dpx[0]x[0]i"), CALL(fchown, "gx[0]x[0]"), CALL(utimensat, "dpti"),
    CALL(setxattr, "pprni"), CALL(getxattr, "ppbn"), CALL(listxattr, "pbn"), CALL(removexattr, "pp"), CALL(fgetxattr, "fpbn"),
    CALL(dup, "f"), CALL(dup3, "fx[50]i"), CALL(fcntl, "fix[0]"), CALL(ioctl, "fx[21531]b"), CALL(flock, "fx[8]"), CALL(flock, "x[40]i"), CALL(close, "f"), CALL(lseek, "fni"),
    CALL(pipe2, "bi"), CALL(read, "fbn"), CALL(write, "frn"), CALL(readv, "fvc"), CALL(writev, "fwc"), CALL(pread64, "fbnx[0]"), CALL(pwrite64, "frnx[0]"),
    CALL(preadv, "fvcx[0]"), CALL(pwritev, "fwcx[0]"), CALL(sendfile, "fx[3]bn"), CALL(splice, "fbfbni"), CALL(tee, "ffni"), CALL(vmsplice, "x[44]wci"),
    CALL(copy_file_range, "fbfbni"), CALL(fsync, "f"), CALL(fdatasync, "f"), CALL(sync_file_range, "fx[0]x[0]i"), CALL(readahead, "fx[0]n"),
    CALL(fadvise64, "fx[0]ni"), CALL(close_range, "x[200]x[100]i"), CALL(umask, "x[18]"), CALL(memfd_create, "pi"), CALL(mknodat, "dPx[33152]x[0]"),
    CALL(eventfd2, "x[0]i"), CALL(epoll_create1, "i"), CALL(epoll_ctl, "eifr"), CALL(epoll_pwait, "ebx[1]x[0]Sz"), CALL(epoll_pwait, "x[46]bix[0]x[0]z"), CALL(timerfd_create, "ii"),
    CALL(timerfd_settime, "fitb"), CALL(timerfd_gettime, "fb"), CALL(ppoll, "bx[1]tSz"), CALL(pselect6, "x[8]bbbtb"), CALL(signalfd4, "fSzi"),
    CALL(inotify_init1, "i"), CALL(inotify_add_watch, "fpx[2]"), CALL(inotify_rm_watch, "fi"), CALL(pidfd_open, "x[2000000000]i"), CALL(pidfd_send_signal, "fibi"),
    CALL(socket, "iii"), CALL(socketpair, "x[1]iib"), CALL(bind, "sal"), CALL(listen, "si"), CALL(accept4, "sabi"), CALL(connect, "sal"),
    CALL(getsockname, "sbr"), CALL(getpeername, "sbr"), CALL(sendto, "srnx[64]al"), CALL(recvfrom, "sbnx[64]ab"), CALL(setsockopt, "sx[1]irn"),
    CALL(getsockopt, "sx[1]ibr"), CALL(shutdown, "si"), CALL(sendmsg, "smx[64]"), CALL(recvmsg, "smx[64]"), CALL(sendmmsg, "smcx[64]"), CALL(recvmmsg, "smcx[64]t"),
    CALL(clock_gettime, "ib"), CALL(clock_getres, "ib"), CALL(clock_nanosleep, "iitb"), CALL(nanosleep, "tb"), CALL(getitimer, "ib"), CALL(setitimer, "irb"),
    CALL(gettimeofday, "bb"), CALL(times, "b"), CALL(getrusage, "ib"), CALL(timer_create, "ibb"), CALL(timer_settime, "x[77]itb"), CALL(timer_gettime, "x[77]b"),
    CALL(timer_delete, "x[77]"), CALL(sigaltstack, "rb"), CALL(rt_sigaction, "irbz"), CALL(rt_sigprocmask, "iSbz"), CALL(rt_sigpending, "bz"),
    CALL(rt_sigtimedwait, "Sbtz"), CALL(rt_sigqueueinfo, "x[2000000000]ib"), CALL(kill, "x[2000000000]i"), CALL(tkill, "x[2000000000]i"), CALL(tgkill, "x[-1]x[-1]i"),
    CALL(sched_getaffinity, "x[0]nb"), CALL(sched_setaffinity, "x[0]nr"), CALL(sched_getparam, "x[0]b"), CALL(sched_getscheduler, "x[-1]"),
    CALL(sched_get_priority_max, "i"), CALL(sched_rr_get_interval, "x[-1]b"), CALL(sched_getattr, "x[0]bni"), CALL(getpriority, "ix[0]"), CALL(setpriority, "x[9]x[0]x[0]"),
    CALL(mmap, "x[0]nx[3]x[34]x[-1]x[0]"), CALL(mmap, "x[0]x[4096]iifx[1]"), CALL(munmap, "x[1]n"), CALL(munmap, "x[-4096]n"), CALL(mprotect, "x[1]nx[1]"), CALL(mprotect, "x[8192]nx[1]"),
    CALL(mremap, "x[-4096]nnix[0]"), CALL(madvise, "x[1]ni"), CALL(msync, "x[1]ni"), CALL(mincore, "x[8192]nb"), CALL(mlock, "x[-4096]n"),
    CALL(getrandom, "bni"), CALL(uname, "b"), CALL(sysinfo, "b"), CALL(prlimit64, "x[0]ix[0]b"), CALL(prlimit64, "x[0]x[7]rb"), CALL(getrlimit, "ib"), CALL(setrlimit, "x[7]r"), CALL(getcpu, "bbb"),
    CALL(capget, "bb"), CALL(getgroups, "ib"), CALL(getresuid, "bbb"), CALL(getresgid, "bbb"), CALL(getpgid, "x[2000000000]"), CALL(getsid, "x[-5]"), CALL(setpgid, "x[2000000000]x[0]"),
    CALL(wait4, "x[-1]bib"), CALL(waitid, "ix[0]bib"), CALL(futex, "rx[0]x[1]tbx[0]"), CALL(futex, "rix[1]x[0]rx[0]"), CALL(set_robust_list, "bn"), CALL(get_robust_list, "x[0]bb"),
    CALL(set_tid_address, "b"), CALL(execve, "pbb"), CALL(execveat, "dpbbi"), CALL(prctl, "x[15]b"), CALL(prctl, "x[16]b"), CALL(membarrier, "iii"), CALL(clone3, "bn"), CALL(chroot, "p"), CALL(openat, "dpx[2097152]x[0]"),
};

static const char *paths[] = {"file", "", "missing", "file/below", "loop", "missing/below", "/", ".", 0};

static long value_of(char kind, int which, int *count)
{
    static struct iovec vectors[1025], bad[3][2];
    static struct timespec times[4][4] = {{{0, 0}, {0, 1}, {0, 0}, {0, 0}}, {{-1, 0}, {-1, 0}}, {{0, 1000000000}, {0, 1000000000}}, {{0, -1}, {0, -1}}};
    static struct sockaddr_un address = {AF_UNIX, "nobody"};
    static struct msghdr message, wild[4];
    static char word[32];
    switch (kind) {
    case 'f': { long v[] = {file_fd, -1, 9999, 0x7fffffff, 0x80000000L, dir_fd, path_fd, pipe_fds[0], event_fd, epoll_fd}; *count = 10; return v[which]; }
    case 'g': { long v[] = {file_fd, -1, 9999, 0x7fffffff, dir_fd, path_fd, pipe_fds[0]}; *count = 7; return v[which]; }
    case 'D': { long v[] = {dir_fd, -1, file_fd, path_fd}; *count = 4; return v[which]; }
    case 's': { long v[] = {socket_fd, -1, 9999, file_fd, path_fd, pair[0]}; *count = 6; return v[which]; }
    case 'e': { long v[] = {epoll_fd, -1, file_fd, path_fd}; *count = 4; return v[which]; }
    case 'd': { long v[] = {AT_FDCWD, -1, 9999, file_fd, 0x7fffffff}; *count = 5; return v[which]; }
    case 'p': *count = 14;
        if (which < 8) return (long)paths[which];
        { void *v[] = {NULL, (void *)1, (void *)-1, edge - 5, endless, huge}; return (long)v[which - 8]; }
    case 'P': *count = 9;
        { const void *v[] = {"new", "", NULL, (void *)-4096, edge - 5, endless, huge, "missing/new", "file/new"}; return (long)v[which]; }
    case 'b': case 'r': *count = 6;
        { void *v[] = {good, NULL, (void *)1, (void *)-8, kind == 'b' ? readonly : edge - 1, (void *)(1ul << 62)}; return (long)v[which]; }
    case 'n': { long v[] = {8, 0, -1, 1L << 31, 1L << 62, (long)(1ul << 63), -4096}; *count = 7; return v[which]; }
    case 'i': { long v[] = {0, -1, 1, 2, 0x40000000, 12345, 99}; *count = 7; return v[which]; }
    case 'v': case 'w': *count = 7;
        for (int i = 0; i < 1025; i++) vectors[i] = (struct iovec){good, 1};
        bad[0][0] = (struct iovec){(void *)1, 8};
        bad[1][0] = (struct iovec){good, (size_t)-1};
        bad[2][0] = (struct iovec){(void *)-4096, 8};
        { void *v[] = {vectors, NULL, (void *)-8, edge - 8, bad[0], bad[1], bad[2]}; return (long)v[which]; }
    case 'c': { long v[] = {1, 0, 2, 1025, -1, 1L << 31, 1L << 40}; *count = 7; return v[which]; }
    case 't': *count = 6; { void *v[] = {times[0], times[1], times[2], times[3], (void *)1, edge - 8}; return (long)v[which]; }
    case 'm': *count = 7;
        message = (struct msghdr){.msg_iov = vectors, .msg_iovlen = 1};
        vectors[0] = (struct iovec){good, 1};
        wild[0] = (struct msghdr){.msg_iov = (void *)-8, .msg_iovlen = 1};
        wild[1] = (struct msghdr){.msg_iov = vectors, .msg_iovlen = 1L << 31};
        wild[2] = (struct msghdr){.msg_iov = vectors, .msg_iovlen = 1, .msg_name = (void *)1, .msg_namelen = 16};
        wild[3] = (struct msghdr){.msg_iov = vectors, .msg_iovlen = 1, .msg_control = (void *)1, .msg_controllen = 64};
        { void *v[] = {&message, NULL, edge - 8, &wild[0], &wild[1], &wild[2], &wild[3]}; return (long)v[which]; }
    case 'a': *count = 4; { void *v[] = {&address, NULL, (void *)-8, edge - 1}; return (long)v[which]; }
    case 'l': { long v[] = {sizeof address, 0, 1, -1, 200, 1L << 31}; *count = 6; return v[which]; }
    case 'S': *count = 4; { void *v[] = {word, NULL, (void *)1, edge - 4}; return (long)v[which]; }
    case 'z': { long v[] = {8, 0, 7, 16, -1}; *count = 5; return v[which]; }
    }
    *count = 0;
    return 0;
}

static const char *next(const char *at)
{
    for (at++; *at == ' '; at++) ;
    if (*at == '[') at = strchr(at, ']') + 1;
    return at;
}

static void prepare(void)
{
    fchdir(home_fd);
    int fd = open("file", O_CREAT | O_RDWR | O_TRUNC, 0600);
    write(fd, "contents of the file", 20);
    file_fd = dup2(fd, 40);
    dir_fd = dup2(open(".", O_RDONLY), 41);
    path_fd = dup2(open("file", O_PATH), 42);
    int both[2];
    pipe2(both, O_NONBLOCK);
    pipe_fds[0] = dup2(both[0], 43);
    pipe_fds[1] = dup2(both[1], 44);
    event_fd = dup2(syscall(SYS_eventfd2, 1, O_NONBLOCK), 45);
    epoll_fd = dup2(epoll_create1(0), 46);
    socket_fd = dup2(socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0), 47);
    socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, both);
    pair[0] = dup2(both[0], 48);
    pair[1] = dup2(both[1], 49);
    memset(good, 0, sizeof good);
    for (int i = 3; i < 40; i++) close(i);
    dup2(40, 3);
    unlink("new");
    rmdir("new");
    symlink("loop", "loop");
    unlink("nobody");
}

static long argument(const char *at, int which, int *count)
{
    if (*at == 'x') {
        *count = 1;
        return strtol(at + 2, NULL, 0);
    }
    return value_of(*at, which, count);
}

int main(int argc, char **argv)
{
    char *pages = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    munmap(pages + 2 * PAGE, PAGE);
    edge = pages + 2 * PAGE;
    memset(pages, 'x', 2 * PAGE);
    readonly = pages + 3 * PAGE;
    memset(readonly, 0, PAGE);
    mprotect(readonly, PAGE, PROT_READ);
    endless = malloc(8192);
    memset(endless, 'e', 8191);
    endless[8191] = 0;
    endless[256] = 0;
    huge = malloc(100001);
    memset(huge, 'h', 100000);
    huge[100000] = 0;
    signal(SIGPIPE, SIG_IGN);
    char folder[] = "/tmp/hostile-XXXXXX";
    if (!mkdtemp(folder) || chdir(folder) || dup2(open(".", O_RDONLY), home_fd) < 0) return 1;
    setvbuf(stdout, NULL, _IOFBF, 1 << 16);
    for (unsigned each = 0; each < sizeof calls / sizeof *calls; each++) {
        const struct call *call = &calls[each];
        if (argc > 1 && strcmp(argv[1], call->name)) continue;
        int arguments = 0;
        for (const char *at = call->arguments; *at; at = next(at)) arguments++;
        for (int bad = 0; bad < arguments; bad++) {
            fflush(stdout);
            pid_t child = fork();
            if (child != 0) {
                int status;
                waitpid(child, &status, 0);
                if (WIFSIGNALED(status)) printf("%s %d: ended by %d\n", call->name, bad, WTERMSIG(status));
                continue;
            }
            prepare();
            alarm(20);
            int count = 1;
            for (int which = bad == 0 ? 0 : 1; which < count; which++) {
                long v[6] = {0};
                int i = 0;
                for (const char *at = call->arguments; *at; at = next(at), i++) {
                    int ignored;
                    v[i] = argument(at, 0, &ignored);
                    if (i == bad) v[i] = argument(at, which, &count);
                }
                if (which >= count) break;
                errno = 0;
                long result = syscall(call->number, v[0], v[1], v[2], v[3], v[4], v[5]);
                int error = errno;
                printf("%s argument %d value %d: %s %d\n", call->name, bad, which, result == -1 ? "error" : "done", result == -1 ? error : 0);
                fflush(stdout);
                prepare();
            }
            _exit(0);
        }
    }
    prepare();
    unlink("file");
    unlink("loop");
    rmdir(folder);
    return 0;
}
