// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "runner/cli/machine.h"
#include "runner/inject/choose.h"
#include "runner/inject/probe.h"
#include "runner/run/hand_memory.h"
#include "runner/service/binary.h"

namespace fbx::cli {

namespace {

// choose() answers for a test as a whole: all hands, or what is refused. So the needs that are
// refused are put aside, and it is asked again about the rest.
TestDecision decide_test(const plan::Plan& plan, size_t test, const inject::Capabilities& can,
                         const inject::Known& known) {
  const auto& needs = plan.tests[test].needs;
  TestDecision out;
  out.needs.resize(needs.size());
  plan::Plan part = plan;
  auto chosen = inject::choose(part, test, can, {}, known);
  if (!chosen) {
    for (const inject::RefusedNeed& refused : chosen.error()) {
      if (refused.need == inject::kWholeTest) out.refused.push_back(refused);
      else if (!out.needs[refused.need].refused) out.needs[refused.need].refused = refused;
    }
    auto& rest = part.tests[test].needs;
    rest.clear();
    for (size_t i = 0; i < needs.size(); ++i) {
      if (!out.needs[i].refused) rest.push_back(needs[i]);
    }
    if (out.refused.empty()) chosen = inject::choose(part, test, can, {}, known);
  }
  if (!chosen) return out;
  size_t next = 0;
  for (Enforced& need : out.needs) {
    if (!need.refused) need.hand = inject::hand_name(chosen->needs[next++]);
  }
  return out;
}

}  // namespace

Decision decide(const plan::Plan& plan) {
  const inject::Capabilities can = inject::probe_machine();
  run::HandMemory memory({});
  memory.look_at(plan);
  Decision out;
  out.decided = true;
  for (size_t t = 0; t < plan.tests.size(); ++t)
    out.tests.push_back(decide_test(plan, t, can, memory.known(0)));
  return out;
}

Diagnostics unfit_binaries(const plan::Plan& plan) { return service::check_binaries(plan); }

}  // namespace fbx::cli
