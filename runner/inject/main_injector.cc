// SPDX-License-Identifier: Apache-2.0
#include "runner/inject/main_injector.h"

#include <algorithm>
#include <set>
#include <utility>

#include "base/clock.h"
#include "bpf/abi/tables.h"
#include "runner/inject/call_rules.h"
#include "runner/inject/diag_sockets.h"
#include "runner/inject/hooks.h"

namespace fbx::inject {
namespace {

bool contains_all(const std::vector<uint16_t>& sorted, const std::vector<uint16_t>& wanted) {
  return std::includes(sorted.begin(), sorted.end(), wanted.begin(), wanted.end());
}

// A delay of calls that send packets: what it finds on a socket that does not block is not held.
bool may_need_wire(const CompiledRule& rule) {
  return rule.abi.delay_ns != 0 && std::ranges::any_of(rule.calls, [](uint16_t nr) {
    const abi::Syscall* row = abi::find_syscall(nr);
    return row != nullptr && ((row->families | row->sometimes) & (FBX_F_CONNECT | FBX_F_SEND)) != 0;
  });
}

}  // namespace

Result<std::unique_ptr<MainInjector>> MainInjector::create(const InjectorParts& parts) {
  if (parts.worker >= FBX_COUNTERS / FBX_COUNTERS_PER_WORKER)
    return fail("more workers than the rules' counters are made for");
  std::unique_ptr<MainInjector> injector(new MainInjector(parts));
  auto maps = parts.object ? KernelMaps::open(*parts.object) : KernelMaps::counters_alone();
  if (!maps) return std::unexpected(std::move(maps).error());
  injector->maps_ = std::move(*maps);
  return injector;
}

MainInjector::~MainInjector() { static_cast<void>(end_test()); }

Status MainInjector::begin_test(const TestInject& test) {
  if (Status s = end_test(); !s) return s;
  test_ = test;
  auto chosen =
      choose(*test.plan, test.test, parts_.capabilities, parts_.wishes, test.known);
  if (!chosen) return fail(chosen.error().front().text());
  assignment_ = std::move(*chosen);
  std::map<uint64_t, int16_t> by_cgroup;
  for (const InjectedService& service : test.services) {
    leaves_[service.index] = service.cgroup_id;
    by_cgroup[service.cgroup_id] = service.index;
  }
  if (parts_.object) {
    sockets_ = std::make_unique<BpfSocketList>(*parts_.object);
  } else {
    sockets_ = std::make_unique<DiagSocketList>();
  }
  peers_ = std::make_unique<PeerFinder>(std::move(by_cgroup), *sockets_);
  for (const plan::Service& service : test.plan->services)
    for (size_t i = 0; i < service.interfaces.size(); ++i)
      if (service.interfaces[i].protocol == plan::Protocol::kUnix)
        peers_->unix_doors[service.interfaces[i].path] = FBX_DOOR_UNIX + static_cast<uint32_t>(i);
  if (parts_.object) {
    partitions_ = std::make_unique<Partitions>(*maps_, *sockets_, leaves_);
    partitions_->unix_dials = parts_.capabilities.unix_dials.works;
    unix_names_ = std::make_unique<UnixNames>(*parts_.object, parts_.worker, *peers_);
    join_ = std::make_unique<DecisionJoin>(*test.store);
  }
  lost_syncs_ = std::make_unique<LostSyncs>(*test.store);
  supervisor_ = std::make_unique<Supervisor>(maps_->counters(), *peers_);
  if (std::ranges::any_of(assignment_.services, &ServiceHands::shim))
    if (Status s = make_shim_side(); !s) return s;
  if (parts_.observer) supervisor_->tell(parts_.observer->call_log());
  if (!parts_.object) own_cuts_ = std::make_unique<OwnCuts>(*supervisor_, *peers_);
  return supervisor_->start();
}

Result<BirthNeeds> MainInjector::birth_needs(int16_t service) {
  const auto i = static_cast<size_t>(service);
  if (service < 0 || i >= assignment_.services.size()) return BirthNeeds{};
  const ServiceHands& hands = assignment_.services[i];
  if (!hands.shim)
    return BirthNeeds{.supervised = hands.supervised, .environment = {}, .probe_tag = 0};
  return shim_needs(service);
}

Status MainInjector::adopt_listener(int16_t service, int listener_fd) {
  return supervisor_->adopt(service, listener_fd);
}

Result<Hand> MainInjector::hand_of(const CompiledRule& rule, const model::RuleSpec& spec) const {
  const ServiceHands& hands = assignment_.services[spec.service];
  for (const auto& [call, hand] : {std::pair("connect", hands.connect), {"bind", hands.bind}}) {
    const auto nr = static_cast<uint16_t>(abi::find_syscall(call)->nr());
    if (hand != Hand::kCgroup || !std::ranges::binary_search(rule.calls, nr)) continue;
    if (rule.calls.size() == 1 && rule.abi.action != FBX_ACT_DELAY && !rule.abi.delay_ns)
      return Hand::kCgroup;
    return fail(spec.display + ": the cgroup hand decides about " + call +
                " in this test and can't do it");
  }
  if (hands.calls != Hand::kNone) return hands.calls;
  if (contains_all(hands.supervised, rule.calls))
    return hands.shim ? Hand::kShim : Hand::kSeccomp;
  return fail(spec.display + ": the service was started without the filter that this rule needs, "
                             "because the plan does not name it among the test's needs");
}

Result<uint32_t> MainInjector::take_counter() {
  const uint32_t base = parts_.worker * FBX_COUNTERS_PER_WORKER;
  if (next_counter_ >= FBX_COUNTERS_PER_WORKER)
    return fail("more than " + std::to_string(FBX_COUNTERS_PER_WORKER) + " rules in one test");
  const uint32_t at = base + next_counter_++;
  maps_->counters()[at] = fbx_counter{};
  return at;
}

Status MainInjector::install(const model::InstallFaults& faults) {
  std::vector<Rule> fresh;
  std::vector<RuleEntry> entries;
  for (const model::RuleSpec& spec : faults.rules) {
    const auto index = static_cast<uint32_t>(log_.rules.size() + entries.size());
    auto compiled = compile_rule(spec, *test_.plan, index, test_.seed);
    if (!compiled) return std::unexpected(std::move(compiled).error());
    auto hand = hand_of(*compiled, spec);
    if (!hand) return std::unexpected(std::move(hand).error());
    auto counter = take_counter();
    if (!counter) return std::unexpected(std::move(counter).error());
    compiled->abi.counter = *counter;
    std::string gap = fails_calls_in_kernel(*hand) ? kernel_gap(*compiled, *hand) : "";
    if (gap.empty() && fails_calls_in_kernel(*hand))
      if (Status s = give_patterns(*compiled, static_cast<int16_t>(spec.service)); !s) return s;
    RuleEntry entry;
    entry.rule = spec;
    entry.display = spec.display;
    entry.label = spec.label;
    entry.optional = spec.optional;
    entry.scope = faults.scope;
    entry.place = spec.place;
    entry.hand = *hand;
    entry.by_shim = *hand == Hand::kShim;
    // What only the rule itself could tell is an escape from the first moment: another hand can.
    if (!gap.empty())
      entry.escapes.push_back("the " + std::string(hand_name(*hand)) + " hand can't do it: " + gap);
    entries.push_back(std::move(entry));
    fresh.push_back({std::move(*compiled), batches_ + 1});
  }
  if (std::ranges::any_of(fresh, [](const Rule& rule) { return may_need_wire(rule.compiled); }))
    lay_wire();
  ++batches_;
  const size_t first = rules_.size();
  std::set<int16_t> services;
  for (size_t i = 0; i < fresh.size(); ++i) {
    services.insert(static_cast<int16_t>(entries[i].rule.service));
    rules_.push_back(std::move(fresh[i]));
    log_.rules.push_back(std::move(entries[i]));
  }
  Status s = refresh_names();
  for (int16_t service : services)
    if (s) s = publish(service);
  const uint64_t now = now_ns();
  for (size_t i = first; i < log_.rules.size(); ++i) log_.rules[i].installed_ns = now;
  for (const auto& [service, why] : unreached_) escape_shim_rules(service, why);
  if (s) return {};
  std::vector<uint32_t> undone;
  for (size_t i = first; i < log_.rules.size(); ++i) undone.push_back(static_cast<uint32_t>(i));
  static_cast<void>(lift_rules(undone));
  return s;
}

Status MainInjector::install(const model::InstallPartition& cut) {
  if (!own_cuts_ && !can_cut(*parts_.object, cut.mode == model::InstallPartition::Mode::kRefuse))
    return fail(cut.display + ": the run was started without the programs that this partition "
                              "needs, because the plan does not name it among the test's needs");
  const auto index = static_cast<uint32_t>(log_.rules.size());
  RuleEntry entry;
  entry.kind = RuleEntry::Kind::kPartition;
  entry.cut = cut;
  entry.display = cut.display;
  entry.label = cut.label;
  entry.optional = cut.optional;
  entry.scope = cut.scope;
  entry.hand = own_cuts_ ? Hand::kSeccomp : Hand::kCgroup;
  if (Status s = refresh_names(); !s) return s;
  if (Status s = own_cuts_ ? own_cuts_->cut(index, cut) : partitions_->cut(index, cut); !s)
    return s;
  entry.installed_ns = now_ns();
  log_.rules.push_back(std::move(entry));
  rules_.emplace_back();
  return {};
}

// Innermost first: a later install is an inner scope; within one, as written.
std::vector<CompiledRule> MainInjector::active(int16_t service, Hand hand) const {
  std::vector<uint32_t> order;
  for (uint32_t i = 0; i < rules_.size(); ++i) {
    const RuleEntry& entry = log_.rules[i];
    if (entry.kind != RuleEntry::Kind::kFault || entry.lifted_ns || entry.hand != hand) continue;
    if (fails_calls_in_kernel(hand) && !kernel_gap(rules_[i].compiled, hand).empty()) continue;
    if (entry.rule.service == static_cast<uint32_t>(service)) order.push_back(i);
  }
  std::stable_sort(order.begin(), order.end(), [this](uint32_t a, uint32_t b) {
    return rules_[a].batch > rules_[b].batch;
  });
  std::vector<CompiledRule> out;
  for (uint32_t i : order) out.push_back(rules_[i].compiled);
  return out;
}

Status MainInjector::publish(int16_t service) {
  const ServiceHands& hands = assignment_.services[static_cast<size_t>(service)];
  const bool by_shim = hands.shim;
  std::vector<Hand> all = {by_shim ? Hand::kShim : Hand::kSeccomp, Hand::kCgroup};
  if (hands.calls != Hand::kNone) all.push_back(hands.calls);
  for (const Hand hand : all) {
    std::vector<CompiledRule> rules = active(service, hand);
    std::shared_ptr<const ActiveSet> set;
    if (!rules.empty()) {
      auto made = make_set(std::move(rules), ++generations_);
      if (!made) return std::unexpected(std::move(made).error());
      set = std::move(*made);
    }
    if (hand == Hand::kSeccomp || hand == Hand::kShim) {
      if (by_shim)
        if (Status s = shim_->publish(service, set); !s) return s;
      supervisor_->publish(service, std::move(set));
    } else if (Status s = publish_to_kernel(service, hand, std::move(set)); !s) {
      return s;
    }
  }
  return {};
}

Status MainInjector::lift_rules(const std::vector<uint32_t>& rules) {
  std::set<int16_t> services;
  const uint64_t now = now_ns();
  for (uint32_t i : rules) {
    log_.rules[i].lifted_ns = now;
    services.insert(static_cast<int16_t>(log_.rules[i].rule.service));
  }
  Status s = {};
  for (int16_t service : services)
    if (Status published = publish(service); !published) s = std::move(published);
  supervisor_->wake(rules);
  take_from_wire(rules);
  return s;
}

Status MainInjector::lift(model::ScopeId scope) {
  std::vector<uint32_t> rules;
  Status s = {};
  for (uint32_t i = 0; i < log_.rules.size(); ++i) {
    RuleEntry& entry = log_.rules[i];
    if (entry.scope != scope || entry.lifted_ns) continue;
    if (entry.kind == RuleEntry::Kind::kFault) {
      rules.push_back(i);
      continue;
    }
    entry.lifted_ns = now_ns();
    if (Status healed = own_cuts_ ? own_cuts_->heal(i) : partitions_->heal(i); !healed) s = std::move(healed);
    healed_ns_[i] = now_ns();
  }
  if (Status lifted = lift_rules(rules); !lifted) s = std::move(lifted);
  return s;
}

Status MainInjector::refresh_names() { return unix_names_ ? unix_names_->refresh() : Status{}; }

Status MainInjector::end_test() {
  if (!supervisor_) return {};
  Status s = {};
  if (parts_.observer && parts_.observer->call_log()) parts_.observer->call_log()->set_source({});
  if (parts_.object)
    for (const auto& [service, cgroup] : leaves_)
      for (Status lifted : {maps_->set_rules(cgroup, nullptr), maps_->set_call_rules(cgroup, nullptr)})
        if (!lifted) s = std::move(lifted);
  if (parts_.object) maps_->forget_patterns();
  supervisor_->stop();
  own_cuts_.reset();
  supervisor_.reset();
  wire_.reset();
  shim_.reset();
  unreached_.clear();
  told_.clear();
  partitions_.reset();
  join_.reset();
  lost_syncs_.reset();
  unix_names_.reset();
  peers_.reset();
  sockets_.reset();
  leaves_.clear();
  rules_.clear();
  healed_ns_.clear();
  dials_checked_.clear();
  log_ = {};
  kernel_sets_.clear();
  next_counter_ = 0;
  next_dial_seq_ = 1;
  named_to_ = 0;
  assignment_ = {};
  return s;
}

}  // namespace fbx::inject
