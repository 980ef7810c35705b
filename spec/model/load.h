// SPDX-License-Identifier: Apache-2.0
//
// A plan.toml into a plan that may be run: reads it (spec/plan/read.h), verifies and lowers its
// code, tries its values, checks its services and rules as the compiler does, and compares what each
// test says that it needs with what its code needs (a plan that asked to see less than it judges
// would pass falsely). What a plan leaves out of needs and observe is computed.
//
// Thread rule: pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/diagnostic.h"
#include "spec/plan/plan.h"

namespace fbx::model {

// `file` names the plan in diagnostics. Nothing when there is an error among them.
[[nodiscard]] std::optional<plan::Plan> load_plan(std::string_view text, const std::string& file,
                                                  Diagnostics& diagnostics);

}  // namespace fbx::model
