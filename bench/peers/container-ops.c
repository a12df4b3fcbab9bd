// What a kernel's calls cost, told as lines of "RESULT name nanoseconds": one program for native Linux, qemu-user and containers.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static char *again[4];
static double scale = 1;

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1e9 + t.tv_nsec;
}

static void must(int good, const char *what)
{
    if (good)
        return;
    perror(what);
    exit(1);
}

// Tells what an operation takes in the best of many short runs: on a busy machine, a few of them are not disturbed.
static void measure(const char *name, long warm, void (*operation)(void))
{
    const double shortest = 1e6;
    const int runs = 60;
    double best = 1e18;
    for (long i = 0; i < warm * scale; i++)
        operation();
    long count = 1;
    for (double took = 0; took < shortest; count *= 2) {
        double start = now();
        for (long i = 0; i < count; i++)
            operation();
        took = now() - start;
    }
    count = count > 2 ? count / 2 : 1;
    for (int run = 0; run < runs * scale; run++) {
        double start = now();
        for (long i = 0; i < count; i++)
            operation();
        double each = (now() - start) / count;
        if (each < best)
            best = each;
    }
    printf("RESULT %s %.1f\n", name, best);
    fflush(stdout);
}

static void null_call(void) { syscall(SYS_getppid); }

static int there[2], back[2], stream;

// A child that sends back each byte it is sent, until the end.
static pid_t echo(int in, int out, int in2, int out2)
{
    pid_t child = fork();
    must(child >= 0, "fork");
    if (child != 0)
        return child;
    if (in2 >= 0)
        close(in2);
    if (out2 >= 0)
        close(out2);
    char byte;
    while (read(in, &byte, 1) == 1)
        if (write(out, &byte, 1) != 1)
            break;
    _exit(0);
}

static void pipe_trip(void)
{
    char byte = 1;
    must(write(there[1], &byte, 1) == 1 && read(back[0], &byte, 1) == 1, "pipe");
}

static void fork_exit(void)
{
    pid_t child = fork();
    if (child == 0)
        _exit(0);
    must(child > 0 && waitpid(child, NULL, 0) == child, "fork");
}

static void fork_exec(void)
{
    pid_t child = fork();
    if (child == 0) {
        execv(again[0], again);
        _exit(1);
    }
    int status = 1;
    must(child > 0 && waitpid(child, &status, 0) == child && status == 0, "exec");
}

static void open_close(void)
{
    int file = open("/tmp/container-ops", O_RDONLY);
    must(file >= 0 && close(file) == 0, "open");
}

static void open_read_close(void)
{
    char buffer[4096];
    int file = open("/tmp/container-ops", O_RDONLY);
    must(file >= 0 && read(file, buffer, sizeof buffer) == sizeof buffer && close(file) == 0, "open");
}

static void map_unmap(void)
{
    char *page = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    must(page != MAP_FAILED, "mmap");
    *page = 1;
    must(munmap(page, 65536) == 0, "munmap");
}

static int poller, event;

static void epoll_wake(void)
{
    uint64_t one = 1;
    struct epoll_event ready;
    must(write(event, &one, 8) == 8 && epoll_wait(poller, &ready, 1, -1) == 1 && read(event, &one, 8) == 8, "epoll");
}

static void tcp_request(void)
{
    char byte = 1;
    must(write(stream, &byte, 1) == 1 && read(stream, &byte, 1) == 1, "tcp");
}

int main(int argc, char **argv)
{
    if (argc > 1 && !strcmp(argv[1], "exit"))
        return 0;
    if (argc > 1 && !strcmp(argv[1], "wait")) {
        puts("ready");
        fflush(stdout);
        pause();
    }

    if (argc > 1)
        scale = atof(argv[1]);

    // What runs this program once more: itself, or an emulator and itself.
    int words = 0;
    for (int i = 2; i < argc && words < 2; i++)
        again[words++] = argv[i];
    if (words == 0)
        again[words++] = argv[0];
    again[words] = "exit";

    must(pipe(there) == 0 && pipe(back) == 0, "pipe");
    pid_t child = echo(there[0], back[1], there[1], back[0]);
    measure("pipe", 100000, pipe_trip);
    close(there[1]);
    waitpid(child, NULL, 0);

    measure("fork-exit", 300, fork_exit);
    measure("fork-exec", 150, fork_exec);

    mkdir("/tmp", 01777);
    int file = open("/tmp/container-ops", O_RDWR | O_CREAT, 0600);
    static char content[4096];
    must(file >= 0 && write(file, content, sizeof content) == sizeof content, "create");
    close(file);
    measure("open-close", 100000, open_close);
    measure("open-read-close", 50000, open_read_close);
    unlink("/tmp/container-ops");
    measure("mmap-munmap", 20000, map_unmap);

    poller = epoll_create1(0);
    event = eventfd(0, 0);
    struct epoll_event wanted = { .events = EPOLLIN };
    must(poller >= 0 && event >= 0 && epoll_ctl(poller, EPOLL_CTL_ADD, event, &wanted) == 0, "epoll");
    measure("epoll", 50000, epoll_wake);

    int listener = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t length = sizeof address;
    must(bind(listener, (void *)&address, length) == 0 && listen(listener, 1) == 0 && getsockname(listener, (void *)&address, &length) == 0, "listen");
    stream = socket(AF_INET, SOCK_STREAM, 0);
    must(connect(stream, (void *)&address, length) == 0, "connect");
    int other = accept(listener, NULL, NULL);
    must(other >= 0, "accept");
    child = echo(other, other, stream, listener);
    close(other);
    measure("tcp", 30000, tcp_request);
    close(stream);
    waitpid(child, NULL, 0);

    // Last: a kernel that is compiled as it runs has settled by now.
    measure("null-call", 1000000, null_call);
    puts("RESULT end 0");
    return 0;
}
