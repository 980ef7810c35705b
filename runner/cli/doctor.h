// SPDX-License-Identifier: Apache-2.0
//
// What `fbx doctor` says: each way of seeing, breaking and isolating with the reason where it does
// not work and the one thing that would change it; then what a spec can ask for here, as choose()
// decides it for a small plan each.
//
// Thread rule: pure.
#pragma once

#include <string>
#include <vector>

#include "base/refusal.h"
#include "runner/inject/capabilities.h"

namespace fbx::cli {

struct Finding {
  std::string group;  // "see", "break", "isolate"
  std::string name;   // of a hand: as --inject takes it
  std::string gives;  // "deny of connect"
  inject::Capability capability;
};

// Something a spec may ask for.
struct Ability {
  std::string what;              // "deny of a write"
  std::string by;                // "seccomp"; "" when refused, or when no hand is needed
  std::vector<Refusal> refusals;  // none = it can be done
};

struct Diagnosis {
  std::vector<Finding> findings;
  std::vector<Ability> abilities;
  std::string ground;  // "root's namespaces", …
  std::string fix;     // what would allow most of what can't be done; "" = nothing would
};

[[nodiscard]] Diagnosis diagnose(const inject::Capabilities& capabilities);
[[nodiscard]] std::string text_of(const Diagnosis& diagnosis);
// {"fbx_doctor": 1, "ground", "findings": [{"group", "name", "gives", "state", "why", "remedy"}],
//  "can": [{"what", "by"}], "cannot": [{"what", "code", "why", "remedy"}], "fix"}
[[nodiscard]] std::string json_of(const Diagnosis& diagnosis);

}  // namespace fbx::cli
