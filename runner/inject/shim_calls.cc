// SPDX-License-Identifier: Apache-2.0
//
// What the shims' rings hold of calls, as an observer without records of its own takes it
// (observe/call_log.h).
#include <algorithm>
#include <string>
#include <utility>

#include "bpf/abi/tables.h"
#include "runner/inject/decision_join.h"
#include "runner/inject/shim_side.h"

namespace fbx::inject {
namespace {

using Entry = observe::CallLog::Entry;

constexpr uint64_t kMissedShown = 64;  // one is enough to conclude nothing
constexpr int kNumberBits = 40;  // of an entry's position; above it the start's number

observe::Event event_of(const fbx_shim_entry& entry, int16_t service) {
  observe::Event event;
  event.begin_ns = entry.begin_ns;
  event.service = service;
  event.tid = entry.tid;
  event.nr = entry.nr;
  std::copy_n(entry.args, 6, event.args);
  event.on = static_cast<observe::FdKind>(entry.kind);
  event.fd = entry.fd;
  if (entry.flags & FBX_SHIM_SYNC) event.flags |= observe::kSync;
  if (entry.flags & FBX_SHIM_NONBLOCK) event.flags |= observe::kNonBlock;
  if (entry.flags & FBX_SHIM_CREATES) event.flags |= observe::kCreated;
  return event;
}

}  // namespace

void ShimSide::tell_call(Side& side, int16_t service, const fbx_shim_entry& entry,
                         std::vector<Entry>& out) {
  const uint64_t position = entry.what == FBX_SHIM_BEGUN ? entry.seq : entry.begun;
  const uint64_t call = (uint64_t{side.number} + 1) << kNumberBits | position;
  if (entry.what == FBX_SHIM_BEGUN && !place_.owns(service, entry.tid)) {
    out.push_back({.unread = true});  // an honest shim has asked for its number
  } else if (entry.what == FBX_SHIM_BEGUN) {
    observe::CallBegun begun{.event = event_of(entry, service), .call = call};
    begun.path = side.hand->name(entry.name);
    begun.opened_as = entry.given ? side.hand->name(entry.given) : begun.path;
    out.push_back({.begun = std::move(begun)});
  } else if (entry.what == FBX_SHIM_ENDED) {
    const auto ruled = side.ruled.extract(entry.begun);
    observe::CallAnswered ended{.tid = entry.tid, .nr = entry.nr, .at_ns = entry.end_ns,
                                .ret = entry.ret, .call = call};
    if (ruled) {
      ended.rule = ruled.mapped().rule;
      ended.decision = decision_text(ruled.mapped());
    }
    out.push_back({.answered = std::move(ended)});
  } else if (entry.what == FBX_SHIM_RELEASED) {
    const auto ruled = side.ruled.find(entry.begun);
    if (ruled == side.ruled.end()) return;
    ruled->second.answered_ns = entry.end_ns;
    ruled->second.cut_short = entry.flags & FBX_SHIM_CUT;
  } else {
    const observe::Thread thread{.tid = entry.tid, .pid = entry.tid, .exe = {}};
    Decision decision;
    if (decision_of(side, entry, service, thread, decision))
      side.ruled[entry.begun] = std::move(decision);
  }
}

void ShimSide::tell_calls(Side& side, int16_t service, std::vector<Entry>& out) {
  for (auto& before : side.told_before) tell_calls(*before, service, out);
  for (const fbx_shim_entry& entry : std::exchange(side.calls, {}))
    tell_call(side, service, entry, out);
  // Calls that nobody told of, or nobody can be believed to have.
  const ShimReport& seen = side.seen;
  const uint64_t missed = seen.lost + seen.undecided + seen.torn + seen.bare +
                          uint64_t{!seen.damage.empty()};
  for (; side.missed < missed && side.missed < kMissedShown; ++side.missed)
    out.push_back({.unread = true});
}

bool ShimSide::tell_calls(std::vector<Entry>& out, bool all) {
  bool whole = true;
  const std::lock_guard lock(mutex_);
  for (auto& [service, side] : sides_) {
    if (all)
      whole &= await_begun(service, side);
    else
      read(side);
    tell_calls(side, service, out);
  }
  return whole;
}

}  // namespace fbx::inject
