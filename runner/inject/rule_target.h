// SPDX-License-Identifier: Apache-2.0
//
// `to=` of a rule: a service, one of its interfaces, or "host:port".
//
// Thread rule: pure.
#pragma once

#include <string>

#include "base/result.h"
#include "bpf/abi/rule.h"
#include "spec/plan/plan.h"

namespace fbx::inject {

// Fills to_kind, to_service, to_door, to_addr. An empty `to` is anything.
Status set_target(const std::string& to, const plan::Plan& plan, fbx_rule& rule);

}  // namespace fbx::inject
