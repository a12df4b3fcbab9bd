// Memory that processes share: files, shared anonymous memory, memfd and its seals, mremap, futexes and robust mutexes.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static void check(const char *what, long result) { printf("%s: %ld errno %d\n", what, result, result < 0 ? errno : 0); fflush(stdout); }
static void *map(int protection, int flags, int fd, long offset, long length) { return mmap(0, length, protection, flags, fd, offset); }
static long mapped(void *p) { return p == MAP_FAILED ? -1 : 0; }

static void bus(int signal) { printf("signal %d\n", signal); fflush(stdout); _exit(5); }

struct shared { pthread_mutex_t lock; int count; int word; int other; };

// Until a child waits in the kernel: seen asleep five times in a row.
static void asleep(pid_t pid)
{
    char name[32], line[256];
    snprintf(name, sizeof name, "/proc/%d/stat", pid);
    for (int seen = 0; seen < 5; usleep(1000)) {
        FILE *file = fopen(name, "r");
        char *end = file && fgets(line, sizeof line, file) ? strrchr(line, ')') : 0;
        seen = end && end[2] == 'S' ? seen + 1 : 0;
        if (file) fclose(file);
    }
}

int main(void)
{
    int status;
    char text[16] = "";
    char path[] = "/tmp/hv-sharing-XXXXXX";
    int fd = mkstemp(path);
    ftruncate(fd, 8192);

    // A shared file mapping: mapping, read, write and another process are one.
    char *file = map(PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0, 8192);
    check("map", mapped(file));
    strcpy(file, "mapped");
    pread(fd, text, 6, 0);
    printf("read '%s'\n", text);
    pwrite(fd, "written", 7, 4096);
    printf("in the mapping '%s'\n", file + 4096);
    char *again = map(PROT_READ, MAP_SHARED, fd, 4096, 4096);
    char *private = map(PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0, 8192);
    pid_t child = fork();
    if (child == 0) { strcpy(file + 4096, "child"); strcpy(private, "mine"); _exit(0); }
    waitpid(child, &status, 0);
    printf("'%s' '%s' '%s'\n", file + 4096, again, private);
    private[0] = 'M';
    printf("private %c file %c\n", private[0], file[0]);
    check("msync", msync(file, 8192, MS_SYNC));
    check("msync both", msync(file, 8192, MS_SYNC | MS_ASYNC));
    check("msync hole", msync((void *)0x10000000, 4096, MS_SYNC));

    // Beyond the end.
    ftruncate(fd, 100);
    printf("kept '%s' and zero %d\n", file, file[200]);
    child = fork();
    if (child == 0) { signal(SIGBUS, bus); printf("%d\n", file[4096]); _exit(1); }
    waitpid(child, &status, 0);
    printf("exit %d\n", WEXITSTATUS(status));
    ftruncate(fd, 8192);
    printf("again %d\n", file[4096]);

    // Rights.
    int reader = open(path, O_RDONLY);
    check("write to what is read", mapped(map(PROT_READ | PROT_WRITE, MAP_SHARED, reader, 0, 4096)));
    char *readable = map(PROT_READ, MAP_SHARED, reader, 0, 4096);
    check("map to read", mapped(readable));
    check("protect", mprotect(readable, 4096, PROT_READ | PROT_WRITE));
    check("private write", mapped(map(PROT_READ | PROT_WRITE, MAP_PRIVATE, reader, 0, 4096)));
    int writer = open(path, O_WRONLY);
    check("map what is written", mapped(map(PROT_WRITE, MAP_SHARED, writer, 0, 4096)));
    check("map at odd place", mapped(map(PROT_READ, MAP_SHARED, fd, 100, 4096)));
    check("map bad descriptor", mapped(map(PROT_READ, MAP_SHARED, 99, 0, 4096)));
    check("map no kind", mapped(map(PROT_READ, 0, fd, 0, 4096)));
    int pipes[2];
    pipe(pipes);
    check("map a pipe", mapped(map(PROT_READ, MAP_SHARED, pipes[0], 0, 4096)));
    unlink(path);
    close(fd); close(reader); close(writer);
    strcpy(file, "still here");
    printf("'%s'\n", file);

    // memfd and seals.
    int memory = memfd_create("name", MFD_ALLOW_SEALING);
    ftruncate(memory, 4096);
    check("seals", fcntl(memory, F_GET_SEALS));
    char *m = map(PROT_READ | PROT_WRITE, MAP_SHARED, memory, 0, 4096);
    check("seal writes while mapped", fcntl(memory, F_ADD_SEALS, F_SEAL_WRITE));
    munmap(m, 4096);
    check("seal", fcntl(memory, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW));
    check("seals", fcntl(memory, F_GET_SEALS));
    check("write", write(memory, "x", 1));
    check("grow", ftruncate(memory, 8192));
    check("shrink", ftruncate(memory, 1024));
    check("map to write", mapped(map(PROT_READ | PROT_WRITE, MAP_SHARED, memory, 0, 4096)));
    check("seal seals", fcntl(memory, F_ADD_SEALS, F_SEAL_SEAL));
    check("seal more", fcntl(memory, F_ADD_SEALS, F_SEAL_SHRINK));
    check("no sealing", fcntl(memfd_create("other", 0), F_ADD_SEALS, F_SEAL_WRITE));
    check("bad flags", memfd_create("other", 0x100000));

    // Shared anonymous memory, a process-shared mutex and futex.
    struct shared *s = map(PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0, 4096);
    pthread_mutexattr_t attributes;
    pthread_mutexattr_init(&attributes);
    pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
    pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
    pthread_mutex_init(&s->lock, &attributes);
    for (int i = 0; i < 4; i++)
    {
        if (fork() == 0)
        {
            for (int n = 0; n < 500; n++) { pthread_mutex_lock(&s->lock); s->count++; pthread_mutex_unlock(&s->lock); }
            _exit(0);
        }
    }
    while (wait(&status) > 0) { }
    printf("count %d\n", s->count);
    child = fork();
    if (child == 0) { pthread_mutex_lock(&s->lock); _exit(0); }
    waitpid(child, &status, 0);
    check("owner died", pthread_mutex_lock(&s->lock));
    check("made whole", pthread_mutex_consistent(&s->lock));
    check("unlock", pthread_mutex_unlock(&s->lock));
    child = fork();
    if (child == 0) { _exit(syscall(SYS_futex, &s->word, FUTEX_WAIT, 0, 0, 0, 0) == 0 ? 9 : 1); }
    asleep(child);
    s->word = 1;
    check("requeue", syscall(SYS_futex, &s->word, FUTEX_CMP_REQUEUE, 0, (void *)1, &s->other, 1));
    check("wake none", syscall(SYS_futex, &s->word, FUTEX_WAKE, 1, 0, 0, 0));
    check("wake one", syscall(SYS_futex, &s->other, FUTEX_WAKE, 1, 0, 0, 0));
    waitpid(child, &status, 0);
    printf("waiter %d\n", WEXITSTATUS(status));
    struct timespec none = {0, 1000000};
    check("wait, wrong", syscall(SYS_futex, &s->word, FUTEX_WAIT, 0, &none, 0, 0));
    check("wait, late", syscall(SYS_futex, &s->word, FUTEX_WAIT, 1, &none, 0, 0));
    check("wait, odd", syscall(SYS_futex, (char *)&s->word + 1, FUTEX_WAIT, 1, &none, 0, 0));
    check("wait, no bits", syscall(SYS_futex, &s->word, FUTEX_WAIT_BITSET, 1, &none, 0, 0));
    check("requeue, wrong", syscall(SYS_futex, &s->word, FUTEX_CMP_REQUEUE, 0, (void *)1, &s->other, 7));

    // mremap.
    char *p = map(PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0, 16384);
    strcpy(p, "first"); strcpy(p + 4096, "second");
    check("shrink", mremap(p, 16384, 8192, 0) == p);
    char *place = map(PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0, 65536);
    check("move to a place", mremap(p, 8192, 32768, MREMAP_MAYMOVE | MREMAP_FIXED, place) == place);
    printf("'%s' '%s' %d\n", place, place + 4096, place[20000]);
    check("no such mapping", mapped(mremap((void *)0x10000000, 4096, 8192, MREMAP_MAYMOVE)));
    check("odd address", mapped(mremap(place + 1, 4096, 8192, MREMAP_MAYMOVE)));
    check("to nothing", mapped(mremap(place, 4096, 0, MREMAP_MAYMOVE)));
    strcpy(s == 0 ? 0 : (char *)s + 2048, "twice");
    char *twin = mremap(s, 0, 4096, MREMAP_MAYMOVE);
    check("duplicate", mapped(twin));
    printf("'%s'\n", twin + 2048);

    // madvise.
    check("dontneed", madvise(place, 4096, MADV_DONTNEED));
    printf("dropped %d kept '%s'\n", place[0], place + 4096);
    check("bad advice", madvise(place, 4096, 1234));
    check("odd place", madvise(place + 1, 4096, MADV_DONTNEED));
    check("nothing there", madvise((void *)0x10000000, 4096, MADV_WILLNEED));
    unsigned char in[2] = {0, 0};
    char *touch = map(PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0, 8192);
    touch[0] = 1;
    check("mincore", mincore(touch, 8192, in));
    printf("resident %d %d\n", in[0] & 1, in[1] & 1);
    check("mlock", mlock(touch, 4096));
    check("munlock", munlock(touch, 4096));
    return 0;
}
