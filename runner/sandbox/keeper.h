// SPDX-License-Identifier: Apache-2.0
//
// The keeper: a process in a session of its own that outlives the front for as long as it takes to
// clear what the front left. It holds the run's cgroup (and its lock) and nothing else: no
// terminal, no pipe, no BPF descriptor.
//
// Thread rule: started and dismissed by the single-threaded front.
#pragma once

#include <sys/types.h>

#include "base/result.h"
#include "runner/sandbox/fd.h"
#include "runner/sandbox/run_group.h"

namespace fbx::sandbox {

struct Keeper {
  pid_t pid = -1;
  Fd pidfd;      // readable when the keeper is dead
  Fd dismissal;  // write end
};

Result<Keeper> start_keeper(const RunGroup& group);

// Ends the keeper without its clearing anything, and reaps it. No-op for one that is dead.
void dismiss_keeper(Keeper& keeper);

}  // namespace fbx::sandbox
