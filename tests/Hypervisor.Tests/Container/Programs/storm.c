// A storm of system calls: "storm SEED NUMBER…" makes the calls it is given, over and over, with arguments that are wild, wrap or
// point into memory that its other threads write over meanwhile. "witness" beside it holds a pattern in memory, files and pipes and
// looks whether anybody touched it.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
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
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static uint64_t state;
static int numbers[512], count;

// Everything that a call may point to: threads change it all the time.
static volatile uint64_t shared[1024] __attribute__((aligned(4096)));

static uint64_t mix(uint64_t *s)
{
    *s ^= *s << 13;
    *s ^= *s >> 7;
    *s ^= *s << 17;
    return *s;
}

static uint64_t interesting(uint64_t *s)
{
    static char *edge;
    if (!edge) {
        edge = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (edge == MAP_FAILED) edge = (char *)shared;
        else munmap(edge + 4096, 4096);
        edge += 4096;
    }
    switch (mix(s) % 14) {
    case 0: return 0;
    case 1: return mix(s) % 70;
    case 2: return (uint64_t)-1 - mix(s) % 4096;
    case 3: return 1ull << (mix(s) % 64);
    case 4: return (1ull << (mix(s) % 64)) - 1;
    case 5: return (uint64_t)(uintptr_t)edge - mix(s) % 64;
    case 6: return mix(s);
    case 7: return 100000;
    case 8: return mix(s) % 10 * 4096;
    case 9: return (uint32_t)mix(s);
    default: return (uint64_t)(uintptr_t)&shared[mix(s) % 1000];
    }
}

static void *scribble(void *seed)
{
    uint64_t own = (uint64_t)(uintptr_t)seed | 1;
    for (;;) {
        for (int i = 0; i < 64; i++) shared[mix(&own) % 1024] = interesting(&own);
        memcpy((char *)shared + mix(&own) % 4096, mix(&own) & 1 ? "/tmp/a" : "../../..", 8);
        struct timespec pause = {0, 20000};
        nanosleep(&pause, NULL);
    }
    return NULL;
}

static void child(uint64_t seed)
{
    uint64_t own = seed * 2654435761u + 88172645463325252ull;
    struct itimerval beat = {{0, 2000}, {0, 2000}};
    signal(SIGALRM, SIG_IGN);
    static char stack[65536];
    struct sigaction action = {0};
    action.sa_handler = (void (*)(int))(uintptr_t)SIG_DFL;
    sigaltstack(&(stack_t){.ss_sp = stack, .ss_size = sizeof stack}, NULL);
    setitimer(ITIMER_REAL, &beat, NULL);
    int pair[2];
    pipe2(pair, 0);
    socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
    socketpair(AF_UNIX, SOCK_DGRAM, 0, pair);
    socket(AF_INET6, SOCK_STREAM, 0);
    socket(AF_INET, SOCK_DGRAM, 0);
    socket(AF_NETLINK, SOCK_RAW, 0);
    epoll_create1(0);
    eventfd(1, 0);
    open("/tmp/storm", O_CREAT | O_RDWR, 0600);
    open("/", O_RDONLY);
    open("/proc/self/maps", O_RDONLY);
    open("/dev/ptmx", O_RDWR);
    open("/tmp", O_PATH);
    pthread_t thread;
    for (int i = 0; i < 2; i++) pthread_create(&thread, NULL, scribble, (void *)(uintptr_t)mix(&own));
    for (int i = 0; i < 400; i++) {
        int number = numbers[mix(&own) % count];
        uint64_t v[6];
        for (int k = 0; k < 6; k++) v[k] = interesting(&own);
        if (mix(&own) % 3) v[0] = mix(&own) % 24;

        // Those that end the process are made seldom, so that the others have their turn.
        if ((number == SYS_exit || number == SYS_exit_group || number == SYS_rt_sigreturn || number == SYS_munmap) && mix(&own) % 8) continue;
        syscall(number, v[0], v[1], v[2], v[3], v[4], v[5]);
    }
    _exit(0);
}

static void storm(int argc, char **argv)
{
    state = strtoull(argv[2], NULL, 0) * 0x9E3779B97F4A7C15ull + 1;
    for (int i = 3; i < argc; i++) numbers[count++] = atoi(argv[i]);
    // The first process of a container takes it along when it goes: what a child sends it is not taken.
    sigset_t all, none;
    sigfillset(&all);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &all, NULL);
    for (;;) {
        uint64_t seed = mix(&state);
        pid_t pid = fork();
        if (pid == 0) {
            sigprocmask(SIG_SETMASK, &none, NULL);
            child(seed);
        }

        // Whoever stopped himself or waits for ever is made an end of.
        for (int i = 0; pid > 0 && i < 40; i++) {
            if (waitpid(pid, NULL, WNOHANG) == pid) pid = 0;
            else usleep(500);
        }
        if (pid > 0) {
            kill(pid, SIGKILL);
            waitpid(pid, NULL, 0);
        }
        kill(-1, SIGKILL);
        while (waitpid(-1, NULL, WNOHANG) > 0) ;
    }
}

static int witness(void)
{
    enum { words = 65536 };
    uint32_t *memory = mmap(NULL, words * 4, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    static uint32_t copy[words];
    int file = open("/tmp/witness", O_CREAT | O_RDWR, 0600), pair[2];
    socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
    for (uint32_t i = 0; i < words; i++) memory[i] = i * 2654435761u;
    write(file, memory, words * 4);
    mkdir("/tmp/quiet", 0700);
    for (uint32_t round = 1;; round++) {
        for (uint32_t i = 0; i < words; i++)
            if (memory[i] != i * 2654435761u) { printf("memory changed\n"); return 1; }
        if (pread(file, copy, sizeof copy, 0) != sizeof copy || memcmp(copy, memory, sizeof copy)) { printf("file changed\n"); return 2; }
        uint32_t sent = round, got = 0;
        if (write(pair[0], &sent, 4) != 4 || read(pair[1], &got, 4) != 4 || got != round) { printf("socket changed\n"); return 3; }
        struct stat status;
        if (stat("/tmp/quiet", &status) || status.st_nlink != 2 || getpid() != 1 || getppid() != 0) { printf("names changed\n"); return 4; }
        printf("%u\n", round);
        fflush(stdout);
        usleep(5000);
    }
}

int main(int argc, char **argv)
{
    if (!strcmp(argv[1], "witness")) return witness();
    storm(argc, argv);
    return 0;
}
