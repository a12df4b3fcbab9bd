// Streams between guest and host: "echo PORT" sends to port PORT of the host what it is sent back, and checks it; "serve PORT"
// sends back what comes, for so many connections; "refused PORT" wants nobody to listen there.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <linux/vm_sockets.h>
#include <sys/wait.h>
#include <unistd.h>

static struct sockaddr_vm at(unsigned cid, unsigned port)
{
    struct sockaddr_vm address = { .svm_family = AF_VSOCK, .svm_cid = cid, .svm_port = port };
    return address;
}

static int echo(unsigned port, long bytes)
{
    int s = socket(AF_VSOCK, SOCK_STREAM, 0);
    struct sockaddr_vm address = at(VMADDR_CID_HOST, port);
    if (s < 0 || connect(s, (struct sockaddr *)&address, sizeof address)) {
        perror("connect");
        return 1;
    }
    if (fork() == 0) {
        unsigned char buffer[5000];
        for (long sent = 0; sent < bytes;) {
            long part = bytes - sent < (long)sizeof buffer ? bytes - sent : (long)sizeof buffer;
            for (long i = 0; i < part; i++)
                buffer[i] = (unsigned char)((sent + i) * 31 >> 3);
            part = write(s, buffer, part);
            if (part <= 0)
                _exit(1);
            sent += part;
        }
        shutdown(s, SHUT_WR);
        _exit(0);
    }
    unsigned char buffer[7000];
    long got = 0;
    for (ssize_t n; (n = read(s, buffer, sizeof buffer)) > 0; got += n)
        for (ssize_t i = 0; i < n; i++)
            if (buffer[i] != (unsigned char)((got + i) * 31 >> 3)) {
                printf("byte %ld is wrong\n", got + i);
                return 1;
            }
    int status;
    wait(&status);
    printf("echoed %ld, sender %d\n", got, status);
    return got != bytes;
}

static int serve(unsigned port, int connections)
{
    int s = socket(AF_VSOCK, SOCK_STREAM, 0);
    struct sockaddr_vm address = at(VMADDR_CID_ANY, port);
    if (s < 0 || bind(s, (struct sockaddr *)&address, sizeof address) || listen(s, 8)) {
        perror("listen");
        return 1;
    }
    printf("serving\n");
    fflush(stdout);
    while (connections-- > 0) {
        int c = accept(s, 0, 0);
        char buffer[4096];
        for (ssize_t n; (n = read(c, buffer, sizeof buffer)) > 0;)
            for (ssize_t done = 0, part; done < n; done += part)
                if ((part = write(c, buffer + done, n - done)) <= 0)
                    return 1;
        close(c);
    }
    return 0;
}

int main(int count, char **arguments)
{
    unsigned port = (unsigned)atoi(arguments[2]);
    if (!strcmp(arguments[1], "echo"))
        return echo(port, atol(arguments[3]));
    if (!strcmp(arguments[1], "serve"))
        return serve(port, atoi(arguments[3]));
    int s = socket(AF_VSOCK, SOCK_STREAM, 0);
    struct sockaddr_vm address = at(VMADDR_CID_HOST, port);
    int error = connect(s, (struct sockaddr *)&address, sizeof address) ? errno : 0;
    printf("refused: %s\n", strerror(error));
    return error == 0;
}
