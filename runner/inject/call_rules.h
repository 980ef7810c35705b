// SPDX-License-Identifier: Apache-2.0
//
// What the hands that fail calls from within the kernel are given (bpf/abi/call_rules.h), and which
// rules they can't carry out exactly: a program in the kernel resolves no path that a call names,
// keeps nobody waiting, and knows the other end of TCP connections alone. Such a rule is left to the
// supervisor.
//
// Thread rule: pure.
#pragma once

#include <memory>
#include <string>

#include "base/result.h"
#include "bpf/abi/call_rules.h"
#include "runner/inject/active_set.h"
#include "runner/inject/rule_log.h"

namespace fbx::inject {

// override, fmod_ret, lsm.
[[nodiscard]] bool fails_calls_in_kernel(Hand hand);

// Why this hand can't carry the rule out, "" when it can.
[[nodiscard]] std::string kernel_gap(const CompiledRule& rule, Hand hand);
// The same for what a test needs of a service, as far as it is known before the test runs.
[[nodiscard]] std::string kernel_gap(const plan::Plan& plan, size_t service,
                                     const plan::Need& need, Hand hand);

// A rule on this keyword is likely to say path=, and then no hand in the kernel can do it.
[[nodiscard]] bool names_paths(const plan::Service& service, const std::string& keyword);

// A pattern of path= as tokens. Fails when it has more than a token's worth of FBX_GLOB_TOKENS.
[[nodiscard]] Result<fbx_glob> glob_tokens(const std::string& pattern);

// The set with what it asks of calls.
[[nodiscard]] std::unique_ptr<fbx_call_rules> call_rules_of(const ActiveSet& set);

}  // namespace fbx::inject
