// SPDX-License-Identifier: Apache-2.0
#include "runner/check/fires.h"

#include <algorithm>
#include <cstdio>

#include "runner/check/calls.h"

namespace fbx::check {

namespace {

using inject::RuleEntry;

// Families that say what a service was busy with, when a rule met none of its calls.
constexpr const char* kTelling[] = {"write", "fsync", "open", "connect", "send", "read", "recv"};
constexpr size_t kTold = 3;

std::string seconds(uint64_t ns) {
  char text[32];
  std::snprintf(text, sizeof text, "%.3g s", static_cast<double>(ns) / 1e9);
  return text;
}

std::string service_name(const plan::Plan& plan, uint32_t service) {
  return service < plan.services.size() ? plan.services[service].name : "?";
}

bool watched(const Facts& facts, uint32_t service, const std::string& keyword) {
  if (facts.watch == nullptr) return false;
  const std::vector<uint16_t> wanted = abi::numbers(keyword);
  for (const observe::WatchedService& one : facts.watch->services) {
    if (one.index != static_cast<int16_t>(service)) continue;
    return !wanted.empty() && std::includes(one.syscalls.begin(), one.syscalls.end(),
                                            wanted.begin(), wanted.end());
  }
  return false;
}

// Calls of the service that a keyword means, while the rule was installed.
uint64_t calls_while(const Facts& facts, const RuleEntry& entry, const std::string& keyword) {
  const abi::Family* family = abi::find_family(keyword);
  const uint64_t until = entry.lifted_ns != 0 ? entry.lifted_ns : UINT64_MAX;
  uint64_t n = 0;
  for (const uint16_t nr : abi::numbers(keyword)) {
    for (const uint64_t seq : facts.store->of(static_cast<int16_t>(entry.rule.service), nr)) {
      const observe::Event& event = facts.store->at(seq);
      const uint64_t at = event.begin_ns != 0 ? event.begin_ns : event.end_ns;
      if (at < entry.installed_ns || at > until) continue;
      if (family == nullptr || in_family(event, family->bit) == Match::kYes) ++n;
    }
  }
  return n;
}

// "inventory made 0 fsync calls, 41 write, 2 connect"; "" when its calls were not recorded.
std::string calls_text(const Facts& facts, const RuleEntry& entry) {
  const model::RuleSpec& rule = entry.rule;
  if (facts.store == nullptr || !watched(facts, rule.service, rule.keyword)) return "";
  std::string text = service_name(*facts.plan, rule.service) + " made " +
                     std::to_string(calls_while(facts, entry, rule.keyword)) + " " + rule.keyword +
                     " calls";
  size_t told = 0;
  for (const char* other : kTelling) {
    if (told == kTold || other == rule.keyword || !watched(facts, rule.service, other)) continue;
    const uint64_t n = calls_while(facts, entry, other);
    if (n == 0) continue;
    text += ", " + std::to_string(n) + " " + other;
    ++told;
  }
  return text;
}

std::string near_miss_text(const RuleEntry& entry) {
  if (entry.near_misses == 0) return "";
  const bool by_path = !entry.rule.path.empty();
  const std::string& wanted = by_path ? entry.rule.path : entry.rule.to;
  const std::string key = (by_path ? "path=\"" : "to=\"") + wanted + "\"";
  return std::to_string(entry.near_misses) +
         (entry.near_misses == 1 ? " call" : " calls") + " matched all but " + key +
         (entry.nearest.empty() ? "" : ": " + entry.nearest);
}

}  // namespace

std::string rule_text(const plan::Plan& plan, const RuleEntry& entry) {
  if (entry.kind == RuleEntry::Kind::kPartition)
    return entry.display.empty() ? entry.cut.display : entry.display;
  const std::string& display = entry.rule.display.empty() ? entry.display : entry.rule.display;
  return display + " on " + service_name(plan, entry.rule.service);
}

bool never_fired(const RuleEntry& entry) {
  if (entry.optional) return false;
  const bool by_chance = entry.kind == RuleEntry::Kind::kFault && entry.rule.probability < 1;
  return by_chance ? entry.matched == 0 : entry.fired == 0;
}

std::string never_fired_text(const Facts& facts, const RuleEntry& entry) {
  const bool fault = entry.kind == RuleEntry::Kind::kFault;
  std::string text = (fault ? "rule " : "") + rule_text(*facts.plan, entry) +
                     (fault ? ": 0 fires" : ": nothing was cut");
  const uint64_t until = entry.lifted_ns != 0 ? entry.lifted_ns : facts.ended_ns;
  if (entry.installed_ns != 0 && until > entry.installed_ns)
    text += " in " + seconds(until - entry.installed_ns);
  if (entry.matched > 0)
    text += ", " + std::to_string(entry.matched) + (entry.matched == 1 ? " match" : " matches");
  if (const std::string near = near_miss_text(entry); !near.empty()) text += "; " + near;
  if (!fault) return text;
  if (const std::string calls = calls_text(facts, entry); !calls.empty()) text += "; " + calls;
  return text;
}

std::vector<report::Fires> fires_of(const Facts& facts) {
  std::vector<report::Fires> all;
  for (const RuleEntry& entry : facts.rules) {
    report::Fires fires;
    const bool fault = entry.kind == RuleEntry::Kind::kFault;
    fires.rule = rule_text(*facts.plan, entry);
    fires.brief = fault ? service_name(*facts.plan, entry.rule.service) + "." + entry.rule.keyword
                        : fires.rule;
    fires.label = entry.label;
    fires.hand = entry.hand == inject::Hand::kNone ? "" : inject::hand_name(entry.hand);
    fires.matched = entry.matched;
    fires.fired = entry.fired;
    fires.by = entry.by;
    fires.optional = entry.optional;
    fires.near_misses = entry.near_misses;
    fires.nearest = entry.nearest;
    if (fault && entry.fired == 0) fires.note = calls_text(facts, entry);
    all.push_back(std::move(fires));
  }
  return all;
}

}  // namespace fbx::check
