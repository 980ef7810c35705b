// SPDX-License-Identifier: Apache-2.0
//
// A victim of the observer: makes one family of calls and prints what the observer must see, one
// line per call:
//
//   name <tab> return value, negative errno on failure <tab> path <tab> opened_as
//
// "-" stands for what the test need not compare. Its last line is "ok".
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static char dir[512];
static char text_a[1024], text_b[1024];

static const char *in_dir(char *out, const char *name) {
  snprintf(out, 1024, "%s/%s", dir, name);
  return out;
}

// Poisons the upper half of a 32-bit argument: the kernel must ignore it, and so must we.
static long poison(int value) { return (long)(0xdeadbeef00000000UL | (unsigned)value); }

static long say(const char *name, long ret, const char *path, const char *opened_as) {
  if (ret < 0) ret = -errno;
  printf("%s\t%ld\t%s\t%s\n", name, ret, path, opened_as);
  return ret;
}

static int make(const char *name) {
  in_dir(text_a, name);
  int fd = syscall(SYS_openat, poison(AT_FDCWD), text_a, O_CREAT | O_RDWR | O_TRUNC, 0644);
  say("openat", fd, text_a, text_a);
  return fd;
}

static void files(void) {
  int fd = make("plain");
  say("write", syscall(SYS_write, poison(fd), "hello", 5), text_a, "");
  say("pwrite64", syscall(SYS_pwrite64, poison(fd), "abc", 3, 100), text_a, "");
  struct iovec iov[2] = {{"x", 1}, {"yz", 2}};
  say("writev", syscall(SYS_writev, poison(fd), iov, 2), text_a, "");
  char buffer[16];
  say("pread64", syscall(SYS_pread64, poison(fd), buffer, 4, 0), text_a, "");
  say("read", syscall(SYS_read, poison(fd), buffer, 16), text_a, "");
  say("fsync", syscall(SYS_fsync, poison(fd)), text_a, "");
  say("fdatasync", syscall(SYS_fdatasync, poison(fd)), text_a, "");
  say("close", syscall(SYS_close, poison(fd)), text_a, "");
  say("close", syscall(SYS_close, poison(fd)), "", "");
  say("write", syscall(SYS_write, poison(-1), "x", 1), "", "");
  in_dir(text_b, "absent");
  say("openat", syscall(SYS_openat, AT_FDCWD, text_b, O_RDONLY), text_b, text_b);
  say("unlink", syscall(SYS_unlink, text_b), text_b, text_b);
  say("open", syscall(SYS_open, (char *)1, O_RDONLY), "", "");
}

static void names(void) {
  int fd = make("old");
  char to[1024];
  in_dir(to, "new");
  say("write", write(fd, "1", 1), text_a, "");
  say("rename", syscall(SYS_rename, text_a, to), to, text_a);
  say("write", write(fd, "2", 1), to, "");
  in_dir(text_b, "second");
  say("link", syscall(SYS_link, to, text_b), text_b, to);
  int other = syscall(SYS_openat, AT_FDCWD, text_b, O_WRONLY);
  say("openat", other, text_b, text_b);
  say("write", write(other, "3", 1), text_b, "");
  say("write", write(fd, "4", 1), to, "");
  say("unlink", syscall(SYS_unlink, to), to, to);
  say("write", write(fd, "5", 1), to, "");
  say("renameat2", syscall(SYS_renameat2, AT_FDCWD, text_b, AT_FDCWD, text_a, 0), text_a, text_b);
  say("write", write(other, "6", 1), text_a, "");
  say("close", syscall(SYS_close, other), text_a, "");
  in_dir(text_b, "soft");
  say("symlink", syscall(SYS_symlink, text_a, text_b), text_b, text_b);
  int through = syscall(SYS_openat, AT_FDCWD, text_b, O_WRONLY);
  say("openat", through, text_a, text_b);
  say("write", write(through, "7", 1), text_a, "");
}

static void relative(void) {
  int top = open(dir, O_DIRECTORY);
  say("openat", top, dir, dir);
  say("mkdirat", syscall(SYS_mkdirat, poison(top), "sub", 0755), in_dir(text_a, "sub"), text_a);
  int fd = syscall(SYS_openat, poison(top), "sub/./f", O_CREAT | O_WRONLY, 0600);
  say("openat", fd, in_dir(text_a, "sub/f"), in_dir(text_b, "sub/./f"));
  say("write", write(fd, "x", 1), text_a, "");
  if (chdir(dir) != 0) exit(1);
  int here = syscall(SYS_open, "sub/../sub/f", O_RDONLY);
  say("open", here, text_a, in_dir(text_b, "sub/../sub/f"));
  say("unlinkat", syscall(SYS_unlinkat, top, "sub/f", 0), text_a, text_a);
  say("rmdir", syscall(SYS_rmdir, "sub"), in_dir(text_a, "sub"), text_a);
}

static void inherited(void) {
  int fd = make("shared");
  int twin = dup(fd);
  say("dup", twin, text_a, "");
  say("write", write(twin, "a", 1), text_a, "");
  say("dup2", syscall(SYS_dup2, fd, 77), text_a, "");
  say("write", write(77, "b", 1), text_a, "");
  int hidden = syscall(SYS_openat, AT_FDCWD, dir, O_TMPFILE | O_RDWR, 0600);
  say("openat", hidden, "-", dir);
  say("write", write(hidden, "c", 1), "-", "");
  int memory = memfd_create("mine", 0);
  say("write", write(memory, "d", 1), "/memfd:mine", "");
  int pipes[2];
  if (pipe(pipes) != 0) exit(1);
  say("write", write(pipes[1], "e", 1), "", "");
  int null = open("/dev/null", O_WRONLY);
  say("openat", null, "/dev/null", "/dev/null");
  say("write", write(null, "f", 1), "/dev/null", "");
}

// A descriptor that comes over a socket, into a process that never opened it.
static void passed(void) {
  int fd = make("sent"), ends[2];
  if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends) != 0) exit(1);
  char byte = 'x', room[CMSG_SPACE(sizeof(int))];
  struct iovec one = {&byte, 1};
  struct msghdr message = {0, 0, &one, 1, room, sizeof room, 0};
  fflush(stdout);
  pid_t child = fork();
  if (child == 0) {
    close(fd);
    if (recvmsg(ends[1], &message, 0) != 1) _exit(1);
    int got;
    memcpy(&got, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof got);
    _exit(write(got, "1", 1) != 1);
  }
  struct cmsghdr *head = CMSG_FIRSTHDR(&message);
  *head = (struct cmsghdr){CMSG_LEN(sizeof fd), SOL_SOCKET, SCM_RIGHTS};
  memcpy(CMSG_DATA(head), &fd, sizeof fd);
  if (sendmsg(ends[0], &message, 0) != 1) exit(1);
  int status = 1;
  waitpid(child, &status, 0);
  if (status != 0) exit(1);
  say("close", 0, text_a, "");
  say("write", 1, text_a, "");
}

static int reader_tid;
static void *read_one(void *arg) {
  char byte;
  __atomic_store_n(&reader_tid, (int)syscall(SYS_gettid), __ATOMIC_SEQ_CST);
  return (void *)read((int)(long)arg, &byte, 1);
}

// Its descriptor is closed, and the number given to a file, while a call waits.
static void reused(void) {
  int fd = make("first"), pipes[2];
  if (pipe(pipes) != 0) exit(1);
  pthread_t thread;
  pthread_create(&thread, 0, read_one, (void *)(long)pipes[0]);
  char name[64], state = 0;
  while (!__atomic_load_n(&reader_tid, __ATOMIC_SEQ_CST)) sched_yield();
  snprintf(name, sizeof name, "/proc/self/task/%d/stat", reader_tid);
  while (state != 'S') {
    FILE *stat = fopen(name, "r");
    if (!stat || fscanf(stat, "%*d %*s %c", &state) != 1) exit(1);
    fclose(stat);
  }
  say("close", syscall(SYS_close, pipes[0]), "", "");
  say("dup2", syscall(SYS_dup2, fd, pipes[0]), text_a, "");
  say("write", syscall(SYS_write, pipes[1], "x", 1), "", "");
  void *got = 0;
  pthread_join(thread, &got);
  say("read", (long)got, "", "");
}

// Names of bytes that are no text, and as many as a path can have; then more.
static void odd(void) {
  int fd = make("o\x01d\xff \\\"'*?[\xc3");
  say("write", write(fd, "x", 1), text_a, "");
  char path[8192], part[256];
  memset(part, 'p', 255);
  part[255] = 0;
  strcpy(path, dir);
  if (chdir(dir) != 0) exit(1);
  while (strlen(path) + 256 < 4080) {
    if (mkdir(part, 0700) != 0 || chdir(part) != 0) exit(1);
    strcat(strcat(path, "/"), part);
    say("mkdir", 0, path, path);
  }
  int rest = 4095 - (int)strlen(path) - 1;
  part[rest] = 0;
  strcat(strcat(path, "/"), part);
  fd = syscall(SYS_open, part, O_CREAT | O_WRONLY, 0600);
  say("open", fd, path, path);
  say("write", write(fd, "x", 1), path, "");
}

static void rooted(void) {
  char inside[1024];
  int outer = make("outer");
  in_dir(inside, "jail");
  say("mkdir", syscall(SYS_mkdir, inside, 0755), inside, inside);
  if (chroot(inside) != 0 || chdir("/") != 0) exit(1);
  int fd = syscall(SYS_open, "/in", O_CREAT | O_WRONLY, 0600);
  say("open", fd, "/in", "/in");
  say("write", write(fd, "x", 1), "/in", "");
  say("write", write(outer, "y", 1), "-", "");
}

static void synced(void) {
  in_dir(text_a, "wal");
  int fd = syscall(SYS_openat, AT_FDCWD, text_a, O_CREAT | O_WRONLY | O_DSYNC, 0600);
  say("openat", fd, text_a, text_a);
  say("write", write(fd, "x", 1), text_a, "");
  struct iovec iov = {"y", 1};
  int plain = syscall(SYS_openat, AT_FDCWD, text_a, O_WRONLY);
  say("openat", plain, text_a, text_a);
  say("pwritev2", syscall(SYS_pwritev2, plain, &iov, 1, 0, 0, 2), text_a, "");
  say("write", write(plain, "z", 1), text_a, "");
}

// int 0x80 of a 64-bit program: numbers are i386's. 4 write, 20 getpid (x86-64: writev), 118 fsync.
#ifdef __x86_64__
static long call32(long nr, long a, long b, long c) {
  long ret;
  __asm__ volatile("int $0x80" : "=a"(ret) : "a"(nr), "b"(a), "c"(b), "d"(c) : "memory");
  return ret;
}

static void compat(void) {
  int fd = make("narrow");
  char *low = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
  strcpy(low, "abc");
  errno = 0;
  call32(20, 0, 0, 0);
  say("write", call32(4, fd, (long)low, 3), text_a, "");
  say("fsync", call32(118, fd, 0, 0), text_a, "");
}
#else
static void compat(void) {}
#endif

static volatile int handled;
static int in_handler = -1;
static void on_signal(int nr) {
  (void)nr;
  handled++;
  if (in_handler >= 0) say("write", write(in_handler, "h", 1), "-", "");
}

static void arm(int flags) {
  struct sigaction action = {.sa_handler = on_signal, .sa_flags = flags};
  sigaction(SIGALRM, &action, 0);
  struct itimerval timer = {{0, 0}, {0, 20000}};
  setitimer(ITIMER_REAL, &timer, 0);
}

// A blocking read interrupted by signals: restarted (one call), then EINTR.
static void restarts(void) {
  int pipes[2];
  if (pipe(pipes) != 0) exit(1);
  char c;
  in_handler = make("handler");
  fflush(stdout);
  pid_t writer = fork();
  if (writer == 0) {
    for (;;) pause();
  }
  arm(SA_RESTART);
  struct itimerval again = {{0, 10000}, {0, 10000}};
  setitimer(ITIMER_REAL, &again, 0);
  // The handler's third run feeds the pipe, so that the call ends by itself.
  in_handler = -1;
  struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
  sigaction(SIGALRM, &action, 0);
  pid_t feeder = fork();
  if (feeder == 0) {
    setitimer(ITIMER_REAL, &(struct itimerval){{0, 0}, {0, 0}}, 0);
    struct timespec wait = {0, 60000000};
    nanosleep(&wait, 0);
    write(pipes[1], "x", 1);
    _exit(0);
  }
  say("read", read(pipes[0], &c, 1), "", "");
  if (handled < 2) exit(1);
  setitimer(ITIMER_REAL, &(struct itimerval){{0, 0}, {0, 0}}, 0);
  waitpid(feeder, 0, 0);
  arm(0);
  say("read", read(pipes[0], &c, 1), "", "");
  struct timespec wait = {5, 0};
  arm(0);
  say("nanosleep", syscall(SYS_nanosleep, &wait, 0), "", "");
  kill(writer, SIGKILL);
  waitpid(writer, 0, 0);
}

static void *thread_body(void *arg) {
  int fd = (int)(long)arg;
  for (int i = 0; i < 100; i++)
    if (write(fd, "t", 1) != 1) exit(1);
  return 0;
}

static void threads(void) {
  int fd = make("many");
  pthread_t all[8];
  for (int i = 0; i < 8; i++) pthread_create(&all[i], 0, thread_body, (void *)(long)fd);
  for (int i = 0; i < 8; i++) pthread_join(all[i], 0);
  for (int i = 0; i < 800; i++) say("write", 1, text_a, "");
  fflush(stdout);
  for (int i = 0; i < 4; i++) {
    pid_t pid = i % 2 ? vfork() : fork();
    if (pid == 0) {
      if (i % 2) syscall(SYS_write, fd, "c", 1);
      else (void)!write(fd, "c", 1);
      _exit(0);
    }
    waitpid(pid, 0, 0);
    say("write", 1, text_a, "");
  }
}

static void executes(const char *self) {
  int fd = make("kept");
  char number[16];
  snprintf(number, sizeof number, "%d", fd);
  say("execve", syscall(SYS_execve, "/nowhere", 0, 0), "/nowhere", "/nowhere");
  say("execve", 0, "-", self);
  say("write", 1, text_a, "");
  fflush(stdout);
  execl(self, self, "finish", number, (char *)0);
  exit(1);
}

int main(int argc, char **argv) {
  if (argc < 3) return 2;
  if (strcmp(argv[1], "finish") == 0) {
    if (write(atoi(argv[2]), "e", 1) != 1) return 1;
    puts("ok");
    return 0;
  }
  snprintf(dir, sizeof dir, "%s", argv[2]);
  static char buffer[1 << 20];
  setvbuf(stdout, buffer, _IOFBF, sizeof buffer);
  const struct {
    const char *name;
    void (*run)(void);
  } cases[] = {{"files", files},   {"names", names},   {"relative", relative}, {"inherited", inherited},
               {"rooted", rooted}, {"synced", synced}, {"compat", compat},     {"restarts", restarts},
               {"threads", threads}, {"passed", passed}, {"reused", reused},   {"odd", odd}};
  if (strcmp(argv[1], "executes") == 0) executes(argv[0]);
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
    if (strcmp(argv[1], cases[i].name) == 0) {
      cases[i].run();
      puts("ok");
      return 0;
    }
  return 2;
}
