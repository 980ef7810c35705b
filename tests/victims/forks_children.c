// SPDX-License-Identifier: Apache-2.0
//
// Forks: CHILDREN (3) processes that each append one line to OUT and stay, of which every second
// makes a session of its own and ignores SIGTERM, as daemons do. Says "children N", then "ok".
// With PORT it then answers 200, else it waits for a signal.
#include "victim.h"

static void be_a_child(int number, int ready) {
  if (number % 2 == 1) {
    setsid();
    signal(SIGTERM, SIG_IGN);
  }
  char line[32];
  snprintf(line, sizeof line, "child %d", number);
  append_line(env_or("OUT", "/tmp/forks_children"), line);
  must(write(ready, "!", 1) == 1, "write");
  close(ready);
  for (;;) pause();
}

int main(void) {
  const int count = env_int("CHILDREN", 3);
  int ready[2];
  must(pipe2(ready, O_CLOEXEC) == 0, "pipe");
  for (int i = 0; i < count; ++i) {
    const pid_t child = fork();
    must(child >= 0, "fork");
    if (child == 0) be_a_child(i, ready[1]);
  }
  char word;
  for (int i = 0; i < count; ++i) must(read(ready[0], &word, 1) == 1, "read");
  say("children %d", count);
  say("ok");
  if (getenv("PORT") == NULL) {
    for (;;) pause();
  }
  const int listener = listen_on(env_int("PORT", 8080));
  for (;;) {
    const int client = accept_one(listener);
    answer_http(client, "parent\n");
    close(client);
  }
}
