// SPDX-License-Identifier: Apache-2.0
#include "runner/inject/choose.h"

#include <algorithm>
#include <set>

#include "bpf/abi/tables.h"
#include "runner/inject/call_rules.h"
#include "runner/inject/rule_compile.h"
#include "runner/inject/watched_calls.h"

namespace fbx::inject {
namespace {

using plan::Need;

constexpr Hand kHands[] = {Hand::kCgroup,   Hand::kSeccomp, Hand::kShim, Hand::kOverride,
                           Hand::kFmodRet,  Hand::kLsm,     Hand::kWire};

uint16_t number_of(std::string_view call) {
  return static_cast<uint16_t>(abi::find_syscall(call)->nr());
}

bool hits(const std::vector<uint16_t>& calls, std::string_view call) {
  return std::binary_search(calls.begin(), calls.end(), number_of(call));
}

bool concerns(const Need& need, size_t service) {
  return need.kind != Need::Kind::kPartition &&
         (need.service < 0 || static_cast<size_t>(need.service) == service);
}

// What the cgroup hooks can do alone: "connect" or "bind"; "" = none of it.
std::string hook_call(const std::vector<uint16_t>& calls) {
  for (const char* call : {"connect", "bind"})
    if (calls.size() == 1 && hits(calls, call)) return call;
  return "";
}

// Supervising the return from a signal handler, or an exit, serves no rule.
bool worth_supervising(uint16_t nr) {
  const abi::Syscall* row = abi::find_syscall(int{nr});
  return row && row->name != "rt_sigreturn" && !(row->traits & FBX_TRAIT_NO_RETURN);
}

class Choice {
 public:
  Choice(const plan::Plan& plan, size_t test, const Capabilities& can, const Wishes& wishes,
         const Known& known)
      : plan_(plan),
        test_(plan.tests[test]),
        test_index_(test),
        can_(can),
        wishes_(wishes),
        known_(known) {
    out_.services.resize(plan.services.size());
    out_.needs.resize(test_.needs.size(), Hand::kNone);
    supervised_.resize(plan.services.size());
  }

  std::expected<Assignment, std::vector<RefusedNeed>> make() {
    check_ground();
    check_limits();
    choose_sight();
    for (size_t s = 0; s < plan_.services.size(); ++s) {
      out_.services[s].calls = hand_for_calls(s);
      out_.services[s].shim = out_.services[s].calls == Hand::kNone && takes_shim(s);
      out_.services[s].connect = hook_hand(s, "connect");
      out_.services[s].bind = hook_hand(s, "bind");
    }
    std::vector<size_t> before;  // how many refusals there were before each need
    for (size_t i = 0; i < test_.needs.size(); ++i) {
      const Need& need = test_.needs[i];
      before.push_back(refusals_.size());
      out_.needs[i] = need.kind == Need::Kind::kPartition ? cut(need) : fault(need);
    }
    if (!refusals_.empty()) return std::unexpected(by_need(before));
    for (size_t s = 0; s < supervised_.size(); ++s) {
      out_.services[s].supervised.assign(supervised_[s].begin(), supervised_[s].end());
      out_.services[s].shim &= !supervised_[s].empty();
    }
    return std::move(out_);
  }

 private:
  // A test that finds yesterday's files, or a stranger on its port, proves nothing.
  void check_ground() {
    if (can_.ground == Ground::kHost && wishes_.isolation)
      refusals_.push_back({.code = "no-isolation",
                           .what = "the test would see the host's network, /tmp and the spec's "
                                   "folder: " + can_.namespaces.why,
                           .remedy = can_.namespaces.remedy.empty()
                                         ? "run it with sudo, or with --no-isolation"
                                         : can_.namespaces.remedy + "; or --no-isolation"});
    for (const plan::Service& service : plan_.services)
      if (!can_.any_user && !service.user.empty() && service.user != can_.user)
        refusals_.push_back({.code = "needs-root",
                             .what = "service " + service.name + " runs as " + service.user +
                                     ", and only root can become another user",
                             .remedy = "run it with sudo"});
  }

  // A service that runs without its limit shows nothing about how it lives with it.
  void check_limits() {
    for (const plan::Service& service : plan_.services) {
      std::string names;
      for (const auto& [name, value] : service.limits) names += (names.empty() ? "" : ", ") + name;
      if (names.empty()) continue;
      const std::string place = service.place.text();
      refusals_.push_back({.code = "not-built",
                           .what = (place.empty() ? "" : place + ": ") + "service " + service.name +
                                   ": limits=: this fbx can't limit " + names + " yet",
                           .remedy = "leave limits= out"});
    }
  }

  void choose_sight() {
    if (can_.records.works) return;
    out_.sight = Sight::kSupervisor;
    if (!can_.seccomp.works) {
      refusals_.push_back({.code = "no-sight",
                           .what = "nobody would see what the services do: " + can_.records.why +
                                   "; " + can_.seccomp.why,
                           .remedy = can_.records.remedy});
      return;
    }
    // mmap: by a shared mapping a service writes past every other call.
    for (size_t s = 0; s < plan_.services.size(); ++s) {
      supervise(s, watched_calls(plan_, test_index_, s));
      supervise(s, {number_of("mmap")});
    }
  }

  void supervise(size_t service, const std::vector<uint16_t>& calls) {
    for (uint16_t nr : calls)
      if (worth_supervising(nr)) supervised_[service].insert(nr);
  }

  [[nodiscard]] std::vector<size_t> services_of(const Need& need) const {
    if (need.service >= 0) return {static_cast<size_t>(need.service)};
    std::vector<size_t> all(plan_.services.size());
    for (size_t i = 0; i < all.size(); ++i) all[i] = i;
    return all;
  }

  [[nodiscard]] const std::string& wish_of(const plan::Service& service) const {
    return wished_hand(service, wishes_);
  }

  // Unasked, the shim is taken where it decides most calls itself, and never where nobody knows
  // which calls will be faulted: nearly all would go to the supervisor.
  [[nodiscard]] bool takes_shim(size_t service) const {
    const std::string& wish = wish_of(plan_.services[service]);
    if (wish == "shim") return true;
    if (wish != "auto" || !can_.shim.works || !can_.seccomp.works) return false;
    if (service >= known_.programs.size()) return false;
    const Program& program = known_.programs[service];
    if (!program.past_preload.empty() || !program.past_libc.empty()) return false;
    return std::ranges::none_of(test_.needs, [&](const Need& need) {
      return concerns(need, service) && (need.syscall == "*" || escaped(need, service));
    });
  }

  [[nodiscard]] bool escaped(const Need& need, size_t service) const {
    return service < known_.programs.size() &&
           known_.escaped.contains({known_.programs[service].identity, need.syscall});
  }

  // A hand in the kernel decides all calls of a service, or none: those that the hooks decide apart.
  [[nodiscard]] bool can_fail_calls(size_t service, Hand hand, bool named) const {
    bool any = false;
    for (const Need& need : test_.needs) {
      if (!concerns(need, service)) continue;
      const plan::Service& of = plan_.services[service];
      if (!named && (escaped(need, service) || names_paths(of, need.syscall))) return false;
      if (!named && need.kind == Need::Kind::kDeny &&
          !hook_call(keyword_calls(of, need.syscall)).empty() && can_.cgroup.works)
        continue;
      if (!kernel_gap(plan_, service, need, hand).empty()) return false;
      any = true;
    }
    return any;
  }

  [[nodiscard]] Hand hand_for_calls(size_t service) const {
    const Hand wished = hand_named(wish_of(plan_.services[service]));
    if (fails_calls_in_kernel(wished))
      return can_fail_calls(service, wished, true) ? wished : Hand::kNone;
    if (wished != Hand::kNone || out_.sight != Sight::kRecords) return Hand::kNone;
    for (const Hand hand : {Hand::kOverride, Hand::kFmodRet, Hand::kLsm})
      if (capability_of(can_, hand).works && can_fail_calls(service, hand, false)) return hand;
    return Hand::kNone;
  }

  [[nodiscard]] Hand deciding_hand(size_t service) const {
    const ServiceHands& hands = out_.services[service];
    if (hands.calls != Hand::kNone) return hands.calls;
    return hands.shim ? Hand::kShim : Hand::kSeccomp;
  }

  // One hand for everything that can hit this call (connect, bind) on this service.
  [[nodiscard]] Hand hook_hand(size_t service, std::string_view call) const {
    bool any = false, only_denies = true, past_hooks = false;
    for (const Need& need : test_.needs) {
      if (!concerns(need, service)) continue;
      const auto calls = keyword_calls(plan_.services[service], need.syscall);
      if (!hits(calls, call)) continue;
      any = true;
      only_denies &= need.kind == Need::Kind::kDeny && calls.size() == 1;
      past_hooks |= escaped(need, service);
    }
    if (!any) return Hand::kNone;
    const std::string& wish = wish_of(plan_.services[service]);
    // No hook sees a socket bound to a name of a file: a bind is theirs where they are asked for.
    const bool choosable = call != "bind" && can_.cgroup.works && !past_hooks;
    const bool hooks = wish == "cgroup" || (wish == "auto" && choosable);
    return only_denies && hooks ? Hand::kCgroup : deciding_hand(service);
  }

  [[nodiscard]] const Capability* missing_for_kernel_cut(const Need& need) const {
    std::vector<const Capability*> wanted = {&can_.packets};
    if (need.mode != "drop")
      wanted.insert(wanted.end(), {&can_.cgroup, &can_.sockets, &can_.resets});
    for (const Capability* capability : wanted)
      if (!capability->works) return capability;
    return nullptr;
  }

  Hand cut(const Need& need) {
    const Capability* missing = missing_for_kernel_cut(need);
    if (!missing) return Hand::kCgroup;
    if (need.mode == "drop" || !can_.seccomp.works || !can_.borrow.works) {
      refuse(need.mode == "drop" ? "a partition that drops packets" : "a partition", *missing);
      return Hand::kNone;
    }
    // Whatever opens a connection or sends a datagram by address; any service may be on a side.
    for (size_t s = 0; s < plan_.services.size(); ++s)
      supervise(s, {number_of("connect"), number_of("sendto"), number_of("sendmsg"),
                    number_of("sendmmsg")});
    return Hand::kSeccomp;
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
    if (need.kind == Need::Kind::kDeny && need.syscall != "*") check_effects(service, need.syscall);
    const std::string hooked = hook_call(calls);
    const ServiceHands& hands = out_.services[s];
    const Hand hand = hooked == "connect" ? hands.connect
                      : hooked == "bind"  ? hands.bind
                                          : deciding_hand(s);
    if (!wish_allows(need, s, hand, what)) return Hand::kNone;
    if (const Capability& needed = capability_of(can_, hand); !needed.works) refuse(what, needed);
    if (hand == Hand::kShim) check_shim(service, s, what);
    if (hand == Hand::kSeccomp || hand == Hand::kShim) supervise(s, calls);
    return hand;
  }

  // What a denied call does all the same, the supervisor does or has done.
  void check_effects(const plan::Service& service, const std::string& keyword) {
    for (const Effect effect : effects_of_denied(service, keyword)) {
      const bool closes = effect == Effect::kCloses;
      const Capability& needed = closes ? can_.results : can_.accepts;
      if (needed.works) continue;
      refuse(service.name + (closes ? ": a denied close, which closes"
                                    : ": a denied accept, which consumes the connection"),
             needed);
    }
  }

  void check_shim(const plan::Service& service, size_t s, const std::string& what) {
    if (!can_.seccomp.works) refuse(what, can_.seccomp);
    std::string why;
    if (s < known_.programs.size() && !known_.programs[s].past_preload.empty())
      why = service.binary + " " + known_.programs[s].past_preload;
    if (!why.empty())
      refusals_.push_back({.code = "no-hand",
                           .what = what + " is out of reach of the shim hand: " + why,
                           .remedy = unnamed(service)});
  }

  [[nodiscard]] static std::string unnamed(const plan::Service& service) {
    return service.inject != "auto" ? "leave inject= at \"auto\"" : "leave --inject out";
  }

  bool wish_allows(const Need& need, size_t s, Hand hand, const std::string& what) {
    const plan::Service& service = plan_.services[s];
    const std::string& wish = wish_of(service);
    if (wish == "auto" || wish == hand_name(hand)) return true;
    const Hand wished = hand_named(wish);
    const bool built = wished != Hand::kNone && capability_of(can_, wished).built;
    std::string gap = fails_calls_in_kernel(wished) ? gap_of_service(need, s, wished) : "";
    if (!gap.empty()) gap = ": " + gap;
    refusals_.push_back(
        {.code = built ? "no-hand" : "not-built",
         .what = what + (built ? " is out of reach of the " + wish + " hand" + gap
                               : ": this fbx has no " + wish + " hand yet"),
         .remedy = unnamed(service)});
    return false;
  }

  // What keeps the hand from this need, else from another one of the same service.
  [[nodiscard]] std::string gap_of_service(const Need& need, size_t s, Hand hand) const {
    std::string gap = kernel_gap(plan_, s, need, hand);
    for (const Need& other : test_.needs)
      if (gap.empty() && concerns(other, s)) gap = kernel_gap(plan_, s, other, hand);
    return gap;
  }

  void refuse(const std::string& what, const Capability& capability) {
    refusals_.push_back(
        {.code = "no-hand", .what = what + ": " + capability.why, .remedy = capability.remedy});
  }

  // Each refusal with the need that it is about.
  std::vector<RefusedNeed> by_need(const std::vector<size_t>& before) {
    std::vector<RefusedNeed> out;
    for (size_t r = 0; r < refusals_.size(); ++r) {
      const auto next = std::upper_bound(before.begin(), before.end(), r);
      RefusedNeed refused{{std::move(refusals_[r])}};
      if (next != before.begin()) refused.need = static_cast<size_t>(next - before.begin()) - 1;
      out.push_back(std::move(refused));
    }
    return out;
  }

  const plan::Plan& plan_;
  const plan::Test& test_;
  size_t test_index_;
  const Capabilities& can_;
  const Wishes& wishes_;
  const Known& known_;
  Assignment out_;
  std::vector<std::set<uint16_t>> supervised_;
  std::vector<Refusal> refusals_;
};

}  // namespace

std::expected<Assignment, std::vector<RefusedNeed>> choose(const plan::Plan& plan, size_t test,
                                                           const Capabilities& capabilities,
                                                           const Wishes& wishes,
                                                           const Known& known) {
  return Choice(plan, test, capabilities, wishes, known).make();
}

const std::string& wished_hand(const plan::Service& service, const Wishes& wishes) {
  return service.inject == "auto" ? wishes.inject : service.inject;
}

std::set<uint16_t> calls_to_fail(const plan::Plan& plan, size_t test, size_t service,
                                 const Wishes& wishes) {
  const plan::Service& of = plan.services[service];
  const Hand wished = hand_named(wished_hand(of, wishes));
  std::set<uint16_t> out;
  if (wished != Hand::kNone && !fails_calls_in_kernel(wished)) return out;
  // Whichever works may be taken: override reaches most.
  const Hand hand = wished == Hand::kNone ? Hand::kOverride : wished;
  for (const Need& need : plan.tests[test].needs) {
    if (!concerns(need, service)) continue;
    if (!kernel_gap(plan, service, need, hand).empty()) continue;
    if (wished == Hand::kNone && names_paths(of, need.syscall)) continue;
    for (const uint16_t nr : keyword_calls(of, need.syscall)) out.insert(nr);
  }
  return out;
}

Hand hand_named(const std::string& name) {
  for (const Hand hand : kHands)
    if (name == hand_name(hand)) return hand;
  return Hand::kNone;
}

const Capability& capability_of(const Capabilities& can, Hand hand) {
  static const Capability nothing{.works = true};
  switch (hand) {
    case Hand::kNone: return nothing;
    case Hand::kCgroup: return can.cgroup;
    case Hand::kSeccomp: return can.seccomp;
    case Hand::kShim: return can.shim;
    case Hand::kOverride: return can.override_return;
    case Hand::kFmodRet: return can.fmod_ret;
    case Hand::kLsm: return can.lsm;
    case Hand::kWire: return can.wire;
  }
  return nothing;
}

}  // namespace fbx::inject
