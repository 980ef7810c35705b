// SPDX-License-Identifier: Apache-2.0
//
// A plan as TOML: docs/plan-format.md. The bytes depend on the plan alone.
//
// Thread rule: pure.
#pragma once

#include <string>

#include "spec/plan/plan.h"

namespace fbx::plan {

// `plan` must be whole: made by spec/model/compile.h or read by spec/model/load.h.
[[nodiscard]] std::string write_plan(const Plan& plan);

}  // namespace fbx::plan
