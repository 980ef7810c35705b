// SPDX-License-Identifier: Apache-2.0
//
// Times its own calls: write, one byte each to a file that it empties again, or connect, to a port
// of the loopback where nobody listens.
//
//   call_timer write|connect BATCHES CALLS OUT   prints the nanoseconds per call of each batch
//   with PORT and OUT in the environment it is a service: a line "write CALLS" is answered with
//   the nanoseconds per call of one batch
//
// A call that fails is timed like any other.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

static void must(int good, const char* what) {
  if (good) return;
  perror(what);
  exit(1);
}

static uint64_t now_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static double time_writes(int out, int calls) {
  must(ftruncate(out, 0) == 0 && lseek(out, 0, SEEK_SET) == 0, "empty the file");
  ssize_t written = 0;
  const uint64_t begin = now_ns();
  for (int i = 0; i < calls; ++i) written += write(out, "x", 1);
  const double each = (double)(now_ns() - begin) / calls;
  must(written == calls || written == -calls, "writes that neither all succeed nor all fail");
  return each;
}

// Of each connect alone, without the socket that it needs.
static double time_connects(int calls) {
  const struct sockaddr_in nobody = {.sin_family = AF_INET,
                                     .sin_port = htons(9),
                                     .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  uint64_t spent = 0;
  for (int i = 0; i < calls; ++i) {
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const uint64_t begin = now_ns();
    const int failed = connect(fd, (const struct sockaddr*)&nobody, sizeof nobody);
    spent += now_ns() - begin;
    must(failed && errno == ECONNREFUSED, "a dial that is not refused");
    close(fd);
  }
  return (double)spent / calls;
}

static double time_batch(const char* what, int out, int calls) {
  return strncmp(what, "connect", 7) == 0 ? time_connects(calls) : time_writes(out, calls);
}

static void serve(int port, int out) {
  const int on = 1;
  struct sockaddr_in address = {.sin_family = AF_INET,
                                .sin_port = htons((uint16_t)port),
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  const int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  must(bind(listener, (struct sockaddr*)&address, sizeof address) == 0, "bind");
  must(listen(listener, 16) == 0, "listen");
  for (;;) {
    const int client = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    char line[64] = "";
    if (client < 0) continue;
    if (recv(client, line, sizeof line - 1, 0) > 0 && strchr(line, ' ') != NULL) {
      const double each = time_batch(line, out, atoi(strchr(line, ' ')));
      const int n = snprintf(line, sizeof line, "%.1f\n", each);
      send(client, line, (size_t)n, MSG_NOSIGNAL);
    }
    close(client);
  }
}

// Not by write(): whoever denies that denies all of them.
static void say(double each) {
  char text[64];
  struct iovec line = {.iov_base = text};
  line.iov_len = (size_t)snprintf(text, sizeof text, "%.1f\n", each);
  must(writev(1, &line, 1) > 0, "stdout");
}

int main(int argc, char** argv) {
  const char* path = argc == 5 ? argv[4] : getenv("OUT");
  must(path != NULL, "usage: call_timer write|connect BATCHES CALLS OUT");
  const int out = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
  must(out >= 0, path);
  if (argc != 5) serve(atoi(getenv("PORT")), out);
  for (int i = 0; i < atoi(argv[2]); ++i) say(time_batch(argv[1], out, atoi(argv[3])));
  unlink(path);
  return 0;
}
