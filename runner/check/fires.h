// SPDX-License-Identifier: Apache-2.0
//
// What the rules and cuts of a test did, in the report's words. Used by verdict.cc.
//
// Thread rule: pure functions.
#pragma once

#include <string>
#include <vector>

#include "runner/check/facts.h"
#include "runner/inject/rule_log.h"
#include "runner/report/outcome.h"

namespace fbx::check {

// One line per rule and cut, in the order of installation.
[[nodiscard]] std::vector<report::Fires> fires_of(const Facts& facts);

// A rule that the verdict asks for and that did nothing: 0 fires (with a probability below 1: 0
// matches) and not optional.
[[nodiscard]] bool never_fired(const inject::RuleEntry& entry);

// `write=deny("EIO") on inventory`, `partition(orders, inventory)`.
[[nodiscard]] std::string rule_text(const plan::Plan& plan, const inject::RuleEntry& entry);

// `rule fsync=deny("EIO") on nofsync: 0 fires in 1.2 s; nofsync made 0 fsync calls, 41 write`,
// with the calls that matched all but path= or to=.
[[nodiscard]] std::string never_fired_text(const Facts& facts, const inject::RuleEntry& entry);

}  // namespace fbx::check
