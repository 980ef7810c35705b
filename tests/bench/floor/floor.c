// SPDX-License-Identifier: Apache-2.0
//
// What a test of the partition chapter costs without fbx: the same two services, the same readiness
// probes at the same pace (runner/service/readiness.h), started in dependency order, one order,
// stopped in reverse order. In a network of its own and with a tmpfs on /tmp, made once: a
// look-back, a leaf or a namespace per test is what fbx pays and this does not.
//
//   floor FOLDER ROUNDS      prints the milliseconds of each round, one a line
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { kInventoryPort = 5432, kOrdersPort = 8080 };

static void must(int good, const char* what) {
  if (good) return;
  fprintf(stderr, "floor: %s: %s\n", what, strerror(errno));
  exit(1);
}

static uint64_t now_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void enter_own_network_and_tmp(void) {
  must(unshare(CLONE_NEWNET | CLONE_NEWNS) == 0, "unshare");
  must(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0, "mount /");
  must(mount("tmpfs", "/tmp", "tmpfs", 0, "mode=1777") == 0, "mount /tmp");
  const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  struct ifreq lo = {.ifr_name = "lo", .ifr_flags = IFF_UP};
  must(fd >= 0 && ioctl(fd, SIOCSIFFLAGS, &lo) == 0, "lo up");
  close(fd);
}

static pid_t start(const char* folder, const char* name, char* const environment[]) {
  char path[4096];
  snprintf(path, sizeof path, "%s/%s", folder, name);
  const pid_t pid = fork();
  must(pid >= 0, "fork");
  if (pid != 0) return pid;
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  const int null = open("/dev/null", O_RDWR);
  dup2(null, 0);
  dup2(null, 1);
  char* const arguments[] = {path, NULL};
  execve(path, arguments, environment);
  _exit(127);
}

static int try_dial(int port) {
  const int on = 1;
  struct sockaddr_in address = {.sin_family = AF_INET,
                                .sin_port = htons((uint16_t)port),
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  must(fd >= 0, "socket");
  if (connect(fd, (struct sockaddr*)&address, sizeof address) != 0) {
    close(fd);
    return -1;
  }
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  return fd;
}

// Dials until somebody accepts; at first every 0.2 ms, then ever slower, up to every 5 ms.
static int dial(int port) {
  uint64_t gap_ns = 200000;
  const uint64_t give_up = now_ns() + 10000000000u;
  for (;;) {
    const int fd = try_dial(port);
    if (fd >= 0) return fd;
    must(now_ns() < give_up, "a service that does not listen");
    const struct timespec pause = {.tv_nsec = (long)gap_ns};
    nanosleep(&pause, NULL);
    gap_ns += gap_ns / 4;
    if (gap_ns > 5000000) gap_ns = 5000000;
  }
}

// Sends `request` to the order service; the status of its answer.
static int ask_orders(const char* request) {
  char answer[4096];
  size_t used = 0;
  const int fd = dial(kOrdersPort);
  must(write(fd, request, strlen(request)) == (ssize_t)strlen(request), "write");
  for (;;) {
    const ssize_t n = read(fd, answer + used, sizeof answer - 1 - used);
    if (n <= 0) break;
    used += (size_t)n;
  }
  close(fd);
  answer[used] = '\0';
  int status = 0;
  return sscanf(answer, "HTTP/1.%*d %d", &status) == 1 ? status : 0;
}

static void stop(pid_t pid) {
  int status = 0;
  must(kill(pid, SIGTERM) == 0, "kill");
  must(waitpid(pid, &status, 0) == pid, "waitpid");
  must(WIFEXITED(status) && WEXITSTATUS(status) == 0, "a service that does not exit with 0");
}

static void one_round(const char* folder) {
  static const char kHealth[] =
      "GET /health HTTP/1.1\r\nHost: localhost:8080\r\nConnection: close\r\n\r\n";
  static const char kOrder[] =
      "POST /orders HTTP/1.1\r\nHost: localhost:8080\r\nConnection: close\r\n"
      "Content-Length: 24\r\n\r\n{\"sku\":\"widget\",\"qty\":1}";
  char* const for_inventory[] = {"PORT=5432", "WAL_PATH=/tmp/inventory.wal", NULL};
  char* const for_orders[] = {"PORT=8080", "INVENTORY_ADDR=127.0.0.1:5432", NULL};
  const pid_t inventory = start(folder, "inventory-svc", for_inventory);
  close(dial(kInventoryPort));
  const pid_t orders = start(folder, "order-svc", for_orders);
  must(ask_orders(kHealth) == 200, "orders is not healthy");
  must(ask_orders(kOrder) == 200, "the order was not confirmed");
  stop(orders);
  stop(inventory);
}

int main(int argc, char** argv) {
  if (argc != 3 || atoi(argv[2]) < 1) {
    fprintf(stderr, "usage: floor FOLDER ROUNDS\n");
    return 1;
  }
  char* folder = realpath(argv[1], NULL);
  must(folder != NULL, argv[1]);
  enter_own_network_and_tmp();
  for (int round = 0; round < atoi(argv[2]); ++round) {
    const uint64_t begin = now_ns();
    one_round(folder);
    printf("%.3f\n", (double)(now_ns() - begin) / 1e6);
  }
  return 0;
}
