// SPDX-License-Identifier: Apache-2.0
#include "runner/inject/choose.h"

#include <algorithm>
#include <set>

#include "bpf/abi/tables.h"
#include "runner/inject/rule_compile.h"

namespace fbx::inject {
namespace {

using plan::Need;

uint16_t connect_nr() { return static_cast<uint16_t>(abi::find_syscall("connect")->nr()); }

bool hits_connect(const std::vector<uint16_t>& calls) {
  return std::binary_search(calls.begin(), calls.end(), connect_nr());
}

// Supervising the return from a signal handler, or an exit, serves no rule.
bool worth_supervising(uint16_t nr) {
  const abi::Syscall* row = abi::find_syscall(int{nr});
  return row && row->name != "rt_sigreturn" && !(row->traits & FBX_TRAIT_NO_RETURN);
}

class Choice {
 public:
  Choice(const plan::Plan& plan, const plan::Test& test, const Capabilities& can)
      : plan_(plan), test_(test), can_(can) {
    out_.services.resize(plan.services.size());
    out_.needs.resize(test.needs.size(), Hand::kNone);
    supervised_.resize(plan.services.size());
  }

  std::expected<Assignment, std::vector<Refusal>> make() {
    for (size_t s = 0; s < plan_.services.size(); ++s) out_.services[s].connect = connect_hand(s);
    for (size_t i = 0; i < test_.needs.size(); ++i) {
      const Need& need = test_.needs[i];
      out_.needs[i] = need.kind == Need::Kind::kPartition ? cut(need) : fault(need);
    }
    if (!refusals_.empty()) return std::unexpected(std::move(refusals_));
    for (size_t s = 0; s < supervised_.size(); ++s)
      out_.services[s].supervised.assign(supervised_[s].begin(), supervised_[s].end());
    return std::move(out_);
  }

 private:
  [[nodiscard]] std::vector<size_t> services_of(const Need& need) const {
    if (need.service >= 0) return {static_cast<size_t>(need.service)};
    std::vector<size_t> all(plan_.services.size());
    for (size_t i = 0; i < all.size(); ++i) all[i] = i;
    return all;
  }

  // One hand for everything that can hit connect on this service.
  [[nodiscard]] Hand connect_hand(size_t service) const {
    bool any = false, only_denies = true;
    for (const Need& need : test_.needs) {
      if (need.kind == Need::Kind::kPartition) continue;
      if (need.service >= 0 && static_cast<size_t>(need.service) != service) continue;
      const auto calls = keyword_calls(plan_.services[service], need.syscall);
      if (!hits_connect(calls)) continue;
      any = true;
      only_denies &= need.kind == Need::Kind::kDeny && calls.size() == 1;
    }
    if (!any) return Hand::kNone;
    const std::string& wish = plan_.services[service].inject;
    if (wish == "cgroup") return Hand::kCgroup;
    if (wish != "auto" || !only_denies || !can_.cgroup.works) return Hand::kSeccomp;
    return Hand::kCgroup;
  }

  Hand cut(const Need& need) {
    std::vector<const Capability*> wanted = {&can_.packets};
    if (need.mode != "drop")
      wanted.insert(wanted.end(), {&can_.cgroup, &can_.sockets, &can_.resets});
    for (const Capability* capability : wanted)
      if (!capability->works) refuse(need, "a partition", *capability);
    return Hand::kCgroup;
  }

  Hand fault(const Need& need) {
    Hand hand = Hand::kNone;
    for (size_t s : services_of(need)) hand = fault_on(need, s);
    return hand;
  }

  Hand fault_on(const Need& need, size_t s) {
    const plan::Service& service = plan_.services[s];
    const auto calls = keyword_calls(service, need.syscall);
    const std::string what = service.name + ": " +
                             (need.kind == Need::Kind::kDelay ? "delay of " : "deny of ") +
                             need.syscall;
    if (calls.empty()) {
      refusals_.push_back({.code = "no-hand", .what = what + ": no such call or family"});
      return Hand::kNone;
    }
    if (need.kind == Need::Kind::kDeny && need.syscall != "*")
      if (std::string gap = deny_gap(service, need.syscall); !gap.empty()) {
        refusals_.push_back({.code = "no-hand", .what = service.name + ": " + gap});
        return Hand::kNone;
      }
    const bool connect_alone = calls.size() == 1 && hits_connect(calls);
    const Hand hand = connect_alone ? out_.services[s].connect : Hand::kSeccomp;
    if (!wish_allows(service, hand, what)) return Hand::kNone;
    if (hand == Hand::kCgroup) {
      if (!can_.cgroup.works) refuse(need, what, can_.cgroup);
      return hand;
    }
    if (!can_.seccomp.works) refuse(need, what, can_.seccomp);
    for (uint16_t nr : calls)
      if (worth_supervising(nr)) supervised_[s].insert(nr);
    return hand;
  }

  bool wish_allows(const plan::Service& service, Hand hand, const std::string& what) {
    const std::string& wish = service.inject;
    if (wish == "auto" || wish == hand_name(hand)) return true;
    const bool built = wish == "cgroup" || wish == "seccomp";
    refusals_.push_back(
        {.code = built ? "no-hand" : "not-built",
         .what = what + (built ? " is out of reach of the " + wish + " hand"
                               : ": this fbx has no " + wish + " hand yet"),
         .remedy = "leave inject= at \"auto\""});
    return false;
  }

  void refuse(const Need& need, const std::string& what, const Capability& capability) {
    (void)need;
    refusals_.push_back(
        {.code = "no-hand", .what = what + ": " + capability.why, .remedy = capability.remedy});
  }

  const plan::Plan& plan_;
  const plan::Test& test_;
  const Capabilities& can_;
  Assignment out_;
  std::vector<std::set<uint16_t>> supervised_;
  std::vector<Refusal> refusals_;
};

}  // namespace

std::expected<Assignment, std::vector<Refusal>> choose(const plan::Plan& plan, size_t test,
                                                       const Capabilities& capabilities) {
  return Choice(plan, plan.tests[test], capabilities).make();
}

}  // namespace fbx::inject
