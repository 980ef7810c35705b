// SPDX-License-Identifier: Apache-2.0
//
// What one service has active in one hand: the rules in deciding order, as integers and with the
// globs that integers can't hold. Never changed once published; an install or a lift makes another.
//
// Thread rule: immutable after make_set().
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "runner/inject/call_reader.h"
#include "runner/inject/rule_compile.h"

namespace fbx::inject {

struct ActiveSet {
  fbx_ruleset abi = {};
  std::vector<CompiledRule> rules;  // abi.rules[i] is rules[i].abi
  std::array<Wanted, FBX_NR_WORDS * 64> wanted = {};  // by native number
  std::array<bool, FBX_NR_WORDS * 64> hits = {};      // some rule can hit this call

  // The mask of rules whose globs all match one of the names.
  [[nodiscard]] uint32_t path_mask(const std::vector<std::string>& names) const;
  // The rules' indexes in the log.
  [[nodiscard]] std::vector<uint32_t> rules_of(uint32_t mask) const;
};

// Fails when there are more rules than a set holds.
Result<std::shared_ptr<const ActiveSet>> make_set(std::vector<CompiledRule> rules,
                                                  uint32_t generation);

}  // namespace fbx::inject
