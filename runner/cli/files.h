// SPDX-License-Identifier: Apache-2.0
//
// Specs and plans from disk: the real loader, and what the command line may name.
//
// Thread rule: one thread.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/diagnostic.h"
#include "base/result.h"
#include "spec/plan/plan.h"

namespace fbx::cli {

[[nodiscard]] Result<std::string> read_whole_file(const std::string& path);

// Folders become the specs in them (*.star, not below), sorted; other arguments stay.
[[nodiscard]] Result<std::vector<std::string>> expand_inputs(const std::vector<std::string>& inputs);

// Compiles a spec, or loads a plan (by its name, .toml, or its first key). Diagnostics name files
// as seen from here. plan.spec_dir is the absolute folder.
[[nodiscard]] std::optional<plan::Plan> open_plan(const std::string& path,
                                                  Diagnostics& diagnostics);

}  // namespace fbx::cli
