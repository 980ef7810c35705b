// SPDX-License-Identifier: Apache-2.0
//
// A service whose child writes rubbish into the memory that the shim shares with the runner. A line
// "r SEED" on its port: a child of it overwrites all of it, once from the start to the end, drawn
// from SEED. "w": one write of a byte to /tmp/out. Each is answered by "done".
#include <sys/stat.h>
#include <sys/syscall.h>

#include "victim.h"

static void scribble(uint64_t seed) {
  const char* path = getenv("FBX_SHIM");
  const int fd = path != NULL ? open(path, O_RDWR) : -1;
  struct stat info = {0};
  if (fd < 0 || fstat(fd, &info) != 0) _exit(96);
  for (off_t at = 0; at < info.st_size; at += 4096) {
    uint64_t page[512];
    for (int i = 0; i < 512; i++) {
      seed ^= seed << 13;
      seed ^= seed >> 7;
      seed ^= seed << 17;
      // Small numbers, too: they are believed more easily.
      page[i] = seed & 3 ? seed : seed >> 56;
    }
    // Not by a wrapped call: what that would make of the rubbish is not what is tried here.
    if (syscall(SYS_pwrite64, fd, page, sizeof page, at) < 0) _exit(95);
  }
  _exit(0);
}

static void write_one(void) {
  const int out = open("/tmp/out", O_WRONLY | O_CREAT | O_APPEND, 0666);
  if (out >= 0 && write(out, "x", 1) != 1) perror("write");
  close(out);
}

int main(void) {
  const int listener = listen_on(env_int("PORT", 7000));
  signal(SIGPIPE, SIG_IGN);
  say("listens");
  for (;;) {
    char line[64];
    const int peer = accept_one(listener);
    while (read_line(peer, line, sizeof line)) {
      int status = 0;
      if (line[0] == 'r') {
        const pid_t child = fork();
        if (child == 0) scribble(strtoull(line + 1, NULL, 10) * 2654435761u + 1);
        waitpid(child, &status, 0);
      } else {
        write_one();
      }
      send_text(peer, status == 0 ? "done\n" : "failed\n");
    }
    close(peer);
  }
}
