// SPDX-License-Identifier: Apache-2.0
//
// The parent of a service's process where no cgroup holds what that forks (sandbox/descent.h): the
// subreaper of all below it. It ends when it has no child left. When the worker dies, or sends it
// SIGTERM, it kills all its children, and those that come to it when they die, until none is left.
//
// It runs in a process forked from one with threads: nothing here allocates.
//
// Thread rule: the nanny's only thread.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <cstdint>

namespace fbx::service {

// Of the process that the nanny was made for; in memory shared with the worker.
struct Nursed {
  std::atomic<uint32_t> born{0};   // 1: the nanny holds its pidfd as kNursedPidfd
  std::atomic<uint32_t> taken{0};  // 1: the worker has hold of it; it is not reaped before
  std::atomic<uint32_t> ended{0};  // 1: wait_status is set
  int wait_status = 0;
};

inline constexpr int kNursedPidfd = 3;

// Before the child is forked: makes the caller a subreaper that lives no longer than its parent.
// `alive` is a descriptor whose other end the parent has. False: the parent is dead already.
[[nodiscard]] bool become_nanny(int alive);
// After it: closes all descriptors but the child's pidfd, and waits.
[[noreturn]] void nurse(pid_t child, int pidfd, Nursed& nursed);

// Waits until the word is not `value` any more, at most a ms; another process may have changed it.
void wait_briefly(std::atomic<uint32_t>& word, uint32_t value);

}  // namespace fbx::service
