// Terminals, sessions, process groups, stopped and continued children, and what signals tell.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

static void check(const char *what, long result) { printf("%s: %ld errno %d\n", what, result, result < 0 ? errno : 0); fflush(stdout); }
static volatile int seen, code, value, sender;
static void on_info(int signal, siginfo_t *info, void *context) { seen = signal; code = info->si_code; value = info->si_value.sival_int; sender = info->si_pid == getpid(); }
static void on_signal(int signal) { seen = signal; }

// Reads up to a text; what came after it is kept for the next time.
static char all[4096];
static int used;

static void until(int fd, const char *text)
{
    char *found;
    while (!(found = strstr(all, text)))
    {
        struct pollfd p = {fd, POLLIN, 0};
        if (poll(&p, 1, 5000) <= 0) { printf("no more; had '%s'\n", all); exit(1); }
        int count = read(fd, all + used, 4000 - used);
        if (count <= 0) { printf("ended %d errno %d; had '%s'\n", count, errno, all); exit(1); }
        used += count;
        all[used] = 0;
    }
    char *end = found + strlen(text);
    printf("[");
    for (char *c = all; c < end; c++)
        if (*c == '\r') printf("\\r"); else if (*c == '\n') printf("\\n"); else if (*c == '\b') printf("\\b"); else putchar(*c);
    printf("]\n");
    fflush(stdout);
    used -= end - all;
    memmove(all, end, used + 1);
    usleep(100000);
}

static void child_of_terminal(void)
{
    char line[64];
    struct termios t;
    signal(SIGINT, on_signal);
    siginterrupt(SIGINT, 1);
    printf("session %d group %d\n", getsid(0) == getpid(), tcgetpgrp(0) == getpgrp());
    fflush(stdout);
    int count = read(0, line, sizeof line);
    printf("read %d\n", count);
    fflush(stdout);
    count = read(0, line, sizeof line);
    printf("interrupted %d %d by %d\n", count, errno == EINTR, seen);
    fflush(stdout);
    count = read(0, line, sizeof line);
    printf("end %d\n", count);
    tcgetattr(0, &t);
    t.c_lflag &= ~(ICANON | ECHO);
    t.c_cc[VMIN] = 3;
    tcsetattr(0, TCSANOW, &t);
    printf("raw\n");
    fflush(stdout);
    count = read(0, line, sizeof line);
    printf("three %d\n", count);
    fflush(stdout);

    // A child in the background may not read.
    pid_t pid = fork();
    if (pid == 0) { setpgid(0, 0); char c; read(0, &c, 1); _exit(c); }
    setpgid(pid, pid);
    int status;
    waitpid(pid, &status, WUNTRACED);
    printf("stopped %d by %d\n", WIFSTOPPED(status), WSTOPSIG(status) == SIGTTIN);
    signal(SIGTTOU, SIG_IGN);
    printf("foreground %d\n", tcsetpgrp(0, pid));
    kill(-pid, SIGCONT);
    waitpid(pid, &status, WCONTINUED);
    printf("continued %d\n", WIFCONTINUED(status));
    fflush(stdout);
    waitpid(pid, &status, 0);
    printf("exit %c\n", WEXITSTATUS(status));
    tcsetpgrp(0, getpgrp());
    struct winsize size;
    ioctl(0, TIOCGWINSZ, &size);
    printf("size %d %d\n", size.ws_row, size.ws_col);
    fflush(stdout);
    _exit(7);
}

int main(void)
{
    int status, master;
    struct winsize size = {30, 100, 0, 0};
    signal(SIGHUP, SIG_DFL); // Ignored where the tests run under nohup; then nobody would be hung up.
    check("no terminal", open("/dev/tty", O_RDWR) < 0 ? 0 : 0);

    pid_t pid = forkpty(&master, 0, 0, &size);
    if (pid == 0)
        child_of_terminal();
    until(master, "group 1\r\n");
    write(master, "ab\x7f" "c\n", 5);
    until(master, "read 3\r\n");
    write(master, "\x03", 1);
    until(master, "by 2\r\n");
    write(master, "\x04", 1);
    until(master, "raw\r\n");
    write(master, "x\ry", 3);
    until(master, "three 3\r\n");
    until(master, "continued 1\r\n");
    write(master, "QRS", 3);
    until(master, "size 30 100\r\n");
    waitpid(pid, &status, 0);
    printf("exit %d\n", WEXITSTATUS(status));
    char c;
    check("master after", read(master, &c, 1));
    struct pollfd p = {master, POLLIN, 0};
    poll(&p, 1, 0);
    printf("events %x\n", p.revents);
    close(master);

    // Hang-up.
    pid = forkpty(&master, 0, 0, 0);
    if (pid == 0) { write(1, "ready\n", 6); pause(); _exit(1); }
    until(master, "ready\r\n");
    close(master);
    waitpid(pid, &status, 0);
    printf("hung up %d by %d\n", WIFSIGNALED(status), WTERMSIG(status));

    // What is no terminal.
    int pipes[2];
    pipe(pipes);
    struct termios t;
    check("tcgetattr", tcgetattr(pipes[0], &t));
    check("isatty", isatty(pipes[0]));

    // Stop and continue.
    pid = fork();
    if (pid == 0) { for (;;) pause(); }
    kill(pid, SIGSTOP);
    check("stopped", waitpid(pid, &status, WUNTRACED) == pid);
    printf("%d %d\n", WIFSTOPPED(status), WSTOPSIG(status));
    check("told once", waitpid(pid, &status, WUNTRACED | WNOHANG));
    kill(pid, SIGTERM);
    usleep(20000);
    check("still stopped", waitpid(pid, &status, WNOHANG));
    kill(pid, SIGCONT);
    waitpid(pid, &status, 0);
    printf("signalled %d\n", WTERMSIG(status));

    // waitid.
    siginfo_t info;
    pid = fork();
    if (pid == 0) _exit(33);
    check("waitid", waitid(P_PID, pid, &info, WEXITED | WNOWAIT));
    printf("%d %d %d %d\n", info.si_signo, info.si_code, info.si_status, info.si_pid == pid);
    check("waitid again", waitid(P_ALL, 0, &info, WEXITED));
    check("waitid none", waitid(P_ALL, 0, &info, WEXITED));
    check("waitid nothing", waitid(P_ALL, 0, &info, 0));
    check("waitpid bad", waitpid(-1, &status, 0x1000));

    // Sessions and groups.
    pid = fork();
    if (pid == 0)
    {
        check("setsid", setsid() == getpid());
        check("setsid again", setsid());
        check("setpgid of a leader", setpgid(0, 0));
        check("no group", setpgid(0, 99999));
        check("getpgid none", getpgid(99999));
        check("getsid", getsid(0) == getpid());
        check("kill no group", kill(-99999, 0));
        check("kill bad signal", kill(getpid(), 65));
        check("kill nobody", kill(99999, 0));
        _exit(0);
    }
    waitpid(pid, &status, 0);

    // Signals with information.
    struct sigaction action = {.sa_sigaction = on_info, .sa_flags = SA_SIGINFO};
    sigaction(SIGUSR1, &action, 0);
    sigaction(SIGRTMIN, &action, 0);
    kill(getpid(), SIGUSR1);
    printf("kill: code %d mine %d\n", code, sender);
    raise(SIGUSR1);
    printf("raise: code %d mine %d\n", code, sender);
    union sigval v = {.sival_int = 42};
    sigqueue(getpid(), SIGUSR1, v);
    printf("queue: code %d value %d\n", code, value);
    sigset_t set, old;
    sigemptyset(&set);
    sigaddset(&set, SIGRTMIN);
    sigaddset(&set, SIGCHLD);
    sigprocmask(SIG_BLOCK, &set, &old);
    for (int i = 1; i <= 3; i++) { v.sival_int = i; sigqueue(getpid(), SIGRTMIN, v); }
    for (int i = 1; i <= 3; i++) { check("sigwaitinfo", sigwaitinfo(&set, &info) == SIGRTMIN); printf("value %d code %d\n", info.si_value.sival_int, info.si_code); }
    struct timespec none = {0, 1000000};
    check("sigtimedwait", sigtimedwait(&set, &info, &none));
    pid = fork();
    if (pid == 0) _exit(5);
    check("child", sigwaitinfo(&set, &info));
    printf("code %d status %d is it %d\n", info.si_code, info.si_status, info.si_pid == pid);
    waitpid(pid, &status, 0);
    sigset_t waiting;
    raise(SIGRTMIN);
    sigpending(&waiting);
    printf("pending %d %d\n", sigismember(&waiting, SIGRTMIN), sigismember(&waiting, SIGUSR1));
    sigprocmask(SIG_SETMASK, &old, 0);
    printf("taken %d\n", seen == SIGRTMIN);

    // Ignored children leave nothing to wait for.
    signal(SIGCHLD, SIG_IGN);
    if (fork() == 0) _exit(0);
    check("no children", waitpid(-1, &status, 0));
    signal(SIGCHLD, SIG_DFL);

    // Timers.
    timer_t timer;
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1, .sigev_value = {.sival_int = 77}};
    check("timer_create", timer_create(CLOCK_MONOTONIC, &event, &timer));
    struct itimerspec when = {{0, 0}, {0, 5000000}}, left;
    seen = 0;
    check("timer_settime", timer_settime(timer, 0, &when, 0));
    while (!seen) usleep(1000);
    printf("timer: code %d value %d\n", code, value);
    check("timer_gettime", timer_gettime(timer, &left));
    printf("left %ld %ld\n", (long)left.it_value.tv_sec, left.it_value.tv_nsec);
    check("timer_delete", timer_delete(timer));
    struct itimerval spin = {{0, 0}, {0, 20000}};
    signal(SIGVTALRM, on_signal);
    check("setitimer", setitimer(ITIMER_VIRTUAL, &spin, 0));
    while (seen != SIGVTALRM) { }
    printf("virtual timer\n");
    struct timespec cpu;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu);
    printf("used %d\n", cpu.tv_sec > 0 || cpu.tv_nsec > 15000000);
    clockid_t mine;
    check("getcpuclockid", clock_getcpuclockid(getpid(), &mine));
    check("its time", clock_gettime(mine, &cpu));
    check("no such clock", clock_gettime(77, &cpu));
    check("sleep on thread clock", clock_nanosleep(CLOCK_THREAD_CPUTIME_ID, 0, &none, 0));
    signal(SIGALRM, on_signal);
    struct itimerval soon = {{0, 0}, {0, 10000}};
    setitimer(ITIMER_REAL, &soon, 0);
    struct timespec two = {2, 0}, rest;
    check("sleep", nanosleep(&two, &rest));
    printf("rest %d\n", rest.tv_sec == 1);
    return 0;
}
