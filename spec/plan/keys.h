// SPDX-License-Identifier: Apache-2.0
//
// Between the structs of plan.h and what is written for them (fields.h): health checks,
// assumptions and the signatures of functions. Needs: need_text.h.
//
// Thread rule: pure functions.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "spec/plan/fields.h"
#include "spec/plan/plan.h"

namespace fbx::plan {

[[nodiscard]] HealthKeys health_keys(const HealthCheck& check);
// Nothing when no key, or more than one, says the kind.
[[nodiscard]] std::optional<HealthCheck> health_check(const HealthKeys& keys);
[[nodiscard]] bool is_default(const HealthCheck& check);

[[nodiscard]] FaultKeys fault_keys(const AssumedFault& fault);
// Nothing unless it says exactly one of deny (with or without delay), delay, allow.
[[nodiscard]] std::optional<AssumedFault> assumed_fault(const FaultKeys& keys);

// A cell's name, and a baseline's, unless the test says otherwise.
[[nodiscard]] std::string cell_name(const std::string& scenario, const std::string& assumption);

// params, locals, cells and free of a function. False after a problem: with which key, and what.
void signature_keys(const starlark::core::Function& function, FunctionKeys& keys);
[[nodiscard]] bool read_signature(const FunctionKeys& keys, starlark::core::Function& function,
                                  std::string& key, std::string& problem);

// A built-in that the plan's cells call: scenario, assumption, expectation.
constexpr std::string_view kCellBuiltin = "fault_matrix.cell";

}  // namespace fbx::plan
