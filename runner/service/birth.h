// SPDX-License-Identifier: Apache-2.0
//
// How a process of a test comes into the world: born in its cgroup (clone3 CLONE_INTO_CGROUP),
// inside the sandbox's namespaces, in a session of its own, as its user, with exactly its
// environment, its three descriptors and no other, default signal handling and an empty mask. It
// dies with the sandbox's guard. It is the caller's child, or where no cgroup holds what it forks,
// the child of a nanny (nanny.h).
//
// A hook may install a seccomp filter as the very last thing before exec. Between filter and exec
// the child makes no system call but futex and exec; the listener is taken out of it by the parent
// (pidfd_getfd), and exec happens only after adopt() has returned.
//
// Thread rule: the thread that made the sandbox. Other threads may run: the child calls nothing
// that is not async-signal-safe.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "runner/sandbox/fd.h"
#include "runner/sandbox/sandbox.h"
#include "runner/service/identity.h"

namespace fbx::service {

struct BirthHook {
  // In the child, async-signal-safe, no allocation. Returns the listener's descriptor, or -1 with
  // errno when the filter could not be installed (the birth fails). Empty = no filter.
  std::function<int()> in_child;
  // In the parent. Takes the listener. The supervisor must be answering when it returns; an error
  // ends the birth.
  std::function<Status(int listener_fd)> adopt;
  // "NAME=value": what the process needs in its environment, beside the service's own. LD_PRELOAD
  // goes before one that the service has.
  std::vector<std::string> environment;
  // In the parent, after a start with `environment` has executed. An error ends the start.
  std::function<Status(pid_t pid)> executed;
};

struct BirthRequest {
  const sandbox::Sandbox* sandbox = nullptr;
  int cgroup_fd = -1;              // the leaf; or, where there are no cgroups,
  sandbox::Descent* descent = nullptr;  // the leaf's (Cgroup::descent())
  std::string path;                // what is executed; as the sandbox sees it, absolute
  std::string fallback_path;       // tried when `path` is not there; "" = none
  std::string shown;               // what errors call it; "" = path
  std::vector<std::string> argv;   // argv[0] included
  std::vector<std::string> env;    // "NAME=value"
  std::string cwd;                 // absolute
  Identity user;
  int stdin_fd = -1;               // -1 = /dev/null
  int stdout_fd = -1;              // -1 = /dev/null
  int stderr_fd = -1;
  const BirthHook* hook = nullptr;
};

// A child that is about to execute, or has.
struct Born {
  pid_t pid = -1;           // host pid
  pid_t nanny = -1;         // its parent, in a leaf told by descent; -1 = the caller is its parent
  sandbox::Fd pidfd;
  uint64_t born_ns = 0;     // CLOCK_MONOTONIC
  // Becomes readable (end of file) when exec succeeded or the child is gone.
  sandbox::Fd exec_pipe;
  struct Shared;            // a page shared with the child: why it could not execute
  std::shared_ptr<Shared> shared;
  std::string shown;
  std::string cwd;
};

// Returns once the child exists, and with a hook, once its listener is adopted.
Result<Born> give_birth(const BirthRequest& request);

// After exec_pipe became readable: nothing when the program is running (or ran), else why it is
// not: "exec bin/order-svc: No such file or directory".
[[nodiscard]] Status birth_outcome(const Born& born);

// The wait status of a born process that is dead; nothing while it lives. Reaps it. These, and not
// waitpid(), which only knows children.
Result<std::optional<int>> try_collect(const Born& born);
// Waits for it.
Result<int> collect(const Born& born);
// Of one that was collected: it was killed because its nanny was, by somebody else than fbx.
[[nodiscard]] bool died_with_nanny(const Born& born);

// give_birth, wait for exec, and the outcome. On an error the child is reaped.
Result<Born> give_birth_and_wait(const BirthRequest& request);

}  // namespace fbx::service
