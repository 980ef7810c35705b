// SPDX-License-Identifier: Apache-2.0
//
// An impostor inside a test's own network: waits for a process named NAME that lives in another
// network than its own, enters that network, and answers every HTTP request on PORT there with
// 200. `intruder NAME PORT` says "waits"; it is killed in the end. Needs root.
#include <dirent.h>
#include <limits.h>
#include <sched.h>
#include <sys/stat.h>

#include "victim.h"

static int is_named(const char* pid, const char* name) {
  char path[PATH_MAX], comm[64] = "";
  snprintf(path, sizeof path, "/proc/%s/comm", pid);
  const int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return 0;
  const ssize_t n = read(fd, comm, sizeof comm - 1);
  close(fd);
  if (n <= 0) return 0;
  comm[n - 1] = '\0';
  return strcmp(comm, name) == 0;
}

// The network of a process of that name, unless it is ours; -1 when there is none yet.
static int other_network(const char* name) {
  struct stat ours, theirs;
  must(stat("/proc/self/ns/net", &ours) == 0, "stat");
  DIR* proc = opendir("/proc");
  must(proc != NULL, "/proc");
  int found = -1;
  for (struct dirent* entry; found < 0 && (entry = readdir(proc)) != NULL;) {
    if (entry->d_name[0] < '0' || entry->d_name[0] > '9' || !is_named(entry->d_name, name)) continue;
    char path[PATH_MAX];
    snprintf(path, sizeof path, "/proc/%s/ns/net", entry->d_name);
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) continue;
    if (fstat(fd, &theirs) == 0 && theirs.st_ino != ours.st_ino) found = fd;
    if (found < 0) close(fd);
  }
  closedir(proc);
  return found;
}

int main(int argc, char** argv) {
  must(argc == 3, "usage: intruder NAME PORT");
  say("waits");
  int network;
  while ((network = other_network(argv[1])) < 0) pause_ms(1);
  must(setns(network, CLONE_NEWNET) == 0, "setns");
  const int listener = listen_on(atoi(argv[2]));
  say("listens");
  for (;;) {
    const int client = accept_one(listener);
    answer_http(client, "intruder\n");
    close(client);
  }
}
