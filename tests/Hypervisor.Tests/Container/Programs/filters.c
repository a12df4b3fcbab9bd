// seccomp: strict mode, filters and all that they may decide, who may install them, and who inherits them.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#if defined(__riscv)
#define ARCHITECTURE 0xC00000F3
#else
#define ARCHITECTURE AUDIT_ARCH_X86_64
#endif

static void check(const char *what, long result) { printf("%s: %s errno %d\n", what, result < 0 ? "-1" : "ok", result < 0 ? errno : 0); fflush(stdout); }
static void value(const char *what, long result) { printf("%s: %ld errno %d\n", what, result, result < 0 ? errno : 0); fflush(stdout); }

static void part(const char *name, void (*body)(void))
{
    int status;
    printf("-- %s\n", name);
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) { body(); fflush(stdout); _exit(0); }
    waitpid(child, &status, 0);
    printf("exit %d signal %d\n", WIFEXITED(status) ? WEXITSTATUS(status) : -1, WIFSIGNALED(status) ? WTERMSIG(status) : 0);
    fflush(stdout);
}

static int install(struct sock_filter *code, int count, unsigned flags)
{
    struct sock_fprog program = { count, code };
    return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &program);
}
#define INSTALL(flags, ...) ({ struct sock_filter code[] = { __VA_ARGS__ }; install(code, sizeof code / sizeof code[0], flags); })
#define NUMBER BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr))
#define ON(number, action) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 1), BPF_STMT(BPF_RET | BPF_K, action)
#define ALLOW BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)

static void state(void)
{
    char line[200];
    FILE *file = fopen("/proc/self/status", "r");
    while (fgets(line, sizeof line, file))
        if (strncmp(line, "Seccomp", 7) == 0 || strncmp(line, "NoNew", 5) == 0) printf("%s", line);
    fclose(file);
    value("mode", prctl(PR_GET_SECCOMP));
}

static void strict(void)
{
    value("mode", prctl(PR_GET_SECCOMP));
    check("strict", prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT));
    write(1, "written\n", 8);
    syscall(SYS_getppid);
    write(1, "not here\n", 9);
}

static void strictExit(void)
{
    check("flags", syscall(SYS_seccomp, SECCOMP_SET_MODE_STRICT, 1, 0));
    check("arguments", syscall(SYS_seccomp, SECCOMP_SET_MODE_STRICT, 0, "x"));
    check("strict", syscall(SYS_seccomp, SECCOMP_SET_MODE_STRICT, 0, 0));
    syscall(SYS_exit, 5);
}

static void rights(void)
{
    setresuid(1000, 1000, 1000);
    check("not yet", INSTALL(0, ALLOW));
    check("privileges", prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
    check("now", INSTALL(0, ALLOW));
    check("strict after", prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT));
    check("by prctl", prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, 8));
    check("mode", prctl(PR_SET_SECCOMP, 7));
    check("operation", syscall(SYS_seccomp, 77, 0, 0));
    check("flags", INSTALL(0x1000, ALLOW));
    state();
    unsigned actions[] = { SECCOMP_RET_KILL_PROCESS, SECCOMP_RET_KILL_THREAD, SECCOMP_RET_TRAP, SECCOMP_RET_ERRNO, SECCOMP_RET_TRACE, SECCOMP_RET_LOG, SECCOMP_RET_ALLOW, 0x12340000 };
    for (int i = 0; i < 8; i++) check("action", syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &actions[i]));
    check("wild action", syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, 8));
}

static void programs(void)
{
    struct sock_filter long_one[5000];
    for (int i = 0; i < 5000; i++) long_one[i] = (struct sock_filter)ALLOW;
    check("none", install(long_one, 0, 0));
    check("long", install(long_one, 4096, 0));
    check("too long", install(long_one, 4097, 0));
    check("wild", install((void *)8, 4, 0));
    check("no return", INSTALL(0, NUMBER));
    check("unknown", INSTALL(0, BPF_STMT(0xFFFF, 0), ALLOW));
    check("half word", INSTALL(0, BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 0), ALLOW));
    check("indirect", INSTALL(0, BPF_STMT(BPF_LD | BPF_W | BPF_IND, 0), ALLOW));
    check("beyond data", INSTALL(0, BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 64), ALLOW));
    check("crooked", INSTALL(0, BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 2), ALLOW));
    check("last word", INSTALL(0, BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 60), ALLOW));
    check("length", INSTALL(0, BPF_STMT(BPF_LD | BPF_W | BPF_LEN, 0), ALLOW));
    check("jump beyond", INSTALL(0, BPF_STMT(BPF_JMP | BPF_JA, 1), ALLOW));
    check("jump far", INSTALL(0, BPF_STMT(BPF_JMP | BPF_JA, 0xFFFFFFFF), ALLOW));
    check("branch beyond", INSTALL(0, BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 1, 0), ALLOW));
    check("by zero", INSTALL(0, BPF_STMT(BPF_ALU | BPF_DIV | BPF_K, 0), ALLOW));
    check("rest", INSTALL(0, BPF_STMT(BPF_ALU | BPF_MOD | BPF_K, 3), ALLOW));
    check("far shift", INSTALL(0, BPF_STMT(BPF_ALU | BPF_LSH | BPF_K, 32), ALLOW));
    check("unwritten", INSTALL(0, BPF_STMT(BPF_LD | BPF_MEM, 3), ALLOW));
    check("written", INSTALL(0, BPF_STMT(BPF_ST, 3), BPF_STMT(BPF_LD | BPF_MEM, 3), ALLOW));
    check("written on one way", INSTALL(0, BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 1, 0), BPF_STMT(BPF_ST, 1), BPF_STMT(BPF_LD | BPF_MEM, 1), ALLOW));
    check("no slot", INSTALL(0, BPF_STMT(BPF_ST, 16), ALLOW));
    int count = 0;
    while (install(long_one, 4096, 0) == 0) count++;
    printf("no more errno %d\n", errno);
}

static void decisions(void)
{
    check("error", INSTALL(0, NUMBER, ON(SYS_getppid, SECCOMP_RET_ERRNO | 42), ON(SYS_getuid, SECCOMP_RET_ERRNO | 5000), ON(SYS_getgid, SECCOMP_RET_ERRNO), ALLOW));
    value("42", syscall(SYS_getppid));
    value("most", syscall(SYS_getuid));
    value("none", syscall(SYS_getgid));
    check("later loses", INSTALL(0, NUMBER, ON(SYS_getppid, SECCOMP_RET_LOG), ON(SYS_getuid, SECCOMP_RET_ERRNO | 7), ON(SYS_getegid, SECCOMP_RET_TRACE), ALLOW));
    value("still 42", syscall(SYS_getppid));
    value("newest of equals", syscall(SYS_getuid));
    value("traced by nobody", syscall(SYS_getegid));

    // By arguments: both halves of each, and arithmetic on the way.
    check("arguments", INSTALL(0, NUMBER, BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_lseek, 0, 8),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[1]) + 4), BPF_STMT(BPF_MISC | BPF_TAX, 0),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[1])), BPF_STMT(BPF_ALU | BPF_ADD | BPF_X, 0), BPF_STMT(BPF_ALU | BPF_MUL | BPF_K, 3),
        BPF_STMT(BPF_ALU | BPF_RSH | BPF_K, 1), BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, 150, 0, 1), BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | 77), ALLOW));
    int fd = open("/tmp/hv-filter", O_CREAT | O_RDWR, 0600);
    value("99", lseek(fd, 99, SEEK_SET));
    value("100", lseek(fd, 100, SEEK_SET));
    value("99 and 1", lseek(fd, 99 + (1L << 32), SEEK_SET));
    unlink("/tmp/hv-filter");
    check("architecture", INSTALL(0, BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)), BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ARCHITECTURE, 1, 0), BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS), ALLOW));
    check("divides", INSTALL(0, NUMBER, BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getpgid, 0, 2), BPF_STMT(BPF_LDX | BPF_IMM, 0), BPF_STMT(BPF_ALU | BPF_DIV | BPF_X, 0), ALLOW));
    state();
    fflush(stdout);
    syscall(SYS_getpgid, 0);
    printf("not here\n");
}

static siginfo_t caught;
static void *where;
static void trapped(int signal, siginfo_t *info, void *context) { caught = *info; }

static void traps(void)
{
    struct sigaction action = { .sa_sigaction = trapped, .sa_flags = SA_SIGINFO };
    sigaction(SIGSYS, &action, 0);
    check("trap", INSTALL(0, NUMBER, ON(SYS_getppid, SECCOMP_RET_TRAP | 33), ALLOW));
    syscall(SYS_getppid);
    printf("signal %d code %d error %d call %d architecture %d\n", caught.si_signo, caught.si_code, caught.si_errno, caught.si_syscall == SYS_getppid, caught.si_arch == ARCHITECTURE);
    fflush(stdout);
    if (fork() == 0) { signal(SIGSYS, SIG_IGN); syscall(SYS_getppid); _exit(0); }
    int status;
    wait(&status);
    printf("ignored: signal %d\n", WTERMSIG(status));
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGSYS);
    sigprocmask(SIG_BLOCK, &set, 0);
    fflush(stdout);
    syscall(SYS_getppid);
}

static void killProcess(void)
{
    check("kill", INSTALL(0, NUMBER, ON(SYS_getppid, SECCOMP_RET_KILL_PROCESS), ALLOW));
    syscall(SYS_getppid);
}

static void *thread(void *argument) { if (argument) syscall(SYS_getppid); else for (;;) pause(); return (void *)7; }

static void killThread(void)
{
    pthread_t other;
    check("kill", INSTALL(0, NUMBER, ON(SYS_getppid, SECCOMP_RET_KILL_THREAD), ALLOW));
    pthread_create(&other, 0, thread, "");
    pthread_join(other, 0);
    printf("lives on\n");
    fflush(stdout);
    syscall(SYS_getppid);
}

static void inherit(void)
{
    check("error", INSTALL(0, NUMBER, ON(SYS_getppid, SECCOMP_RET_ERRNO | 11), ALLOW));
    fflush(stdout);
    if (fork() == 0) { value("child", syscall(SYS_getppid)); execl("/proc/self/exe", "filters", "again", NULL); _exit(1); }
    wait(0);
}

static void together(void)
{
    pthread_t others[2];
    for (int i = 0; i < 2; i++) pthread_create(&others[i], 0, thread, 0);
    check("together", INSTALL(SECCOMP_FILTER_FLAG_TSYNC, NUMBER, ON(SYS_getpgid, SECCOMP_RET_ERRNO | 3), ALLOW));
    value("here", syscall(SYS_getpgid, 0));
    check("alone", INSTALL(0, ALLOW));
    check("together again", INSTALL(SECCOMP_FILTER_FLAG_TSYNC, ALLOW));
    check("error too", INSTALL(SECCOMP_FILTER_FLAG_TSYNC | 16, ALLOW));
}

static void *apart(void *argument) { INSTALL(0, ALLOW); write(*(int *)argument, "x", 1); for (;;) pause(); }

static void diverged(void)
{
    int fds[2];
    char byte;
    pthread_t other;
    pipe(fds);
    pthread_create(&other, 0, apart, &fds[1]);
    read(fds[0], &byte, 1);
    printf("other way %d\n", INSTALL(SECCOMP_FILTER_FLAG_TSYNC, ALLOW) > 0);
    check("told so", INSTALL(SECCOMP_FILTER_FLAG_TSYNC | 16, ALLOW));
}

int main(int count, char **arguments)
{
    if (count > 1) { value("program", syscall(SYS_getppid)); state(); return 0; }
    part("strict", strict);
    part("strict exit", strictExit);
    part("rights", rights);
    part("programs", programs);
    part("decisions", decisions);
    part("traps", traps);
    part("kill process", killProcess);
    part("kill thread", killThread);
    part("inherit", inherit);
    part("together", together);
    part("diverged", diverged);
    return 0;
}
