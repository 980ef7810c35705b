// SPDX-License-Identifier: Apache-2.0
//
// Ways in which what fbx relies on can fail it, each by name. tests/sabotage/table.toml says what
// a run must make of each; without a verdict table that notices, every one of them is a false pass.
//
// Thread rule: the process's only thread, before run::run().
#pragma once

#include <memory>
#include <span>
#include <string_view>

#include "runner/run/machine.h"

namespace fbx::sabotage {

struct Sabotage {
  std::string_view name;
  std::string_view what;  // a line for people
  std::unique_ptr<run::Machine> (*machine)();
};

// "none" first: the real machine, by the same way.
[[nodiscard]] std::span<const Sabotage> all();

}  // namespace fbx::sabotage
