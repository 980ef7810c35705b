// SPDX-License-Identifier: Apache-2.0
//
// Which tests --test means: an exact name, the name without test_, matrix_<scenario> for a row, a
// glob, or ~regex. Baselines run with their cells and are never meant alone, but by their full name.
//
// Thread rule: pure.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "spec/plan/plan.h"

namespace fbx::cli {

// Indexes in plan.tests, ascending. Without patterns every test. An error is a malformed regex.
// `matched` (one per pattern) is set for patterns that meant a test.
[[nodiscard]] Result<std::vector<size_t>> select_tests(const plan::Plan& plan,
                                                       const std::vector<std::string>& patterns,
                                                       std::vector<bool>& matched);

}  // namespace fbx::cli
