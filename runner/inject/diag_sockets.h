// SPDX-License-Identifier: Apache-2.0
//
// The sockets of the calling thread's network namespace without BPF: NETLINK_SOCK_DIAG lists them,
// and whose they are is told by who has them open (sandbox/descent.h). A connection that nobody has
// accepted yet is its listener's. The `cgroup` of an entry is the id of a descent; 0 = nobody's.
// rcv_nxt and snd_nxt are not known.
//
// Thread rule: called by threads inside the test's network namespace; no shared state.
#pragma once

#include "runner/inject/socket_list.h"

namespace fbx::inject {

class DiagSocketList : public SocketList {
 public:
  [[nodiscard]] Result<std::vector<fbx_tcp_end>> tcp() const override;
  [[nodiscard]] Result<std::vector<fbx_tcp_end>> tcp_listeners() const override;
  [[nodiscard]] Result<std::vector<fbx_unix_end>> unix_sockets() const override;
};

// A TCP or UDP socket with its inode; 0 = it has no file (not accepted yet, or closed).
struct DiagSocket {
  fbx_tcp_end end = {};
  uint64_t inode = 0;
};
// `protocol`: IPPROTO_TCP or IPPROTO_UDP. Owners filled in.
[[nodiscard]] Result<std::vector<DiagSocket>> list_inet_sockets(uint8_t protocol);
// Of TCP sockets that listen; `cgroup` is that in which it was made, as the kernel says it
// (INET_DIAG_CGROUP_ID, Linux 5.9).
[[nodiscard]] Result<std::vector<fbx_tcp_end>> list_tcp_listeners();

}  // namespace fbx::inject
