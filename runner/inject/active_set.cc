// SPDX-License-Identifier: Apache-2.0
#include "runner/inject/active_set.h"

#include "base/glob.h"

namespace fbx::inject {
namespace {

bool all_match(const std::vector<std::string>& globs, const std::string& name) {
  for (const std::string& glob : globs)
    if (!glob_match_path(glob, name)) return false;
  return true;
}

bool may_hit_sockets(const CompiledRule& rule) {
  for (uint32_t i = 0; i < rule.abi.parts_used; ++i)
    if (rule.abi.parts[i].kinds & FBX_KINDS_SOCKETS) return true;
  return false;
}

// A delay must know whether the descriptor blocks; the rest is what the parts demand.
uint32_t flags_wanted(const CompiledRule& rule) {
  uint32_t flags = rule.flags;
  if (rule.abi.action == FBX_ACT_DELAY || rule.abi.delay_ns) flags |= FBX_KEY_NONBLOCK;
  return flags;
}

}  // namespace

uint32_t ActiveSet::path_mask(const std::vector<std::string>& names) const {
  uint32_t mask = 0;
  for (size_t i = 0; i < rules.size(); ++i)
    for (const std::string& name : names)
      if (all_match(rules[i].paths, name)) mask |= 1u << i;
  return mask;
}

std::vector<uint32_t> ActiveSet::rules_of(uint32_t mask) const {
  std::vector<uint32_t> out;
  for (size_t i = 0; i < rules.size(); ++i)
    if (mask >> i & 1) out.push_back(rules[i].abi.rule);
  return out;
}

Result<std::shared_ptr<const ActiveSet>> make_set(std::vector<CompiledRule> rules,
                                                  uint32_t generation) {
  if (rules.size() > FBX_SET_RULES)
    return fail("more than " + std::to_string(FBX_SET_RULES) + " rules active on one service");
  auto set = std::make_shared<ActiveSet>();
  set->abi.count = static_cast<uint32_t>(rules.size());
  set->abi.generation = generation;
  for (size_t i = 0; i < rules.size(); ++i) {
    set->abi.rules[i] = rules[i].abi;
    for (uint16_t nr : rules[i].calls) {
      Wanted& wanted = set->wanted[nr];
      set->hits[nr] = true;
      wanted.path |= !rules[i].paths.empty() || rules[i].sticky;
      wanted.peer |= rules[i].abi.to_kind != FBX_TO_ANY || may_hit_sockets(rules[i]);
      wanted.flags |= flags_wanted(rules[i]);
    }
  }
  set->rules = std::move(rules);
  return set;
}

}  // namespace fbx::inject
