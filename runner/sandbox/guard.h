// SPDX-License-Identifier: Apache-2.0
//
// The guard: init of a test's PID namespace. It mounts, brings lo up, says so, and from then on
// only reaps. It never executes anything (an exec of a program with capabilities would clear its
// parent-death signal), and the kernel kills everything in the namespace when it dies.
//
// It is forked from a process with threads: all of guard.cc that runs in it is async-signal-safe
// and allocates nothing.
//
// Thread rule: the starting thread must live as long as the guard.
#pragma once

#include <sys/types.h>

#include <cstdint>

#include "base/result.h"
#include "runner/sandbox/fd.h"
#include "runner/sandbox/mount_plan.h"

namespace fbx::sandbox {

// The guard keeps the scratch directory (upper layers) open under this number.
inline constexpr int kScratchFd = 3;

struct Guard {
  pid_t pid = -1;
  Fd pidfd;
};

// What the guard says when it is ready, or can't be.
struct GuardReport {
  enum class Stage : uint32_t {
    kReady, kPrivate, kPin, kUpper, kStep, kProc, kLoopback, kGone
  } stage = Stage::kGone;
  uint32_t index = 0;  // of the pin or step
  int32_t errnum = 0;
};

struct GuardStart {
  const MountPlan* mounts = nullptr;
  int cgroup_fd = -1;        // its leaf; -1 = none
  bool own_network = true;
};

// Forks the guard and waits for its report. An error carries clone3's errno; a guard that reports
// anything but kReady is dead and reaped when this returns.
Result<Guard> start_guard(const GuardStart& start, GuardReport& report);

}  // namespace fbx::sandbox
