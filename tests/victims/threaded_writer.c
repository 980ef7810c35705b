// SPDX-License-Identifier: Apache-2.0
//
// THREADS (4) threads write ROUNDS (1000) bytes each, one a call, to DIR/t<k>. Says for each how
// many calls succeeded and how many failed with which errno, then "ok". With PORT it does that
// once per line that comes, and answers "<succeeded> <failed>".
#include "victim.h"

struct tally {
  int number, good, bad, last_errno;
};

static void* write_many(void* argument) {
  struct tally* mine = argument;
  char path[256];
  snprintf(path, sizeof path, "%s/t%d", env_or("DIR", "/tmp"), mine->number);
  const int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  must(fd >= 0, path);
  const int rounds = env_int("ROUNDS", 1000);
  for (int i = 0; i < rounds; ++i) {
    if (write(fd, "x", 1) == 1) {
      ++mine->good;
    } else {
      ++mine->bad;
      mine->last_errno = errno;
    }
  }
  close(fd);
  return NULL;
}

static struct tally write_all(void) {
  enum { kMost = 64 };
  struct tally each[kMost] = {{0}};
  struct tally sum = {0};
  pthread_t threads[kMost];
  int count = env_int("THREADS", 4);
  if (count > kMost) count = kMost;
  for (int i = 0; i < count; ++i) {
    each[i].number = i;
    must(pthread_create(&threads[i], NULL, write_many, &each[i]) == 0, "thread");
  }
  for (int i = 0; i < count; ++i) {
    pthread_join(threads[i], NULL);
    say("t%d wrote %d failed %d errno %d", i, each[i].good, each[i].bad, each[i].last_errno);
    sum.good += each[i].good;
    sum.bad += each[i].bad;
  }
  return sum;
}

int main(void) {
  if (getenv("PORT") == NULL) {
    write_all();
    say("ok");
    return 0;
  }
  const int listener = listen_on(env_int("PORT", 7002));
  say("listens");
  for (;;) {
    const int client = accept_one(listener);
    char line[256];
    char reply[64];
    while (read_line(client, line, sizeof line)) {
      const struct tally sum = write_all();
      snprintf(reply, sizeof reply, "%d %d\n", sum.good, sum.bad);
      send_text(client, reply);
    }
    close(client);
  }
}
