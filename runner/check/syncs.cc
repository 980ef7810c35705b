// SPDX-License-Identifier: Apache-2.0
#include "runner/check/syncs.h"

#include <algorithm>
#include <set>

#include "bpf/abi/tables.h"
#include "runner/check/calls.h"
#include "runner/check/fires.h"

namespace fbx::check {
namespace {

using inject::RuleEntry;

bool is_about_writing(const RuleEntry& entry) {
  if (entry.kind != RuleEntry::Kind::kFault) return false;
  if (entry.rule.action != model::RuleSpec::Action::kDeny) return false;
  // A write that syncs is a member of fsync now and then.
  const abi::Family* family = abi::find_family(entry.rule.keyword);
  for (const abi::Syscall* row : abi::members(entry.rule.keyword))
    if (row->families & FBX_F_WRITE && (family == nullptr || row->families & family->bit))
      return true;
  return false;
}

bool syncs_are_watched(const Facts& facts, uint32_t service) {
  if (facts.watch == nullptr || facts.store == nullptr) return false;
  for (const observe::WatchedService& one : facts.watch->services)
    if (one.index == static_cast<int16_t>(service))
      return std::ranges::includes(one.syscalls, abi::numbers("fsync"));
  return false;
}

struct Synced {
  bool everything = false;  // sync, syncfs, msync, or of a file whose name is not known
  std::set<std::string, std::less<>> paths;
};

Synced synced_by(const Facts& facts, uint32_t service) {
  Synced out;
  for (const uint16_t nr : abi::numbers("fsync")) {
    for (const uint64_t seq : facts.store->of(static_cast<int16_t>(service), nr)) {
      const observe::Event& event = facts.store->at(seq);
      if (in_family(event, FBX_F_FSYNC) == Match::kNo) continue;
      const std::string_view path = facts.store->string(event.path);
      const std::string name = syscall_name(nr);
      out.everything |= path.empty() || name == "syncfs" || name == "sync";
      out.paths.emplace(path);
    }
  }
  return out;
}

}  // namespace

std::vector<std::string> lost_sync_notes(const Facts& facts) {
  std::vector<std::string> notes;
  for (const auto& [file, times] : facts.after_lost_sync)
    notes.push_back(
        facts.plan->services[static_cast<size_t>(file.first)].name + ": " + std::to_string(times) +
        (times == 1 ? " sync of " : " syncs of ") + file.second +
        " succeeded after one was lost (after_lost_sync); a disk would have dropped the data: "
        "sticky=True keeps them failing");
  return notes;
}

std::vector<std::string> unsynced_notes(const Facts& facts) {
  std::vector<std::string> notes;
  for (const RuleEntry& entry : facts.rules) {
    if (!is_about_writing(entry) || entry.by.empty()) continue;
    if (!syncs_are_watched(facts, entry.rule.service)) continue;
    const Synced synced = synced_by(facts, entry.rule.service);
    if (synced.everything) continue;
    bool any = false;
    for (const auto& [path, times] : entry.by) any |= synced.paths.contains(path);
    if (any) continue;
    notes.push_back(rule_text(*facts.plan, entry) + " hit only what the service never syncs (" +
                    entry.by.begin()->first + (entry.by.size() > 1 ? ", …" : "") +
                    "): its log, not its data?");
  }
  return notes;
}

}  // namespace fbx::check
