// SPDX-License-Identifier: Apache-2.0
//
// The other look-backs of LANGUAGE section 7: how many, in which order, which. Pure like
// look_back.h and by the same rules: absence is believed only when nothing can be missing, presence
// at once; what may or may not count makes an answer that depends on it inconclusive.
//
// Thread rule: the thread that pumps the observer.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "runner/check/look_back.h"

namespace fbx::check {

// assert_count(n) is {n, n}; assert_count((min, max)) is {min, max}.
struct CountWanted {
  uint64_t least = 0, most = 0;
  model::Filter filter;
};

// Counts successes, unless the filter names an outcome. Calls with effects that are in flight, and
// events of which it can't be told whether they match, may or may not count.
[[nodiscard]] Judged judge_count(LookBacks& look_backs, const CountWanted& wanted,
                                 const Place& place, const Seen& seen, uint64_t window_ns);

// assert_before(first=…, then=…, key=…, each=…).
struct BeforeWanted {
  model::Filter first, then;
  // each=True: the k-th `then` needs k successful `first` definitely before it. False: the first
  // `then` needs one.
  bool each = true;
  // key=: only events of one key are compared; empty = all have the same.
  std::function<std::string(const observe::Event&)> key;
};

// `first` is definitely before `then` when it ended before `then` began. Neither order certain, or
// something that may be missing where a `first` was needed: inconclusive, showing both. Nothing
// that matches `then`: held.
[[nodiscard]] Judged judge_before(LookBacks& look_backs, const BeforeWanted& wanted,
                                  const Place& place, const Seen& seen, uint64_t window_ns);

// events(**filter): everything that matches, by the time it began, whatever became of it. `doubt` is set when
// something may be missing from the list: the test can't pass.
struct Listing {
  std::vector<uint64_t> seqs;
  std::optional<Judged> doubt;
};
[[nodiscard]] Listing list_events(LookBacks& look_backs, const model::Filter& filter,
                                  const Place& place, const Seen& seen, uint64_t window_ns);

// When the last event that matches (surely or perhaps) happened, CLOCK_MONOTONIC ns; 0 = there is
// none. A call with effects in flight is happening now: UINT64_MAX. For await_stable.
[[nodiscard]] Result<uint64_t> last_event_ns(LookBacks& look_backs, const model::Filter& filter,
                                             const Seen& seen, uint64_t window_ns);

}  // namespace fbx::check
