// SPDX-License-Identifier: Apache-2.0
//
// A spec into a plan: compiles it and what it loads, evaluates the top level, checks what can be
// checked, freezes what the tests can reach. Deterministic: the plan depends on the files and the
// environment that the loader shows, on nothing else.
//
// Thread rule: one thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/diagnostic.h"
#include "spec/model/loader.h"
#include "spec/plan/plan.h"

namespace fbx::model {

struct Compiled {
  std::optional<plan::Plan> plan;  // absent when there is an error; spec_dir is left empty
  Diagnostics diagnostics;         // errors, or warnings; files are named from the spec's folder
};

struct CompileLimits {
  uint64_t steps = 200'000'000;  // of the top level, which ends whatever the spec says
};

// `spec` is the file's name in its folder: "partition-test.star".
[[nodiscard]] Compiled compile_spec(Loader& loader, const std::string& spec,
                                    const CompileLimits& limits = {});

}  // namespace fbx::model
