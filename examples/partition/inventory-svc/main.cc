// SPDX-License-Identifier: Apache-2.0
//
// inventory-svc: keeps stock behind a TCP port, one text line per request (stock.h), a thread per
// connection. PORT (5432), WAL_PATH (/tmp/inventory.wal) and WAL_MODE (raw) come from the
// environment. SIGTERM lets the reservation under way finish and exits with 0.
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <thread>

#include "examples/partition/common/line_socket.h"
#include "examples/partition/inventory-svc/stock.h"

namespace {

std::string env_or(const char* name, const char* otherwise) {
  const char* value = getenv(name);
  return value != nullptr ? value : otherwise;
}

[[noreturn]] void die(const std::string& what) {
  fprintf(stderr, "inventory-svc: %s\n", what.c_str());
  exit(1);
}

int listen_on(uint16_t port) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int on = 1;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
      listen(fd, SOMAXCONN) != 0) {
    die("port " + std::to_string(port) + ": " + strerror(errno));
  }
  return fd;
}

void converse(shop::LineSocket client, shop::Stock& stock) {
  while (const auto request = client.read_line()) {
    if (!client.send_line(stock.answer(*request))) return;
  }
}

// SIGTERM and SIGINT as a readable descriptor. Blocked before any thread exists, so in all of them.
int end_signals() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGINT);
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  return signalfd(-1, &set, SFD_CLOEXEC);
}

void serve(int listener, int signals, shop::Stock& stock) {
  pollfd watched[] = {{.fd = listener, .events = POLLIN, .revents = 0},
                      {.fd = signals, .events = POLLIN, .revents = 0}};
  for (;;) {
    if (poll(watched, 2, -1) < 0 && errno != EINTR) die(strerror(errno));
    if (watched[1].revents != 0) return;
    if (watched[0].revents == 0) continue;
    const int fd = accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
    if (fd < 0) {
      poll(&watched[1], 1, 10);  // out of descriptors, perhaps: the queue stays readable
      continue;
    }
    std::thread([fd, &stock] { converse(shop::LineSocket(fd), stock); }).detach();
  }
}

}  // namespace

int main() {
  const std::string port_text = env_or("PORT", "5432");
  uint16_t port = 0;
  const auto parsed =
      std::from_chars(port_text.data(), port_text.data() + port_text.size(), port);
  if (parsed.ec != std::errc() || *parsed.ptr != '\0') die("PORT=" + port_text + " is no port");
  const auto mode = shop::wal_mode_from(env_or("WAL_MODE", "raw"));
  if (!mode) die("WAL_MODE is raw, stdio or odsync");

  const int signals = end_signals();
  shop::Stock stock(shop::Wal(env_or("WAL_PATH", "/tmp/inventory.wal"), *mode));
  const int listener = listen_on(port);
  printf("inventory-svc listens on 127.0.0.1:%u\n", unsigned{port});
  fflush(stdout);
  serve(listener, signals, stock);
  stock.close_for_good();
  printf("inventory-svc ends\n");
  fflush(stdout);
  _exit(0);  // connections may be open: their threads end with the process
}
