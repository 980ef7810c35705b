// SPDX-License-Identifier: Apache-2.0
//
// Does not stop when asked: SIGTERM is ignored (ON_TERM=segv crashes, ON_TERM=exit5 exits with 5
// instead). Answers 200 on PORT.
#include "victim.h"

static void crash(int number) {
  (void)number;
  signal(SIGSEGV, SIG_DFL);
  raise(SIGSEGV);
}

static void leave(int number) {
  (void)number;
  _exit(5);
}

int main(void) {
  const char* how = env_or("ON_TERM", "ignore");
  signal(SIGTERM, strcmp(how, "segv") == 0 ? crash : strcmp(how, "exit5") == 0 ? leave : SIG_IGN);
  const int listener = listen_on(env_int("PORT", 8080));
  say("listens");
  for (;;) {
    const int client = accept_one(listener);
    answer_http(client, "here\n");
    close(client);
  }
}
