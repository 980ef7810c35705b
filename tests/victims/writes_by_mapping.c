// SPDX-License-Identifier: Apache-2.0
//
// Keeps the last line that came on PORT in OUT, which it has mapped shared and writable: no system
// call writes it. Answers "OK".
#include <sys/mman.h>

#include "victim.h"

enum { kSize = 4096 };

int main(void) {
  const int out = open(env_or("OUT", "/tmp/mapped"), O_RDWR | O_CREAT, 0644);
  must(out >= 0 && ftruncate(out, kSize) == 0, "open");
  char* page = mmap(NULL, kSize, PROT_READ | PROT_WRITE, MAP_SHARED, out, 0);
  must(page != MAP_FAILED, "mmap");
  const int listener = listen_on(env_int("PORT", 7001));
  say("listens");
  for (;;) {
    const int client = accept_one(listener);
    while (read_line(client, page, kSize)) send_text(client, "OK\n");
    close(client);
  }
}
