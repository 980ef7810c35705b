// SPDX-License-Identifier: Apache-2.0
//
// The processes of one leaf where no cgroup holds them together: those that descend from its
// nannies. A nanny is the parent of a service's own process and the subreaper of everything below
// it, so however often they fork and let their parents die, its descendants stay its descendants.
// A socket is the leaf's when one of its processes has it open.
//
// A descent has an id, as a cgroup has one; the two never meet in one process.
//
// Thread rule: the descents of the process are a list of its own; any thread may ask it. A Descent
// itself belongs to the thread that made it.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <set>
#include <vector>

#include "base/result.h"
#include "runner/sandbox/fd.h"

namespace fbx::sandbox {

class Descent {
 public:
  static std::shared_ptr<Descent> make();
  ~Descent();
  Descent(const Descent&) = delete;
  Descent& operator=(const Descent&) = delete;

  [[nodiscard]] uint64_t id() const { return id_; }
  // A child of the caller that has become a nanny.
  void add(pid_t nanny);
  // Of a process that was born and is gone before it had a nanny's name. Reaps it.
  void forget(pid_t nanny);

  // Host pids of the processes, without the nannies.
  [[nodiscard]] std::vector<int> processes() const;
  // Stops all processes where they stand (SIGSTOP), and waits for it, up to `bound_ns`; false when
  // not all had stopped by then. Or lets those go on that it has stopped, and returns at once. A
  // parent among them that waits for stopped children (WUNTRACED) can tell.
  bool freeze(bool frozen, int64_t bound_ns);
  // Has the nannies kill them all. Returns at once.
  void kill();
  // Waits until none is left and the nannies are reaped. False when `bound_ns` ran out.
  bool wait_empty(int64_t bound_ns);

 private:
  Descent() = default;
  bool all_stopped() const;

  uint64_t id_ = 0;
  std::set<int> stopped_;  // pids that freeze() has stopped
};

// Whether services are told apart by descent in this process. False: by cgroup.
[[nodiscard]] bool told_by_descent();
// The id of the descent that the process belongs to, 0 = none.
[[nodiscard]] uint64_t descent_of_process(pid_t pid);
// The id of the descent one of whose processes has the socket with that inode open; 0 = none, or
// several have.
[[nodiscard]] uint64_t descent_of_socket(uint64_t inode);
// Every socket that a process of a descent has open.
struct HeldSocket {
  uint64_t inode = 0;
  uint64_t descent = 0;
  pid_t pid = -1;
  int fd = -1;  // its number in that process
};
[[nodiscard]] std::vector<HeldSocket> held_sockets();

// Every descendant of `pid`, found in /proc, parents before children.
[[nodiscard]] std::vector<pid_t> descendants_of(pid_t pid);

}  // namespace fbx::sandbox
