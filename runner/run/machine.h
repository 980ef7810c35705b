// SPDX-License-Identifier: Apache-2.0
//
// The seam to what this machine can see and break. The front makes one Machine per run, before it
// forks; the worker makes its observer and its injector from it. Tests hand run() a Machine that
// wraps both to break them on purpose; the product has only the real one (real_machine()).
//
// Thread rule: open() on the front's only thread; make_* on a worker's thread after the fork.
#pragma once

#include <memory>

#include "runner/inject/choose.h"
#include "runner/inject/hooks.h"
#include "runner/inject/injector.h"
#include "runner/observe/observer.h"
#include "runner/sandbox/attempt.h"
#include "runner/sandbox/crew.h"

namespace fbx::run {

class Machine {
 public:
  virtual ~Machine() = default;
  // Where tests can run; before anything is made. As an ordinary user it tries namespaces.
  virtual inject::Ground survey() = 0;
  // Loads what seeing needs, and breaking by `hooks`, and attaches it to the run's cgroup, for the
  // whole run; nullptr: there is none, and nothing is loaded. Refusals: needs-root, no-bpf.
  virtual sandbox::Attempt<void> open(const sandbox::RunGroup* group,
                                      const inject::Hooks& hooks) = 0;
  // What the hands can do here; after open().
  [[nodiscard]] virtual const inject::Capabilities& capabilities() const = 0;
  virtual Result<std::unique_ptr<observe::Observer>> make_observer(
      const sandbox::WorkerContext& worker) = 0;
  // `observer` is the one that make_observer() gave, and outlives the injector.
  virtual Result<std::unique_ptr<inject::Injector>> make_injector(
      const sandbox::WorkerContext& worker, observe::Observer& observer) = 0;
};

// `wishes`: as choose() will be given them.
[[nodiscard]] std::unique_ptr<Machine> real_machine(const inject::Wishes& wishes = {});

}  // namespace fbx::run
