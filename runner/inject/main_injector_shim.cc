// SPDX-License-Identifier: Apache-2.0
//
// The side of the shim: births, counters that a service can write, what it tells.
#include "runner/inject/main_injector.h"

#include <algorithm>
#include <utility>

#include "runner/inject/shim_side.h"

namespace fbx::inject {

Status MainInjector::make_shim_side() {
  auto library = find_shim_library();
  if (!library) return std::unexpected(std::move(library).error());
  ShimPlace place{.library = *library,
                  .root = test_.root,
                  .on_host = parts_.capabilities.ground == Ground::kHost,
                  .lives = {},
                  .owns = {}};
  observe::CallLog* log = parts_.observer ? parts_.observer->call_log() : nullptr;
  if (assignment_.sight == Sight::kSupervisor && log) {
    place.lives = [this](int16_t service) { return supervisor_->has_callers(service); };
    place.owns = [this](int16_t service, uint32_t tid) {
      return supervisor_->has_greeted(service, tid);
    };
  }
  shim_ = std::make_unique<ShimSide>(std::move(place));
  if (log)
    log->set_source([this](std::vector<observe::CallLog::Entry>& out, bool all) {
      return shim_->tell_calls(out, all);
    });
  return {};
}

Result<BirthNeeds> MainInjector::shim_needs(int16_t service) {
  const auto i = static_cast<size_t>(service);
  const ServiceHands& hands = assignment_.services[i];
  auto environment = shim_->prepare(service, hands.supervised, !test_.plan->services[i].io_uring);
  if (!environment) return fail_in(std::move(environment), "preparing the shim");
  supervisor_->count_in(service, shim_->counters(service));
  BirthNeeds needs{.supervised = {}, .environment = std::move(*environment), .probe_tag = 0};
  // What a program does before its shim is there must be seen, too, where nobody else would.
  if (assignment_.sight == Sight::kSupervisor) {
    needs.supervised = hands.supervised;
    needs.probe_tag = shim_->probe_tag(service);
  }
  return needs;
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

}  // namespace fbx::inject
