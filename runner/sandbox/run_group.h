// SPDX-License-Identifier: Apache-2.0
//
// The cgroup of one run, `fbx.<pid>.<nonce>` at the top of the cgroup v2 hierarchy that this
// process can see. Below it: `worker.<w>` (the worker process, which is the tests' client) and
// `test.<w>.<n>` (one per test: `guard`, `client`, and a leaf per service).
//
// Whose is it? The front holds a flock on the directory, and its keeper and workers inherit it, so
// the lock is free exactly when nobody of the run lives, whatever PID namespace they lived in.
// Sweeping takes that lock before it kills or removes anything.
//
// Thread rule: made and removed by the front's only thread; workers only read it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "runner/sandbox/attempt.h"
#include "runner/sandbox/cgroup.h"

namespace fbx::sandbox {

class RunGroup {
 public:
  // Finds cgroup v2, removes what dead runs left, makes this run's directory.
  // Refusals: no-cgroup2 (not mounted, read-only, or too old for cgroup.kill), needs-root.
  static Attempt<RunGroup> create();

  // BPF programs are attached here, once per run.
  [[nodiscard]] int fd() const { return cgroup_.fd(); }
  [[nodiscard]] uint64_t id() const { return cgroup_.id(); }
  [[nodiscard]] const Cgroup& cgroup() const { return cgroup_; }
  // "/sys/fs/cgroup/fbx.4711.0123456789abcdef", as this process's mount namespace names it.
  [[nodiscard]] const std::string& path() const { return path_; }
  // The directory above it.
  [[nodiscard]] int parent_fd() const { return parent_.get(); }

  // Kills and removes all that is left of worker `w`'s tests, and its own leaf. For the front,
  // after the worker died. Returns what could not be removed.
  std::vector<std::string> clear_worker(int worker) const;
  // Kills everything in the run and removes the directory. Returns what could not be removed.
  std::vector<std::string> destroy();

 private:
  Fd parent_;
  Cgroup cgroup_;
  std::string path_;
};

// Removes runs below `parent_fd` whose owners are dead, killing what is still in them. Touches
// only directories named as ours whose lock is free. Returns how many it removed.
int sweep_dead_runs(int parent_fd);

}  // namespace fbx::sandbox
