// SPDX-License-Identifier: Apache-2.0
//
// The place in which one test runs. About a millisecond to make.
//
//   cgroup   <run>/test.<w>.<n>/{guard, client, s<i>}: a leaf per service, entered at birth
//   pid      its init is the guard, which does nothing but reap; it dies with the worker's thread
//            that made the sandbox, and every process of the test dies with it
//   network  its own, with lo up; or the host's
//   mount    private; fresh tmpfs (1777) on /tmp, /var/tmp and /dev/shm; /proc of the PID
//            namespace; the spec's folder under an overlay whose upper layer is in memory
//   ipc      its own: SysV segments and POSIX queues of killed services would stay for ever
//
// Files that must stay visible (binaries, the spec's folder) may lie below /tmp: they are opened
// before anything is covered and bound at the same path afterwards; programs one by one and
// read-only. When the spec's folder *is* /tmp or /var/tmp, the overlay takes the place of the fresh
// tmpfs. What is mounted below the spec's folder stays visible in it, read-only.
//
// An ordinary user's (worker.place) has no cgroups: the leaves are told apart by descent. Without
// namespaces it has nothing of the above: the leaves are all there is, every namespace is the
// host's, and no descriptor below is open.
//
// Thread rule: made, used and destroyed by one thread, which must live as long as the sandbox (the
// guard's parent-death signal is tied to it).
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "runner/sandbox/attempt.h"
#include "runner/sandbox/cgroup.h"
#include "runner/sandbox/crew.h"
#include "runner/sandbox/fd.h"

namespace fbx::sandbox {

struct SandboxOptions {
  std::string spec_dir;       // absolute, exists; "" = no overlay
  bool host_network = false;  // spec(network="host")
  bool overlay_tmp = false;   // spec(tmp="overlay"): overlays on /tmp and /var/tmp, not fresh ones
  // Absolute paths of files that services execute; those below /tmp and /var/tmp are bound.
  std::vector<std::string> visible_files;
  size_t services = 0;        // how many leaves
};

class Sandbox {
 public:
  // Refusals: needs-root, no-namespaces, no-overlay (the file system of the spec's folder can't be
  // the lower layer of one), spec-folder-root (the spec lies in /).
  static Attempt<std::unique_ptr<Sandbox>> create(const WorkerContext& worker, uint32_t test_number,
                                                  const SandboxOptions& options);
  // destroy(), if it was not called.
  ~Sandbox();
  Sandbox(const Sandbox&) = delete;
  Sandbox& operator=(const Sandbox&) = delete;

  [[nodiscard]] const Cgroup& group() const;         // the test's
  [[nodiscard]] const Cgroup& leaf(size_t service) const;
  // The leaf's directory, as this process's mount namespace names it.
  [[nodiscard]] std::string leaf_path(size_t service) const;
  [[nodiscard]] const Cgroup& client_leaf() const;   // for programs that a step executes
  [[nodiscard]] int network_fd() const;              // namespaces; all close-on-exec
  [[nodiscard]] int mount_fd() const;
  [[nodiscard]] int pid_fd() const;
  [[nodiscard]] int ipc_fd() const;
  // O_PATH of the sandbox's root directory: paths as services see them are resolved with
  // openat2(RESOLVE_IN_ROOT) below it.
  [[nodiscard]] int root_fd() const;
  [[nodiscard]] pid_t guard_pid() const;             // as this process sees it
  [[nodiscard]] uint64_t setup_ns() const;           // how long create() took
  [[nodiscard]] bool host_network() const;
  [[nodiscard]] Place place() const;

  // Copies what the test wrote (the overlay's upper layer as spec/, tmp/, var-tmp/) into `folder`,
  // which is made and, with all in it, given to uid:gid. Sockets, fifos and devices are left out;
  // a file that the test removed appears as the empty file <name>.removed. Before destroy().
  Status keep(const std::string& folder, uid_t uid, gid_t gid) const;

  // Kills every process of the test, waits until the cgroup is empty, removes it, lets the
  // namespaces go. Children of the caller that lived in it must be reaped by then (ServiceSet does):
  // the guard, as init, can't end before. Returns what is left; none = nothing.
  std::vector<std::string> destroy();

 private:
  struct State;
  explicit Sandbox(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

// While it lives, the calling thread is in the sandbox's network namespace. Neither copied nor
// moved; ends on the thread that began it. With the host's network it does nothing. In an ordinary
// user's sandbox there is no way back: the thread must end with the test.
class NetworkVisit {
 public:
  explicit NetworkVisit(const Sandbox& sandbox);
  ~NetworkVisit();
  NetworkVisit(const NetworkVisit&) = delete;
  NetworkVisit& operator=(const NetworkVisit&) = delete;
  // Whether it is there. Check it: what goes on outside would reach the host's network.
  [[nodiscard]] const Status& status() const { return status_; }

 private:
  Fd home_;
  Status status_;
};

}  // namespace fbx::sandbox
