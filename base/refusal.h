// SPDX-License-Identifier: Apache-2.0
//
// What this machine (or this fbx) can't enforce or see, found before anything starts wherever it
// can be. A refusal makes a test inconclusive, never a failure and never a pass.
//
// Thread rule: values.
#pragma once

#include <string>

namespace fbx {

struct Refusal {
  // Stable and short, for tests and --json: "needs-root", "no-cgroup2", "no-bpf", "no-hand".
  std::string code;
  // What is missing: "fbx run needs root here: loading BPF programs was refused (EPERM)".
  std::string what;
  // One thing to do: "run it with sudo". Empty when there is nothing.
  std::string remedy = {};

  [[nodiscard]] std::string text() const {
    return what + (remedy.empty() ? "" : " (" + remedy + ")") + " [" + code + "]";
  }
};

}  // namespace fbx
