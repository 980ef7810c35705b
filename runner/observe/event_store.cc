// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "runner/observe/event.h"

namespace fbx::observe {

EventStore::EventStore(size_t most_events) : most_events_(most_events), strings_(1) {
  ids_.emplace(strings_.back(), 0);
}

EventStore::EventStore(std::span<Event> events, std::vector<std::string_view> strings,
                       Postings postings)
    : size_(events.size()), strings_(std::move(strings)), postings_(std::move(postings)) {
  for (size_t at = 0; at < events.size(); at += kChunk) chunks_.push_back(&events[at]);
}

StringId EventStore::intern(std::string_view text) {
  if (auto known = ids_.find(text); known != ids_.end()) return known->second;
  const StringId id = static_cast<StringId>(strings_.size());
  strings_.push_back(texts_.emplace_back(text));
  string_bytes_ += text.size();
  ids_.emplace(strings_.back(), id);
  return id;
}

std::string_view EventStore::string(StringId id) const {
  return id < strings_.size() ? strings_[id] : std::string_view();
}

Event& EventStore::append(const Event& event) {
  if (size_ == chunks_.size() * kChunk)
    chunks_.push_back(made_.emplace_back(std::make_unique<Event[]>(kChunk)).get());
  ++size_;
  Event& kept = at(size_);
  kept = event;
  kept.seq = size_;
  if (kept.type == EventType::kSyscall)
    postings_[posting_key(kept.service, kept.nr)].push_back(kept.seq);
  return kept;
}

const std::vector<uint64_t>& EventStore::of(int16_t service, uint16_t nr) const {
  static const std::vector<uint64_t> kNone;
  const auto found = postings_.find(posting_key(service, nr));
  return found == postings_.end() ? kNone : found->second;
}

uint64_t EventStore::open_call(const Event& call) {
  std::vector<uint64_t>& open = open_[call.tid];
  for (uint64_t seq : open) {
    Event& event = at(seq);
    if (event.nr != call.nr) continue;
    event.begin_ns = std::min(event.begin_ns, call.begin_ns);
    return seq;
  }
  if (const auto last = last_.find(call.tid); last != last_.end()) {
    const Event& ended = at(last->second);
    if (ended.nr == call.nr && ended.end_ns >= call.begin_ns) return ended.seq;
  }
  return open_another(call);
}

uint64_t EventStore::open_another(const Event& call) {
  Event& event = append(call);
  event.state = CallState::kInFlight;
  event.ret = 0;
  event.end_ns = 0;
  const auto died = died_.find(call.tid);
  if (died == died_.end() || died->second < call.begin_ns) open_[call.tid].push_back(event.seq);
  return event.seq;
}

uint64_t EventStore::open_of(uint32_t tid) const {
  const auto open = open_.find(tid);
  return open == open_.end() || open->second.empty() ? 0 : open->second.back();
}

uint64_t EventStore::take_open(const Event& end) {
  const auto open = open_.find(end.tid);
  if (open == open_.end()) return 0;
  std::vector<uint64_t>& stack = open->second;
  for (size_t i = stack.size(); i-- > 0;) {
    const uint64_t seq = stack[i];
    if (end.seq != 0 ? seq != end.seq : at(seq).nr != end.nr) continue;
    stack.resize(i);
    return seq;
  }
  return 0;
}

Event& EventStore::close_call(const Event& end) {
  const uint64_t seq = take_open(end);
  Event* event = nullptr;
  if (seq == 0) {
    event = &append(end);
  } else {
    event = &at(seq);
    const Event begun = *event;
    *event = end;
    event->seq = seq;
    event->flags |= begun.flags & (kWasHeld | kRestarted);
    if (begun.begin_ns != 0 && (begun.begin_ns < end.begin_ns || (end.flags & kBeginUnknown))) {
      event->begin_ns = begun.begin_ns;
      event->flags &= static_cast<uint16_t>(~kBeginUnknown);
    }
    if (event->rule < 0) {
      event->rule = begun.rule;
      event->decision = begun.decision;
      event->label = begun.label;
    }
    if (event->path == 0) event->path = begun.path;
    if (event->opened_as == 0) event->opened_as = begun.opened_as;
  }
  event->state = CallState::kDone;
  last_[end.tid] = event->seq;
  return *event;
}

void EventStore::drop_call(uint32_t tid, uint64_t at_ns) {
  open_.erase(tid);
  died_[tid] = at_ns;
}

std::vector<uint64_t> EventStore::open_calls() const {
  std::vector<uint64_t> seqs;
  for (const auto& [tid, stack] : open_) seqs.insert(seqs.end(), stack.begin(), stack.end());
  std::ranges::sort(seqs);
  return seqs;
}

}  // namespace fbx::observe
