// SPDX-License-Identifier: Apache-2.0
//
//   reach                  the victim: serves 127.0.0.1:$PORT, a line of what to do, a line of marks
//   reach --once W         does it once and prints the marks
//   reach --exec CMD…      serves; what is asked for is done by CMD… --once W, whose output is the
//                          answer
//   reach --pipe REQ REP   serves; asks by the fifo REQ and answers with what REP says
//
// What belongs to the protocol goes by sockets and pipes, which no fault of the table is about.
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "tests/reach/reach.h"
#include "tests/victims/victim.h"

static void by_program(char** command, char what, char* marks) {
  int ends[2];
  char word[2] = {what, 0};
  char* argv[16] = {0};
  int n = 0;
  for (; command[n] && n < 13; n++) argv[n] = command[n];
  argv[n++] = "--once";
  argv[n++] = word;
  must(pipe(ends) == 0, "pipe");
  const pid_t child = fork();
  if (child == 0) {
    dup2(ends[1], 1);
    close(ends[0]);
    close(ends[1]);
    execv(argv[0], argv);
    _exit(126);
  }
  close(ends[1]);
  ssize_t got = 0, piece;
  while ((piece = read(ends[0], marks + got, 15 - (size_t)got)) > 0) got += piece;
  close(ends[0]);
  marks[got] = 0;
  marks[strcspn(marks, "\n")] = 0;
  waitpid(child, NULL, 0);
}

static void by_pipes(char** fifos, char what, char* marks) {
  const int ask = open(fifos[0], O_WRONLY);
  char line[2] = {what, '\n'};
  must(ask >= 0 && write(ask, line, 2) == 2, "asking");
  close(ask);
  const int answer = open(fifos[1], O_RDONLY);
  ssize_t got = 0, piece;
  while ((piece = read(answer, marks + got, 15 - (size_t)got)) > 0) got += piece;
  close(answer);
  marks[got] = 0;
  marks[strcspn(marks, "\n")] = 0;
}

static void serve(char** argv) {
  char marks[17];
  const int listener = listen_on(env_int("PORT", 7000));
  for (;;) {
    const int peer = accept(listener, NULL, NULL);
    char what = 0;
    if (peer < 0) continue;
    while (recv(peer, &what, 1, 0) == 1 && what != '\n') {
      char rest;
      while (recv(peer, &rest, 1, 0) == 1 && rest != '\n') {}
      if (argv[1] && !strcmp(argv[1], "--exec")) by_program(argv + 2, what, marks);
      else if (argv[1] && !strcmp(argv[1], "--pipe")) by_pipes(argv + 2, what, marks);
      else reach_do(what, marks);
      strcat(marks, "\n");
      if (send(peer, marks, strlen(marks), MSG_NOSIGNAL) < 0) break;
    }
    close(peer);
  }
}

int main(int argc, char** argv) {
  if (argc == 3 && !strcmp(argv[1], "--once")) {
    char marks[16];
    reach_do(argv[2][0], marks);
    return puts(marks) < 0;
  }
  signal(SIGPIPE, SIG_IGN);
  serve(argv);
  return 0;
}
