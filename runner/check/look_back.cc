// SPDX-License-Identifier: Apache-2.0
#include "runner/check/look_back.h"

#include <algorithm>
#include <map>
#include <optional>

#include "runner/check/counting.h"
#include "runner/check/timeline.h"

namespace fbx::check {

namespace {

using How = Judged::How;
using observe::Event;
using observe::EventStore;

bool is_output(const Event& event) {
  return event.type == observe::EventType::kStdout || event.type == observe::EventType::kStderr;
}

// Of a line it is only known that it was written between its two times.
bool in_window(const Event& event, uint64_t window_ns) {
  if (is_output(event)) return event.end_ns >= window_ns;
  if (event.type != observe::EventType::kSyscall || has_effects(event))
    return begin_of(event) >= window_ns;
  return event.state == observe::CallState::kDone && event.end_ns >= window_ns;
}

uint64_t latest_of(const Event& event) {
  if (event.state == observe::CallState::kInFlight) return UINT64_MAX;
  return std::max(event.end_ns, event.begin_ns);
}

std::string name_of(const model::LookBack& what) {
  const bool never = what.kind == model::LookBack::Kind::kNever;
  return std::string(never ? "assert_never(" : "assert_eventually(") + what.filter.display + ")";
}

std::string listed_text(const Seen& seen, const Counted& found) {
  if (found.listed.empty()) return "";
  const Event& first = seen.store->at(found.listed.front());
  return "; not counted, because it failed: " + event_text(seen, first) +
         and_more(found.listed.size());
}

Judged broken_never(const model::LookBack& what, const Seen& seen, const Counted& found) {
  Judged judged;
  judged.how = How::kFailed;
  judged.code = "assertion";
  judged.event = found.counted.front();
  const Event& event = seen.store->at(judged.event);
  const std::string happened = event_text(seen, event);
  judged.text = name_of(what) + " did not hold: " + happened + and_more(found.counted.size());
  judged.actual = happened + and_more(found.counted.size());
  judged.expected = "no such event";
  return judged;
}

Judged unseen_event(const model::LookBack& what, const Seen& seen, const Counted& found,
                    const std::string& near) {
  Judged judged;
  judged.how = How::kFailed;
  judged.code = "assertion";
  judged.text = name_of(what) + " did not hold: no such event" + listed_text(seen, found) + near;
  judged.actual = "no such event";
  judged.expected = "at least one";
  if (!found.listed.empty()) judged.event = found.listed.front();
  return judged;
}

}  // namespace

uint64_t ScopeClock::begin(model::ScopeId scope) const {
  const auto found = begins_.find(scope);
  if (found != begins_.end()) return found->second;
  const auto body = begins_.find(model::kBodyScope);
  return body != begins_.end() ? body->second : 0;
}

size_t LookBacks::first_in_window(int16_t service, uint16_t nr, const std::vector<uint64_t>& seqs,
                                  uint64_t window_ns) {
  const uint32_t key = static_cast<uint32_t>(static_cast<uint16_t>(service)) << 16 | nr;
  std::vector<uint64_t>& latest = latest_ends_[key];
  for (size_t i = latest.size(); i < seqs.size(); ++i) {
    const uint64_t end = latest_of(store_->at(seqs[i]));
    latest.push_back(i == 0 ? end : std::max(end, latest.back()));
  }
  return static_cast<size_t>(std::lower_bound(latest.begin(), latest.end(), window_ns) -
                             latest.begin());
}

namespace {

// Is it strictly after the event of since=, whose end is the window's begin?
Match follows(const Event& event, const CompiledFilter& filter, uint64_t window_ns) {
  if (event.seq == filter.since_event()) return Match::kNo;
  if (begin_of(event) >= window_ns) return Match::kYes;
  return is_output(event) ? Match::kMaybe : Match::kNo;
}

// The window that since= asks for, or the scope's.
uint64_t window_of(const CompiledFilter& filter, const EventStore& store, uint64_t scope_ns) {
  if (filter.since_start()) return 0;
  const uint64_t seq = filter.since_event();
  if (seq == 0 || seq > store.size()) return scope_ns;
  return std::max(store.at(seq).end_ns, store.at(seq).begin_ns);
}

}  // namespace

bool LookBacks::where_holds(const CompiledFilter& filter, const Event& event) {
  if (filter.where() == 0) return true;
  std::vector<int8_t>& said = where_said_[filter.where()];
  if (event.seq >= said.size()) said.resize(store_->size() + 1, -1);
  if (said[event.seq] >= 0) return said[event.seq] == 1;
  const Result<bool> holds = where_ ? where_(filter.where(), event.seq)
                                    : Result<bool>(fail("nobody answers where="));
  if (!holds) {
    if (!failed_) failed_ = holds.error();
    return false;
  }
  if (event.state == observe::CallState::kDone) said[event.seq] = *holds ? 1 : 0;
  return *holds;
}

void LookBacks::add_from(const CompiledFilter& filter, const std::vector<uint64_t>& seqs,
                         size_t first, uint64_t window_ns, Matches& found) {
  for (size_t i = first; i < seqs.size(); ++i) {
    const Event& event = store_->at(seqs[i]);
    if (!in_window(event, window_ns)) continue;
    Match match = filter.matches(*store_, event);
    if (filter.since_event() != 0) match = std::min(match, follows(event, filter, window_ns));
    // where= may ask for a result that nobody saw.
    if (match != Match::kNo && !where_holds(filter, event))
      match = fate(event) == Fate::kUnknown ? Match::kMaybe : Match::kNo;
    if (match == Match::kYes) found.sure.push_back(seqs[i]);
    if (match == Match::kMaybe) found.unsure.push_back(seqs[i]);
  }
}

LookBacks::Matches LookBacks::matching(const CompiledFilter& filter, uint64_t window_ns) {
  window_ns = window_of(filter, *store_, window_ns);
  Matches found;
  if (!filter.about_syscalls()) {
    std::vector<uint64_t> all(store_->size());
    for (size_t i = 0; i < all.size(); ++i) all[i] = i + 1;
    add_from(filter, all, 0, window_ns, found);
    return found;
  }
  const auto services = static_cast<int16_t>(filter.services());
  for (int16_t service = 0; service < services; ++service) {
    if (filter.service() && static_cast<int16_t>(*filter.service()) != service) continue;
    for (const uint16_t nr : filter.syscalls()) {
      const std::vector<uint64_t>& seqs = store_->of(service, nr);
      add_from(filter, seqs, first_in_window(service, nr, seqs, window_ns), window_ns, found);
    }
  }
  std::sort(found.sure.begin(), found.sure.end());
  std::sort(found.unsure.begin(), found.unsure.end());
  return found;
}

std::string LookBacks::near_misses(const model::LookBack& what, const Seen& seen,
                                   uint64_t window_ns) {
  if (what.filter.path.empty()) return "";
  model::Filter without = what.filter;
  without.path.clear();
  const Result<CompiledFilter> filter = CompiledFilter::compile(without, *seen.plan);
  if (!filter) return "";
  std::map<std::string, size_t> paths;
  for (const uint64_t seq : matching(*filter, window_ns).sure) {
    const Event& event = store_->at(seq);
    const observe::StringId path = event.path != 0 ? event.path : event.opened_as;
    if (path != 0) ++paths[std::string(store_->string(path))];
  }
  std::string text;
  size_t shown = 0, calls = 0;
  for (const auto& [path, n] : paths) {
    calls += n;
    if (++shown <= 3) text += (text.empty() ? "" : ", ") + path;
  }
  if (calls == 0) return "";
  return "; " + std::to_string(calls) + (calls == 1 ? " call" : " calls") +
         " matched all but path=: " + text + (shown > 3 ? ", …" : "");
}

Evaluation LookBacks::evaluate(const model::LookBack& what, const Place& place, const Seen& seen,
                               uint64_t window_ns) {
  Evaluation out;
  Result<CompiledFilter> filter = CompiledFilter::compile(what.filter, *seen.plan);
  if (!filter) {
    out.judged = open_question("internal", name_of(what) + ": " + filter.error().text());
    out.settled = true;
  } else {
    const bool never = what.kind == model::LookBack::Kind::kNever;
    const Counted found = count_all(*filter, what.kind, *store_, matching(*filter, window_ns));
    out.settled = !found.counted.empty();
    if (out.settled) {
      out.first = std::ranges::min(found.counted, {}, [this](uint64_t seq) {
        return std::pair(begin_of(store_->at(seq)), seq);
      });
    }
    if (out.settled) {
      if (never) out.judged = broken_never(what, seen, found);
    } else if (const auto doubt = doubt_about_absence(*filter, seen, found.unsure)) {
      out.judged = open_question(doubt->code, name_of(what) + " can't be judged: " + doubt->text);
      out.judged.remedy = doubt->remedy;
    } else if (!never) {
      out.judged = unseen_event(what, seen, found, near_misses(what, seen, window_ns));
    }
    if (out.judged.how == How::kHeld)
      out.judged.text = name_of(what) + " held" + listed_text(seen, found);
  }
  out.judged.place = place;
  return out;
}

void PendingNevers::add(const model::LookBack& what, const Place& place, uint64_t window_ns) {
  if (what.kind != model::LookBack::Kind::kNever || what.until_now) return;
  pending_.push_back({what, place, window_ns});
}

bool PendingNevers::any(model::ScopeId scope) const {
  return std::any_of(pending_.begin(), pending_.end(),
                     [scope](const Pending& p) { return p.what.scope == scope; });
}

std::vector<Judged> PendingNevers::leave(model::ScopeId scope, LookBacks& look_backs,
                                         const Seen& seen) {
  std::vector<Judged> judged;
  std::vector<Pending> kept;
  for (Pending& pending : pending_) {
    if (pending.what.scope != scope) {
      kept.push_back(std::move(pending));
      continue;
    }
    judged.push_back(
        look_backs.evaluate(pending.what, pending.place, seen, pending.window_ns).judged);
    judged.back().again = true;
  }
  pending_ = std::move(kept);
  return judged;
}

}  // namespace fbx::check
