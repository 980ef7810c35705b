// SPDX-License-Identifier: Apache-2.0
//
// One cgroup v2 directory that fbx made. Everything goes through its descriptor, so a directory
// that somebody removed and made again is never mistaken for ours.
//
// Without the right to make cgroups, the same face stands for processes that are held together by
// descent (descent.h): fd() is then -1, and what it kills it finds in /proc.
//
// Thread rule: a Cgroup may be used by one thread at a time. Descriptors are close-on-exec.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "runner/sandbox/descent.h"
#include "runner/sandbox/fd.h"

namespace fbx::sandbox {

class Cgroup {
 public:
  Cgroup() = default;
  // Makes `name` below `parent_fd` (mode 0755) and opens it. EEXIST is an error.
  static Result<Cgroup> make(int parent_fd, const std::string& name);
  // Opens an existing one.
  static Result<Cgroup> open(int parent_fd, const std::string& name);
  static Cgroup by_descent(std::string name);

  [[nodiscard]] int fd() const { return fd_.get(); }
  // What bpf_get_current_cgroup_id() and INET_DIAG_CGROUP_ID say; never 0 for an open one.
  [[nodiscard]] uint64_t id() const { return id_; }
  [[nodiscard]] const std::string& name() const { return name_; }
  // nullptr for a cgroup.
  [[nodiscard]] Descent* descent() const { return descent_.get(); }

  // SIGKILLs every process in it and below (cgroup.kill). Returns at once.
  Status kill() const;
  // Kills every process in it and below, waits up to `bound_ns` until none is left, and leaves a
  // cgroup into which processes can be born again. After cgroup.kill some kernels kill at birth
  // whatever CLONE_INTO_CGROUP puts there (seen on 6.x with kill_seq: kernel/cgroup/cgroup.c).
  [[nodiscard]] Result<bool> empty(int64_t bound_ns) const;
  // Stops every process in it and below where it stands (cgroup.freeze; without a cgroup, SIGSTOP:
  // descent.h), or lets them go on. Waits
  // for it, up to `bound_ns`; false when not all had stopped by then.
  [[nodiscard]] Result<bool> freeze(bool frozen, int64_t bound_ns) const;
  // Waits until no process is in it or below. False when `bound_ns` (from now) ran out.
  [[nodiscard]] Result<bool> wait_empty(int64_t bound_ns) const;
  // Host pids of the processes in it and below.
  [[nodiscard]] std::vector<int> processes() const;

 private:
  Fd fd_;
  uint64_t id_ = 0;
  std::string name_;
  std::shared_ptr<Descent> descent_;
};

// Removes the directory `name` below `parent_fd` and all cgroups below it. They must be empty of
// processes; waits up to `bound_ns` for the kernel to let go of them.
Status remove_cgroup_tree(int parent_fd, const std::string& name, int64_t bound_ns);

// Kills what is in `name` below `parent_fd`, waits, removes. What could not be removed is said in
// the returned lines; none = nothing is left.
std::vector<std::string> clear_cgroup_tree(int parent_fd, const std::string& name,
                                           int64_t bound_ns);

}  // namespace fbx::sandbox
