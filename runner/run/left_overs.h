// SPDX-License-Identifier: Apache-2.0
//
// Faults and cuts that a body started and did not stop. They are lifted before the services are
// stopped, lest they hit what services do while they end.
//
// Thread rule: the injector's.
#pragma once

#include <string>
#include <vector>

#include "runner/inject/injector.h"
#include "spec/plan/plan.h"

namespace fbx::run {

struct LeftOvers {
  std::vector<std::string> notes;  // a sentence for each
  Status lifted = {};
};
[[nodiscard]] LeftOvers lift_left_overs(const plan::Plan& plan, inject::Injector& injector);

}  // namespace fbx::run
