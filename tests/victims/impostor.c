// SPDX-License-Identifier: Apache-2.0
//
// A left-over that answers on a port it has no business on: every HTTP request with 200, every
// other line with PONG. `impostor PORT` says "listens" and serves until it is killed.
#include "victim.h"

int main(int argc, char** argv) {
  must(argc == 2, "usage: impostor PORT");
  const int listener = listen_on(atoi(argv[1]));
  say("listens");
  for (;;) {
    const int client = accept_one(listener);
    char head[16] = "";
    const ssize_t n = recv(client, head, sizeof head - 1, MSG_PEEK);
    if (n > 0 && (strncmp(head, "GET ", 4) == 0 || strncmp(head, "POST ", 5) == 0)) {
      answer_http(client, "impostor\n");
    } else {
      char line[256];
      while (read_line(client, line, sizeof line)) send_text(client, "PONG\n");
    }
    close(client);
  }
}
