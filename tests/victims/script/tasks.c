// SPDX-License-Identifier: Apache-2.0
//
// Who makes the call: operations whose words are another operation.
#include <sched.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "script.h"

extern char** environ;

uint64_t last_began_ms;

// 255: there was no such operation, or the child died.
static long result_of(int status) {
  if (status == 0) return 0;
  errno = WIFEXITED(status) && WEXITSTATUS(status) != 255 ? WEXITSTATUS(status) : EPROTO;
  return -1;
}

static long wait_for(pid_t child) {
  int status = 0;
  if (child < 0) return -1;
  while (waitpid(child, &status, __WALL) < 0)
    if (errno != EINTR) return -1;
  return result_of(status);
}

static long op_fork(char** w) {
  const pid_t child = fork();
  if (child == 0) _exit(run_for_status(w));
  return wait_for(child);
}

static long op_vfork(char** w) {
  const pid_t child = vfork();
  if (child == 0) _exit(run_for_status(w));
  return wait_for(child);
}

// A process with the descriptors and the folder of its maker.
static int shared_body(void* w) { return run_for_status(w); }
static long op_clone(char** w) {
  static char stack[65536] __attribute__((aligned(16)));
  return wait_for(clone(shared_body, stack + sizeof stack, CLONE_FILES | CLONE_FS | SIGCHLD, w));
}

// A thread with a table of descriptors of its own.
static void* apart(void* w) {
  if (unshare(CLONE_FILES) != 0) return (void*)(long)errno;
  return (void*)(long)run_for_status(w);
}
static void* beside(void* w) { return (void*)(long)run_for_status(w); }
static long in_thread(void* (*body)(void*), char** w) {
  pthread_t thread;
  void* status = NULL;
  must(pthread_create(&thread, NULL, body, w) == 0, "thread");
  pthread_join(thread, &status);
  errno = (int)(long)status;
  return status == NULL ? 0 : -1;
}
static long op_thread(char** w) { return in_thread(beside, w); }
static long op_apart(char** w) { return in_thread(apart, w); }

static char** as_arguments(char** w, char* list) {
  static char* arguments[kWords + 4];
  char* end = list;
  *end = 0;
  for (int letter = 'a'; letter <= 'z'; ++letter) {
    if (slots[letter] < 0) continue;
    fcntl(slots[letter], F_SETFD, 0);
    end += sprintf(end, "%c=%d,", letter, slots[letter]);
  }
  if (end == list) strcpy(list, ",");
  int n = 0;
  arguments[n++] = "script";
  arguments[n++] = "--do";
  arguments[n++] = list;
  while (*w != NULL) arguments[n++] = *w++;
  arguments[n] = NULL;
  return arguments;
}

static long op_exec(char** w) {
  char list[256];
  char** arguments = as_arguments(w, list);
  const pid_t child = fork();
  if (child == 0) {
    execv("/proc/self/exe", arguments);
    _exit(255);
  }
  return wait_for(child);
}

static long op_bare(char** w) {
  char list[256], *nothing[] = {NULL};
  char** arguments = as_arguments(w, list);
  const pid_t child = fork();
  if (child == 0) {
    execve("/proc/self/exe", arguments, nothing);
    _exit(255);
  }
  return wait_for(child);
}

static long op_spawn(char** w) {
  char list[256];
  pid_t child = -1;
  const int why = posix_spawn(&child, "/proc/self/exe", NULL, NULL, as_arguments(w, list), environ);
  if (why != 0) {
    errno = why;
    return -1;
  }
  return wait_for(child);
}

// A process whose maker is gone.
static long op_orphan(char** w) {
  int* status = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  must(status != MAP_FAILED, "mmap");
  *status = -1;
  const pid_t child = fork();
  if (child == 0) {
    if (fork() != 0) _exit(0);
    const int r = run_for_status(w);
    __atomic_store_n(status, r, __ATOMIC_RELEASE);
    _exit(0);
  }
  wait_for(child);
  while (__atomic_load_n(status, __ATOMIC_ACQUIRE) < 0) sched_yield();
  errno = *status;
  return *status == 0 ? 0 : -1;
}

// Lasted at least so many ms; else ETIME.
static long op_took(char** w) {
  last_began_ms = now_ms();
  const int status = run_for_status(w + 1);
  const int early = now_ms() + 1 < last_began_ms + (uint64_t)atol(w[0]);
  errno = early ? ETIME : status;
  return errno == 0 ? 0 : -1;
}

// Beside what follows, under a letter.
struct task {
  pthread_t thread;
  char* words[kWords];
  uint64_t ended_ms;
  int status;
};
static struct task tasks[128];
static void* aside(void* at) {
  struct task* task = at;
  task->status = run_for_status(task->words);
  task->ended_ms = now_ms();
  return NULL;
}
static long op_aside(char** w) {
  struct task* task = &tasks[(unsigned char)w[0][0] & 127];
  for (int i = 0; i + 1 < kWords && (task->words[i] = w[i + 1]) != NULL; ++i) {
  }
  return pthread_create(&task->thread, NULL, aside, task) == 0 ? 0 : -1;
}
static long op_join(char** w) {
  struct task* task = &tasks[(unsigned char)w[0][0] & 127];
  pthread_join(task->thread, NULL);
  errno = task->status;
  return task->status == 0 ? 0 : -1;
}
// It ended at least so many ms after the last `took` began.
static long op_since(char** w) {
  return tasks[(unsigned char)w[0][0] & 127].ended_ms + 1 >= last_began_ms + (uint64_t)atol(w[1]);
}
// By a process that outlives the script, and says on stdout what became of it.
static long op_leave(char** w) {
  fflush(stdout);
  if (fork() != 0) return 0;
  char text[32];
  const uint64_t began = now_ms();
  run_operation(w, text);
  say("%s: %s, %s", w[0], text, now_ms() - began < 10000 ? "soon" : "late");
  _exit(0);
}
static long op_times(char** w) {
  for (int i = atoi(w[0]); i > 0; --i)
    if ((errno = run_for_status(w + 1)) != 0) return -1;
  return 0;
}

const struct operation task_operations[] = {
    {"fork", 1, 0, op_fork},     {"vfork", 1, 0, op_vfork},   {"clone", 1, 0, op_clone},
    {"thread", 1, 0, op_thread}, {"apart", 1, 0, op_apart},   {"exec", 1, 0, op_exec},
    {"bare", 1, 0, op_bare},     {"spawn", 1, 0, op_spawn},   {"orphan", 1, 0, op_orphan},
    {"took", 2, 0, op_took},     {"aside", 2, 0, op_aside},   {"join", 1, 0, op_join},
    {"since", 2, 1, op_since},   {"times", 2, 0, op_times},   {"leave", 1, 0, op_leave},
    {NULL, 0, 0, NULL}};
