// SPDX-License-Identifier: Apache-2.0
//
// Who is at an address: the service whose cgroup made the socket that listens there, or that is the
// other end of a connection. Never told from the address itself.
//
// Thread rule: asks about the calling thread's network namespace, so it must be called by a thread
// inside the test's. Immutable once made.
#pragma once

#include <sys/socket.h>

#include <cstdint>
#include <map>
#include <string>

#include "bpf/abi/rule.h"
#include "runner/inject/socket_list.h"

namespace fbx::inject {

// A socket address as rules name it.
struct Address {
  int family = AF_UNSPEC;
  uint32_t addr[4] = {};  // AF_INET and AF_INET6, as fbx_key.peer_addr
  uint16_t port = 0;
  std::string unix_name;  // sun_path; an abstract name begins with NUL
  [[nodiscard]] bool inet() const { return family == AF_INET || family == AF_INET6; }
  [[nodiscard]] std::string text() const;  // "127.0.0.1:5432", "[::1]:80", "unix:/tmp/x", "unix:@x"
};

// The unspecified address becomes the loopback that the kernel takes for it.
[[nodiscard]] Address address_of(const void* bytes, size_t length);
// Whether the socket is the one that others reach by its name. Accepted sockets have the listener's
// name, too, but were made in the cgroup of whoever dialled (net/unix/af_unix.c: the server's end
// is allocated by the client's connect).
[[nodiscard]] bool owns_its_name(const fbx_unix_end& end);
// As Address::unix_name.
[[nodiscard]] std::string bound_name(const fbx_unix_end& end);
[[nodiscard]] std::string address_text(const uint32_t addr[4], uint16_t port);

class PeerFinder {
 public:
  // `leaves`: cgroup id of each service's leaf → its index. `sockets` must outlive it.
  PeerFinder(std::map<uint64_t, int16_t> leaves, const SocketList& sockets)
      : leaves_(std::move(leaves)), sockets_(sockets) {}

  // Who listens there, −1 = no service of the test (or UDP, which this fbx can't tell).
  [[nodiscard]] int16_t listener(const Address& at) const;
  // The service at the other end of `connected`, a copy of a service's TCP or unix socket; its
  // address goes to *peer.
  [[nodiscard]] int16_t other_end(int connected, Address* peer) const;
  [[nodiscard]] int16_t service(uint64_t cgroup) const;
  [[nodiscard]] const SocketList& sockets() const { return sockets_; }
  // The number by which rules name the interface at `at` (rule.h: door).
  [[nodiscard]] uint32_t door(const Address& at) const;

  std::map<std::string, uint32_t> unix_doors;  // path of a unix interface → its door

 private:
  [[nodiscard]] int16_t tcp_listener(const Address& at) const;
  [[nodiscard]] int16_t unix_owner(const std::string& name) const;

  std::map<uint64_t, int16_t> leaves_;
  const SocketList& sockets_;
};

}  // namespace fbx::inject
