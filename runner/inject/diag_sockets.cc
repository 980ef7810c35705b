// SPDX-License-Identifier: Apache-2.0
#include "runner/inject/diag_sockets.h"

#include <arpa/inet.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <linux/unix_diag.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <functional>
#include <map>

#include "runner/sandbox/descent.h"
#include "runner/sandbox/fd.h"

namespace fbx::inject {
namespace {

using sandbox::Fd;

// INET_DIAG_SKV6ONLY and INET_DIAG_CGROUP_ID, include/uapi/linux/inet_diag.h
constexpr uint16_t kOnlyV6 = 11, kCgroupId = 21;
// include/net/tcp_states.h
constexpr uint8_t kEstablished = 1, kSynRecv = 3, kCloseWait = 8, kListen = 10;

using Owners = std::map<uint64_t, uint64_t>;  // inode → descent; 0 = several have it

Owners owners() {
  Owners out;
  for (const sandbox::HeldSocket& held : sandbox::held_sockets()) {
    const auto [at, fresh] = out.emplace(held.inode, held.descent);
    if (!fresh && at->second != held.descent) at->second = 0;
  }
  return out;
}

using OnMessage = std::function<void(const nlmsghdr*)>;

// Sends one dump request and gives each message of its answer. ENOENT: this kernel has no such
// sockets.
Status dump(const void* request, size_t size, const OnMessage& tell) {
  const Fd fd(::socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC, NETLINK_SOCK_DIAG));
  if (!fd || ::send(fd.get(), request, size, 0) < 0) return fail_errno("asking for sockets");
  for (;;) {
    alignas(nlmsghdr) char buffer[32768];
    const ssize_t got = ::recv(fd.get(), buffer, sizeof buffer, 0);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return fail_errno("reading the list of sockets");
    auto left = static_cast<uint32_t>(got);
    for (const auto* header = reinterpret_cast<const nlmsghdr*>(buffer); NLMSG_OK(header, left);
         header = NLMSG_NEXT(header, left)) {
      if (header->nlmsg_type == NLMSG_DONE) return {};
      if (header->nlmsg_type == NLMSG_ERROR) {
        const int code = -static_cast<const nlmsgerr*>(NLMSG_DATA(header))->error;
        if (code == ENOENT) return {};
        return fail_errno("asking for sockets", code);
      }
      tell(header);
    }
  }
}

const rtattr* attribute(const nlmsghdr* header, size_t fixed, uint16_t wanted) {
  auto left = static_cast<int>(header->nlmsg_len - NLMSG_LENGTH(fixed));
  const auto* at = reinterpret_cast<const rtattr*>(static_cast<const char*>(NLMSG_DATA(header)) +
                                                   NLMSG_ALIGN(fixed));
  for (; RTA_OK(at, left); at = RTA_NEXT(at, left))
    if (at->rta_type == wanted) return at;
  return nullptr;
}

bool mapped(const uint8_t address[16]) {
  static constexpr uint8_t kPrefix[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
  return std::memcmp(address, kPrefix, sizeof kPrefix) == 0;
}

void put_address(const __be32 from[4], bool ipv6, uint8_t to[16]) {
  if (ipv6) {
    std::memcpy(to, from, 16);
    return;
  }
  to[10] = to[11] = 0xff;
  std::memcpy(to + 12, from, 4);
}

DiagSocket read_inet(const nlmsghdr* header) {
  const auto* message = static_cast<const inet_diag_msg*>(NLMSG_DATA(header));
  const bool ipv6 = message->idiag_family == AF_INET6;
  DiagSocket out;
  out.inode = message->idiag_inode;
  put_address(message->id.idiag_src, ipv6, out.end.local);
  put_address(message->id.idiag_dst, ipv6, out.end.remote);
  out.end.local_port = ntohs(message->id.idiag_sport);
  out.end.remote_port = ntohs(message->id.idiag_dport);
  out.end.state = message->idiag_state;
  out.end.ipv6_wire = ipv6 && !mapped(out.end.local);
  std::memcpy(&out.end.cookie, message->id.idiag_cookie, sizeof out.end.cookie);
  if (const rtattr* v6only = attribute(header, sizeof *message, kOnlyV6))
    out.end.v6only = *static_cast<const uint8_t*>(RTA_DATA(v6only));
  if (const rtattr* cgroup = attribute(header, sizeof *message, kCgroupId))
    std::memcpy(&out.end.cgroup, RTA_DATA(cgroup), sizeof out.end.cgroup);
  return out;
}

// Whose listener takes connections to that address: the one bound most exactly.
uint64_t listener_of(const std::vector<DiagSocket>& all, const fbx_tcp_end& end) {
  uint64_t wildcard = 0;
  for (const DiagSocket& one : all) {
    if (one.end.state != kListen || one.end.local_port != end.local_port) continue;
    if (std::memcmp(one.end.local, end.local, sizeof end.local) == 0) return one.end.cgroup;
    const bool any = std::all_of(one.end.local + 12, one.end.local + 16,
                                 [](uint8_t byte) { return byte == 0; });
    if (any) wildcard = one.end.cgroup;
  }
  return wildcard;
}

void fill_owners(std::vector<DiagSocket>& all) {
  const Owners by_inode = owners();
  for (DiagSocket& one : all)
    if (const auto found = by_inode.find(one.inode); found != by_inode.end())
      one.end.cgroup = found->second;
  for (DiagSocket& one : all) {
    const uint8_t state = one.end.state;
    const bool waits = state == kEstablished || state == kSynRecv || state == kCloseWait;
    if (one.inode == 0 && waits) one.end.cgroup = listener_of(all, one.end);
  }
}

fbx_unix_end read_unix(const nlmsghdr* header) {
  const auto* message = static_cast<const unix_diag_msg*>(NLMSG_DATA(header));
  fbx_unix_end out{};
  out.inode = message->udiag_ino;
  out.state = message->udiag_state;
  out.type = message->udiag_type;
  if (const rtattr* name = attribute(header, sizeof *message, UNIX_DIAG_NAME)) {
    const size_t size = std::min<size_t>(RTA_PAYLOAD(name), sizeof out.name);
    std::memcpy(out.name, RTA_DATA(name), size);
    out.name_len = static_cast<uint32_t>(size);
  }
  if (const rtattr* peer = attribute(header, sizeof *message, UNIX_DIAG_PEER)) {
    uint32_t inode = 0;
    std::memcpy(&inode, RTA_DATA(peer), sizeof inode);
    out.peer_inode = inode;
  }
  return out;
}

Result<std::vector<DiagSocket>> list_inet(uint8_t protocol, uint32_t states) {
  std::vector<DiagSocket> out;
  for (const uint8_t family : {AF_INET, AF_INET6}) {
    struct {
      nlmsghdr header;
      inet_diag_req_v2 request;
    } ask{};
    ask.header.nlmsg_len = sizeof ask;
    ask.header.nlmsg_type = SOCK_DIAG_BY_FAMILY;
    ask.header.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
    ask.request.sdiag_family = family;
    ask.request.sdiag_protocol = protocol;
    ask.request.idiag_states = states;
    Status s = dump(&ask, sizeof ask,
                    [&](const nlmsghdr* header) { out.push_back(read_inet(header)); });
    if (!s) return std::unexpected(std::move(s).error());
  }
  return out;
}

Result<std::vector<DiagSocket>> list_by_descent(uint8_t protocol, uint32_t states) {
  auto out = list_inet(protocol, states);
  if (!out) return out;
  for (DiagSocket& one : *out) one.end.cgroup = 0;
  fill_owners(*out);
  return out;
}

Result<std::vector<fbx_tcp_end>> ends_of(const Result<std::vector<DiagSocket>>& sockets) {
  if (!sockets) return std::unexpected(sockets.error());
  std::vector<fbx_tcp_end> out;
  for (const DiagSocket& one : *sockets) out.push_back(one.end);
  return out;
}

}  // namespace

Result<std::vector<DiagSocket>> list_inet_sockets(uint8_t protocol) {
  return list_by_descent(protocol, ~0u);
}

Result<std::vector<fbx_tcp_end>> list_tcp_listeners() {
  return ends_of(list_inet(IPPROTO_TCP, 1u << kListen));
}

Result<std::vector<fbx_tcp_end>> DiagSocketList::tcp() const {
  return ends_of(list_by_descent(IPPROTO_TCP, ~0u));
}

Result<std::vector<fbx_tcp_end>> DiagSocketList::tcp_listeners() const {
  return ends_of(list_by_descent(IPPROTO_TCP, 1u << kListen));
}

Result<std::vector<fbx_unix_end>> DiagSocketList::unix_sockets() const {
  struct {
    nlmsghdr header;
    unix_diag_req request;
  } ask{};
  ask.header.nlmsg_len = sizeof ask;
  ask.header.nlmsg_type = SOCK_DIAG_BY_FAMILY;
  ask.header.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
  ask.request.sdiag_family = AF_UNIX;
  ask.request.udiag_states = ~0u;
  ask.request.udiag_show = UDIAG_SHOW_NAME | UDIAG_SHOW_PEER;
  std::vector<fbx_unix_end> out;
  Status s =
      dump(&ask, sizeof ask, [&](const nlmsghdr* header) { out.push_back(read_unix(header)); });
  if (!s) return std::unexpected(std::move(s).error());
  const Owners by_inode = owners();
  const auto owner = [&](uint64_t inode) {
    const auto found = by_inode.find(inode);
    return found == by_inode.end() ? uint64_t{0} : found->second;
  };
  for (fbx_unix_end& end : out) {
    end.cgroup = owner(end.inode);
    end.peer_cgroup = owner(end.peer_inode);
    // As the kernel counts it: an accepted socket was made by the connect of its other end.
    const bool accepted = end.name_len && end.state != kListen && end.type != SOCK_DGRAM;
    if (accepted && end.peer_inode) end.cgroup = end.peer_cgroup;
  }
  return out;
}

}  // namespace fbx::inject
