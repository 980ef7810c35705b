// SPDX-License-Identifier: Apache-2.0
//
// A service of the tests, one behaviour per first argument:
//   listen PORT [MS]    listens after MS ms, answers every connection with "hello\n"
//   http PORT N         answers N requests with 503, then 200
//   mute PORT           listens and never answers
//   exit STATUS         says two lines on stderr, exits
//   crash               dies of SIGSEGV
//   idle                does nothing; ends on SIGTERM
//   deaf PORT N         listens; N daemons of its own and itself ignore SIGTERM
//   facts FILE          writes who and where it is, and its environment, into FILE; then idles
//   shout               writes 1 MB to stdout in lines, then idles
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dirent.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

static int listen_on(int port) {
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;
  struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((unsigned short)port)};
  a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  if (bind(fd, (struct sockaddr *)&a, sizeof a) != 0 || listen(fd, 16) != 0) {
    perror("bind");
    exit(3);
  }
  return fd;
}

static void answer_all(int fd) {
  for (;;) {
    int c = accept(fd, NULL, NULL);
    if (c < 0) continue;
    if (write(c, "hello\n", 6) != 6) perror("write");
    close(c);
  }
}

static void answer_http(int fd, int unhealthy) {
  static const char bad[] = "HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n";
  static const char good[] = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
  char request[4096];
  for (;;) {
    int c = accept(fd, NULL, NULL);
    if (c < 0) continue;
    const char *text = unhealthy-- > 0 ? bad : good;
    if (read(c, request, sizeof request) <= 0 || write(c, text, strlen(text)) < 0) perror("http");
    close(c);
  }
}

static void sleep_ms(int ms) {
  struct timespec t = {ms / 1000, (ms % 1000) * 1000000L};
  nanosleep(&t, NULL);
}

static void idle(void) {
  for (;;) pause();
}

static void deaf(int port, int daemons) {
  signal(SIGTERM, SIG_IGN);
  signal(SIGHUP, SIG_IGN);
  int ready[2];
  char byte;
  if (pipe(ready) != 0) exit(1);
  for (int i = 0; i < daemons; i++) {
    if (fork() != 0) continue;
    setsid();
    if (fork() != 0) _exit(0);
    char *memory = malloc(8 << 20);
    memset(memory, 1, 8 << 20);
    if (write(ready[1], "x", 1) != 1) _exit(1);
    idle();
  }
  for (int i = 0; i < daemons; i++)
    if (read(ready[0], &byte, 1) != 1) exit(1);
  answer_all(listen_on(port));
}

static void facts(const char *path) {
  FILE *f = fopen(path, "w");
  char cwd[4096];
  gid_t groups[64];
  sigset_t mask;
  if (f == NULL) exit(4);
  fprintf(f, "uid %d %d gid %d %d\n", getuid(), geteuid(), getgid(), getegid());
  int n = getgroups(64, groups);
  for (int i = 0; i < n; i++) fprintf(f, "group %d\n", groups[i]);
  fprintf(f, "cwd %s\nsid %s\n", getcwd(cwd, sizeof cwd), getsid(0) == getpid() ? "own" : "other");
  sigprocmask(SIG_BLOCK, NULL, &mask);
  for (int s = 1; s < 32; s++) {
    struct sigaction a;
    sigaction(s, NULL, &a);
    if (sigismember(&mask, s)) fprintf(f, "blocked %d\n", s);
    if (a.sa_handler != SIG_DFL) fprintf(f, "signal %d not default\n", s);
  }
  DIR *d = opendir("/proc/self/fd");
  for (struct dirent *e; d != NULL && (e = readdir(d)) != NULL;)
    if (e->d_name[0] != '.' && atoi(e->d_name) != dirfd(d) && atoi(e->d_name) != fileno(f))
      fprintf(f, "fd %s\n", e->d_name);
  for (char **e = environ; *e != NULL; e++) fprintf(f, "env %s\n", *e);
  FILE *out = fopen("/dev/stdout", "w");
  fprintf(f, "stdout %s\n", out != NULL ? "opens" : "refused");
  fprintf(f, "end\n");
  fclose(f);
  idle();
}

int main(int argc, char **argv) {
  const char *what = argc > 1 ? argv[1] : "idle";
  int a = argc > 2 ? atoi(argv[2]) : 0, b = argc > 3 ? atoi(argv[3]) : 0;
  if (strcmp(what, "listen") == 0) {
    sleep_ms(b);
    answer_all(listen_on(a));
  } else if (strcmp(what, "http") == 0) {
    answer_http(listen_on(a), b);
  } else if (strcmp(what, "mute") == 0) {
    listen_on(a);
    idle();
  } else if (strcmp(what, "exit") == 0) {
    fprintf(stderr, "first line\ncannot go on: no config");
    return a;
  } else if (strcmp(what, "crash") == 0) {
    const struct rlimit none = {0, 0};
    setrlimit(RLIMIT_CORE, &none);
    raise(SIGSEGV);
  } else if (strcmp(what, "deaf") == 0) {
    deaf(a, b);
  } else if (strcmp(what, "facts") == 0) {
    facts(argv[2]);
  } else if (strcmp(what, "shout") == 0) {
    for (int i = 0; i < 16384; i++)
      printf("line %05d ...................................................\n", i);
    fflush(stdout);
    idle();
  } else {
    idle();
  }
  return 0;
}
