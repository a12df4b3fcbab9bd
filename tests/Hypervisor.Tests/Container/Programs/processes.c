// fork, exec, wait, pipes, signals, memory and files, with every result printed: Linux and our kernel must print the same.
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static volatile int handled;
static char *gone;
static void on_signal(int signal) { handled = signal; }
static void on_fault(int signal, siginfo_t *info, void *context)
{
    (void)context;
    printf("fault %d at the page %d\n", signal, (char *)info->si_addr == gone);
    fflush(stdout);
    _exit(42);
}

static void check(const char *what, long result) { printf("%s: %ld errno %d\n", what, result, result < 0 ? errno : 0); fflush(stdout); }

int main(int argc, char **argv)
{
    int fds[2], status;
    char text[64] = "";

    check("pipe", pipe(fds));
    pid_t child = fork();
    if (child == 0) { close(fds[0]); write(fds[1], "from child", 10); _exit(3); }
    close(fds[1]);
    check("read", read(fds[0], text, sizeof text));
    printf("got '%s'\n", text);
    check("eof", read(fds[0], text, sizeof text));
    check("wait", waitpid(child, &status, 0) == child);
    printf("exit %d\n", WEXITSTATUS(status));
    check("no child", wait(&status));

    check("exec missing", execve("/no/such/file", argv, 0));

    child = fork();
    if (child == 0) { *(volatile int *)8 = 1; }
    waitpid(child, &status, 0);
    printf("signalled %d by %d\n", WIFSIGNALED(status), WTERMSIG(status));

    signal(SIGUSR1, on_signal);
    raise(SIGUSR1);
    printf("handled %d\n", handled);
    sigset_t set, old;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR2);
    signal(SIGUSR2, on_signal);
    sigprocmask(SIG_BLOCK, &set, &old);
    handled = 0;
    kill(getpid(), SIGUSR2);
    printf("blocked %d\n", handled);
    sigprocmask(SIG_SETMASK, &old, 0);
    printf("unblocked %d\n", handled);

    signal(SIGPIPE, SIG_IGN);
    pipe(fds);
    close(fds[0]);
    check("broken pipe", write(fds[1], "x", 1));
    close(fds[1]);
    check("closed", write(fds[1], "x", 1));
    check("bad address", write(1, (void *)16, 4));

    char *page = mmap(0, 3 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    page[4096] = 'x';
    check("mprotect", mprotect(page, 4096, PROT_READ));
    gone = page + 4096;
    check("munmap", munmap(gone, 4096));
    child = fork();
    if (child == 0)
    {
        struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO};
        sigaction(SIGSEGV, &action, 0);
        printf("%d", page[4096]);
        _exit(1);
    }
    waitpid(child, &status, 0);
    printf("fault handler exit %d\n", WEXITSTATUS(status));
    check("map nothing", mmap(0, 0, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED ? -1 : 0);

    mkdir("/tmp/hv-test", 0755);
    check("chdir", chdir("/tmp/hv-test"));
    int fd = open("file", O_CREAT | O_RDWR | O_TRUNC, 0640);
    check("write file", write(fd, "hello world", 11));
    check("seek", lseek(fd, 6, SEEK_SET));
    memset(text, 0, sizeof text);
    check("read file", read(fd, text, 5));
    printf("'%s'\n", text);
    struct stat information;
    fstat(fd, &information);
    printf("size %ld mode %o links %d\n", (long)information.st_size, information.st_mode, (int)information.st_nlink);
    check("exclusive", open("file", O_CREAT | O_EXCL | O_RDWR, 0600));
    check("directory", open("file", O_DIRECTORY));
    check("not a directory", open("file/x", O_RDONLY));
    check("missing", open("nothing", O_RDONLY));
    check("link", link("file", "second"));
    check("symlink", symlink("file", "soft"));
    memset(text, 0, sizeof text);
    check("readlink", readlink("soft", text, sizeof text));
    check("loop", symlink("loop", "loop") || open("loop", O_RDONLY));
    check("rename", rename("second", "third"));
    check("unlink", unlink("third"));
    check("rmdir", rmdir("/tmp/hv-test"));
    check("truncate", ftruncate(fd, 3));
    fstat(fd, &information);
    printf("size %ld\n", (long)information.st_size);
    unlink("file"); unlink("soft"); unlink("loop");
    chdir("/");
    check("rmdir empty", rmdir("/tmp/hv-test"));

    int copy = dup2(fd, 77);
    check("dup2", copy);
    check("cloexec", fcntl(77, F_GETFD));
    check("dup bad", dup(500));
    pipe(fds);
    struct pollfd polled = {fds[0], POLLIN, 0};
    check("poll empty", poll(&polled, 1, 10));
    write(fds[1], "z", 1);
    check("poll full", poll(&polled, 1, -1));
    printf("events %d\n", polled.revents);

    struct timespec start, end, delay = {0, 20000000};
    clock_gettime(CLOCK_MONOTONIC, &start);
    nanosleep(&delay, 0);
    clock_gettime(CLOCK_MONOTONIC, &end);
    long slept = (end.tv_sec - start.tv_sec) * 1000 + (end.tv_nsec - start.tv_nsec) / 1000000;
    printf("slept %d\n", slept >= 19);
    signal(SIGALRM, on_signal);
    handled = 0;
    alarm(1);
    pause();
    printf("alarm %d\n", handled == SIGALRM);
    return 17;
}
