// What calls say when there is no more: descriptors, memory, processes, bytes of a file, signals in a queue. Linux and our kernel must
// say the same.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static void check(const char *what, long result) { printf("%s: %ld errno %d\n", what, result < 0 ? -1L : result, result < 0 ? errno : 0); fflush(stdout); }
static void given(const char *what, long result) { printf("%s: %s errno %d\n", what, result < 0 ? "refused" : "given", result < 0 ? errno : 0); fflush(stdout); }

static void limit(int which, unsigned long soft)
{
    struct rlimit now;
    getrlimit(which, &now);
    now.rlim_cur = soft;
    if (setrlimit(which, &now) != 0) printf("limit %d: errno %d\n", which, errno);
}

static void in_child(void (*what)(void))
{
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        alarm(30);
        what();
        fflush(stdout);
        _exit(0);
    }
    int status;
    waitpid(child, &status, 0);
    if (WIFSIGNALED(status)) printf("ended by %d\n", WTERMSIG(status));
}

static void descriptors(void)
{
    int pair[2], kept[2], listener = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0), client = socket(AF_UNIX, SOCK_STREAM, 0);
    struct sockaddr_un name = {AF_UNIX};
    bind(listener, (struct sockaddr *)&name, 2);
    socklen_t size = sizeof name;
    getsockname(listener, (struct sockaddr *)&name, &size);
    listen(listener, 3);
    check("connect", connect(client, (struct sockaddr *)&name, size));
    socketpair(AF_UNIX, SOCK_STREAM, 0, kept);
    char control[CMSG_SPACE(sizeof(int))] = {0};
    struct iovec vector = {"x", 1};
    struct msghdr message = {.msg_iov = &vector, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    *CMSG_FIRSTHDR(&message) = (struct cmsghdr){.cmsg_len = CMSG_LEN(4), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
    check("send one", sendmsg(kept[0], &message, 0));
    limit(RLIMIT_NOFILE, 24);
    int last = 0, fd;
    while ((fd = dup(0)) >= 0) last = fd;
    check("dup", fd);
    printf("last %d\n", last);
    check("open", open("/", O_RDONLY));
    check("pipe", pipe(pair));
    check("socket", socket(AF_INET, SOCK_STREAM, 0));
    check("socketpair", socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
    check("accept", accept(listener, NULL, NULL));
    check("epoll", epoll_create1(0));
    check("event", eventfd(0, 0));
    check("timer", timerfd_create(CLOCK_MONOTONIC, 0));
    sigset_t set;
    sigemptyset(&set);
    check("signal", signalfd(-1, &set, 0));
    check("inotify", inotify_init1(0));
    check("memory", memfd_create("m", 0));
    check("process", syscall(SYS_pidfd_open, getpid(), 0));
    check("least number", fcntl(0, F_DUPFD, 24));
    check("to a number above", dup2(0, 24));
    check("to its own", dup2(0, 23));
    char byte;
    vector.iov_base = &byte;
    check("receive one", recvmsg(kept[1], &message, 0));
    printf("flags %x control %zu\n", message.msg_flags, message.msg_controllen);
    close(last);
    check("one half", pipe(pair));
    check("accept still", accept(listener, NULL, NULL) >= 0);
    check("poll too many", poll((struct pollfd *)calloc(30, sizeof(struct pollfd)), 30, 0));
}

static void memory(void)
{
    limit(RLIMIT_AS, 64 << 20);
    given("too much", (long)mmap(NULL, 128 << 20, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    char *some = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    given("some", (long)some);
    given("more of it", (long)mremap(some, 1 << 20, 128 << 20, MREMAP_MAYMOVE));
    given("break", syscall(SYS_brk, (char *)sbrk(0) + (128 << 20)) == (long)sbrk(0) ? (errno = ENOMEM, -1) : 0);
    given("wrapping", (long)mmap(NULL, (size_t)-4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    given("none", (long)mmap(NULL, 0, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, 100 << 20);
    pthread_t thread;
    printf("thread of too much: %d\n", pthread_create(&thread, &attributes, (void *(*)(void *))abort, NULL));
}

static void data(void)
{
    limit(RLIMIT_DATA, 16 << 20);
    given("data", (long)mmap(NULL, 32 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    given("not data", (long)mmap(NULL, 32 << 20, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
}

static void file_size(void)
{
    char name[] = "/tmp/exhausted-XXXXXX";
    static char block[10000];
    int fd = mkstemp(name);
    unlink(name);
    signal(SIGXFSZ, SIG_IGN);
    limit(RLIMIT_FSIZE, 15000);
    check("write", write(fd, block, sizeof block));
    check("as far as it goes", write(fd, block, sizeof block));
    check("no more", write(fd, block, 1));
    check("truncate", ftruncate(fd, 15001));
    check("allocate", fallocate(fd, 0, 0, 20000));
    check("at a place", pwrite(fd, block, 1, 15000));
    check("below", pwrite(fd, block, 10, 14995));
    check("nothing", write(fd, block, 0));
    signal(SIGXFSZ, SIG_DFL);
    write(fd, block, 1);
    printf("was not ended\n");
}

static void processes(void)
{
    setgid(54321);
    setuid(54321);
    limit(RLIMIT_NPROC, 4);
    int made = 0;
    pid_t child, children[20];
    while (made < 20 && (child = fork()) > 0) children[made++] = child;
    if (child == 0) {
        pause();
        _exit(0);
    }
    printf("made %d errno %d\n", made, errno);
    pthread_t thread;
    printf("thread: %d\n", pthread_create(&thread, NULL, (void *(*)(void *))pause, NULL));
    fflush(stdout);
    while (made-- > 0) kill(children[made], SIGKILL);
    while (wait(NULL) > 0) ;
    check("raise the limit", setrlimit(RLIMIT_NPROC, &(struct rlimit){RLIM_INFINITY, RLIM_INFINITY}) < 0 && errno == EPERM ? -1 : 0);
    check("priority", setpriority(PRIO_PROCESS, 0, -5));
}

static void signals(void)
{
    setuid(54322);
    sigset_t set;
    sigfillset(&set);
    sigprocmask(SIG_BLOCK, &set, NULL);
    limit(RLIMIT_SIGPENDING, 3);
    for (int i = 0; i < 5; i++) check("queue", sigqueue(getpid(), SIGRTMIN, (union sigval){.sival_int = i}));
    check("kill is not held back", kill(getpid(), SIGUSR1));
    int got = 0;
    siginfo_t info;
    while (sigtimedwait(&set, &info, &(struct timespec){0, 0}) > 0) got++;
    printf("got %d\n", got);
}

static void locked(void)
{
    setuid(54321);
    limit(RLIMIT_MEMLOCK, 8192);
    char *some = mmap(NULL, 1 << 16, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    check("lock", mlock(some, 4096));
    check("too much", mlock(some, 1 << 16));
}

int main(void)
{
    in_child(descriptors);
    in_child(memory);
    in_child(data);
    in_child(file_size);
    in_child(processes);
    in_child(signals);
    in_child(locked);
    return 0;
}
