// SPDX-License-Identifier: Apache-2.0
//
// The few process calls that glibc of Debian 12 lacks or that are always used the same way.
//
// Thread rule: no shared state.
#pragma once

#include <sys/types.h>

#include <optional>

#include "base/result.h"
#include "runner/sandbox/fd.h"

namespace fbx::sandbox {

// A pidfd of `pid`, close-on-exec.
Result<Fd> open_pidfd(pid_t pid);
// The process behind a pidfd, as this process's /proc numbers it. ESRCH when it was reaped.
Result<pid_t> pid_of(int pidfd);
// Descriptor `fd` of the process behind `pidfd` (Linux 5.6; needs the right to ptrace it).
Result<Fd> fetch_fd(int pidfd, int fd);
Status signal_process(int pidfd, int signal);
// The wait status of a child that is dead, which this reaps; nothing while it lives. ECHILD when
// it is no child, or was reaped.
Result<std::optional<int>> try_reap(pid_t pid);
// Waits for it.
Result<int> reap(pid_t pid);
// In a child of `parent`'s calling thread: it is killed when that ends, and at once if it has.
void die_with(pid_t parent);

}  // namespace fbx::sandbox
