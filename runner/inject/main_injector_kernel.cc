// SPDX-License-Identifier: Apache-2.0
//
// The side of the hands in the kernel.
#include "runner/inject/main_injector.h"

#include <utility>

#include "bpf/abi/event.h"

namespace fbx::inject {

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
    if (d.to.port == 0) decision.peer = "a unix socket";
    if (d.decision != FBX_ACT_NONE && d.decision != FBX_DECIDED_CUT)
      decision.rule = static_cast<int32_t>(d.rule);
    const auto set = kernel_sets_.find({d.head.service, d.set});
    for (size_t i = 0; set != kernel_sets_.end() && i < set->second.size(); ++i) {
      if (d.matched >> i & 1) decision.matched.push_back(set->second[i]);
      if (d.near >> i & 1) decision.near.push_back(set->second[i]);
    }
    if (d.pad && !decision.matched.empty()) decision.escape = "its rule could not be read whole";
    out.push_back(std::move(decision));
  }
}

}  // namespace fbx::inject
