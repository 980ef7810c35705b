// SPDX-License-Identifier: Apache-2.0
//
// fault(…, run=f) and its kin as frames of the VM: ask for the installation, call f, ask for the
// lift on every way out.
//
// Thread rule: one thread.
#pragma once

#include <vector>

#include "spec/model/host.h"
#include "spec/model/signature.h"
#include "spec/plan/plan.h"

namespace fbx::model {

// Opens a scope, asks for `install` (whose scope is filled in), calls `run`, and asks for
// LeaveScope whatever comes: also when the installation failed or was cancelled. The result is
// run's. To be returned from a built-in.
Value run_in_scope(starlark::Call& c, InstallFaults install, Value run);
Value run_in_scope(starlark::Call& c, InstallPartition install, Value run);
Value run_in_scope(starlark::Call& c, PauseService install, Value run);

// The rules of an assumption: those that it includes first.
void assumption_rules(const plan::Plan& plan, uint32_t assumption, const Place& place,
                      std::vector<RuleSpec>& out);
[[nodiscard]] RuleSpec rule_spec(uint32_t service, std::string_view keyword,
                                 const plan::Action& action, const Place& place);

}  // namespace fbx::model
