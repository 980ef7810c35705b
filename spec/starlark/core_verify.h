// SPDX-License-Identifier: Apache-2.0
//
// Says whether symbolic code may be lowered and run. Code from a plan is hostile until this passed:
// lowering relies on every rule in core.h and checks none again. What it cannot know (that a
// variable is assigned, that a value has the right type) the VM checks.
#pragma once

#include <expected>
#include <functional>
#include <string_view>
#include <vector>

#include "spec/starlark/core.h"
#include "spec/starlark/diagnostic.h"

namespace starlark::core {

struct Bounds {
  std::size_t functions = 20'000;
  std::size_t instructions = 4'000'000;  // in the module
  std::size_t slots = 60'000;            // locals and temporaries of one function
  std::size_t operands = 20'000;         // of one instruction
  std::size_t constant_bytes = 64u << 20;
};

// `predeclared` says which names the host gives (besides the universal built-ins, which are known).
// Diagnostics carry Code::core_invalid, the function's key in the message, and in `line` the number
// of the instruction's line in write_code's form (labels count), or 0.
std::expected<void, std::vector<Diagnostic>> verify(
    const Module& module, const std::function<bool(std::string_view)>& predeclared,
    const Bounds& bounds = {});

}  // namespace starlark::core
