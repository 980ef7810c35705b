// SPDX-License-Identifier: Apache-2.0
//
// Whom a held call would reach: every address that a connect or a send names, and the service that
// is bound there.
//
// Thread rule: the supervisor's thread, inside the test's network namespace.
#pragma once

#include <linux/seccomp.h>
#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

#include "runner/inject/peer_finder.h"

namespace fbx::inject {

struct Dialled {
  int16_t service = -1;
  std::string address;
};

// Calls that open a link, or use one that they name: connect, sendto, sendmsg, sendmmsg.
[[nodiscard]] bool may_dial(int nr);
// The services that the call reaches by an address. `kind`: FBX_KIND_* of the descriptor. *unread:
// an address could not be read.
[[nodiscard]] std::vector<Dialled> dialled_by(const seccomp_data& call, pid_t tid, uint32_t kind,
                                              const PeerFinder& peers, bool* unread);

}  // namespace fbx::inject
