// SPDX-License-Identifier: Apache-2.0
//
// An inventory that reserves behind its client's back: it answers RESERVE at once and writes its
// log DELAY_MS (50) after the reply. PORT, WAL_PATH.
#include "victim.h"

static void* write_later(void* unused) {
  (void)unused;
  pause_ms(env_int("DELAY_MS", 50));
  append_line(env_or("WAL_PATH", "/tmp/inventory.wal"), "RESERVE late");
  say("wrote");
  return NULL;
}

static void* converse(void* argument) {
  const int client = (int)(intptr_t)argument;
  char line[256];
  while (read_line(client, line, sizeof line)) {
    if (strncmp(line, "RESERVE ", 8) == 0) {
      send_text(client, "OK 99\n");
      pthread_t later;
      must(pthread_create(&later, NULL, write_later, NULL) == 0, "thread");
      pthread_detach(later);
    } else {
      send_text(client, strcmp(line, "PING") == 0 ? "PONG\n" : "ERR bad request\n");
    }
  }
  close(client);
  return NULL;
}

int main(void) {
  const int listener = listen_on(env_int("PORT", 5432));
  say("listens");
  for (;;) {
    pthread_t thread;
    const intptr_t client = accept_one(listener);
    must(pthread_create(&thread, NULL, converse, (void*)client) == 0, "thread");
    pthread_detach(thread);
  }
}
