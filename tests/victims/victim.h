// SPDX-License-Identifier: Apache-2.0
//
// What the victims share: tiny servers of one behaviour each. A victim says on stdout what a tool
// that watches it must have seen, and "ok" last; what goes wrong for a reason that is not its
// behaviour ends it with 97.
#pragma once

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static inline void must(int good, const char* what) {
  if (good) return;
  fprintf(stderr, "victim: %s: %s\n", what, strerror(errno));
  exit(97);
}

// A line of output, visible at once.
__attribute__((format(printf, 1, 2))) static inline void say(const char* format, ...) {
  va_list arguments;
  va_start(arguments, format);
  vprintf(format, arguments);
  va_end(arguments);
  putchar('\n');
  fflush(stdout);
}

static inline const char* env_or(const char* name, const char* otherwise) {
  const char* value = getenv(name);
  return value != NULL ? value : otherwise;
}

static inline int env_int(const char* name, int otherwise) {
  const char* value = getenv(name);
  return value != NULL ? atoi(value) : otherwise;
}

// A listener on 127.0.0.1:`port`, or -1 with errno.
static inline int try_listen(int port) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int on = 1;
  struct sockaddr_in address = {.sin_family = AF_INET,
                                .sin_port = htons((uint16_t)port),
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (bind(fd, (struct sockaddr*)&address, sizeof address) == 0 && listen(fd, 128) == 0) return fd;
  const int why = errno;
  close(fd);
  errno = why;
  return -1;
}

static inline int listen_on(int port) {
  const int fd = try_listen(port);
  must(fd >= 0, "listen");
  return fd;
}

static inline int accept_one(int listener) {
  const int on = 1;
  int fd;
  do fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
  while (fd < 0 && (errno == EINTR || errno == ECONNABORTED));
  must(fd >= 0, "accept");
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  return fd;
}

// The next line without its end into `line`; 0 when the peer is gone. Byte by byte: a victim's
// calls are meant to be counted, and lines here are short.
static inline int read_line(int fd, char* line, size_t size) {
  size_t used = 0;
  char byte;
  while (used + 1 < size && recv(fd, &byte, 1, 0) == 1) {
    if (byte == '\n') {
      line[used] = '\0';
      return 1;
    }
    if (byte != '\r') line[used++] = byte;
  }
  return 0;
}

static inline void send_text(int fd, const char* text) {
  size_t left = strlen(text);
  while (left > 0) {
    const ssize_t n = send(fd, text, left, MSG_NOSIGNAL);
    if (n <= 0) return;
    text += n;
    left -= (size_t)n;
  }
}

// Reads one HTTP request's head and answers 200 with `body`. 0 when there was none to answer.
static inline int answer_http(int fd, const char* body) {
  char line[512];
  char answer[512];
  if (!read_line(fd, line, sizeof line)) return 0;
  while (line[0] != '\0') {
    if (!read_line(fd, line, sizeof line)) return 0;
  }
  snprintf(answer, sizeof answer,
           "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n%s", strlen(body),
           body);
  send_text(fd, answer);
  return 1;
}

static inline void append_line(const char* path, const char* line) {
  const int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  must(fd >= 0, path);
  char text[256];
  const int n = snprintf(text, sizeof text, "%s\n", line);
  must(write(fd, text, (size_t)n) == n, "write");
  close(fd);
}

static inline void pause_ms(int ms) {
  struct timespec left = {.tv_sec = ms / 1000, .tv_nsec = (ms % 1000) * 1000000L};
  while (nanosleep(&left, &left) != 0 && errno == EINTR) {
  }
}
