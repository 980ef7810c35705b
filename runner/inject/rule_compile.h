// SPDX-License-Identifier: Apache-2.0
//
// From what a spec says (RuleSpec) to what the hands decide by (bpf/abi/rule.h). Names, families,
// ops, kinds and addresses end here. What no hand of this fbx can carry out exactly is an Error
// that names it; the runner makes it a refusal.
//
// Thread rule: pure.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "base/result.h"
#include "bpf/abi/rule.h"
#include "bpf/abi/tables.h"
#include "spec/model/session.h"
#include "spec/plan/plan.h"

namespace fbx::inject {

struct CompiledRule {
  fbx_rule abi = {};               // counter still 0
  std::vector<std::string> paths;  // globs of path= and of the op; all must match; empty = any
  std::vector<uint16_t> calls;     // native numbers that it can hit, ascending
  uint32_t flags = 0;              // FBX_KEY_* that some part demands
  bool sticky = false;             // what it failed on a file, it goes on failing there
  bool has_effect = false;         // a deny, and some call of it closes or consumes all the same
};

// `rule` is its index in the test's log. The seed is the test's own.
Result<CompiledRule> compile_rule(const model::RuleSpec& spec, const plan::Plan& plan,
                                  uint32_t rule, uint64_t seed);

// The native numbers that a keyword of this service (family, call or op) can hit, ascending.
// Empty when nobody knows the word. "*" is every call of the table.
[[nodiscard]] std::vector<uint16_t> keyword_calls(const plan::Service& service,
                                                  const std::string& keyword);

// What a denied call has done all the same (LANGUAGE section 5). A hand that only answers in the
// call's place can do kNothing.
enum class Effect : uint8_t {
  kNothing,
  kCloses,   // the descriptor is closed
  kConsumes  // the connection is out of the queue, and closed
};
[[nodiscard]] Effect effect_of_denied(const abi::Syscall& call);
// Those of a keyword's calls, without kNothing.
[[nodiscard]] std::set<Effect> effects_of_denied(const plan::Service& service,
                                                 const std::string& keyword);

// Why a deny of this keyword can't be carried out by any hand, or "" when it can.
[[nodiscard]] std::string deny_gap(const plan::Service& service, const std::string& keyword);

}  // namespace fbx::inject
