// SPDX-License-Identifier: Apache-2.0
#include "runner/inject/peer_finder.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <cstddef>
#include <cstring>
#include <optional>

namespace fbx::inject {
namespace {

constexpr uint8_t kTcpListen = 10;
constexpr uint8_t kUnixListen = 10;  // TCP_LISTEN, which unix sockets borrow

bool mapped(const uint32_t addr[4]) { return !addr[0] && !addr[1] && addr[2] == htonl(0xffff); }

void resolve_any(uint32_t addr[4]) {
  if (addr[0] || addr[1] || addr[3]) return;
  if (addr[2] == htonl(0xffff)) addr[3] = htonl(INADDR_LOOPBACK);
  if (!addr[2]) addr[3] = htonl(1);
}

// How well a listener bound to `local` takes a dial to `at`: 0 not at all, 2 exactly, 1 wildcard.
int fit(const fbx_tcp_end& end, const Address& at) {
  if (end.state != kTcpListen || end.local_port != at.port) return 0;
  uint32_t local[4];
  std::memcpy(local, end.local, sizeof local);
  if (std::memcmp(local, at.addr, sizeof local) == 0) return 2;
  if (local[3]) return 0;
  const bool any4 = mapped(local);
  const bool any6 = !local[0] && !local[1] && !local[2];
  if (mapped(at.addr)) return any4 || (any6 && !end.v6only) ? 1 : 0;
  return any6 ? 1 : 0;
}

// The cgroup of the listener that takes a dial to `at`.
std::optional<uint64_t> taker(const Result<std::vector<fbx_tcp_end>>& ends, const Address& at) {
  if (!ends) return std::nullopt;
  int best = 0;
  std::optional<uint64_t> owner;
  for (const fbx_tcp_end& end : *ends) {
    const int score = fit(end, at);
    if (score <= best) continue;
    best = score;
    owner = end.cgroup;
  }
  return owner;
}

}  // namespace

bool owns_its_name(const fbx_unix_end& end) {
  return end.name_len && (end.state == kUnixListen || end.type == SOCK_DGRAM);
}

std::string bound_name(const fbx_unix_end& end) {
  std::string name(end.name, std::min<size_t>(end.name_len, sizeof end.name));
  if (!name.starts_with('\0')) name = name.c_str();
  return name;
}

std::string address_text(const uint32_t addr[4], uint16_t port) {
  char text[INET6_ADDRSTRLEN] = "";
  if (mapped(addr)) {
    inet_ntop(AF_INET, &addr[3], text, sizeof text);
    return std::string(text) + ":" + std::to_string(port);
  }
  inet_ntop(AF_INET6, addr, text, sizeof text);
  return "[" + std::string(text) + "]:" + std::to_string(port);
}

std::string Address::text() const {
  if (inet()) return address_text(addr, port);
  if (family != AF_UNIX) return "";
  if (unix_name.starts_with('\0')) return "unix:@" + unix_name.substr(1);
  return "unix:" + unix_name;
}

Address address_of(const void* bytes, size_t length) {
  Address out;
  sockaddr_storage storage{};
  std::memcpy(&storage, bytes, std::min(length, sizeof storage));
  if (length < sizeof(sa_family_t)) return out;
  if (storage.ss_family == AF_INET && length >= sizeof(sockaddr_in)) {
    const auto& v4 = reinterpret_cast<const sockaddr_in&>(storage);
    out.family = AF_INET;
    out.addr[2] = htonl(0xffff);
    out.addr[3] = v4.sin_addr.s_addr;
    out.port = ntohs(v4.sin_port);
    resolve_any(out.addr);
  } else if (storage.ss_family == AF_INET6 && length >= offsetof(sockaddr_in6, sin6_scope_id)) {
    const auto& v6 = reinterpret_cast<const sockaddr_in6&>(storage);
    out.family = AF_INET6;
    std::memcpy(out.addr, &v6.sin6_addr, sizeof out.addr);
    out.port = ntohs(v6.sin6_port);
    resolve_any(out.addr);
  } else if (storage.ss_family == AF_UNIX) {
    const auto& un = reinterpret_cast<const sockaddr_un&>(storage);
    out.family = AF_UNIX;
    const size_t n = std::min(length, sizeof un) - offsetof(sockaddr_un, sun_path);
    out.unix_name.assign(un.sun_path, n);
    if (!out.unix_name.starts_with('\0')) out.unix_name = out.unix_name.c_str();
  }
  return out;
}

int16_t PeerFinder::service(uint64_t cgroup) const {
  const auto found = leaves_.find(cgroup);
  return found == leaves_.end() ? int16_t{-1} : found->second;
}

uint32_t PeerFinder::door(const Address& at) const {
  if (at.family != AF_UNIX) return at.port;
  const auto found = unix_doors.find(at.unix_name);
  return found == unix_doors.end() ? 0 : found->second;
}

// A cgroup that no service has may be one below a service's: the long list knows whose.
int16_t PeerFinder::tcp_listener(const Address& at) const {
  const auto ends = sockets_.tcp_listeners();
  const auto owner = taker(ends, at);
  if (ends && !owner) return -1;
  if (owner && service(*owner) >= 0) return service(*owner);
  return service(taker(sockets_.tcp(), at).value_or(0));
}

int16_t PeerFinder::unix_owner(const std::string& name) const {
  const auto ends = sockets_.unix_sockets();
  if (!ends || name.empty()) return -1;
  for (const fbx_unix_end& end : *ends)
    if (owns_its_name(end) && bound_name(end) == name && service(end.cgroup) >= 0)
      return service(end.cgroup);
  return -1;
}

int16_t PeerFinder::listener(const Address& at) const {
  if (at.family == AF_UNIX) return unix_owner(at.unix_name);
  return at.inet() ? tcp_listener(at) : int16_t{-1};
}

int16_t PeerFinder::other_end(int connected, Address* peer) const {
  sockaddr_storage remote{}, own{};
  socklen_t n = sizeof remote, m = sizeof own;
  if (getpeername(connected, reinterpret_cast<sockaddr*>(&remote), &n) != 0) return -1;
  getsockname(connected, reinterpret_cast<sockaddr*>(&own), &m);
  *peer = address_of(&remote, n);
  if (peer->family == AF_UNIX) {
    if (!peer->unix_name.empty()) return unix_owner(peer->unix_name);
    struct stat st{};
    const auto ends = sockets_.unix_sockets();
    if (!ends || fstat(connected, &st) != 0) return -1;
    // An accepted socket was made by the client's connect, in the client's cgroup.
    for (const fbx_unix_end& end : *ends)
      if (end.inode == st.st_ino) return service(end.name_len ? end.cgroup : end.peer_cgroup);
    return -1;
  }
  const Address self = address_of(&own, m);
  const auto ends = sockets_.tcp();
  if (!ends || !peer->inet()) return -1;
  for (const fbx_tcp_end& end : *ends)
    if (end.local_port == peer->port && end.remote_port == self.port &&
        !std::memcmp(end.local, peer->addr, 16) && !std::memcmp(end.remote, self.addr, 16))
      return service(end.cgroup);
  return -1;
}

}  // namespace fbx::inject
