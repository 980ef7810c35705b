// SPDX-License-Identifier: Apache-2.0
//
// From a held system call to the key that decide.h decides by: what the descriptor is, what its
// file is called, who is at the other end. Only what the active rules ask for is looked up.
//
// Thread rule: the supervisor's thread, inside the test's network namespace.
#pragma once

#include <linux/seccomp.h>
#include <sys/socket.h>
#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "bpf/abi/rule.h"
#include "bpf/abi/tables.h"
#include "runner/inject/peer_finder.h"
#include "runner/inject/task_view.h"

namespace fbx::inject {

struct Wanted {
  bool path = false;
  bool peer = false;
  uint32_t flags = 0;  // FBX_KEY_*
};

inline constexpr Wanted kEverything{
    .path = true,
    .peer = true,
    .flags = FBX_KEY_SYNC | FBX_KEY_NONBLOCK | FBX_KEY_CREATES | FBX_KEY_TRUNCATES | FBX_KEY_GROWS |
             FBX_KEY_SHARED | FBX_KEY_RMDIR | FBX_KEY_OWNED};

struct CallSeen {
  fbx_key key = {};                // path_mask still 0
  std::vector<std::string> paths;  // every name that path= may mean; first the best known one
  int error = 0;                   // why the descriptor could not be looked at; 0 = it could
  std::string peer;                // "127.0.0.1:5432"; "" = none or not looked for
};

[[nodiscard]] CallSeen read_call(const seccomp_data& call, pid_t tid, const abi::Syscall& row,
                                 const Wanted& wanted, const PeerFinder& peers, Tasks& tasks);

// Where a call's packets go: what it dials, or the address that a datagram is sent to; unset for a
// connected socket. Fails for calls that send nothing themselves.
struct SendingWay {
  bool dials = false;
  std::optional<sockaddr_storage> to;
};
[[nodiscard]] Result<SendingWay> sending_way(const seccomp_data& call, pid_t tid,
                                             const abi::Syscall& row);

// The names alone, for the report of a held call that a rule without path= hit.
[[nodiscard]] std::vector<std::string> read_paths(const seccomp_data& call, pid_t tid,
                                                  const abi::Syscall& row, Tasks& tasks);

}  // namespace fbx::inject
