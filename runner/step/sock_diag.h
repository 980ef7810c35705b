// SPDX-License-Identifier: Apache-2.0
//
// One question to the kernel: which cgroup made the TCP socket with this tuple, in the calling
// thread's network namespace (net/ipv4/inet_diag.c: inet_diag_find_one_icsk).
//
// Thread rule: no shared state; a netlink socket per question.
#pragma once

#include <cstdint>
#include <optional>

#include "base/result.h"

struct sockaddr;

namespace fbx::step {

// The cgroup of the socket whose own address is `own` and whose remote address is `remote`; of the
// listener on `own` when `remote` is null or there is no such connection. Unset when the kernel
// knows no such socket, or knows it only as a request that has no owner yet.
[[nodiscard]] Result<std::optional<uint64_t>> tcp_socket_cgroup(const sockaddr* own,
                                                                const sockaddr* remote);

// The cgroup of the UDP socket that takes what is sent from `client` to `server`. Unset when there is
// none.
[[nodiscard]] Result<std::optional<uint64_t>> udp_socket_cgroup(const sockaddr* client,
                                                                const sockaddr* server);

}  // namespace fbx::step
