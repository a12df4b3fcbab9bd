// Programs that take all they can of one thing, forever; "spin" is the neighbour.
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <unistd.h>
#include <sched.h>

static void spin(void)
{
    for (;;)
        __asm__ volatile("");
}

int main(int count, char **arguments)
{
    const char *what = arguments[1];
    if (!strcmp(what, "spin"))
        spin();
    if (!strcmp(what, "forks")) {
        for (;;)
            fork();
    }
    if (!strcmp(what, "memory")) {
        // The children go when memory runs out; their parent makes new ones.
        for (;;) {
            if (fork() == 0) {
                for (;;) {
                    char *bytes = mmap(0, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
                    if (bytes != MAP_FAILED)
                        memset(bytes, 1, 1 << 20);
                }
            }
            int status;
            wait(&status);
            printf("child ended by %d\n", status & 127);
            fflush(stdout);
        }
    }
    if (!strcmp(what, "files")) {
        for (;;) {
            int pair[2];
            if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) != 0 && fork() != 0)
                spin();
        }
    }
    if (!strcmp(what, "disk")) {
        static char block[65536];
        for (int i = 0;; i++) {
            char name[64];
            snprintf(name, sizeof name, "/tmp/f%d", i);
            int file = open(name, O_CREAT | O_WRONLY, 0600);
            while (write(file, block, sizeof block) > 0)
                ;
            close(file);
        }
    }
    if (!strcmp(what, "mounts")) {
        // A tree that is mounted below itself doubles with each turn.
        mkdir("/tmp/m", 0755);
        mount("m", "/tmp/m", "tmpfs", 0, 0);
        mkdir("/tmp/m/d", 0755);
        for (int i = 0; i < 100; i++) {
            mount("/tmp/m", "/tmp/m/d", 0, MS_BIND | MS_REC, 0);
            mount("x", "/tmp/m/d", "tmpfs", 0, 0);
            unshare(CLONE_NEWNS);
        }
        spin();
    }
    if (!strcmp(what, "namespaces")) {
        for (;;)
            if (unshare(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP) != 0 || fork() < 0)
                spin();
    }
    if (!strcmp(what, "ipc")) {
        struct { long type; char text[8000]; } message = { 1 };
        for (int i = 0; i < 2000; i++) {
            shmat(shmget(IPC_PRIVATE, 1 << 20, 0600), 0, 0);
            msgsnd(msgget(IPC_PRIVATE, 0600), &message, sizeof message.text, IPC_NOWAIT);
            semget(IPC_PRIVATE, 32000, 0600);
        }
        spin();
    }
    if (!strcmp(what, "threads")) {
        for (int i = 0; i < 64; i++)
            if (fork() == 0)
                spin();
        spin();
    }
    return 2;
}
