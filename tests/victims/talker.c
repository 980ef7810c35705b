// SPDX-License-Identifier: Apache-2.0
//
// Does what it is told, a line at a time, on PORT (tcp), SOCK (a unix path) and UDP_PORT, where each
// is given; a datagram is a line, too.
//
//   echo X       answers X
//   print X      prints X on stdout, then answers "ok"; complain X: on stderr
//   many N       answers the lines 1…N; crlf N: each ends in CR LF
//   keep X       appends X to KEEP, then answers "ok"
//   (others)     are not answered
//
// LATE=ms: only after so long it says "ready to serve" and makes READY_FILE. SIGHUP: says
// "reloaded". SIGTERM: says "bye" and exits with EXIT (0), or with DEAF=1 nothing.
#include <sys/un.h>

#include "victim.h"

static void talk_back(int fd, char* line) {
  char* rest = strchr(line, ' ');
  if (rest == NULL) return;
  *rest++ = '\0';
  if (strcmp(line, "print") == 0) say("%s", rest);
  if (strcmp(line, "complain") == 0) fprintf(stderr, "%s\n", rest);
  if (strcmp(line, "keep") == 0) append_line(env_or("KEEP", "/tmp/kept"), rest);
  const int crlf = strcmp(line, "crlf") == 0;
  if (crlf || strcmp(line, "many") == 0) {
    char text[32];
    for (int i = 1; i <= atoi(rest); ++i) {
      snprintf(text, sizeof text, crlf ? "%d\r\n" : "%d\n", i);
      send_text(fd, text);
    }
    return;
  }
  char answer[512];
  snprintf(answer, sizeof answer, "%s\n", strcmp(line, "echo") == 0 ? rest : "ok");
  send_text(fd, answer);
}

static void* converse(void* argument) {
  const int client = (int)(intptr_t)argument;
  char line[400];
  while (read_line(client, line, sizeof line)) talk_back(client, line);
  close(client);
  return NULL;
}

static void begin(void* (*run)(void*), int fd) {
  pthread_t thread;
  must(pthread_create(&thread, NULL, run, (void*)(intptr_t)fd) == 0, "thread");
  pthread_detach(thread);
}

static void* serve_streams(void* argument) {
  for (;;) begin(converse, accept4((int)(intptr_t)argument, NULL, NULL, SOCK_CLOEXEC));
}

static void* serve_datagrams(void* argument) {
  char text[512];
  for (;;) {
    struct sockaddr_in from;
    socklen_t size = sizeof from;
    const ssize_t n = recvfrom((int)(intptr_t)argument, text, sizeof text - 1, 0,
                               (struct sockaddr*)&from, &size);
    if (n < 0) continue;
    text[n] = '\0';
    if (strncmp(text, "print ", 6) == 0) say("%s", text + 6);
    if (strncmp(text, "echo ", 5) == 0)
      sendto((int)(intptr_t)argument, text + 5, (size_t)n - 5, 0, (struct sockaddr*)&from, size);
  }
}

static int bind_udp(int port) {
  const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  struct sockaddr_in address = {.sin_family = AF_INET,
                                .sin_port = htons((uint16_t)port),
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  must(bind(fd, (struct sockaddr*)&address, sizeof address) == 0, "bind udp");
  return fd;
}

static int listen_unix(const char* path) {
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
  unlink(path);
  must(bind(fd, (struct sockaddr*)&address, sizeof address) == 0, "bind unix");
  must(listen(fd, 16) == 0, "listen unix");
  return fd;
}

static void get_ready(void) {
  if (getenv("LATE") != NULL) pause_ms(env_int("LATE", 0));
  if (getenv("READY_FILE") != NULL) append_line(getenv("READY_FILE"), "ready");
  say("ready to serve");
}

int main(void) {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGHUP);
  sigaddset(&signals, SIGTERM);
  sigprocmask(SIG_BLOCK, &signals, NULL);
  if (getenv("SOCK") != NULL) begin(serve_streams, listen_unix(getenv("SOCK")));
  if (getenv("UDP_PORT") != NULL) begin(serve_datagrams, bind_udp(env_int("UDP_PORT", 0)));
  if (getenv("PORT") != NULL) begin(serve_streams, listen_on(env_int("PORT", 0)));
  get_ready();
  for (;;) {
    int got = 0;
    sigwait(&signals, &got);
    if (got == SIGHUP) say("reloaded");
    if (got != SIGTERM || env_int("DEAF", 0)) continue;
    say("bye");
    exit(env_int("EXIT", 0));
  }
}
