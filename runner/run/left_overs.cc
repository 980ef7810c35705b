// SPDX-License-Identifier: Apache-2.0
#include "runner/run/left_overs.h"

#include <set>

#include "runner/check/fires.h"

namespace fbx::run {

LeftOvers lift_left_overs(const plan::Plan& plan, inject::Injector& injector) {
  LeftOvers out;
  std::set<model::ScopeId> scopes;
  for (const inject::RuleEntry& rule : injector.log().rules) {
    if (rule.lifted_ns != 0) continue;
    scopes.insert(rule.scope);
    out.notes.push_back(check::rule_text(plan, rule) +
                        " was not stopped by the test; it was lifted before the services were");
  }
  for (const model::ScopeId scope : scopes)
    if (Status lifted = injector.lift(scope); !lifted) out.lifted = std::move(lifted);
  return out;
}

}  // namespace fbx::run
