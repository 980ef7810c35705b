// SPDX-License-Identifier: Apache-2.0
//
// A function's code in a plan: the symbolic core's own text (spec/starlark/core_text.h), and beside
// the first instruction of each source line, after `# `, the text of that line. A failure quotes it.
//
// Thread rule: pure functions.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "spec/plan/plan.h"

namespace fbx::plan {

[[nodiscard]] std::string code_text(const Plan& plan, const std::string& file,
                                    const starlark::core::Function& function);

// The instructions alone, line for line; `sources` gets the text of each source line that is
// quoted, by its number in the file. `first_line` is the function's own.
[[nodiscard]] std::string split_code_text(const std::string& text, uint32_t first_line,
                                          std::map<uint32_t, std::string>& sources);

}  // namespace fbx::plan
