// SPDX-License-Identifier: Apache-2.0
//
// Who owns the other end of a connection: the cgroup in which the peer's socket was made. A socket
// belongs to that cgroup for ever, so the answer tells a service of the test from a process that
// was left over on its port, without asking for addresses or process ids.
//
//   TCP   NETLINK_SOCK_DIAG in the caller's network namespace: the exact tuple, and where the
//         server's end is still a request (accept queue full), its listener. Needs no privileges.
//         INET_DIAG_CGROUP_ID: Linux 5.9 (include/uapi/linux/inet_diag.h).
//   unix  SO_PEERCRED (the process that called listen) and its /proc/PID/cgroup: as the caller's
//         /proc and PID namespace show them.
//
// Where services are told apart by descent (sandbox/descent.h), a "cgroup" here is the id of the
// descent one of whose processes has that socket open, and the unix socket's listener's.
//
// Some tens of µs a call. Thread rule: no shared state but the cgroup mount point, found once.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"

struct sockaddr;

namespace fbx::step {

// The cgroup id of the socket at the other end of `connected_fd`: a connected TCP socket (IPv4,
// IPv6, v4-mapped) or unix stream socket. Fails when there is no such socket in this network
// namespace (any more), or the peer is another machine.
[[nodiscard]] Result<uint64_t> owner_cgroup(int connected_fd);

// The same for a TCP connection given by its two ends: `local` is the caller's, `peer` the one
// whose owner is asked for. Both of one family; ports in the addresses.
[[nodiscard]] Result<uint64_t> owner_cgroup(const sockaddr* local, const sockaddr* peer);

// The id of a cgroup v2 directory ("/sys/fs/cgroup/fbx/run/orders").
[[nodiscard]] Result<uint64_t> cgroup_id(const std::string& directory);

// True when `cgroup` is the leaf of service `service` (index in the plan) or a descendant of it.
using OwnerCheck = std::function<bool(uint32_t service, uint64_t cgroup)>;

// An OwnerCheck over the services' leaf directories, index = service ("" = none). The leaves' ids
// are read now; an id that is not a leaf's is looked for among that leaf's descendants, as they
// are at the time of the question.
[[nodiscard]] OwnerCheck owner_check(std::vector<std::string> leaf_directories);
// The same where leaves are told by descent: their ids, index = service.
[[nodiscard]] OwnerCheck owner_check(std::vector<uint64_t> descents);

}  // namespace fbx::step
