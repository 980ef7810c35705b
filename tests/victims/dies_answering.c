// SPDX-License-Identifier: Apache-2.0
//
// Dies in the body of a test while the status that is asserted still comes: its own process ends
// at the first request that is not for /health, but a child it forked has the listener and goes
// on answering 200, that request first. PORT; DIE = exit (default), exit3, kill, segv.
#include <poll.h>
#include <sys/syscall.h>

#include "victim.h"

static void die(const char* how) {
  if (strcmp(how, "kill") == 0) raise(SIGKILL);
  if (strcmp(how, "segv") == 0) raise(SIGSEGV);
  _exit(strcmp(how, "exit3") == 0 ? 3 : 0);
}

static int is_health(int client) {
  char head[64] = "";
  must(recv(client, head, sizeof head - 1, MSG_PEEK) >= 0, "recv");
  return strstr(head, " /health") != NULL;
}

// Tells the parent to die and waits until it has.
static void outlive(int parent, int to_parent) {
  struct pollfd gone = {.fd = parent, .events = POLLIN};
  must(write(to_parent, "!", 1) == 1, "write");
  while (poll(&gone, 1, -1) != 1) {
  }
}

static void serve(int listener, int parent, int to_parent) {
  for (int alone = 0;;) {
    const int client = accept_one(listener);
    if (!alone && !is_health(client)) {
      outlive(parent, to_parent);
      alone = 1;
    }
    answer_http(client, "alive\n");
    close(client);
  }
}

int main(void) {
  const int listener = listen_on(env_int("PORT", 8080));
  const int self = (int)syscall(SYS_pidfd_open, getpid(), 0);
  must(self >= 0, "pidfd_open");
  int ends[2];
  must(pipe2(ends, O_CLOEXEC) == 0, "pipe");
  say("listens");
  const pid_t child = fork();
  must(child >= 0, "fork");
  if (child == 0) serve(listener, self, ends[1]);
  char word;
  must(read(ends[0], &word, 1) == 1, "read");
  die(env_or("DIE", "exit"));
}
