// SPDX-License-Identifier: Apache-2.0
//
// What every victim of the reach table does, in C (reach.c makes the server of it):
//
//   W  nine writes of one byte to /tmp/out, opened for appending
//   S  three fsyncs of it
//   O  three times /tmp/new is opened with O_CREAT, closed and removed
//   C  three dials to 127.0.0.1:7000, where the server listens
//
// and the marks that it answers with: '.' for a call that succeeded, 'E' for one that failed with
// EIO or ECONNREFUSED, '?' for another error. REACH_RAW: the calls are made by syscall(2), past the C library's
// functions.
#pragma once

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#define REACH_OUT "/tmp/out"
#define REACH_NEW "/tmp/new"

static inline char reach_mark(long result) {
  return result >= 0 ? '.' : errno == EIO || errno == ECONNREFUSED ? 'E' : '?';
}

static inline long reach_write(int fd) {
#ifdef REACH_RAW
  return syscall(SYS_write, fd, "x", 1);
#else
  return write(fd, "x", 1);
#endif
}

static inline long reach_sync(int fd) {
#ifdef REACH_RAW
  return syscall(SYS_fsync, fd);
#else
  return fsync(fd);
#endif
}

static inline int reach_open(void) {
#ifdef REACH_RAW
  return (int)syscall(SYS_openat, AT_FDCWD, REACH_NEW, O_WRONLY | O_CREAT, 0644);
#else
  return open(REACH_NEW, O_WRONLY | O_CREAT, 0644);
#endif
}

static inline long reach_connect(int fd) {
  struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(7000)};
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
#ifdef REACH_RAW
  return syscall(SYS_connect, fd, &at, sizeof at);
#else
  return connect(fd, (struct sockaddr*)&at, sizeof at);
#endif
}

// Room for ten.
static inline void reach_do(char what, char* marks) {
  int n = 0;
  const int out = what == 'O' || what == 'C' ? -1 : open(REACH_OUT, O_WRONLY | O_CREAT | O_APPEND, 0666);
  for (int i = 0; what == 'W' && i < 9; i++) marks[n++] = reach_mark(reach_write(out));
  for (int i = 0; what == 'S' && i < 3; i++) marks[n++] = reach_mark(reach_sync(out));
  for (int i = 0; what == 'O' && i < 3; i++) {
    const int fd = reach_open();
    marks[n++] = reach_mark(fd);
    if (fd >= 0) {
      close(fd);
      unlink(REACH_NEW);
    }
  }
  for (int i = 0; what == 'C' && i < 3; i++) {
    const int fd = socket(AF_INET, SOCK_STREAM, 0);
    marks[n++] = reach_mark(reach_connect(fd));
    close(fd);
  }
  if (out >= 0) close(out);
  marks[n] = 0;
}
