// SPDX-License-Identifier: Apache-2.0
#include "runner/check/timeline.h"

#include <algorithm>
#include <cerrno>
#include <map>
#include <utility>

#include "bpf/abi/tables.h"
#include "runner/check/calls.h"

namespace fbx::check {

namespace {

using observe::Event;
using observe::EventStore;
using observe::EventType;

// So many of the most relevant are put into words and compared; the rest of a store of millions is
// only scored.
constexpr size_t kConsidered = 256;
// Of events that read the same, so many are shown; the last shown one carries the number.
constexpr size_t kAlike = 2;

// An errno that programs meet all day says little.
bool everyday(const Event& event) {
  const int64_t code = -event.ret;
  return code == EAGAIN || code == EINPROGRESS || code == EINTR || code == ENOENT ||
         code == ENOTCONN;
}

int score_by_kind(const EventStore& store, const Event& event) {
  switch (event.type) {
    case EventType::kLifecycle:
      if (event.what == observe::Lifecycle::kSignal) return 45;
      return event.what >= observe::Lifecycle::kExited ? 95 : 15;
    case EventType::kFault: return 85;
    case EventType::kStep: return 75;
    case EventType::kStdout:
    case EventType::kStderr: return 10;
    case EventType::kSyscall: break;
  }
  if (event.decision != 0 && store.string(event.decision) != "allow") return 80;
  const Fate end = fate(event);
  if (end == Fate::kFailure) return everyday(event) ? 12 : 50;
  if (end == Fate::kInFlight) return 35;
  return has_effects(event) ? 20 : 5;
}

int score_by_focus(const Event& event, const Event* offending, const TimelineFocus& focus) {
  int score = 0;
  const auto& services = focus.services;
  if (!services.empty() &&
      std::find(services.begin(), services.end(), event.service) != services.end())
    score += 8;
  if (offending == nullptr) return score;
  if (event.path != 0 && event.path == offending->path) score += 30;
  if (event.peer >= 0 && event.peer == offending->peer) score += 15;
  if (event.tid != 0 && event.tid == offending->tid) score += 10;
  return score;
}

struct Scored {
  int score = 0;
  uint64_t distance = 0;  // from the focus, ns
  uint64_t seq = 0;
};

uint64_t time_of(const Event& event) {
  return event.begin_ns != 0 ? event.begin_ns : event.end_ns;
}

std::vector<Scored> most_relevant(const EventStore& store, const TimelineFocus& focus) {
  const Event* offending =
      focus.event != 0 && focus.event <= store.size() ? &store.at(focus.event) : nullptr;
  const uint64_t centre = offending != nullptr ? time_of(*offending)
                          : focus.until_ns != 0 ? focus.until_ns
                                                : UINT64_MAX;
  std::vector<Scored> all;
  for (uint64_t seq = 1; seq <= store.size(); ++seq) {
    const Event& event = store.at(seq);
    const uint64_t at = time_of(event);
    const bool exits = event.type == EventType::kLifecycle;
    if (at < focus.body_ns && !exits && seq != focus.event) continue;
    if (focus.until_ns != 0 && at > focus.until_ns && seq != focus.event) continue;
    const int score = score_by_kind(store, event) + score_by_focus(event, offending, focus) +
                      (seq == focus.event ? 1000 : 0);
    all.push_back({score, at > centre ? at - centre : centre - at, seq});
  }
  const auto better = [](const Scored& a, const Scored& b) {
    return std::pair(-a.score, a.distance) < std::pair(-b.score, b.distance);
  };
  const size_t kept = std::min(all.size(), kConsidered);
  std::partial_sort(all.begin(), all.begin() + static_cast<ptrdiff_t>(kept), all.end(), better);
  all.resize(kept);
  return all;
}

struct Line {
  uint64_t seq = 0;
  std::string column, text;
  size_t alike = 0;  // further ones that read the same
};

// The best `at_most`, not more than kAlike of those that read the same.
std::vector<Line> choose(const plan::Plan& plan, const EventStore& store,
                         const std::vector<Scored>& scored, size_t at_most) {
  std::vector<Line> lines;
  std::map<std::pair<std::string, std::string>, std::vector<size_t>> by_text;
  for (const Scored& one : scored) {
    const Event& event = store.at(one.seq);
    Line line{one.seq, column_of(plan, event), describe(plan, store, event), 0};
    auto& same = by_text[{line.column, line.text}];
    if (same.size() >= kAlike) {
      ++lines[same.back()].alike;
      continue;
    }
    if (lines.size() == at_most) continue;
    same.push_back(lines.size());
    lines.push_back(std::move(line));
  }
  return lines;
}

}  // namespace

std::vector<report::EventLine> timeline(const plan::Plan& plan, const EventStore& store,
                                        const TimelineFocus& focus) {
  std::vector<Line> lines = choose(plan, store, most_relevant(store, focus), focus.at_most);
  std::sort(lines.begin(), lines.end(), [&store](const Line& a, const Line& b) {
    return std::pair(time_of(store.at(a.seq)), a.seq) < std::pair(time_of(store.at(b.seq)), b.seq);
  });
  // Where the body never began, its times count from the first event that is shown.
  const uint64_t zero =
      focus.body_ns != 0 || lines.empty() ? focus.body_ns : time_of(store.at(lines.front().seq));
  std::vector<report::EventLine> out;
  for (Line& line : lines) {
    const auto at = static_cast<int64_t>(time_of(store.at(line.seq)) - zero);
    if (line.alike > 0) line.text += "  (" + std::to_string(line.alike) + " more alike)";
    out.push_back(
        {line.seq, static_cast<double>(at) / 1e6, line.column, line.text, line.seq == focus.event});
  }
  return out;
}

}  // namespace fbx::check
