// IPv6 beside IPv4, many messages in one call, who sends what, options and control messages, interfaces, with every result printed:
// Linux and our kernel must print the same.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netinet/ip6.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static void check(const char *what, long result) { printf("%s: %ld errno %d\n", what, result, result < 0 ? errno : 0); fflush(stdout); }

static struct sockaddr_in6 version6(const char *host, int port)
{
    struct sockaddr_in6 address = {.sin6_family = AF_INET6, .sin6_port = htons((unsigned short)port)};
    inet_pton(AF_INET6, host, &address.sin6_addr);
    return address;
}

static struct sockaddr_in version4(const char *host, int port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((unsigned short)port)};
    inet_pton(AF_INET, host, &address.sin_addr);
    return address;
}

static void tell(const char *what, const struct sockaddr_storage *address, socklen_t length)
{
    char text[80] = "";
    int port = 0;
    if (address->ss_family == AF_INET6) {
        inet_ntop(AF_INET6, &((struct sockaddr_in6 *)address)->sin6_addr, text, sizeof text);
        port = ntohs(((struct sockaddr_in6 *)address)->sin6_port);
    } else if (address->ss_family == AF_INET) {
        inet_ntop(AF_INET, &((struct sockaddr_in *)address)->sin_addr, text, sizeof text);
        port = ntohs(((struct sockaddr_in *)address)->sin_port);
    }
    printf("%s: family %d %s port %d length %u\n", what, address->ss_family, text, port >= 32768 ? -1 : port, length);
}

static int own_port(int fd)
{
    struct sockaddr_storage address = {0};
    socklen_t size = sizeof address;
    getsockname(fd, (struct sockaddr *)&address, &size);
    return ntohs(((struct sockaddr_in6 *)&address)->sin6_port);
}

static void name(const char *what, int fd)
{
    struct sockaddr_storage address = {0};
    socklen_t size = sizeof address;
    if (getsockname(fd, (struct sockaddr *)&address, &size) == 0) tell(what, &address, size);
    else check(what, -1);
    size = sizeof address;
    memset(&address, 0, sizeof address);
    if (getpeername(fd, (struct sockaddr *)&address, &size) == 0) tell("  peer", &address, size);
    else check("  peer", -1);
}

static void option(int fd, const char *what, int level, int number)
{
    int value = -77;
    socklen_t size = sizeof value;
    int result = getsockopt(fd, level, number, &value, &size);
    printf("%s: %d errno %d value %d size %u\n", what, result, result < 0 ? errno : 0, value, size);
}

static int set(int fd, int level, int number, int value) { return setsockopt(fd, level, number, &value, sizeof value); }

static void streams6(void)
{
    struct sockaddr_in6 any = version6("::", 0), loop = version6("::1", 0), far = version6("2001:db8::1", 80);
    int listener = socket(AF_INET6, SOCK_STREAM, 0);
    check("socket", listener >= 0);
    name("unbound", listener);
    check("short", bind(listener, (struct sockaddr *)&any, 20));
    struct sockaddr_in four = version4("127.0.0.1", 0);
    check("other family", bind(listener, (struct sockaddr *)&four, sizeof four));
    check("not ours", bind(listener, (struct sockaddr *)&far, sizeof far));
    option(listener, "v6only", IPPROTO_IPV6, IPV6_V6ONLY);
    check("bind any", bind(listener, (struct sockaddr *)&any, sizeof any));
    check("v6only when bound", set(listener, IPPROTO_IPV6, IPV6_V6ONLY, 1));
    name("bound", listener);
    check("listen", listen(listener, 5));
    int port = own_port(listener);

    int clash = socket(AF_INET, SOCK_STREAM, 0);
    four = version4("0.0.0.0", port);
    check("IPv4 beside dual", bind(clash, (struct sockaddr *)&four, sizeof four));
    four = version4("127.0.0.1", port);
    check("IPv4 host beside dual", bind(clash, (struct sockaddr *)&four, sizeof four));
    close(clash);

    int six = socket(AF_INET6, SOCK_STREAM, 0), old = socket(AF_INET, SOCK_STREAM, 0), mapped = socket(AF_INET6, SOCK_STREAM, 0);
    loop = version6("::1", port);
    check("connect by IPv6", connect(six, (struct sockaddr *)&loop, sizeof loop));
    check("connect by IPv4", connect(old, (struct sockaddr *)&four, sizeof four));
    struct sockaddr_in6 form = version6("::ffff:127.0.0.1", port);
    check("connect by mapped", connect(mapped, (struct sockaddr *)&form, sizeof form));
    name("IPv6 client", six);
    name("IPv4 client", old);
    name("mapped client", mapped);
    for (int i = 0; i < 3; i++) {
        struct sockaddr_storage from = {0};
        socklen_t size = sizeof from;
        int end = accept(listener, (struct sockaddr *)&from, &size);
        tell("accepted", &from, size);
        name("  end", end);
        check("  send", send(end, "hello", 5, 0));
        close(end);
    }
    char buffer[64];
    check("receive", recv(six, buffer, 64, 0));
    check("receive", recv(old, buffer, 64, 0));
    check("receive", recv(mapped, buffer, 64, 0));
    check("end", recv(mapped, buffer, 64, 0));
    close(six);
    close(old);
    close(mapped);
    close(listener);

    // Nobody is told that the other end is gone before he has sent something to it.
    listener = socket(AF_INET, SOCK_STREAM, 0);
    four = version4("127.0.0.1", 0);
    bind(listener, (struct sockaddr *)&four, sizeof four);
    listen(listener, 5);
    four = version4("127.0.0.1", own_port(listener));
    old = socket(AF_INET, SOCK_STREAM, 0);
    check("connect", connect(old, (struct sockaddr *)&four, sizeof four));
    close(accept(listener, NULL, NULL));
    check("end", recv(old, buffer, 64, 0));
    check("first is lost", send(old, "first", 5, 0));
    check("second fails", send(old, "second", 6, 0));
    close(old);

    // What nobody read is lost, and its sender is told; so is who closes without lingering.
    old = socket(AF_INET, SOCK_STREAM, 0);
    check("connect", connect(old, (struct sockaddr *)&four, sizeof four));
    int end = accept(listener, NULL, NULL);
    check("unread", send(old, "unread", 6, 0));
    close(end);
    check("reset", recv(old, buffer, 64, 0));
    check("then the end", recv(old, buffer, 64, 0));
    check("broken", send(old, "x", 1, 0));
    close(old);
    old = socket(AF_INET, SOCK_STREAM, 0);
    check("connect", connect(old, (struct sockaddr *)&four, sizeof four));
    end = accept(listener, NULL, NULL);
    struct linger none = {1, 0};
    setsockopt(end, SOL_SOCKET, SO_LINGER, &none, sizeof none);
    close(end);
    check("reset", recv(old, buffer, 64, 0));
    close(old);
    close(listener);

    int lost = socket(AF_INET6, SOCK_STREAM, 0);
    check("nobody there", connect(lost, (struct sockaddr *)&loop, sizeof loop));
    close(lost);

    // Only IPv6: the same port is IPv4's, too.
    int only = socket(AF_INET6, SOCK_STREAM, 0);
    check("only IPv6", set(only, IPPROTO_IPV6, IPV6_V6ONLY, 1));
    option(only, "v6only", IPPROTO_IPV6, IPV6_V6ONLY);
    form = version6("::ffff:127.0.0.1", 0);
    check("mapped for only IPv6", bind(only, (struct sockaddr *)&form, sizeof form));
    check("bind", bind(only, (struct sockaddr *)&any, sizeof any));
    port = own_port(only);
    int beside = socket(AF_INET, SOCK_STREAM, 0);
    four = version4("0.0.0.0", port);
    check("IPv4 beside only IPv6", bind(beside, (struct sockaddr *)&four, sizeof four));
    check("listen", listen(only, 1) + listen(beside, 1));
    old = socket(AF_INET, SOCK_STREAM, 0);
    check("connect", connect(old, (struct sockaddr *)&four, sizeof four));
    check("at IPv4's", accept(beside, NULL, NULL) >= 0);
    six = socket(AF_INET6, SOCK_STREAM | SOCK_NONBLOCK, 0);
    set(six, IPPROTO_IPV6, IPV6_V6ONLY, 1);
    form = version6("::ffff:127.0.0.1", port);
    check("only IPv6 to mapped", connect(six, (struct sockaddr *)&form, sizeof form));
    any = version6("::", port);
    check("to any is to the loopback", connect(six, (struct sockaddr *)&any, sizeof any) == 0 || errno == EINPROGRESS);
    name("client", six);
    close(six);
    close(old);
    close(only);
    close(beside);

    // A pair of listeners may share a port where both agree.
    int one = socket(AF_INET, SOCK_STREAM, 0), two = socket(AF_INET, SOCK_STREAM, 0), three = socket(AF_INET, SOCK_STREAM, 0);
    four = version4("127.0.0.1", 0);
    set(one, SOL_SOCKET, SO_REUSEADDR, 1);
    set(two, SOL_SOCKET, SO_REUSEADDR, 1);
    check("bind", bind(one, (struct sockaddr *)&four, sizeof four));
    four = version4("127.0.0.1", own_port(one));
    check("reuse before it listens", bind(two, (struct sockaddr *)&four, sizeof four));
    check("not without", bind(three, (struct sockaddr *)&four, sizeof four));
    check("listen", listen(one, 1));
    check("one listens", listen(two, 1));
    set(three, SOL_SOCKET, SO_REUSEADDR, 1);
    check("reuse while it listens", bind(three, (struct sockaddr *)&four, sizeof four));
    four = version4("127.0.0.2", ntohs(four.sin_port));
    check("another host", bind(three, (struct sockaddr *)&four, sizeof four));
    check("which listens, too", listen(three, 1));
    int client = socket(AF_INET, SOCK_STREAM, 0);
    check("connect", connect(client, (struct sockaddr *)&four, sizeof four));
    name("source", client);
    check("at its own", accept(three, NULL, NULL) >= 0);
    close(client);
    close(one);
    close(two);
    close(three);
}

static void datagrams6(void)
{
    struct sockaddr_in6 any = version6("::", 0), to;
    struct sockaddr_storage from = {0};
    socklen_t size = sizeof from;
    char buffer[64];
    int server = socket(AF_INET6, SOCK_DGRAM, 0), six = socket(AF_INET6, SOCK_DGRAM, 0), four = socket(AF_INET, SOCK_DGRAM, 0);
    check("bind", bind(server, (struct sockaddr *)&any, sizeof any));
    int port = own_port(server);
    to = version6("::1", port);
    struct sockaddr_in to4 = version4("127.0.0.1", port);
    check("by IPv6", sendto(six, "six", 3, 0, (struct sockaddr *)&to, sizeof to));
    check("receive", recvfrom(server, buffer, 64, 0, (struct sockaddr *)&from, &size));
    tell("from", &from, size);
    check("by IPv4", sendto(four, "four", 4, 0, (struct sockaddr *)&to4, sizeof to4));
    size = sizeof from;
    check("receive", recvfrom(server, buffer, 64, 0, (struct sockaddr *)&from, &size));
    tell("from", &from, size);
    check("back", sendto(server, "back", 4, 0, (struct sockaddr *)&from, size));
    size = sizeof from;
    check("receive", recvfrom(four, buffer, 64, 0, (struct sockaddr *)&from, &size));
    tell("from", &from, size);
    to = version6("2001:db8::1", 9);
    int alone = socket(AF_INET6, SOCK_DGRAM, 0);
    check("port 0", sendto(alone, "x", 1, 0, (struct sockaddr *)&(struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_addr = in6addr_loopback}, sizeof to));
    check("no address", send(alone, "x", 1, 0));
    check("short address", sendto(alone, "x", 1, 0, (struct sockaddr *)&to, 8));
    close(alone);

    // Who is connected hears of its peer alone, and that nobody is there.
    to = version6("::1", port);
    check("connect", connect(six, (struct sockaddr *)&to, sizeof to));
    name("connected", six);
    check("from another", sendto(server, "other", 5, 0, (struct sockaddr *)&to, sizeof to));
    check("nothing", recv(six, buffer, 64, MSG_DONTWAIT));
    check("its own", recv(server, buffer, 64, MSG_DONTWAIT));
    close(server);
    check("send to nobody", send(six, "x", 1, 0));
    check("poll", poll(&(struct pollfd){six, POLLIN, 0}, 1, 1000));
    check("told", recv(six, buffer, 64, MSG_DONTWAIT));
    check("told once", recv(six, buffer, 64, MSG_DONTWAIT));
    struct sockaddr nobody = {.sa_family = AF_UNSPEC};
    check("disconnect", connect(six, &nobody, sizeof nobody));
    check("no peer", getpeername(six, (struct sockaddr *)&from, &(socklen_t){sizeof from}));
    check("no address", send(six, "x", 1, 0));
    close(six);
    close(four);
}

static void packets(void)
{
    int server = socket(AF_INET6, SOCK_DGRAM, 0), client = socket(AF_INET6, SOCK_DGRAM, 0);
    struct sockaddr_in6 loop = version6("::1", 0);
    bind(server, (struct sockaddr *)&loop, sizeof loop);
    loop = version6("::1", own_port(server));
    check("info", set(server, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1));
    check("hops", set(server, IPPROTO_IPV6, IPV6_RECVHOPLIMIT, 1));
    check("class", set(server, IPPROTO_IPV6, IPV6_RECVTCLASS, 1));
    check("bad hops", set(client, IPPROTO_IPV6, IPV6_UNICAST_HOPS, 256));
    check("own class", set(client, IPPROTO_IPV6, IPV6_TCLASS, 0x20));
    option(client, "class", IPPROTO_IPV6, IPV6_TCLASS);
    option(client, "hops", IPPROTO_IPV6, IPV6_UNICAST_HOPS);
    char buffer[64], control[256];
    for (int i = 0; i < 2; i++) {
        char out[CMSG_SPACE(sizeof(int))] = {0};
        struct iovec vector = {"packet", 6};
        struct msghdr message = {.msg_name = &loop, .msg_namelen = sizeof loop, .msg_iov = &vector, .msg_iovlen = 1};
        if (i) {
            message.msg_control = out;
            message.msg_controllen = sizeof out;
            struct cmsghdr *header = CMSG_FIRSTHDR(&message);
            *header = (struct cmsghdr){.cmsg_len = CMSG_LEN(sizeof(int)), .cmsg_level = IPPROTO_IPV6, .cmsg_type = IPV6_HOPLIMIT};
            *(int *)CMSG_DATA(header) = 7;
        }
        check("send", sendmsg(client, &message, 0));
        vector = (struct iovec){buffer, sizeof buffer};
        message = (struct msghdr){.msg_iov = &vector, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
        check("receive", recvmsg(server, &message, 0));
        printf("control %zu flags %x\n", message.msg_controllen, message.msg_flags);
        for (struct cmsghdr *header = CMSG_FIRSTHDR(&message); header; header = CMSG_NXTHDR(&message, header)) {
            char text[64] = "";
            if (header->cmsg_type == IPV6_PKTINFO) inet_ntop(AF_INET6, CMSG_DATA(header), text, sizeof text);
            printf("  level %d type %d length %zu %d %s\n", header->cmsg_level, header->cmsg_type, header->cmsg_len, header->cmsg_type == IPV6_PKTINFO ? ((struct in6_pktinfo *)CMSG_DATA(header))->ipi6_ifindex : *(int *)CMSG_DATA(header), text);
        }
    }
    struct iovec vector = {"packet", 6};
    struct msghdr message = {.msg_name = &loop, .msg_namelen = sizeof loop, .msg_iov = &vector, .msg_iovlen = 1};
    check("send", sendmsg(client, &message, 0));
    vector.iov_base = buffer;
    message = (struct msghdr){.msg_iov = &vector, .msg_iovlen = 1, .msg_control = control, .msg_controllen = CMSG_LEN(20) + 4};
    check("receive", recvmsg(server, &message, 0));
    printf("cut %zu flags %x\n", message.msg_controllen, message.msg_flags);
    close(server);
    close(client);
}

static void many(void)
{
    int pair[2];
    char buffers[4][16];
    struct iovec vectors[4] = {{"first", 5}, {"second", 6}, {"third", 5}, {NULL, 8}};
    struct mmsghdr messages[4] = {0};
    socketpair(AF_UNIX, SOCK_DGRAM, 0, pair);
    for (int i = 0; i < 4; i++) messages[i].msg_hdr = (struct msghdr){.msg_iov = &vectors[i], .msg_iovlen = 1};
    check("send as far as it goes", sendmmsg(pair[0], messages, 4, 0));
    printf("%u %u %u\n", messages[0].msg_len, messages[1].msg_len, messages[2].msg_len);
    check("bad at once", sendmmsg(pair[0], messages + 3, 1, 0));
    check("none", sendmmsg(pair[0], messages, 0, 0));
    for (int i = 0; i < 4; i++) vectors[i] = (struct iovec){buffers[i], 6};
    check("what is there", recvmmsg(pair[1], messages, 4, MSG_DONTWAIT, NULL));
    printf("%u %.5s %u %.6s %u %.5s\n", messages[0].msg_len, buffers[0], messages[1].msg_len, buffers[1], messages[2].msg_len, buffers[2]);
    check("nothing", recvmmsg(pair[1], messages, 4, MSG_DONTWAIT, NULL));
    check("one", send(pair[0], "one", 3, 0));
    check("wait for one", recvmmsg(pair[1], messages, 4, MSG_WAITFORONE, NULL));
    pid_t child = fork();
    if (child == 0) {
        for (int i = 0; i < 3; i++) {
            usleep(5000);
            send(pair[0], "slow", 4, 0);
        }
        _exit(0);
    }
    check("all of three", recvmmsg(pair[1], messages, 3, 0, NULL));
    waitpid(child, NULL, 0);
    struct timespec time = {0, 0}, bad = {0, 2000000000};
    check("two", send(pair[0], "a", 1, 0) + send(pair[0], "b", 1, 0));
    check("until then", recvmmsg(pair[1], messages, 4, 0, &time));
    check("bad time", recvmmsg(pair[1], messages, 4, 0, &bad));
    check("not a socket", recvmmsg(0, messages, 1, 0, NULL));
    close(pair[0]);
    close(pair[1]);
}

static void senders(void)
{
    int pair[2], one = 1;
    struct ucred who = {0};
    socklen_t size = sizeof who;
    char control[256], byte[8];
    struct iovec vector = {byte, sizeof byte};
    struct msghdr message = {.msg_iov = &vector, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    for (int kind = SOCK_STREAM; kind <= SOCK_SEQPACKET; kind += SOCK_SEQPACKET - SOCK_STREAM) {
        check("pair", socketpair(AF_UNIX, kind, 0, pair));
        check("peer", getsockopt(pair[0], SOL_SOCKET, SO_PEERCRED, &who, &size));
        printf("%d %u %u size %u\n", who.pid == getpid(), who.uid, who.gid, size);
        check("ask", setsockopt(pair[1], SOL_SOCKET, SO_PASSCRED, &one, sizeof one));
        check("write", write(pair[0], "x", 1));
        message.msg_controllen = sizeof control;
        check("receive", recvmsg(pair[1], &message, 0));
        struct cmsghdr *header = CMSG_FIRSTHDR(&message);
        printf("level %d type %d length %zu of %zu\n", header->cmsg_level, header->cmsg_type, header->cmsg_len, message.msg_controllen);
        memcpy(&who, CMSG_DATA(header), sizeof who);
        printf("%d %u %u\n", who.pid == getpid(), who.uid, who.gid);
        pid_t child = fork();
        if (child == 0) {
            write(pair[0], "child", 5);
            _exit(0);
        }
        waitpid(child, NULL, 0);
        check("write", write(pair[0], "own", 3));
        for (int i = 0; i < 2; i++) {
            message.msg_controllen = sizeof control;
            check("receive", recvmsg(pair[1], &message, 0));
            memcpy(&who, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof who);
            printf("child %d own %d\n", who.pid == child, who.pid == getpid());
        }
        message.msg_controllen = 0;
        check("write", write(pair[0], "x", 1));
        check("no room", recvmsg(pair[1], &message, 0));
        printf("flags %x\n", message.msg_flags);

        // Said outright: oneself, and nobody who is not there.
        who = (struct ucred){getpid(), getuid(), getgid()};
        for (int i = 0; i < 2; i++) {
            message.msg_controllen = CMSG_SPACE(sizeof who);
            *CMSG_FIRSTHDR(&message) = (struct cmsghdr){.cmsg_len = CMSG_LEN(sizeof who), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_CREDENTIALS};
            memcpy(CMSG_DATA(CMSG_FIRSTHDR(&message)), &who, sizeof who);
            vector.iov_len = 2;
            check("say who", sendmsg(pair[0], &message, 0));
            who.pid = 4000000;
        }
        CMSG_FIRSTHDR(&message)->cmsg_len = CMSG_LEN(sizeof who) - 4;
        check("too little", sendmsg(pair[0], &message, 0));
        CMSG_FIRSTHDR(&message)->cmsg_len = 4;
        check("no header", sendmsg(pair[0], &message, 0));
        vector.iov_len = sizeof byte;
        close(pair[0]);
        close(pair[1]);
    }

    // Sequenced packets listen and accept as streams do.
    struct sockaddr_un named = {.sun_family = AF_UNIX};
    snprintf(named.sun_path + 1, sizeof named.sun_path - 1, "sequence-%d", getpid());
    socklen_t length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + strlen(named.sun_path + 1));
    int listener = socket(AF_UNIX, SOCK_SEQPACKET, 0), client = socket(AF_UNIX, SOCK_SEQPACKET, 0);
    check("bind", bind(listener, (struct sockaddr *)&named, length));
    check("too early", connect(client, (struct sockaddr *)&named, length));
    check("listen", listen(listener, 2));
    check("connect", connect(client, (struct sockaddr *)&named, length));
    check("connect twice", connect(client, (struct sockaddr *)&named, length));
    int end = accept(listener, NULL, NULL);
    check("accept", end >= 0);
    size = sizeof who;
    check("peer", getsockopt(end, SOL_SOCKET, SO_PEERCRED, &who, &size) + (who.pid != getpid()));
    check("send", send(client, "packet", 6, 0));
    check("send", send(client, "next", 4, 0));
    check("cut", recv(end, byte, 3, 0));
    check("next", recv(end, byte, 8, 0));
    close(client);
    check("end", recv(end, byte, 8, 0));
    check("broken", send(end, "x", 1, MSG_NOSIGNAL));
    close(end);
    close(listener);

    // What was not read is lost, and the other end is told.
    socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
    check("send", send(pair[0], "lost", 4, 0));
    close(pair[1]);
    check("reset", recv(pair[0], byte, 8, 0));
    check("then the end", recv(pair[0], byte, 8, 0));
    close(pair[0]);
}

static void options(void)
{
    int stream = socket(AF_INET, SOCK_STREAM, 0), datagram = socket(AF_INET6, SOCK_DGRAM, 0), local = socket(AF_UNIX, SOCK_STREAM, 0);
    option(stream, "type", SOL_SOCKET, SO_TYPE);
    option(stream, "domain", SOL_SOCKET, SO_DOMAIN);
    option(stream, "protocol", SOL_SOCKET, SO_PROTOCOL);
    option(datagram, "protocol", SOL_SOCKET, SO_PROTOCOL);
    option(local, "protocol", SOL_SOCKET, SO_PROTOCOL);
    option(stream, "listens", SOL_SOCKET, SO_ACCEPTCONN);
    option(stream, "ttl", IPPROTO_IP, IP_TTL);
    option(stream, "tos", IPPROTO_IP, IP_TOS);
    check("ttl", set(stream, IPPROTO_IP, IP_TTL, 9));
    check("ttl 0", set(stream, IPPROTO_IP, IP_TTL, 0));
    option(stream, "ttl", IPPROTO_IP, IP_TTL);
    check("byte", setsockopt(stream, IPPROTO_IP, IP_TOS, "\x10", 1));
    option(stream, "tos", IPPROTO_IP, IP_TOS);
    option(datagram, "no delay", IPPROTO_TCP, TCP_NODELAY);
    check("no delay", set(stream, IPPROTO_TCP, TCP_NODELAY, 5));
    option(stream, "no delay", IPPROTO_TCP, TCP_NODELAY);
    option(stream, "keep idle", IPPROTO_TCP, TCP_KEEPIDLE);
    check("bad idle", set(stream, IPPROTO_TCP, TCP_KEEPIDLE, 0));
    check("reuse", set(stream, SOL_SOCKET, SO_REUSEADDR, 7));
    option(stream, "reuse", SOL_SOCKET, SO_REUSEADDR);
    check("type is read only", set(stream, SOL_SOCKET, SO_TYPE, 1));
    struct linger linger = {1, 5}, told = {0};
    socklen_t size = sizeof told;
    check("linger", setsockopt(stream, SOL_SOCKET, SO_LINGER, &linger, sizeof linger));
    check("linger", getsockopt(stream, SOL_SOCKET, SO_LINGER, &told, &size));
    printf("%d %d size %u\n", told.l_onoff, told.l_linger, size);
    check("half a linger", setsockopt(stream, SOL_SOCKET, SO_LINGER, &linger, 4));
    struct timeval time = {1, 2000000};
    check("bad time", setsockopt(stream, SOL_SOCKET, SO_RCVTIMEO, &time, sizeof time));
    option(local, "of IP", IPPROTO_IP, IP_TTL);
    check("of IP", set(local, IPPROTO_IP, IP_TTL, 1));
    check("no level", set(stream, 12345, 1, 1));
    check("no option", set(stream, SOL_SOCKET, 12345, 1));
    check("out of band", send(datagram, "x", 1, MSG_OOB));
    char buffer[8];
    check("errors", recv(datagram, buffer, 8, MSG_ERRQUEUE | MSG_DONTWAIT));
    check("listen", listen(datagram, 1));
    check("accept", accept(datagram, NULL, NULL));
    check("shutdown", shutdown(datagram, SHUT_WR));
    check("how", shutdown(stream, 9));
    check("pair", socketpair(AF_INET6, SOCK_STREAM, 0, (int[2]){0}));
    close(stream);
    close(datagram);
    close(local);
    check("type", socket(AF_INET6, SOCK_SEQPACKET, 0));
    check("protocol", socket(AF_INET6, SOCK_STREAM, IPPROTO_UDP));
    check("protocol", socket(AF_INET, SOCK_DGRAM, IPPROTO_TCP));
    check("netlink", socket(AF_NETLINK, SOCK_STREAM, 0));
    check("netlink", socket(AF_NETLINK, SOCK_RAW, 99));
}

static void interfaces(void)
{
    check("index", if_nametoindex("lo"));
    check("none", if_nametoindex("none7"));
    char text[80];
    check("name", if_indextoname(1, text) != NULL);
    puts(text);
    struct ifaddrs *all = NULL;
    check("all", getifaddrs(&all));
    for (struct ifaddrs *one = all; one; one = one->ifa_next) {
        if (strcmp(one->ifa_name, "lo") != 0 || !one->ifa_addr) continue;
        text[0] = 0;
        if (one->ifa_addr->sa_family == AF_INET) inet_ntop(AF_INET, &((struct sockaddr_in *)one->ifa_addr)->sin_addr, text, sizeof text);
        if (one->ifa_addr->sa_family == AF_INET6) inet_ntop(AF_INET6, &((struct sockaddr_in6 *)one->ifa_addr)->sin6_addr, text, sizeof text);
        printf("%s family %d flags %x %s\n", one->ifa_name, one->ifa_addr->sa_family, one->ifa_flags, text);
    }
    freeifaddrs(all);
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    struct ifreq request = {0};
    strcpy(request.ifr_name, "lo");
    check("flags", ioctl(fd, SIOCGIFFLAGS, &request));
    printf("%x\n", request.ifr_flags);
    check("mtu", ioctl(fd, SIOCGIFMTU, &request));
    printf("%d\n", request.ifr_mtu);
    check("mask", ioctl(fd, SIOCGIFNETMASK, &request));
    inet_ntop(AF_INET, &((struct sockaddr_in *)&request.ifr_netmask)->sin_addr, text, sizeof text);
    puts(text);
    close(fd);
    struct sockaddr_nl own = {0}, kernel = {.nl_family = AF_NETLINK};
    socklen_t size = sizeof own;
    int link = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
    check("bind", bind(link, (struct sockaddr *)&kernel, sizeof kernel));
    check("name", getsockname(link, (struct sockaddr *)&own, &size));
    printf("%u %d %u\n", own.nl_family, own.nl_pid == (unsigned)getpid(), size);
    struct { struct nlmsghdr header; struct ifinfomsg body; } ask = {{sizeof ask, RTM_GETLINK, NLM_F_REQUEST, 7, 0}, {.ifi_family = AF_UNSPEC, .ifi_index = 77777}};
    char answer[8192];
    check("ask", sendto(link, &ask, sizeof ask, 0, (struct sockaddr *)&kernel, sizeof kernel));
    check("answer", recv(link, answer, sizeof answer, 0) >= 36);
    struct nlmsghdr *header = (struct nlmsghdr *)answer;
    printf("type %u sequence %u error %d\n", header->nlmsg_type, header->nlmsg_seq, ((struct nlmsgerr *)NLMSG_DATA(header))->error);
    check("nothing more", recv(link, answer, sizeof answer, MSG_DONTWAIT));
    close(link);
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    streams6();
    datagrams6();
    packets();
    many();
    senders();
    options();
    interfaces();
    return 0;
}
