// SPDX-License-Identifier: Apache-2.0
#include "runner/inject/dial.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include <algorithm>
#include <cstring>

#include "bpf/abi/kinds.h"
#include "runner/inject/diag_sockets.h"
#include "runner/inject/task_view.h"

namespace fbx::inject {
namespace {

constexpr uint8_t kUnconnected = 7;   // TCP_CLOSE: what sock_diag calls a UDP socket without a peer
constexpr uint64_t kMostMessages = 1024;  // UIO_MAXIOV: what the kernel takes of sendmmsg's vector

struct Named {
  uint64_t address = 0;
  uint64_t length = 0;
};

std::vector<Named> names_in_messages(pid_t tid, uint64_t at, uint64_t count, size_t stride,
                                     bool* unread) {
  std::vector<Named> out;
  const auto bytes = read_memory(tid, at, count * stride);
  if (bytes.size() < count * stride) *unread = true;
  for (size_t i = 0; (i + 1) * stride <= bytes.size(); ++i) {
    msghdr message{};
    std::memcpy(&message, bytes.data() + i * stride, sizeof message);
    out.push_back({reinterpret_cast<uint64_t>(message.msg_name), message.msg_namelen});
  }
  return out;
}

std::vector<Named> names_of(const seccomp_data& call, pid_t tid, bool* unread) {
  switch (call.nr) {
    case SYS_connect: return {{call.args[1], call.args[2]}};
    case SYS_sendto: return {{call.args[4], call.args[5]}};
    case SYS_sendmsg: return names_in_messages(tid, call.args[1], 1, sizeof(msghdr), unread);
    case SYS_sendmmsg:
      return names_in_messages(tid, call.args[1], std::min<uint64_t>(call.args[2], kMostMessages),
                               sizeof(mmsghdr), unread);
    default: return {};
  }
}

int16_t udp_owner(const Address& at, const PeerFinder& peers) {
  const auto sockets = list_inet_sockets(IPPROTO_UDP);
  if (!sockets) return -1;
  uint64_t wildcard = 0;
  for (const DiagSocket& socket : *sockets) {
    if (socket.end.state != kUnconnected || socket.end.local_port != at.port) continue;
    if (std::memcmp(socket.end.local, at.addr, sizeof socket.end.local) == 0)
      return peers.service(socket.end.cgroup);
    const bool any = std::all_of(socket.end.local + 12, socket.end.local + 16,
                                 [](uint8_t byte) { return byte == 0; });
    if (any) wildcard = socket.end.cgroup;
  }
  return peers.service(wildcard);
}

}  // namespace

bool may_dial(int nr) {
  return nr == SYS_connect || nr == SYS_sendto || nr == SYS_sendmsg || nr == SYS_sendmmsg;
}

std::vector<Dialled> dialled_by(const seccomp_data& call, pid_t tid, uint32_t kind,
                                const PeerFinder& peers, bool* unread) {
  std::vector<Dialled> out;
  for (const Named& named : names_of(call, tid, unread)) {
    if (!named.address || !named.length) continue;
    const uint64_t length = std::min<uint64_t>(named.length, sizeof(sockaddr_storage));
    const auto bytes = read_memory(tid, named.address, length);
    if (bytes.size() != length) {
      *unread = true;
      continue;
    }
    const Address at = address_of(bytes.data(), bytes.size());
    const bool udp = at.inet() && kind == FBX_KIND_UDP;
    out.push_back({udp ? udp_owner(at, peers) : peers.listener(at), at.text()});
  }
  return out;
}

}  // namespace fbx::inject
