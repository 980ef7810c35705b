// SPDX-License-Identifier: Apache-2.0
//
// Nine writes of one byte to $OUT, made in the way that the first argument names; prints '.' for
// each that succeeded and 'E' for each that failed with EIO, and then "done".
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

static char marks[16];
static int count, fd;
static const char *way;

static void mark(long r) { marks[count++] = r == 1 ? '.' : errno == EIO ? 'E' : '?'; }

static void one(void) {
  struct iovec v = {"x", 1};
  if (!strcmp(way, "raw")) mark(syscall(SYS_write, fd, "x", 1));
  else if (!strcmp(way, "writev")) mark(writev(fd, &v, 1));
  else if (!strcmp(way, "pwrite")) mark(pwrite(fd, "x", 1, 0));
  else if (!strcmp(way, "pwritev")) mark(pwritev(fd, &v, 1, 0));
  else mark(write(fd, "x", 1));
}
static void handler(int sig) { (void)sig; one(); }
static void *thread(void *a) { one(); return a; }
static void nine(void) {
  for (int i = 0; i < 9; i++) {
    if (!strcmp(way, "signal")) raise(SIGUSR1);
    else if (!strcmp(way, "thread")) {
      pthread_t t;
      pthread_create(&t, 0, thread, 0);
      pthread_join(t, 0);
    } else if (!strcmp(way, "stdio")) {
      FILE *f = fopen(getenv("OUT"), "a");
      fputc('x', f);
      mark(fflush(f) == 0 ? 1 : -1);
      fclose(f);
    } else one();
  }
}
static void report(void) {
  marks[count] = 0;
  char line[64];
  int n = snprintf(line, sizeof line, "%s done\n", marks);
  if (write(1, line, (size_t)n) != n) _exit(9);
}
static void run(char **argv, char **env) {
  pid_t pid;
  int status;
  if (posix_spawn(&pid, argv[0], 0, 0, argv, env)) _exit(8);
  waitpid(pid, &status, 0);
}

int main(int argc, char **argv) {
  extern char **environ;
  way = argc > 1 ? argv[1] : "plt";
  fd = open(getenv("OUT"), O_WRONLY | O_CREAT | O_APPEND, 0644);
  if (fd < 0) return 7;
  signal(SIGUSR1, handler);
  if (!strcmp(way, "fork") || !strcmp(way, "vfork")) {
    pid_t pid = !strcmp(way, "fork") ? fork() : vfork();
    if (!pid) {
      nine();
      report();
      _exit(0);
    }
    int status;
    waitpid(pid, &status, 0);
  } else if (!strcmp(way, "spawn")) {
    char *next[] = {argv[0], "plt", 0};
    run(next, environ);
  } else if (!strcmp(way, "static")) {
    char *next[] = {argv[2], "plt", 0};
    execv(next[0], next);
  } else if (!strcmp(way, "bare")) {
    char out[300];
    snprintf(out, sizeof out, "OUT=%s", getenv("OUT"));
    char *next[] = {argv[0], "plt", 0}, *env[] = {out, 0};
    run(next, env);
  } else if (!strcmp(way, "closes")) {
    for (int i = 3; i < 256; i++) close(i);
    fd = open(getenv("OUT"), O_WRONLY | O_APPEND);
    nine();
    report();
  } else if (!strcmp(way, "load")) {  // until the 10th byte of standard input's end
    long n = 0;
    for (;; n++) {
      long r = write(fd, "x", 1);
      if (r != 1 && errno != EIO) return 6;
      if (n % 64 == 0 && getppid() == 1) return 5;
    }
  } else if (!strcmp(way, "scribble")) {
    char path[300];
    snprintf(path, sizeof path, "%s", getenv("FBX_SHIM"));
    int seg = open(path, O_RDWR);
    unsigned seed = 7;
    char junk[4096];
    for (int at = 0; at < 900; at++) {
      for (unsigned i = 0; i < sizeof junk; i++) junk[i] = (char)(seed = seed * 1103515245 + 12345);
      if (pwrite(seg, junk, sizeof junk, at * 4096l) < 0) return 4;
    }
  } else {
    nine();
    report();
  }
  return 0;
}
