// SPDX-License-Identifier: Apache-2.0
//
// What `check` and `plan` ask of this machine. The full build looks (machine_linux.cc); the build
// that knows the language and the plan alone leaves it to where the plan runs
// (machine_spec_only.cc).
//
// Thread rule: the process's only thread.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/diagnostic.h"
#include "base/refusal.h"
#include "spec/plan/plan.h"

namespace fbx::cli {

// How one need of a test would be enforced.
struct Enforced {
  std::string hand;  // "cgroup", "seccomp"; "" when it, or its test, is refused
  std::optional<Refusal> refused;
};

struct TestDecision {
  std::vector<Refusal> refused;  // the test as a whole: nobody sees it, it is not isolated, …
  std::vector<Enforced> needs;   // by index in the test's needs
};

struct Decision {
  bool decided = false;             // false: decided where it runs
  std::vector<TestDecision> tests;  // by index in the plan; empty unless decided
};

// The hands that `fbx run` would use here. Attaches nothing, starts nothing, works without root.
[[nodiscard]] Decision decide(const plan::Plan& plan);

// Services whose binaries can't be executed here; places are those of the plan.
[[nodiscard]] Diagnostics unfit_binaries(const plan::Plan& plan);

}  // namespace fbx::cli
