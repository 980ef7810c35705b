// SPDX-License-Identifier: Apache-2.0
//
// The side of the hands in the kernel.
#include "runner/inject/main_injector.h"

#include <utility>

#include "bpf/abi/event.h"
#include "bpf/abi/tables.h"
#include "runner/inject/call_rules.h"

namespace fbx::inject {

Status MainInjector::give_patterns(const CompiledRule& rule, int16_t service) {
  fbx_glob_key key{.cgroup = leaves_.at(service), .rule = rule.abi.rule, .which = 0};
  for (const std::string& path : rule.paths) {
    const auto tokens = glob_tokens(path);
    if (!tokens) return std::unexpected(tokens.error());
    if (key.which == FBX_RULE_GLOBS) return fail("more patterns than a rule can have");
    if (Status s = maps_->add_pattern(key, *tokens); !s) return s;
    ++key.which;
  }
  return {};
}

Status MainInjector::publish_to_kernel(int16_t service, Hand hand,
                                       std::shared_ptr<const ActiveSet> set) {
  if (set) kernel_sets_[{service, set->abi.generation}] = {hand, set->rules_of(~0u)};
  if (!parts_.object) return {};
  const uint64_t cgroup = leaves_.at(service);
  if (hand == Hand::kCgroup) return maps_->set_rules(cgroup, set ? &set->abi : nullptr);
  return maps_->set_call_rules(cgroup, set ? call_rules_of(*set).get() : nullptr);
}

void MainInjector::collect_kernel_decisions(std::vector<Decision>& out) {
  if (!parts_.observer) return;
  for (const fbx_decided& d : parts_.observer->take_decisions()) {
    Decision decision;
    decision.source = Decision::Source::kCgroup;
    decision.entered_ns = decision.answered_ns = d.head.time_ns;
    decision.tid = d.head.tid;
    decision.nr = d.nr;
    decision.service = d.head.service;
    decision.action = d.decision;
    decision.errnum = d.errnum;
    decision.n = d.n;
    uint32_t addr[4];
    __builtin_memcpy(addr, d.to.addr, sizeof addr);
    decision.peer = address_text(addr, d.to.port);
    decision.peer_service = d.peer;
    const auto set = kernel_sets_.find({d.head.service, d.set});
    const bool by_hooks = set == kernel_sets_.end() || set->second.hand == Hand::kCgroup;
    if (d.to.port == 0) decision.peer = by_hooks ? "a unix socket" : "";
    if (d.decision != FBX_ACT_NONE && d.decision != FBX_DECIDED_CUT)
      decision.rule = static_cast<int32_t>(d.rule);
    for (size_t i = 0; set != kernel_sets_.end() && i < set->second.rules.size(); ++i) {
      if (d.matched >> i & 1) decision.matched.push_back(set->second.rules[i]);
      if (d.near >> i & 1) decision.near.push_back(set->second.rules[i]);
    }
    if (d.pad && !decision.matched.empty()) decision.escape = "its rule could not be read whole";
    out.push_back(std::move(decision));
  }
}

// Calls of a ring or of the old asynchronous interface don't enter by the functions that are probed,
// and no filter of a supervisor says so.
void MainInjector::note_rings() {
  for (uint32_t i = 0; i < log_.rules.size(); ++i) {
    const RuleEntry& entry = log_.rules[i];
    if (!fails_calls_in_kernel(entry.hand)) continue;
    for (const char* call : {"io_uring_setup", "io_submit"}) {
      const auto nr = static_cast<uint16_t>(abi::find_syscall(call)->nr());
      for (const uint64_t seq : test_.store->of(static_cast<int16_t>(entry.rule.service), nr)) {
        const observe::Event& event = test_.store->at(seq);
        if (event.state != observe::CallState::kDone || event.ret < 0) continue;
        if (entry.lifted_ns && event.begin_ns > entry.lifted_ns) continue;
        add_escape(i, std::string("it uses ") + call +
                          ", whose calls pass unseen (io_uring=False refuses it a ring)");
        break;
      }
    }
  }
}

}  // namespace fbx::inject
