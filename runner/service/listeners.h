// SPDX-License-Identifier: Apache-2.0
//
// Who listens: the listening TCP and bound UDP sockets of a network namespace with the cgroup that
// made each (NETLINK_SOCK_DIAG, INET_DIAG_CGROUP_ID: Linux 5.9).
//
// Thread rule: a Listeners belongs to one thread; it sees the namespace in which it was made.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "runner/sandbox/fd.h"

namespace fbx::service {

struct Listener {
  uint16_t port = 0;
  uint64_t cgroup_id = 0;  // 0 = the kernel did not say
  uint32_t inode = 0;
  // How well it answers a dial of 127.0.0.1: 0 not at all, 1 dual-stack any, 2 any, 3 exactly.
  int answers_v4 = 0;
  std::string address;     // "127.0.0.1:8080", "[::]:8080"
};

class Listeners {
 public:
  static Result<Listeners> open();
  // Listening TCP sockets on `port`, or on any when it is 0.
  Result<std::vector<Listener>> tcp(uint16_t port) const;
  // UDP sockets bound to `port` and not connected.
  Result<std::vector<Listener>> udp(uint16_t port) const;

 private:
  sandbox::Fd netlink_;
};

// "process 812 (redis-server)" for the first process found that holds the socket with this inode;
// "" when none is found. Looks through /proc: for error messages.
[[nodiscard]] std::string socket_holder(uint32_t inode);

}  // namespace fbx::service
