// SPDX-License-Identifier: Apache-2.0
//
// What the hands tell, put together: decisions beside records, counts, the log.
#include "runner/inject/main_injector.h"

#include <algorithm>
#include <utility>

#include "base/clock.h"
#include "base/diagnostic.h"
#include "bpf/abi/event.h"
#include "bpf/abi/tables.h"
#include "runner/inject/call_rules.h"

namespace fbx::inject {
namespace {

constexpr size_t kEscapesShown = 8;
constexpr size_t kNearKept = 32;

}  // namespace

std::string MainInjector::peer_name(const Decision& d) const {
  const auto& services = test_.plan->services;
  if (d.peer_service >= 0 && static_cast<size_t>(d.peer_service) < services.size())
    return services[static_cast<size_t>(d.peer_service)].name;
  return d.peer;
}

namespace {

// What the rule says, for comparison with what calls were about.
const std::string& wanted_by(const RuleEntry& entry) {
  return entry.rule.path.empty() ? entry.rule.to : entry.rule.path;
}

void note_near(RuleEntry& entry, const Decision& d) {
  const std::string& seen = d.path.empty() ? d.peer : d.path;
  if (entry.near_seen.size() >= kNearKept || std::ranges::find(entry.near_seen, seen) != entry.near_seen.end())
    return;
  entry.near_seen.push_back(seen);
  const std::string best = nearest_name(wanted_by(entry), entry.near_seen);
  if (!entry.nearest.empty() && best != seen) return;
  const abi::Syscall* row = abi::find_syscall(int{d.nr});
  entry.nearest = std::string(row ? row->name : "?") + " " + seen;
}

}  // namespace

void MainInjector::note(const Decision& d) {
  const std::string where = d.path.empty() ? peer_name(d) : d.path;
  if (d.rule >= 0 && static_cast<size_t>(d.rule) < log_.rules.size() && !where.empty())
    log_.rules[static_cast<size_t>(d.rule)].by[where]++;
  for (uint32_t rule : d.near)
    if (!(d.path.empty() && d.peer.empty())) note_near(log_.rules[rule], d);
  for (uint32_t rule : d.matched) {
    if (!log_.rules[rule].by_shim) continue;
    told_[rule]++;
    log_.rules[rule].past_shim |= d.source == Decision::Source::kSupervisor;
  }
  if (!d.escape.empty())
    for (uint32_t rule : d.matched) add_escape(rule, d.escape);
  if (d.action == FBX_DECIDED_CUT && own_cuts_)
    own_cuts_->note_dial(d.service, d.peer_service, d.entered_ns);
  if (d.action == FBX_DECIDED_CUT) check_cut(d);
}

void MainInjector::add_escape(uint32_t rule, const std::string& text) {
  if (rule >= log_.rules.size()) return;
  RuleEntry& entry = log_.rules[rule];
  if (entry.escapes.size() >= kEscapesShown) return;
  const std::string& service = test_.plan->services[entry.rule.service].name;
  const bool cut = entry.kind == RuleEntry::Kind::kPartition;
  std::string whole = cut ? text : service + ": " + text;
  if (std::find(entry.escapes.begin(), entry.escapes.end(), whole) == entry.escapes.end())
    entry.escapes.push_back(std::move(whole));
}

std::vector<JoinRule> MainInjector::join_rules() const {
  std::vector<JoinRule> out;
  for (uint32_t i = 0; i < log_.rules.size(); ++i) {
    const RuleEntry& entry = log_.rules[i];
    if (entry.kind != RuleEntry::Kind::kFault) continue;
    out.push_back({.index = i,
                   .service = static_cast<int16_t>(entry.rule.service),
                   .by_cgroup = entry.hand == Hand::kCgroup,
                   .by_shim = entry.by_shim,
                   .by_probe = fails_calls_in_kernel(entry.hand),
                   .rule = &rules_[i].compiled,
                   .label = entry.label,
                   .installed_ns = entry.installed_ns,
                   .lifted_ns = entry.lifted_ns});
  }
  return out;
}

void MainInjector::count_rules() {
  std::vector<std::string> names;
  for (const plan::Service& service : test_.plan->services) names.push_back(service.name);
  for (uint32_t i = 0; i < log_.rules.size(); ++i) {
    RuleEntry& entry = log_.rules[i];
    if (entry.kind == RuleEntry::Kind::kPartition) {
      const Partitions::Report report =
          own_cuts_ ? own_cuts_->report(i, names) : partitions_->report(i, names);
      entry.fired = entry.matched = report.dials + report.resets + report.packets;
      entry.by = report.by;
      for (const std::string& escape : report.escapes) add_escape(i, escape);
      continue;
    }
    const fbx_counter& counter = counter_of(i);
    entry.matched = __atomic_load_n(&counter.state, __ATOMIC_SEQ_CST) >> FBX_FIRES_BITS;
    entry.fired = __atomic_load_n(&counter.fired, __ATOMIC_SEQ_CST);
    entry.near_misses = __atomic_load_n(&counter.near, __ATOMIC_SEQ_CST);
    if (__atomic_load_n(&counter.lost, __ATOMIC_SEQ_CST))
      add_escape(i, "matches were lost while counting");
  }
}

// Where the supervisor made the events, it knew its decisions, but not what the rules are called.
void MainInjector::name_labels() {
  observe::EventStore& store = *test_.store;
  for (; named_to_ < store.size(); ++named_to_) {
    observe::Event& event = store.at(named_to_ + 1);
    if (event.state == observe::CallState::kInFlight) return;  // still held
    if (event.rule < 0 || static_cast<size_t>(event.rule) >= log_.rules.size()) continue;
    event.label = store.intern(log_.rules[static_cast<size_t>(event.rule)].label);
  }
}

Status MainInjector::collect() { return collect(now_ns()); }

Status MainInjector::conclude() { return collect(DecisionJoin::kAllSettled); }

Status MainInjector::collect(uint64_t settled) {
  if (!supervisor_) return {};
  // Held calls first: one that is let go in between shows in both, one taken last might in neither.
  std::vector<Decision> held = supervisor_->held();
  std::vector<Decision> decisions = supervisor_->take_decisions();
  std::vector<Passed> passed = supervisor_->take_passed();
  const Status shim = collect_shim(decisions, held);
  collect_kernel_decisions(decisions);
  for (const Decision& decision : decisions) note(decision);
  if (join_) {
    join_->add(std::move(decisions), std::move(passed));
    for (const Escape& escape : join_->run(join_rules(), held, settled))
      add_escape(escape.rule, escape.text);
    for (const Named& named : join_->take_named()) {
      RuleEntry& entry = log_.rules[named.rule];
      if (!named.nearly) entry.by[named.path]++;
      if (named.nearly && entry.nearest.empty()) entry.nearest = named.path;
    }
  } else {
    name_labels();
  }
  if (own_cuts_)
    if (Status s = own_cuts_->look_for_survivors(); !s) return s;
  lost_syncs_->mark();
  log_.after_lost_sync = lost_syncs_->counts();
  check_crossings();
  count_rules();
  check_counters();
  note_bypasses();
  note_rings();
  check_unix_dials();
  if (!shim) return shim;
  if (Status s = refresh_names(); !s) return s;
  const std::vector<std::string> troubles = supervisor_->troubles();
  if (!troubles.empty()) return fail(troubles.front());
  return {};
}

}  // namespace fbx::inject
