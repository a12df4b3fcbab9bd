// System V shared memory, semaphores and messages, and POSIX message queues; in a namespace of its own.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <mqueue.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/resource.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static void check(const char *what, long result) { printf("%s: %s errno %d\n", what, result < 0 ? "-1" : "ok", result < 0 ? errno : 0); fflush(stdout); }
static void value(const char *what, long result) { printf("%s: %ld errno %d\n", what, result, result < 0 ? errno : 0); fflush(stdout); }
static long at(void *p) { return p == (void *)-1 ? -1 : 0; }
union semun { int val; struct semid_ds *buf; unsigned short *array; struct seminfo *info; };
static int status;
static void quiet(int signal) { }

static void part(const char *name, void (*body)(void))
{
    printf("-- %s\n", name);
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) { body(); fflush(stdout); _exit(0); }
    waitpid(child, &status, 0);
    printf("status %x\n", status);
    fflush(stdout);
}

static void show(const char *path, int fields)
{
    char line[500];
    FILE *file = fopen(path, "r");
    while (fgets(line, sizeof line, file)) {
        char *word = strtok(line, " \n");
        for (int i = 0; word && i < fields; i++, word = strtok(0, " \n")) printf("%s ", word);
        printf("\n");
    }
    fclose(file);
    fflush(stdout);
}

static void shared(void)
{
    struct shmid_ds ds;
    int id = shmget(1234, 10000, IPC_CREAT | IPC_EXCL | 0640);
    value("get", id);
    check("again", shmget(1234, 10000, IPC_CREAT | IPC_EXCL | 0640));
    value("found", shmget(1234, 0, 0));
    check("larger", shmget(1234, 20000, 0));
    check("none", shmget(99, 1, 0));
    check("nothing", shmget(IPC_PRIVATE, 0, 0600));
    value("second", shmget(IPC_PRIVATE, 4096, 0600));
    char *one = shmat(id, 0, 0), *two = shmat(id, 0, SHM_RDONLY);
    check("attach", at(one));
    strcpy(one + 5000, "shared");
    printf("%s\n", two + 5000);
    check("stat", shmctl(id, IPC_STAT, &ds));
    printf("size %zu attached %lu mode %o mine %d %d\n", ds.shm_segsz, (long)ds.shm_nattch, ds.shm_perm.mode, ds.shm_cpid == getpid(), ds.shm_lpid == getpid());
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) { strcpy(one, "child's"); shmctl(id, IPC_STAT, &ds); printf("attached %lu\n", (long)ds.shm_nattch); fflush(stdout); two[0] = 1; _exit(0); }
    waitpid(child, &status, 0);
    printf("%s, signal %d\n", two, WTERMSIG(status));
    shmctl(id, IPC_STAT, &ds);
    printf("attached %lu\n", (long)ds.shm_nattch);
    check("crooked", at(shmat(id, (void *)0x10000001, 0)));
    char *place = mmap(0, 16384, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    check("over", at(shmat(id, place, 0)));
    check("remap", at(shmat(id, place, SHM_REMAP)));
    check("rounded", at(shmat(id, place + 5, SHM_REMAP | SHM_RND)));
    printf("%s\n", place);
    check("detach", shmdt(place));
    check("detach twice", shmdt(place));
    check("detach crooked", shmdt(one + 1));
    check("no segment", at(shmat(777, 0, 0)));
    check("remove", shmctl(id, IPC_RMID, 0));
    printf("still %s\n", one);
    check("by key", shmget(1234, 0, 0));
    shmctl(id, IPC_STAT, &ds);
    printf("mode %o attached %lu\n", ds.shm_perm.mode, (long)ds.shm_nattch);
    munmap(one, 4096);
    printf("part %s\n", one + 5000);
    check("detach part", shmdt(one));
    check("detach last", shmdt(two));
    check("gone", shmctl(id, IPC_STAT, &ds));
    id = shmget(5, 4096, IPC_CREAT | 0600);
    shmctl(id, IPC_STAT, &ds);
    ds.shm_perm.mode = 0644;
    ds.shm_perm.uid = 1000;
    check("set", shmctl(id, IPC_SET, &ds));
    fflush(stdout);
    if ((child = fork()) == 0) {
        setresuid(2000, 2000, 2000);
        check("other reads", at(shmat(id, 0, SHM_RDONLY)));
        check("other writes", at(shmat(id, 0, 0)));
        check("other removes", shmctl(id, IPC_RMID, 0));
        check("other gets", shmget(5, 0, 0400));
        check("other gets more", shmget(5, 0, 0200));
        _exit(0);
    }
    waitpid(child, &status, 0);
    if ((child = fork()) == 0) { setresuid(1000, 1000, 1000); check("owner removes", shmctl(id, IPC_RMID, 0)); _exit(0); }
    waitpid(child, &status, 0);
    check("wild", shmctl(1, IPC_STAT, (void *)8));
    check("command", shmctl(1, 99, 0));
    show("/proc/sysvipc/shm", 4);
}

static int number(int id) { return semctl(id, 0, GETVAL); }

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

static void semaphores(void)
{
    union semun arg;
    struct semid_ds ds;
    unsigned short values[3] = { 1, 2, 3 };
    struct timespec soon = { 0, 20000000 };
    int id = semget(77, 3, IPC_CREAT | 0600);
    value("get", id);
    check("too many", semget(78, 40000, IPC_CREAT | 0600));
    check("none", semget(79, 0, IPC_CREAT | 0600));
    check("more", semget(77, 4, 0));
    arg.array = values;
    check("set all", semctl(id, 0, SETALL, arg));
    memset(values, 0, sizeof values);
    check("get all", semctl(id, 0, GETALL, arg));
    printf("%d %d %d\n", values[0], values[1], values[2]);
    struct sembuf both[] = { { 0, -1, 0 }, { 1, -5, IPC_NOWAIT } };
    check("both or none", semop(id, both, 2));
    value("first", number(id));
    struct sembuf zero = { 0, 0, IPC_NOWAIT }, down = { 0, -1, 0 }, up = { 0, 1, 0 };
    check("not zero", semop(id, &zero, 1));
    check("down", semop(id, &down, 1));
    check("zero", semop(id, &zero, 1));
    check("late", semtimedop(id, &down, 1, &soon));
    struct timespec bad = { 0, -1 };
    check("bad time", semtimedop(id, &down, 1, &bad));
    struct sembuf far = { 9, 1, 0 }, over = { 0, 32767, 0 };
    check("far", semop(id, &far, 1));
    check("no operations", semop(id, &up, 0));
    check("too many", semop(id, &up, 501));
    check("wild", semop(id, (void *)8, 1));
    check("no set", semop(999, &up, 1));
    check("full", semop(id, &over, 1));
    check("too full", semop(id, &up, 1));
    arg.val = 0;
    check("set", semctl(id, 0, SETVAL, arg));
    arg.val = 40000;
    check("too much", semctl(id, 0, SETVAL, arg));
    check("no such", semctl(id, 3, GETVAL));
    fflush(stdout);

    // Another process waits, is told of, and goes on.
    pid_t child = fork();
    if (child == 0) { check("waited", semop(id, &down, 1)); _exit(3); }
    while (semctl(id, 0, GETNCNT) == 0) usleep(1000);
    value("waiting", semctl(id, 0, GETNCNT));
    value("for zero", semctl(id, 0, GETZCNT));
    fflush(stdout);
    int raised = semop(id, &up, 1);
    waitpid(child, &status, 0);
    check("up", raised);
    printf("exit %d value %d by child %d\n", WEXITSTATUS(status), number(id), semctl(id, 0, GETPID) == child);
    fflush(stdout);

    // What is undone.
    struct sembuf undone = { 0, 5, SEM_UNDO };
    if ((child = fork()) == 0) { semop(id, &undone, 1); undone.sem_op = -2; semop(id, &undone, 1); printf("inside %d\n", number(id)); fflush(stdout); _exit(0); }
    waitpid(child, &status, 0);
    value("undone", number(id));
    if ((child = fork()) == 0) { semop(id, &undone, 1); _exit(0); }
    undone.sem_op = -2;
    arg.val = 3;
    waitpid(child, &status, 0);
    semctl(id, 0, SETVAL, arg);
    if ((child = fork()) == 0) { semop(id, &undone, 1); kill(getpid(), SIGKILL); }
    waitpid(child, &status, 0);
    value("undone by kill", number(id));
    if ((child = fork()) == 0) { semop(id, &undone, 1); arg.val = 1; semctl(id, 0, SETVAL, arg); _exit(0); }
    waitpid(child, &status, 0);
    value("not undone", number(id));

    // A signal and a removal end the wait.
    struct sigaction action = { .sa_handler = quiet, .sa_flags = SA_RESTART };
    sigaction(SIGALRM, &action, 0);
    fflush(stdout);
    int told[2];
    char once;
    pipe(told);
    if ((child = fork()) == 0) {
        struct sembuf much = { 0, -9, 0 };
        ualarm(20000, 20000); // again and again: the first may come before the wait
        check("interrupted", semop(id, &much, 1));
        ualarm(0, 0);
        write(told[1], "", 1);
        check("removed", semop(id, &much, 1));
        _exit(0);
    }
    read(told[0], &once, 1);
    while (semctl(id, 0, GETNCNT) == 0) usleep(1000);
    close(told[0]);
    close(told[1]);
    arg.buf = &ds;
    check("stat", semctl(id, 0, IPC_STAT, arg));
    printf("sets %ld mode %o\n", (long)ds.sem_nsems, ds.sem_perm.mode);
    show("/proc/sysvipc/sem", 4);
    int removed = semctl(id, 0, IPC_RMID);
    waitpid(child, &status, 0);
    check("remove", removed);
    check("gone", semctl(id, 0, GETVAL));
    value("next", semget(IPC_PRIVATE, 1, 0600));
}

struct message { long type; char text[9000]; };

static void messages(void)
{
    static struct message out, in;
    struct msqid_ds ds;
    int id = msgget(5, IPC_CREAT | 0600);
    value("get", id);
    check("none", msgget(6, 0));
    check("exclusive", msgget(5, IPC_CREAT | IPC_EXCL));
    const long types[] = { 3, 1, 2, 3 };
    for (int i = 0; i < 4; i++) { out.type = types[i]; snprintf(out.text, 20, "message %d", i); check("send", msgsnd(id, &out, 10, 0)); }
    value("any of 2", msgrcv(id, &in, 100, 2, 0)); printf("%s %ld\n", in.text, in.type);
    value("up to 2", msgrcv(id, &in, 100, -2, 0)); printf("%s %ld\n", in.text, in.type);
    value("no 3", msgrcv(id, &in, 100, 3, MSG_EXCEPT | IPC_NOWAIT));
    value("short", msgrcv(id, &in, 5, 0, 0));
    value("cut", msgrcv(id, &in, 5, 0, MSG_NOERROR)); printf("%.5s %ld\n", in.text, in.type);
    value("first", msgrcv(id, &in, 100, 0, 0)); printf("%s %ld\n", in.text, in.type);
    value("empty", msgrcv(id, &in, 100, 0, IPC_NOWAIT));
    out.type = 0;
    check("no type", msgsnd(id, &out, 1, 0));
    out.type = 1;
    check("too long", msgsnd(id, &out, 8193, 0));
    check("wild", msgsnd(id, (void *)8, 1, 0));
    int count = 0;
    while (msgsnd(id, &out, 4096, IPC_NOWAIT) == 0) count++;
    printf("fit %d errno %d\n", count, errno);
    check("stat", msgctl(id, IPC_STAT, &ds));
    printf("messages %lu bytes %lu of %lu mine %d\n", (long)ds.msg_qnum, (long)ds.msg_cbytes, (long)ds.msg_qbytes, ds.msg_lspid == getpid());
    show("/proc/sysvipc/msg", 5);
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) { check("waits for room", msgsnd(id, &out, 10, 0)); check("waits for ever", msgrcv(id, &in, 100, 42, 0)); _exit(0); }
    asleep(child);
    int taken = msgrcv(id, &in, 5000, 0, 0);
    asleep(child);
    int removed = msgctl(id, IPC_RMID, 0);
    waitpid(child, &status, 0);
    value("take", taken);
    check("remove", removed);
    id = msgget(IPC_PRIVATE, 0600);
    value("next", id);
    msgctl(id, IPC_STAT, &ds);
    ds.msg_qbytes = 10;
    check("smaller", msgctl(id, IPC_SET, &ds));
    check("too much now", msgsnd(id, &out, 11, IPC_NOWAIT));
    struct sigaction action = { .sa_handler = quiet, .sa_flags = SA_RESTART };
    sigaction(SIGALRM, &action, 0);
    ualarm(20000, 20000);
    value("interrupted", msgrcv(id, &in, 100, 0, 0));
    ualarm(0, 0);
    check("command", msgctl(id, 77, 0));
}

static volatile sig_atomic_t told, toldCode, toldValue, toldPid;
static void tell(int signal, siginfo_t *info, void *context) { told++; toldCode = info->si_code; toldValue = info->si_value.sival_int; toldPid = info->si_pid; }

static void queues(void)
{
    struct mq_attr attr = { 0, 3, 16 };
    struct timespec late = { 1, 0 };
    char text[64];
    unsigned priority;
    mqd_t queue = mq_open("/hv-queue", O_CREAT | O_EXCL | O_RDWR, 0600, &attr);
    check("open", queue);
    check("again", mq_open("/hv-queue", O_CREAT | O_EXCL | O_RDWR, 0600, &attr));
    check("none", mq_open("/hv-none", O_RDWR));
    check("deep", mq_open("/hv/none", O_CREAT | O_RDWR, 0600, 0));
    value("cloexec", fcntl(queue, F_GETFD));
    attr.mq_maxmsg = 0;
    check("no messages", mq_open("/hv-other", O_CREAT | O_RDWR, 0600, &attr));
    check("send", mq_send(queue, "low", 4, 1));
    check("send", mq_send(queue, "high", 5, 9));
    check("send", mq_send(queue, "second", 7, 9));
    check("too long", mq_send(queue, "0123456789abcdefg", 17, 0));
    check("priority", mq_send(queue, "x", 1, 40000));
    check("late", mq_timedsend(queue, "x", 1, 0, &late));
    mq_getattr(queue, &attr);
    printf("holds %ld of %ld by %ld\n", attr.mq_curmsgs, attr.mq_maxmsg, attr.mq_msgsize);
    struct pollfd poll_for = { queue, POLLIN | POLLOUT };
    value("ready", poll(&poll_for, 1, 0));
    printf("events %x\n", poll_for.revents);
    value("short", mq_receive(queue, text, 10, &priority));
    for (int i = 0; i < 3; i++) { value("receive", mq_receive(queue, text, 64, &priority)); printf("%s %u\n", text, priority); }
    attr.mq_flags = O_NONBLOCK;
    check("set", mq_setattr(queue, &attr, 0));
    value("empty", mq_receive(queue, text, 64, 0));
    attr.mq_flags = 0x10000;
    check("set wild", mq_setattr(queue, &attr, 0));
    attr.mq_flags = 0;
    mq_setattr(queue, &attr, 0);
    value("late", mq_timedreceive(queue, text, 64, 0, &late));
    late.tv_nsec = -5;
    value("bad time", mq_timedreceive(queue, text, 64, 0, &late));
    value("bad file", mq_receive(1, text, 64, 0));

    struct sigaction action = { .sa_sigaction = tell, .sa_flags = SA_SIGINFO };
    struct sigevent event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1, .sigev_value.sival_int = 42 };
    sigaction(SIGUSR1, &action, 0);
    check("notify", mq_notify(queue, &event));
    check("notify twice", mq_notify(queue, &event));
    mq_send(queue, "a", 2, 0);
    printf("told %d code %d value %d mine %d\n", told, toldCode, toldValue, toldPid == getpid());
    mq_send(queue, "b", 2, 0);
    printf("told %d\n", told);
    check("notify", mq_notify(queue, &event));
    mq_send(queue, "c", 2, 0);
    printf("told %d\n", told);
    check("no more", mq_notify(queue, 0));
    for (int i = 0; i < 3; i++) mq_receive(queue, text, 64, 0);
    event.sigev_signo = 99;
    check("bad signal", mq_notify(queue, &event));
    fflush(stdout);

    pid_t child = fork();
    if (child == 0) { value("child waits", mq_receive(queue, text, 64, &priority)); printf("%s %u\n", text, priority); fflush(stdout); _exit(0); }
    asleep(child);
    event.sigev_signo = SIGUSR1;
    int noted = mq_notify(queue, &event), sent = mq_send(queue, "for child", 10, 5);
    waitpid(child, &status, 0);
    check("notify", noted);
    check("send", sent);
    printf("told %d\n", told);
    mqd_t reader = mq_open("/hv-queue", O_RDONLY);
    check("read only", mq_send(reader, "x", 1, 0));
    check("unlink", mq_unlink("/hv-queue"));
    check("unlink twice", mq_unlink("/hv-queue"));
    check("still there", mq_send(queue, "x", 1, 0));
    value("read", mq_receive(reader, text, 64, 0));
    struct rlimit limit = { 100000, 100000 };
    setrlimit(RLIMIT_MSGQUEUE, &limit);
    check("within", mq_open("/hv-one", O_CREAT | O_RDWR, 0600, 0));
    check("beyond", mq_open("/hv-two", O_CREAT | O_RDWR, 0600, 0));
    check("fewer", mq_unlink("/hv-one"));
    setresuid(1000, 1000, 1000);
    attr.mq_maxmsg = 11;
    check("beyond the system's", mq_open("/hv-three", O_CREAT | O_RDWR, 0600, &attr));
}

static void apart(void)
{
    int id = shmget(9, 4096, IPC_CREAT | 0600);
    check("here", id);
    check("apart", unshare(CLONE_NEWIPC));
    check("not there", shmget(9, 0, 0));
    check("own", msgget(9, IPC_CREAT | 0600));
    show("/proc/sysvipc/shm", 3);
    char *kept = shmat(id, 0, 0);
    check("attach old", at(kept));
}

int main(void)
{
    // A namespace of its own, so that nothing of this system's is met.
    check("apart", unshare(CLONE_NEWIPC));
    part("shared memory", shared);
    part("semaphores", semaphores);
    part("messages", messages);
    part("queues", queues);
    part("namespaces", apart);
    return 0;
}
