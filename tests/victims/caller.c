// SPDX-License-Identifier: Apache-2.0
//
// Makes the calls that it is told to, and tells what became of each. A line on PORT is
//
//   THREADS PROCESSES CALL CALL …
//
// Each of the threads of each of the processes makes the calls one after the other. The answer is,
// for each of them, "." or the errno, separated by spaces, and "|" between threads. A call is a
// letter for what is done and one for the descriptor (see do_call).
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>

#include "victim.h"

enum { kCalls = 64, kThreads = 8, kProcesses = 4, kDialled = 7101, kNobody = 7102 };

static int files[128];  // by letter
static const char* const kFolder = "/tmp/c";

struct results {
  int done[kProcesses][kThreads][kCalls];
  int unique;
};

static struct results* results;
static char calls[kCalls][3];
static int call_count, thread_count, process_count;

static void in_folder(char* path, size_t size, const char* name) {
  snprintf(path, size, "%s/%s", kFolder, name);
}

static void new_name(char* path, size_t size) {
  snprintf(path, size, "%s/new.%d", kFolder, __atomic_add_fetch(&results->unique, 1, __ATOMIC_RELAXED));
}

// Takes what was dialled out of the listener's queue, so that it never fills.
static long dial(int family, int port) {
  union { struct sockaddr any; struct sockaddr_in v4; struct sockaddr_in6 v6; } to = {0};
  const int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  to.v4.sin_family = (sa_family_t)family;
  to.v4.sin_port = htons((uint16_t)port);  // where it is in v6, too
  if (family == AF_INET) to.v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  else to.v6.sin6_addr = in6addr_loopback;
  const int r = connect(fd, &to.any, family == AF_INET ? sizeof to.v4 : sizeof to.v6);
  const int why = errno, other = r == 0 ? accept(files[family == AF_INET ? 'x' : 'z'], NULL, NULL) : -1;
  if (other >= 0) close(other);
  close(fd);
  errno = why;
  return r;
}

static int close_if(int fd) {
  if (fd < 0) return -1;
  close(fd);
  return 0;
}

// Writes of one byte, and calls that leave no trace for those behind them.
static long do_call(const char* call) {
  char byte = 'x', path[128];
  struct iovec one = {&byte, 1};
  const int fd = files[(unsigned char)call[1]];
  in_folder(path, sizeof path, (char[]){call[1], '\0'});
  switch (call[0]) {
    case 'w': return write(fd, &byte, 1);
    case 'v': return writev(fd, &one, 1);
    case 'p': return pwrite(fd, &byte, 1, 0);
    case 'q': return pwritev(fd, &one, 1, 0);
    case 'r': return pread(fd, &byte, 1, 0);
    case 'f': return fsync(fd);
    case 'd': return fdatasync(fd);
    case 'o': return close_if(open(path, O_RDONLY));
    case 't': return close_if(open(path, O_WRONLY | O_TRUNC));
    case 'c': new_name(path, sizeof path); return close_if(open(path, O_WRONLY | O_CREAT | O_EXCL, 0644));
    case 'm': new_name(path, sizeof path); return mkdir(path, 0755);
    case 'u': new_name(path, sizeof path); return unlink(path);
    case 'k': return dial(call[1] == 'z' ? AF_INET6 : AF_INET, call[1] == 'y' ? kNobody : kDialled);
    default: errno = EPROTO; return -1;
  }
}

static void* make_calls(void* where) {
  int* done = where;
  for (int i = 0; i < call_count; ++i) done[i] = do_call(calls[i]) < 0 ? errno : 0;
  return NULL;
}

static void make_threads(int process) {
  pthread_t threads[kThreads];
  for (int t = 1; t < thread_count; ++t)
    must(pthread_create(&threads[t], NULL, make_calls, results->done[process][t]) == 0, "thread");
  make_calls(results->done[process][0]);
  for (int t = 1; t < thread_count; ++t) pthread_join(threads[t], NULL);
}

static void make_processes(void) {
  pid_t children[kProcesses];
  for (int p = 1; p < process_count; ++p) {
    children[p] = fork();
    must(children[p] >= 0, "fork");
    if (children[p] != 0) continue;
    make_threads(p);
    _exit(0);
  }
  make_threads(0);
  for (int p = 1; p < process_count; ++p) waitpid(children[p], NULL, 0);
}

static int take_line(char* line) {
  char* rest = NULL;
  const char* word = strtok_r(line, " ", &rest);
  thread_count = word != NULL ? atoi(word) : 0;
  word = strtok_r(NULL, " ", &rest);
  process_count = word != NULL ? atoi(word) : 0;
  for (call_count = 0; (word = strtok_r(NULL, " ", &rest)) != NULL; ++call_count) {
    if (call_count == kCalls || strlen(word) != 2) return 0;
    strcpy(calls[call_count], word);
  }
  return thread_count >= 1 && thread_count <= kThreads && process_count >= 1 &&
         process_count <= kProcesses;
}

static void answer(int client) {
  static char text[kProcesses * kThreads * kCalls * 5];
  size_t used = 0;
  for (int p = 0; p < process_count; ++p) {
    for (int t = 0; t < thread_count; ++t) {
      if (p + t > 0) used += (size_t)sprintf(text + used, " |");
      for (int i = 0; i < call_count; ++i) {
        const int error = results->done[p][t][i];
        const char* space = used > 0 ? " " : "";
        used += (size_t)(error != 0 ? sprintf(text + used, "%s%d", space, error)
                                    : sprintf(text + used, "%s.", space));
      }
    }
  }
  strcpy(text + used, "\n");
  send_text(client, text);
}

static int listen_on_v6(int port) {
  const int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;
  struct sockaddr_in6 at = {.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port),
                            .sin6_addr = in6addr_loopback};
  setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
  must(bind(fd, (struct sockaddr*)&at, sizeof at) == 0 && listen(fd, 128) == 0, "listen on ::1");
  return fd;
}

static void open_all(void) {
  char path[128];
  must(mkdir(kFolder, 0755) == 0 || errno == EEXIST, kFolder);
  for (const char* name = "ab"; *name != '\0'; ++name) {
    in_folder(path, sizeof path, (char[]){*name, '\0'});
    files[(unsigned char)*name] = open(path, O_RDWR | O_CREAT, 0644);
    must(write(files[(unsigned char)*name], "x", 1) == 1, path);
  }
  in_folder(path, sizeof path, "s");
  files['s'] = open(path, O_RDWR | O_CREAT | O_DSYNC, 0644);  // every write syncs
  files['n'] = open("/dev/null", O_RDWR);
  files['m'] = memfd_create("caller", 0);
  files['x'] = listen_on(kDialled);
  files['z'] = listen_on_v6(kDialled);
  int ends[2];
  must(pipe2(ends, O_NONBLOCK) == 0, "pipe");
  files['p'] = ends[1];
  must(fcntl(ends[1], F_SETPIPE_SZ, 1 << 20) > 0, "pipe");
  must(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0, "socketpair");
  const int room = 1 << 20;
  setsockopt(ends[1], SOL_SOCKET, SO_SNDBUF, &room, sizeof room);
  files['u'] = ends[1];
}

int main(void) {
  results = mmap(NULL, sizeof *results, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  must(results != MAP_FAILED, "mmap");
  open_all();
  const int listener = listen_on(env_int("PORT", 7001));
  for (;;) {
    const int client = accept_one(listener);
    char line[512];
    while (read_line(client, line, sizeof line)) {
      if (!take_line(line)) {
        send_text(client, "ERR what?\n");
        continue;
      }
      make_processes();
      answer(client);
    }
    close(client);
  }
}
