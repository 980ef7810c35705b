// SPDX-License-Identifier: Apache-2.0
#include "runner/inject/main_injector.h"


#include <algorithm>
#include <cerrno>
#include <optional>
#include <set>
#include <utility>

#include "base/clock.h"
#include "bpf/abi/event.h"
#include "bpf/abi/tables.h"
#include "runner/inject/diag_sockets.h"
#include "runner/inject/hooks.h"

namespace fbx::inject {
namespace {

constexpr size_t kEscapesShown = 8;

bool contains_all(const std::vector<uint16_t>& sorted, const std::vector<uint16_t>& wanted) {
  return std::includes(sorted.begin(), sorted.end(), wanted.begin(), wanted.end());
}

// Whether the entry is a partition in mode refuse with one of the two on either side.
bool refuses(const RuleEntry& entry, int16_t one, int16_t other) {
  const auto has = [](const std::vector<uint32_t>& side, int16_t service) {
    return std::find(side.begin(), side.end(), static_cast<uint32_t>(service)) != side.end();
  };
  if (entry.kind != RuleEntry::Kind::kPartition ||
      entry.cut.mode != model::InstallPartition::Mode::kRefuse)
    return false;
  return (has(entry.cut.a, one) && has(entry.cut.b, other)) ||
         (has(entry.cut.b, one) && has(entry.cut.a, other));
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
  if (std::ranges::any_of(assignment_.services, &ServiceHands::shim)) {
    auto library = find_shim_library();
    if (!library) return std::unexpected(std::move(library).error());
    shim_ = std::make_unique<ShimSide>(ShimPlace{.library = *library, .root = test.root});
  }
  supervisor_ = std::make_unique<Supervisor>(maps_->counters(), *peers_);
  if (parts_.observer) supervisor_->tell(parts_.observer->call_log());
  if (!parts_.object) own_cuts_ = std::make_unique<OwnCuts>(*supervisor_, *peers_);
  return supervisor_->start();
}

Result<BirthNeeds> MainInjector::birth_needs(int16_t service) {
  const auto i = static_cast<size_t>(service);
  if (service < 0 || i >= assignment_.services.size()) return BirthNeeds{};
  const ServiceHands& hands = assignment_.services[i];
  if (!hands.shim) return BirthNeeds{.supervised = hands.supervised, .environment = {}};
  auto environment = shim_->prepare(service, hands.supervised, !test_.plan->services[i].io_uring);
  if (!environment) return fail_in(std::move(environment), "preparing the shim");
  supervisor_->count_in(service, shim_->counters(service));
  return BirthNeeds{.supervised = {}, .environment = std::move(*environment)};
}

// Without the filter its calls can pass unseen, which every rule of it must say.
Status MainInjector::executed(int16_t service, pid_t pid) {
  if (!shim_ || !shim_->has(service)) return {};
  unreached_.erase(service);
  auto listener = shim_->take_listener(service, pid);
  if (!listener) {
    unreached_[service] = listener.error().text();
  } else if (*listener >= 0) {
    if (Status s = supervisor_->adopt(service, *listener); !s) return s;
  }
  shim_->open_door(service);
  if (!listener) escape_shim_rules(service, unreached_[service]);
  return {};
}

void MainInjector::escape_shim_rules(int16_t service, const std::string& text) {
  for (uint32_t i = 0; i < log_.rules.size(); ++i)
    if (log_.rules[i].by_shim &&
        log_.rules[i].rule.service == static_cast<uint32_t>(service))
      add_escape(i, text);
}

Status MainInjector::adopt_listener(int16_t service, int listener_fd) {
  return supervisor_->adopt(service, listener_fd);
}

Result<Hand> MainInjector::hand_of(const CompiledRule& rule, const model::RuleSpec& spec) const {
  const ServiceHands& hands = assignment_.services[spec.service];
  const auto connect = static_cast<uint16_t>(abi::find_syscall("connect")->nr());
  const bool hits_connect = std::binary_search(rule.calls.begin(), rule.calls.end(), connect);
  if (hits_connect && hands.connect == Hand::kCgroup) {
    if (rule.connect_only && rule.abi.action != FBX_ACT_DELAY && !rule.abi.delay_ns)
      return Hand::kCgroup;
    return fail(spec.display +
                ": the cgroup hand decides about connect in this test and can't do it");
  }
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
    RuleEntry entry;
    entry.rule = spec;
    entry.display = spec.display;
    entry.label = spec.label;
    entry.optional = spec.optional;
    entry.scope = faults.scope;
    entry.place = spec.place;
    entry.hand = *hand;
    entry.by_shim = *hand == Hand::kShim;
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
  for (Hand hand : {Hand::kSeccomp, Hand::kShim, Hand::kCgroup}) {
    const bool by_shim = assignment_.services[static_cast<size_t>(service)].shim;
    if (hand == (by_shim ? Hand::kSeccomp : Hand::kShim)) continue;
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
      continue;
    }
    if (set) kernel_sets_[{service, set->abi.generation}] = set->rules_of(~0u);
    if (!parts_.object) continue;
    if (Status s = maps_->set_rules(leaves_.at(service), set ? &set->abi : nullptr); !s) return s;
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

// At most once a test. What goes wrong is said by the first call that would have needed it.
void MainInjector::lay_wire() {
  if (wire_) return;
  if (test_.plan->network == plan::Network::kHost) {
    supervisor_->use_wire(fail("under network=\"host\" the network is not the test's own"));
    return;
  }
  auto wire = Wire::create();
  if (!wire) {
    supervisor_->use_wire(std::unexpected(wire.error()));
    return;
  }
  wire_ = std::move(*wire);
  supervisor_->use_wire(wire_.get());
}

void MainInjector::take_from_wire(const std::vector<uint32_t>& rules) {
  if (!wire_) return;
  for (const Wire::Missed& missed : wire_->lift(rules)) add_escape(missed.rule, missed.what);
  for (const uint32_t rule : rules) {
    if (wire_->carried(rule) == 0) continue;
    log_.rules[rule].hand = Hand::kWire;
    for (const std::string& trouble : wire_->troubles()) add_escape(rule, trouble);
  }
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

std::string MainInjector::peer_name(const Decision& d) const {
  const auto& services = test_.plan->services;
  if (d.peer_service >= 0 && static_cast<size_t>(d.peer_service) < services.size())
    return services[static_cast<size_t>(d.peer_service)].name;
  return d.peer;
}

void MainInjector::note(const Decision& d) {
  const std::string where = d.path.empty() ? peer_name(d) : d.path;
  if (d.rule >= 0 && static_cast<size_t>(d.rule) < log_.rules.size() && !where.empty())
    log_.rules[static_cast<size_t>(d.rule)].by[where]++;
  for (uint32_t rule : d.near)
    if (log_.rules[rule].nearest.empty()) {
      const abi::Syscall* row = abi::find_syscall(int{d.nr});
      const std::string seen = d.path.empty() ? d.peer : d.path;
      log_.rules[rule].nearest = std::string(row ? row->name : "?") + " " + seen;
    }
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

// A dial refused after the last cut of its link was healed: the link stayed cut.
void MainInjector::check_cut(const Decision& d) {
  std::optional<uint32_t> last;
  for (uint32_t i = 0; i < log_.rules.size(); ++i) {
    if (!refuses(log_.rules[i], d.service, d.peer_service)) continue;
    if (!healed_ns_.contains(i) || d.entered_ns <= healed_ns_.at(i)) return;
    last = i;
  }
  if (last) add_escape(*last, "a dial to " + peer_name(d) + " was refused after the link was healed");
}

// A dial that began after a refusing cut bound, ended before it was lifted, and came through.
void MainInjector::check_crossings() {
  const auto nr = static_cast<uint16_t>(abi::find_syscall("connect")->nr());
  for (const auto& [service, cgroup] : leaves_) {
    const std::vector<uint64_t>& seqs = test_.store->of(service, nr);
    for (size_t& next = dials_checked_[service]; next < seqs.size(); ++next) {
      const observe::Event& dial = test_.store->at(seqs[next]);
      if (dial.state != observe::CallState::kDone) break;
      const bool through = dial.ret == 0 || dial.ret == -EINPROGRESS;
      if (!through || dial.peer < 0 || dial.peer == service) continue;
      for (uint32_t i = 0; i < log_.rules.size(); ++i) {
        const RuleEntry& entry = log_.rules[i];
        if (!refuses(entry, service, dial.peer) || dial.begin_ns <= entry.installed_ns) continue;
        if (entry.lifted_ns != 0 && dial.end_ns >= entry.lifted_ns) continue;
        add_escape(i, "a dial of " + test_.plan->services[static_cast<size_t>(service)].name +
                          " to " + test_.plan->services[static_cast<size_t>(dial.peer)].name +
                          ", which came through");
      }
    }
  }
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

const fbx_counter& MainInjector::counter_of(uint32_t rule) {
  const uint32_t at = rules_[rule].compiled.abi.counter;
  const auto service = static_cast<int16_t>(log_.rules[rule].rule.service);
  const bool by_shim = log_.rules[rule].by_shim && shim_ && shim_->has(service);
  return (by_shim ? shim_->counters(service) : maps_->counters())[at];
}

// The hands were heard before the counters were read, so more can have been counted than told, and
// never less, unless the service wrote there.
void MainInjector::check_counters() {
  for (const auto& [rule, told] : told_)
    if (log_.rules[rule].matched < told)
      add_escape(rule, "its counter, which the service can write, says less than what was counted");
}

Status MainInjector::collect_shim(std::vector<Decision>& decisions, std::vector<Decision>& held) {
  if (!shim_) return {};
  ShimSide::Report report = shim_->collect([this](uint32_t inside, uint64_t at_ns) {
    return parts_.observer ? parts_.observer->thread(inside, at_ns)
                           : observe::Thread{.tid = inside, .pid = inside, .exe = {}};
  });
  std::ranges::move(report.decisions, std::back_inserter(decisions));
  std::ranges::move(report.held, std::back_inserter(held));
  for (const auto& [service, why] : report.escapes) escape_shim_rules(service, why);
  if (!report.damage.empty()) return fail(std::move(report.damage));
  return {};
}

// Calls that a service makes through io_uring pass every filter.
void MainInjector::note_bypasses() {
  for (uint32_t i = 0; i < log_.rules.size(); ++i) {
    const RuleEntry& entry = log_.rules[i];
    if (entry.kind != RuleEntry::Kind::kFault) continue;
    if (entry.hand != Hand::kSeccomp && !entry.by_shim) continue;
    const auto bypass = supervisor_->bypass(static_cast<int16_t>(entry.rule.service));
    if (bypass.how.empty() || (entry.lifted_ns && entry.lifted_ns < bypass.since_ns)) continue;
    add_escape(i,
               "it uses " + bypass.how + ", whose calls pass unseen (io_uring=False refuses it)");
  }
}

// The hook finds a unix socket's owner by its name; a dial that reached a service under another
// name (relative, through a link, bound since the last look) shows only in its record.
void MainInjector::check_unix_dials() {
  observe::EventStore& store = *test_.store;
  for (; next_dial_seq_ <= store.size(); ++next_dial_seq_) {
    const observe::Event& event = store.at(next_dial_seq_);
    if (event.type != observe::EventType::kSyscall || event.on != observe::FdKind::kUnix) continue;
    if (event.peer < 0 || event.service < 0 || event.ret != 0) continue;
    const abi::Syscall* row = abi::find_syscall(int{event.nr});
    if (!row || row->name != "connect") continue;
    for (uint32_t i = 0; i < log_.rules.size(); ++i) {
      const RuleEntry& entry = log_.rules[i];
      if (entry.kind != RuleEntry::Kind::kPartition || event.begin_ns <= entry.installed_ns)
        continue;
      if (entry.lifted_ns && event.end_ns >= entry.lifted_ns) continue;
      if (own_cuts_ ? own_cuts_->cuts(i, event.service, event.peer)
                    : partitions_->cuts(i, event.service, event.peer))
        add_escape(i, test_.plan->services[static_cast<size_t>(event.service)].name +
                          ": connect to " + std::string(store.string(event.peer_text)) +
                          " was not seen by the hand that cuts the link");
    }
  }
}

Status MainInjector::refresh_names() { return unix_names_ ? unix_names_->refresh() : Status{}; }

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
    for (const Named& named : join_->take_named()) log_.rules[named.rule].by[named.path]++;
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
  check_unix_dials();
  if (!shim) return shim;
  if (Status s = refresh_names(); !s) return s;
  const std::vector<std::string> troubles = supervisor_->troubles();
  if (!troubles.empty()) return fail(troubles.front());
  return {};
}

Status MainInjector::end_test() {
  if (!supervisor_) return {};
  Status s = {};
  if (parts_.object)
    for (const auto& [service, cgroup] : leaves_)
      if (Status lifted = maps_->set_rules(cgroup, nullptr); !lifted) s = std::move(lifted);
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
