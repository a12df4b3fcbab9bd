// Sockets, epoll, event and timer descriptors, errors included, with every result printed: Linux and our kernel must print the same.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static void check(const char *what, long result) { printf("%s: %ld errno %d\n", what, result, result < 0 ? errno : 0); fflush(stdout); }

static int ready(int fd, int events)
{
    struct pollfd p = {.fd = fd, .events = (short)events};
    poll(&p, 1, 0);
    return p.revents;
}

static void streams(int domain, struct sockaddr *address, socklen_t length)
{
    int listener = socket(domain, SOCK_STREAM, 0);
    struct sockaddr_storage where, peer;
    socklen_t size = sizeof where;
    char buffer[256] = {0};
    check("accept unbound", accept(listener, NULL, NULL));
    check("bind", bind(listener, address, length));
    check("bind twice", bind(listener, address, length));
    getsockname(listener, (struct sockaddr *)&where, &size);
    int early = socket(domain, SOCK_STREAM, 0);
    check("connect to nobody listening", connect(early, (struct sockaddr *)&where, size));
    close(early);
    check("listen", listen(listener, 8));
    int other = socket(domain, SOCK_STREAM, 0);
    check("address in use", bind(other, (struct sockaddr *)&where, size));
    check("poll listener", ready(listener, POLLIN));
    int client = socket(domain, SOCK_STREAM, 0);
    check("send unconnected", send(client, "x", 1, MSG_NOSIGNAL));
    check("receive unconnected", recv(client, buffer, 1, 0));
    check("peer of nobody", getpeername(client, (struct sockaddr *)&peer, &(socklen_t){sizeof peer}));
    check("connect", connect(client, (struct sockaddr *)&where, size));
    check("connect again", connect(client, (struct sockaddr *)&where, size));
    check("poll listener", ready(listener, POLLIN));
    int server = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    check("accepted", server >= 0);
    check("flags", fcntl(server, F_GETFL) & O_NONBLOCK);
    check("close on exec", fcntl(server, F_GETFD));
    check("empty", recv(server, buffer, 9, 0));
    check("poll", ready(server, POLLIN | POLLOUT | POLLRDHUP));
    check("send", send(client, "hello world", 11, 0));
    int available = 0;
    check("ioctl", ioctl(server, FIONREAD, &available));
    check("available", available);
    check("peek", recv(server, buffer, 5, MSG_PEEK));
    check("read", read(server, buffer, 5));
    printf("%.5s\n", buffer);
    struct iovec vectors[2] = {{buffer, 2}, {buffer + 100, 50}};
    struct msghdr message = {.msg_iov = vectors, .msg_iovlen = 2};
    check("recvmsg", recvmsg(server, &message, 0));
    printf("%.2s|%.4s\n", buffer, buffer + 100);
    int type = 0;
    size = sizeof type;
    check("type", getsockopt(server, SOL_SOCKET, SO_TYPE, &type, &size));
    printf("%d %u\n", type, size);
    check("no such option", getsockopt(server, SOL_SOCKET, 12345, &type, &size));
    check("short option", setsockopt(server, SOL_SOCKET, SO_REUSEADDR, &type, 2));
    check("shutdown", shutdown(client, SHUT_WR));
    check("poll after", ready(server, POLLIN | POLLRDHUP));
    check("end", recv(server, buffer, 9, 0));
    check("send after shutdown", send(client, "x", 1, MSG_NOSIGNAL));
    check("other way", send(server, "still", 5, 0));
    check("arrives", recv(client, buffer, 9, 0));
    close(server);
    check("end too", recv(client, buffer, 9, 0));
    check("poll closed", ready(client, POLLIN | POLLRDHUP));
    close(client);
    close(listener);
    close(other);
}

static void pairs(void)
{
    int pair[2], pipes[2];
    char buffer[64] = {0};
    check("socketpair", socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
    check("pipe", pipe(pipes));
    char control[CMSG_SPACE(sizeof(int) * 2)] = {0};
    struct iovec vector = {"take", 4};
    struct msghdr message = {.msg_iov = &vector, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    *header = (struct cmsghdr){.cmsg_len = CMSG_LEN(sizeof(int) * 2), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
    memcpy(CMSG_DATA(header), pipes, sizeof pipes);
    check("send descriptors", sendmsg(pair[0], &message, 0));
    close(pipes[0]);
    close(pipes[1]);
    memset(control, 0, sizeof control);
    vector = (struct iovec){buffer, sizeof buffer};
    message.msg_controllen = sizeof control;
    check("receive descriptors", recvmsg(pair[1], &message, MSG_CMSG_CLOEXEC));
    int given[2] = {-1, -1};
    memcpy(given, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof given);
    check("length", (long)CMSG_FIRSTHDR(&message)->cmsg_len);
    check("close on exec", fcntl(given[0], F_GETFD));
    check("write", write(given[1], "through", 7));
    check("read", read(given[0], buffer, 64));
    int bad = 12345;
    memcpy(CMSG_DATA(header), &bad, 4);
    header->cmsg_len = CMSG_LEN(4);
    message.msg_controllen = CMSG_SPACE(4);
    check("send what is not open", sendmsg(pair[0], &message, 0));
    pid_t child = fork();
    if (child == 0) {
        static char block[300000];
        close(pair[0]);
        long total = 0, count;
        while ((count = read(pair[1], block, sizeof block)) > 0) total += count;
        printf("child read %ld\n", total);
        fflush(stdout);
        _exit(0);
    }
    close(pair[1]);
    static char large[1000000];
    check("long write", write(pair[0], large, sizeof large));
    close(pair[0]);
    waitpid(child, NULL, 0);
    check("pair of the internet", socketpair(AF_INET, SOCK_STREAM, 0, pair));
    check("datagrams", socketpair(AF_UNIX, SOCK_DGRAM, 0, pair));
    check("one", send(pair[0], "one", 3, 0));
    check("three", send(pair[0], "three", 5, 0));
    check("cut", recv(pair[1], buffer, 2, 0));
    check("whole length", recv(pair[1], buffer, 2, MSG_TRUNC));
    check("none", recv(pair[1], buffer, 2, MSG_DONTWAIT));
    close(pair[0]);
    close(pair[1]);
    check("packets", socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair));
    check("packet", send(pair[0], "packet", 6, 0));
    check("taken", recv(pair[1], buffer, 64, 0));
    close(pair[0]);
    check("closed", recv(pair[1], buffer, 64, 0));
    close(pair[1]);
}

static void datagrams(void)
{
    int one = socket(AF_INET, SOCK_DGRAM, 0), other = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}}, from;
    socklen_t size = sizeof address;
    char buffer[64];
    check("bind", bind(other, (struct sockaddr *)&address, size));
    getsockname(other, (struct sockaddr *)&address, &size);
    check("no address", send(one, "x", 1, 0));
    check("nothing yet", recv(other, buffer, 9, 0));
    check("sendto", sendto(one, "datagram", 8, 0, (struct sockaddr *)&address, size));
    check("recvfrom", recvfrom(other, buffer, 64, 0, (struct sockaddr *)&from, &size));
    printf("%u %s\n", size, inet_ntoa(from.sin_addr));
    check("answer", sendto(other, "answer", 6, 0, (struct sockaddr *)&from, size));
    check("connect", connect(one, (struct sockaddr *)&address, size));
    check("receive", recv(one, buffer, 64, 0));
    check("empty message", send(one, "", 0, 0));
    check("empty message", recv(other, buffer, 64, 0));
    check("too long", send(one, calloc(1, 70000), 70000, 0));
    close(one);
    close(other);
    check("no family", socket(12345, SOCK_STREAM, 0));
    check("no type", socket(AF_INET, 9, 0));
    check("no protocol", socket(AF_UNIX, SOCK_STREAM, 77));
    check("no socket", connect(0, (struct sockaddr *)&address, size));
    check("not open", listen(999, 1));
    int stream = socket(AF_INET, SOCK_STREAM, 0);
    check("short address", connect(stream, (struct sockaddr *)&address, 4));
    check("wild address", connect(stream, (struct sockaddr *)8, 16));
    check("long address", bind(stream, (struct sockaddr *)&address, 4000));
    close(stream);
}

static void events(void)
{
    uint64_t value = 5, got = 0;
    int event = eventfd(3, EFD_NONBLOCK), semaphore = eventfd(2, EFD_NONBLOCK | EFD_SEMAPHORE);
    check("bad flags", eventfd(0, 12345));
    check("write", write(event, &value, 8));
    check("read", read(event, &got, 8));
    check("value", (long)got);
    check("empty", read(event, &got, 8));
    check("short", read(event, &got, 4));
    value = UINT64_MAX;
    check("too much", write(event, &value, 8));
    value = UINT64_MAX - 1;
    check("most", write(event, &value, 8));
    check("poll full", ready(event, POLLIN | POLLOUT));
    value = 1;
    check("full", write(event, &value, 8));
    check("one", read(semaphore, &got, 8) + (long)got);
    check("one", read(semaphore, &got, 8) + (long)got);
    check("none", read(semaphore, &got, 8));

    int timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
    struct itimerspec setting = {{0, 20000000}, {0, 30000000}}, told;
    check("no clock", timerfd_create(77, 0));
    check("set", timerfd_settime(timer, 0, &setting, NULL));
    check("get", timerfd_gettime(timer, &told));
    printf("%ld %d\n", told.it_interval.tv_nsec, told.it_value.tv_nsec > 0 && told.it_value.tv_nsec <= 30000000);
    check("not yet", read(timer, &got, 8));
    check("poll", poll(&(struct pollfd){timer, POLLIN, 0}, 1, 5000));
    check("read", read(timer, &got, 8));
    printf("expired %d\n", got >= 1);
    setting.it_value.tv_nsec = 2000000000;
    check("bad time", timerfd_settime(timer, 0, &setting, NULL));
    check("not a timer", timerfd_settime(event, 0, &told, NULL));

    int set = epoll_create1(EPOLL_CLOEXEC), pipes[2], pair[2];
    struct epoll_event wanted = {EPOLLIN, {.u64 = 77}}, found[4];
    check("flags", epoll_create1(12345));
    check("pipe", pipe(pipes) + socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
    check("add", epoll_ctl(set, EPOLL_CTL_ADD, pipes[0], &wanted));
    check("add again", epoll_ctl(set, EPOLL_CTL_ADD, pipes[0], &wanted));
    check("itself", epoll_ctl(set, EPOLL_CTL_ADD, set, &wanted));
    check("a file", epoll_ctl(set, EPOLL_CTL_ADD, open("/tmp/epoll-file", O_RDWR | O_CREAT, 0600), &wanted));
    check("not there", epoll_ctl(set, EPOLL_CTL_MOD, pipes[1], &wanted));
    check("not open", epoll_ctl(set, EPOLL_CTL_ADD, 999, &wanted));
    check("not a set", epoll_ctl(pipes[0], EPOLL_CTL_ADD, pipes[1], &wanted));
    check("none", epoll_wait(set, found, 4, 0));
    check("late", epoll_wait(set, found, 4, 20));
    check("no room", epoll_wait(set, found, 0, 0));
    check("write", write(pipes[1], "abc", 3));
    check("found", epoll_wait(set, found, 4, 1000));
    printf("%x %lu\n", found[0].events, (unsigned long)found[0].data.u64);
    check("found still", epoll_wait(set, found, 4, 0));
    wanted = (struct epoll_event){EPOLLIN | EPOLLET, {.u64 = 78}};
    check("edge", epoll_ctl(set, EPOLL_CTL_MOD, pipes[0], &wanted));
    check("once", epoll_wait(set, found, 4, 0));
    check("no more", epoll_wait(set, found, 4, 0));
    check("write", write(pipes[1], "d", 1));
    check("again", epoll_wait(set, found, 4, 0));
    wanted = (struct epoll_event){EPOLLIN | EPOLLONESHOT, {.u64 = 79}};
    check("one shot", epoll_ctl(set, EPOLL_CTL_MOD, pipes[0], &wanted));
    check("once", epoll_wait(set, found, 4, 0));
    check("no more", epoll_wait(set, found, 4, 0));
    wanted = (struct epoll_event){EPOLLIN | EPOLLOUT | EPOLLRDHUP, {.u64 = 80}};
    check("socket", epoll_ctl(set, EPOLL_CTL_ADD, pair[0], &wanted));
    check("writable", epoll_wait(set, found, 4, 0));
    printf("%x %lu\n", found[0].events, (unsigned long)found[0].data.u64);
    close(pair[1]);
    check("hung up", epoll_wait(set, found, 4, 0));
    printf("%x\n", found[0].events);
    check("remove", epoll_ctl(set, EPOLL_CTL_DEL, pair[0], NULL));
    check("gone", epoll_wait(set, found, 4, 0));
    int inner = epoll_create1(0);
    wanted = (struct epoll_event){EPOLLIN, {.u64 = 81}};
    check("set in set", epoll_ctl(inner, EPOLL_CTL_ADD, set, &wanted));
    check("circle", epoll_ctl(set, EPOLL_CTL_ADD, inner, &wanted));
    check("rearm", epoll_ctl(set, EPOLL_CTL_MOD, pipes[0], &wanted));
    check("through both", epoll_wait(inner, found, 4, 0));
    close(pipes[0]);
    check("closed is gone", epoll_wait(set, found, 4, 0));
    pid_t child = fork();
    if (child == 0) {
        usleep(20000);
        write(event, &(uint64_t){0}, 8);
        _exit(0);
    }
    check("drain", read(event, &got, 8));
    wanted = (struct epoll_event){EPOLLOUT | EPOLLET, {.u64 = 82}};
    check("event", epoll_ctl(set, EPOLL_CTL_ADD, event, &wanted));
    check("is writable", epoll_wait(set, found, 4, 1000));
    waitpid(child, NULL, 0);
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    struct sockaddr_in internet = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    struct sockaddr_un named = {.sun_family = AF_UNIX}, abstract = {.sun_family = AF_UNIX};
    snprintf(named.sun_path, sizeof named.sun_path, "/tmp/socket-%d", getpid());
    snprintf(abstract.sun_path + 1, sizeof abstract.sun_path - 1, "abstract-%d", getpid());
    streams(AF_INET, (struct sockaddr *)&internet, sizeof internet);
    streams(AF_UNIX, (struct sockaddr *)&named, sizeof named);
    check("opened by name", open(named.sun_path, O_RDWR));
    check("unlink", unlink(named.sun_path));
    streams(AF_UNIX, (struct sockaddr *)&abstract, (socklen_t)(3 + strlen(abstract.sun_path + 1)));
    pairs();
    datagrams();
    events();
    return 0;
}
