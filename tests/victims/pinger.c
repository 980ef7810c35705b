// SPDX-License-Identifier: Apache-2.0
//
// Writes before it replies: for each line that comes on PORT it appends `number\n` to OUT with
// one write() (and FSYNC=1: one fsync) and only then sends that number back, a thread per
// connection. A watcher that is asked right after the reply must have seen the write. A failed
// write is answered "ERR <errno>", and so is a failed fsync.
#include "victim.h"

static int out;
static int next_number;

static int record(int number) {
  char text[16];
  const int n = snprintf(text, sizeof text, "%d\n", number);
  if (write(out, text, (size_t)n) != n) return errno;
  if (env_int("FSYNC", 0) && fsync(out) != 0) return errno;
  return 0;
}

static void* converse(void* argument) {
  const int client = (int)(intptr_t)argument;
  char line[256];
  char reply[32];
  while (read_line(client, line, sizeof line)) {
    const int number = __atomic_add_fetch(&next_number, 1, __ATOMIC_RELAXED);
    const int error = record(number);
    snprintf(reply, sizeof reply, error == 0 ? "%d\n" : "ERR %d\n", error == 0 ? number : error);
    send_text(client, reply);
  }
  close(client);
  return NULL;
}

int main(void) {
  out = open(env_or("OUT", "/tmp/pinger"), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  must(out >= 0, "open");
  const int listener = listen_on(env_int("PORT", 7000));
  say("listens");
  for (;;) {
    pthread_t thread;
    const intptr_t client = accept_one(listener);
    must(pthread_create(&thread, NULL, converse, (void*)client) == 0, "thread");
    pthread_detach(thread);
  }
}
