// SPDX-License-Identifier: Apache-2.0
//
// A small database with the question of fsyncgate in it: each line that comes on PORT is appended
// to OUT and synced. When fsync fails, ON_FAILURE=retry (default) tries it again up to TRIES (5)
// times and answers "OK after N" as if nothing were lost; ON_FAILURE=stop answers "ERR <errno>"
// and takes no further line.
#include "victim.h"

static int sync_as_told(int fd, int* tries) {
  const int retries = strcmp(env_or("ON_FAILURE", "retry"), "retry") == 0 ? env_int("TRIES", 5) : 1;
  for (*tries = 1;; ++*tries) {
    if (fsync(fd) == 0) return 0;
    if (*tries >= retries) return errno;
  }
}

int main(void) {
  const int out = open(env_or("OUT", "/tmp/fsync_db"), O_WRONLY | O_CREAT | O_APPEND, 0644);
  must(out >= 0, "open");
  const int listener = listen_on(env_int("PORT", 7001));
  int broken = 0;
  say("listens");
  for (;;) {
    const int client = accept_one(listener);
    char line[256];
    while (read_line(client, line, sizeof line)) {
      char reply[64] = "ERR stopped\n";
      int tries = 0;
      if (!broken) {
        must(dprintf(out, "%s\n", line) > 0, "write");
        broken = sync_as_told(out, &tries);
        if (broken == 0) snprintf(reply, sizeof reply, "OK after %d\n", tries);
        if (broken != 0) snprintf(reply, sizeof reply, "ERR %d\n", broken);
      }
      send_text(client, reply);
    }
    close(client);
  }
}
