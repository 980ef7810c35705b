// SPDX-License-Identifier: Apache-2.0
//
// What only records can tell: calls and dials that no hand saw.
#include "runner/inject/main_injector.h"

#include <algorithm>
#include <cerrno>
#include <optional>

#include "bpf/abi/event.h"
#include "bpf/abi/tables.h"

namespace fbx::inject {
namespace {

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

}  // namespace

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

}  // namespace fbx::inject
