/* What a Linux guest pays for what programs do all day. Prints "RESULT name nanoseconds" an operation.
   linux-ops client HOST: all of it, network against a server of this program, or none; linux-ops server: that server;
   linux-ops true: nothing. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { port = 4711, request_port = 4712, mebibyte = 1 << 20 };

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1e9 + t.tv_nsec;
}

static void result(const char *name, double start, double operations) {
  printf("RESULT %s %.1f\n", name, (now() - start) / operations);
  fflush(stdout);
}

static void check(int good, const char *what) {
  if (!good) {
    perror(what);
    exit(1);
  }
}

static void compute(void) {
  double start = now();
  unsigned long x = 88172645463325252ul;
  for (int i = 0; i < 20000000; i++) {
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
  }
  result(x ? "compute" : "", start, 20000000);
}

static void system_call(void) {
  double start = now();
  for (int i = 0; i < 100000; i++) syscall(SYS_getppid);
  result("null-call", start, 100000);
}

static void processes(const char *self) {
  double start = now();
  for (int i = 0; i < 100; i++) {
    pid_t child = fork();
    if (child == 0) _exit(0);
    waitpid(child, NULL, 0);
  }
  result("fork-exit", start, 100);
  start = now();
  for (int i = 0; i < 50; i++) {
    pid_t child = fork();
    if (child == 0) {
      execl(self, self, "true", (char *)NULL);
      _exit(1);
    }
    int status;
    waitpid(child, &status, 0);
    check(status == 0, "exec");
  }
  result("fork-exec", start, 50);
}

static void page_faults(void) {
  const long pages = 1024;
  double start = now();
  for (int round = 0; round < 10; round++) {
    char *area = mmap(NULL, pages * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    check(area != MAP_FAILED, "mmap");
    for (long page = 0; page < pages; page++) area[page * 4096] = 1;
    munmap(area, pages * 4096);
  }
  result("page-fault", start, 10 * pages);
}

static void switches(void) {
  int there[2], back[2];
  check(pipe(there) == 0 && pipe(back) == 0, "pipe");
  pid_t child = fork();
  char byte = 1;
  if (child == 0) {
    for (int i = 0; i < 5000; i++)
      if (read(there[0], &byte, 1) != 1 || write(back[1], &byte, 1) != 1) _exit(1);
    _exit(0);
  }
  double start = now();
  for (int i = 0; i < 5000; i++) check(write(there[1], &byte, 1) == 1 && read(back[0], &byte, 1) == 1, "pipe");
  result("switch", start, 10000);
  waitpid(child, NULL, 0);
}

static void disk(const char *path) {
  int file = open(path, O_RDWR | O_DIRECT);
  check(file >= 0, path);
  char *buffer;
  check(posix_memalign((void **)&buffer, 4096, mebibyte) == 0, "memory");
  memset(buffer, 7, mebibyte);
  long size = lseek(file, 0, SEEK_END);
  unsigned seed = 1;
  double start = now();
  for (int i = 0; i < 2000; i++) check(pread(file, buffer, 4096, rand_r(&seed) % (size / 4096) * 4096l) == 4096, "read");
  result("disk-read-4k", start, 2000);
  start = now();
  for (int i = 0; i < 2000; i++) check(pwrite(file, buffer, 4096, rand_r(&seed) % (size / 4096) * 4096l) == 4096, "write");
  result("disk-write-4k", start, 2000);
  start = now();
  for (long at = 0; at + mebibyte <= size; at += mebibyte) check(pread(file, buffer, mebibyte, at) == mebibyte, "read");
  result("disk-read-1m", start, size / mebibyte);
  start = now();
  for (long at = 0; at + mebibyte <= size; at += mebibyte) check(pwrite(file, buffer, mebibyte, at) == mebibyte, "write");
  check(fsync(file) == 0, "fsync");
  result("disk-write-1m", start, size / mebibyte);
  close(file);
}

static int reach(const char *host, int at) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(at)};
  check(inet_pton(AF_INET, host, &address.sin_addr) == 1, "address");
  for (int tries = 0; tries < 300; tries++) {
    int connection = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(connection, (struct sockaddr *)&address, sizeof address) == 0) {
      int one = 1;
      setsockopt(connection, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
      return connection;
    }
    close(connection);
    usleep(100000);
  }
  check(0, "connect");
  return -1;
}

static void network(const char *host) {
  int connection = reach(host, request_port);
  char byte = 1;
  double start = now();
  for (int i = 0; i < 2000; i++) check(write(connection, &byte, 1) == 1 && read(connection, &byte, 1) == 1, "request");
  result("net-request", start, 2000);
  close(connection);
  connection = reach(host, port);
  static char block[65536];
  start = now();
  for (int i = 0; i < 256; i++)
    for (size_t done = 0; done < sizeof block;) {
      ssize_t sent = write(connection, block + done, sizeof block - done);
      check(sent > 0, "stream");
      done += sent;
    }
  shutdown(connection, SHUT_WR);
  check(read(connection, &byte, 1) == 1, "stream");
  result("net-stream-1m", start, 16);
  close(connection);
}

static int serve(int at) {
  int listener = socket(AF_INET, SOCK_STREAM, 0), one = 1;
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(at)};
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  check(bind(listener, (struct sockaddr *)&address, sizeof address) == 0 && listen(listener, 1) == 0, "listen");
  return listener;
}

static void server(void) {
  static char block[65536];
  int requests = serve(request_port), streams = serve(port);
  int connection = accept(requests, NULL, NULL), one = 1;
  setsockopt(connection, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  while (read(connection, block, 1) == 1) check(write(connection, block, 1) == 1, "answer");
  close(connection);
  connection = accept(streams, NULL, NULL);
  while (read(connection, block, sizeof block) > 0) {
  }
  check(write(connection, block, 1) == 1, "answer");
  close(connection);
}

int main(int count, char **arguments) {
  if (count == 2 && strcmp(arguments[1], "true") == 0) return 0;
  if (count == 2 && strcmp(arguments[1], "server") == 0) {
    server();
    return 0;
  }
  if (count != 3) return 2;
  compute();
  system_call();
  processes("/linux-ops");
  page_faults();
  switches();
  disk("/dev/vda");
  if (strcmp(arguments[2], "none") != 0) network(arguments[2]);
  printf("RESULT end 0\n");
  return 0;
}
