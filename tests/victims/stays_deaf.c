// SPDX-License-Identifier: Apache-2.0
//
// A service that lives on when it cannot have its port: whatever answers there is not it. With
// the port it answers 200. PORT; NEVER_LISTEN=1 does not even try.
#include "victim.h"

int main(void) {
  const int listener = getenv("NEVER_LISTEN") != NULL ? -1 : try_listen(env_int("PORT", 8080));
  if (listener < 0) {
    say("deaf: %s", getenv("NEVER_LISTEN") != NULL ? "as told" : strerror(errno));
    for (;;) pause();
  }
  say("listens");
  for (;;) {
    const int client = accept_one(listener);
    answer_http(client, "genuine\n");
    close(client);
  }
}
