// SPDX-License-Identifier: Apache-2.0
//
// Times its own write() calls: one byte each to a file on a tmpfs, which it empties again.
//
//   write_timer BATCHES CALLS OUT   prints the nanoseconds per call of each batch, one a line
//   with PORT and OUT in the environment it is a service: a line "CALLS" is answered with the
//   nanoseconds per call of one batch
//
// A failed write is timed like any other.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
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

static double time_batch(int out, int calls) {
  must(ftruncate(out, 0) == 0 && lseek(out, 0, SEEK_SET) == 0, "empty the file");
  ssize_t written = 0;
  const uint64_t begin = now_ns();
  for (int i = 0; i < calls; ++i) written += write(out, "x", 1);
  const double each = (double)(now_ns() - begin) / calls;
  must(written == calls || written == -calls, "writes that neither all succeed nor all fail");
  return each;
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
    if (recv(client, line, sizeof line - 1, 0) > 0 && atoi(line) > 0) {
      const int n = snprintf(line, sizeof line, "%.1f\n", time_batch(out, atoi(line)));
      send(client, line, (size_t)n, MSG_NOSIGNAL);
    }
    close(client);
  }
}

int main(int argc, char** argv) {
  const char* path = argc == 4 ? argv[3] : getenv("OUT");
  must(path != NULL, "usage: write_timer BATCHES CALLS OUT");
  const int out = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
  must(out >= 0, path);
  if (argc != 4) serve(atoi(getenv("PORT")), out);
  for (int i = 0; i < atoi(argv[1]); ++i) printf("%.1f\n", time_batch(out, atoi(argv[2])));
  unlink(path);
  return 0;
}
