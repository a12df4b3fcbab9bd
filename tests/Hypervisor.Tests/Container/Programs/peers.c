// A server and a client in two containers: TCP with data both ways, UDP, and what is not there.
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static struct sockaddr_in at(const char *host, int port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    inet_pton(AF_INET, host, &address.sin_addr);
    return address;
}

static void serve(void)
{
    struct sockaddr_in any = at("0.0.0.0", 80), from;
    socklen_t size = sizeof from;
    int udp = socket(AF_INET, SOCK_DGRAM, 0);
    bind(udp, (struct sockaddr *)&any, sizeof any);
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    bind(listener, (struct sockaddr *)&any, sizeof any);
    listen(listener, 5);
    char text[100];
    if (fork() == 0) {
        // Datagrams may be lost both ways: each that comes is answered.
        for (;;) {
            int got = recvfrom(udp, text, sizeof text, 0, (struct sockaddr *)&from, &size);
            sendto(udp, text, got, 0, (struct sockaddr *)&from, size);
        }
    }
    for (int i = 0; i < 2; i++) {
        int peer = accept(listener, (struct sockaddr *)&from, &size);
        printf("served %s\n", inet_ntoa(from.sin_addr));
        static char buffer[70000];
        for (int count; (count = read(peer, buffer, sizeof buffer)) > 0;)
            for (int sent = 0; sent < count;)
                sent += write(peer, buffer + sent, count - sent);
        close(peer);
    }
}

static void ask(const char *host)
{
    struct sockaddr_in server = at(host, 80), closed = at(host, 81), own, peer;
    socklen_t size = sizeof own;
    int udp = socket(AF_INET, SOCK_DGRAM, 0);
    char text[100] = {0};
    struct pollfd wait = {.fd = udp, .events = POLLIN};
    do
        sendto(udp, "datagram", 8, 0, (struct sockaddr *)&server, sizeof server);
    while (poll(&wait, 1, 100) == 0);
    recv(udp, text, sizeof text, 0);
    printf("%s\n", text);

    int s = socket(AF_INET, SOCK_STREAM, 0);
    printf("connect %d\n", connect(s, (struct sockaddr *)&server, sizeof server));
    getsockname(s, (struct sockaddr *)&own, &size);
    getpeername(s, (struct sockaddr *)&peer, &size);
    printf("%s to %s:%d\n", inet_ntoa(own.sin_addr), host, ntohs(peer.sin_port));
    static unsigned char out[300000], in[300000];
    for (int i = 0; i < sizeof out; i++)
        out[i] = i * 7 + i / 251;
    if (fork() == 0) {
        for (int sent = 0; sent < sizeof out;)
            sent += write(s, out + sent, sizeof out - sent);
        shutdown(s, SHUT_WR);
        _exit(0);
    }
    int total = 0;
    for (int count; (count = read(s, in + total, sizeof in - total)) > 0;)
        total += count;
    printf("back %d same %d\n", total, !memcmp(in, out, sizeof in));
    close(s);

    s = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    int result = connect(s, (struct sockaddr *)&server, sizeof server);
    int error = errno;
    struct pollfd ready = {.fd = s, .events = POLLOUT};
    poll(&ready, 1, -1);
    int failure = -1;
    size = sizeof failure;
    getsockopt(s, SOL_SOCKET, SO_ERROR, &failure, &size);
    printf("later %d %s %d\n", result, strerrorname_np(error), failure);
    write(s, "x", 1);
    fcntl(s, F_SETFL, 0);
    printf("echo %d\n", (int)read(s, text, 1));
    close(s);

    s = socket(AF_INET, SOCK_STREAM, 0);
    result = connect(s, (struct sockaddr *)&closed, sizeof closed);
    printf("closed port %d %s\n", result, strerrorname_np(errno));
    close(s);
    s = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    connect(s, (struct sockaddr *)&closed, sizeof closed);
    ready.fd = s;
    poll(&ready, 1, -1);
    getsockopt(s, SOL_SOCKET, SO_ERROR, &failure, &size);
    printf("closed later %s\n", strerrorname_np(failure));
}

int main(int count, char **arguments)
{
    if (!strcmp(arguments[1], "serve")) {
        serve();
    } else if (!strcmp(arguments[1], "ask")) {
        ask(arguments[2]);
    } else {
        struct sockaddr_in there = at(arguments[2], 80);
        int s = socket(AF_INET, SOCK_STREAM, 0);
        int result = connect(s, (struct sockaddr *)&there, sizeof there);
        printf("alone %d %s\n", result, strerrorname_np(errno));
    }
    return 0;
}
