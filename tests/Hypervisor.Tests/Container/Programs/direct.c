// Calls that a kernel may answer in passing: they must tell the same, and whoever makes nothing else must still be reached.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static volatile sig_atomic_t rang;

static void ring(int signal)
{
    (void)signal;
    rang = 1;
}

static long long now(void)
{
    struct timespec t;
    syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static void reach(const char *name, int signal, int options)
{
    pid_t child = fork();
    if (child == 0)
        for (;;)
            syscall(SYS_getppid);
    usleep(2000);
    kill(child, signal);
    int status = 0;
    waitpid(child, &status, options);
    printf("%s: ended %d stopped %d by %d\n", name, WIFSIGNALED(status), WIFSTOPPED(status), WIFSTOPPED(status) ? WSTOPSIG(status) : WTERMSIG(status));
    if (WIFSTOPPED(status)) {
        kill(child, SIGCONT);
        kill(child, SIGTERM);
        waitpid(child, &status, 0);
        printf("%s: then ended %d by %d\n", name, WIFSIGNALED(status), WTERMSIG(status));
    }
}

static void tell_time(const char *name, void *place)
{
    long result = syscall(SYS_clock_gettime, CLOCK_MONOTONIC, place);
    printf("%s: %ld errno %d\n", name, result, result < 0 ? errno : 0);
}

int main(void)
{
    pid_t self = getpid();
    printf("self %d task %d\n", syscall(SYS_getpid) == self, syscall(SYS_gettid) == self);
    printf("users %ld %ld %ld %ld\n", syscall(SYS_getuid) - getuid(), syscall(SYS_geteuid) - geteuid(), syscall(SYS_getgid) - getgid(), syscall(SYS_getegid) - getegid());
    fflush(stdout);

    // A child's numbers, and its parent when that has gone.
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    int ends[2];
    pipe(ends);
    pid_t child = fork();
    if (child == 0) {
        pid_t middle = getpid();
        printf("child: parent %d self %d\n", syscall(SYS_getppid) == self, syscall(SYS_getpid) != self);
        fflush(stdout);
        if (fork() == 0) {
            printf("grandchild: parent %d\n", syscall(SYS_getppid) == middle);
            write(ends[1], "", 1);
            while (syscall(SYS_getppid) == middle)
                ;
            printf("orphan: parent %d\n", syscall(SYS_getppid) == self);
            fflush(stdout);
            _exit(0);
        }
        char byte;
        read(ends[0], &byte, 1);
        _exit(0);
    }
    while (wait(NULL) > 0)
        ;

    // Whoever makes no other calls is stopped, continued, ended and told of signals.
    fflush(stdout);
    reach("kill", SIGKILL, 0);
    fflush(stdout);
    reach("term", SIGTERM, 0);
    fflush(stdout);
    reach("stop", SIGSTOP, WUNTRACED);
    fflush(stdout);
    signal(SIGALRM, ring);
    ualarm(3000, 0);
    while (!rang)
        syscall(SYS_getpid);
    printf("rang\n");

    // Time goes on, and comes where it may be stored.
    long long first = now(), last = first;
    int back = 0;
    while (last - first < 2000000) {
        long long next = now();
        back |= next < last;
        last = next;
    }
    printf("back %d\n", back);
    char *pages = mmap(NULL, 4 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    memset(pages, 0, 4 * 4096);
    mprotect(pages + 2 * 4096, 4096, PROT_NONE);
    tell_time("nowhere", NULL);
    tell_time("inside", pages + 64);
    tell_time("odd", pages + 65);
    tell_time("across", pages + 4096 - 8);
    tell_time("into nothing", pages + 2 * 4096 - 8);
    tell_time("nothing", pages + 2 * 4096);
    tell_time("end", pages + 2 * 4096 - 16);
    mprotect(pages, 4096, PROT_READ);
    tell_time("read-only", pages + 64);
    mprotect(pages, 4096, PROT_READ | PROT_WRITE);
    tell_time("again", pages + 64);
    munmap(pages, 4096);
    tell_time("gone", pages + 64);
    printf("clocks %ld %ld\n", syscall(SYS_clock_gettime, 77, pages + 4096), syscall(SYS_clock_gettime, CLOCK_REALTIME, pages + 4096));

    // What a child is told stays the child's, and what its parent is told the parent's.
    struct timespec *kept = (struct timespec *)(pages + 3 * 4096);
    syscall(SYS_clock_gettime, CLOCK_MONOTONIC, kept);
    struct timespec before = *kept;
    fflush(stdout);
    if ((child = fork()) == 0) {
        usleep(1000);
        syscall(SYS_clock_gettime, CLOCK_MONOTONIC, kept);
        printf("child's time moved %d\n", memcmp(kept, &before, sizeof before) != 0);
        fflush(stdout);
        syscall(SYS_clock_gettime, CLOCK_MONOTONIC, kept);
        _exit(0);
    }
    waitpid(child, NULL, 0);
    printf("parent's stayed %d\n", memcmp(kept, &before, sizeof before) == 0);
    fflush(stdout);
    if ((child = fork()) == 0) {
        char byte;
        read(ends[0], &byte, 1);
        printf("child's stayed %d\n", memcmp(kept, &before, sizeof before) == 0);
        fflush(stdout);
        _exit(0);
    }
    syscall(SYS_clock_gettime, CLOCK_MONOTONIC, kept);
    syscall(SYS_clock_gettime, CLOCK_MONOTONIC, kept);
    printf("parent's moved %d\n", memcmp(kept, &before, sizeof before) != 0);
    fflush(stdout);
    write(ends[1], "", 1);
    waitpid(child, NULL, 0);
    return 0;
}
