// SPDX-License-Identifier: Apache-2.0
//
// assert_never and assert_eventually over what is in the store: pure, called after the barrier.
// The waiting (within=) is the caller's: evaluate, and while !settled and there is time, wait for
// more events, make a barrier, evaluate again.
//
//   window   from the innermost scope's begin (the body's for scope 0), or from the services'
//            start with since="start". A call with effects is in it when it begins in it, so that
//            what a look-back says of a call in flight stays true when the call ends; a call that
//            only waits (accept, recv, poll) is in it when it ends in it.
//   absence  is only believed when everything that could match was recorded, nothing was lost, the
//            barrier was exact, and no service it is about can do the like without a system call
//            (io_uring, a writable shared mapping); else the answer is inconclusive, never "held".
//   presence is believed at once.
//
// Thread rule: the thread that pumps the observer.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "runner/check/facts.h"
#include "runner/check/filter.h"
#include "runner/observe/event.h"
#include "runner/observe/observer.h"
#include "spec/model/session.h"

namespace fbx::check {

// Begin times of scopes. The body is scope 0.
class ScopeClock {
 public:
  // `ns`: CLOCK_MONOTONIC, read after the scope's install returned (body: before its first step).
  void enter(model::ScopeId scope, uint64_t ns) { begins_[scope] = ns; }
  void leave(model::ScopeId scope) { begins_.erase(scope); }
  // The body's for a scope that was never entered.
  [[nodiscard]] uint64_t begin(model::ScopeId scope) const;

 private:
  std::map<model::ScopeId, uint64_t> begins_;
};

// What a look-back is judged on, at one moment.
struct Seen {
  const plan::Plan* plan = nullptr;
  const observe::EventStore* store = nullptr;
  const observe::TestWatch* watch = nullptr;  // what was recorded
  observe::BarrierResult barrier;             // the one just made
  observe::Loss loss;
  std::vector<uint64_t> escapes = {};         // as observe::Observer::escapes()
};

struct Evaluation {
  Judged judged;
  // More events can't change it: a never that failed, an eventually that held. Inconclusive is
  // not settled: an eventually may still see its event.
  bool settled = false;
  uint64_t first = 0;  // seq of the first event that counts; 0 = none
};

// Keeps, per (service, syscall), where windows begin, so that a look-back reads only its own
// events. One per test; `store` must outlive it.
class LookBacks {
 public:
  explicit LookBacks(const observe::EventStore& store) : store_(&store) {}

  // Decides about where= (Session::where). An error means that the callback raised: the event does
  // not match, and failed() says so.
  using Where = std::function<Result<bool>(uint32_t callback, uint64_t seq)>;
  void ask(Where where) { where_ = std::move(where); }
  // A callback raised since the last call: nothing may be concluded from the answers since then.
  [[nodiscard]] std::optional<Error> failed() { return std::exchange(failed_, std::nullopt); }

  // `window_ns`: begin of the scope's window, CLOCK_MONOTONIC; 0 = from the start. A filter's since=
  // takes its place.
  [[nodiscard]] Evaluation evaluate(const model::LookBack& what, const Place& place,
                                    const Seen& seen, uint64_t window_ns);

  // Seqs, ascending, of the events of the window that match, whatever became of them.
  struct Matches {
    std::vector<uint64_t> sure;
    std::vector<uint64_t> unsure;  // the record does not have what decides it
  };
  [[nodiscard]] Matches matching(const CompiledFilter& filter, uint64_t window_ns);

 private:
  void add_from(const CompiledFilter& filter, const std::vector<uint64_t>& seqs, size_t first,
                uint64_t window_ns, Matches& found);
  [[nodiscard]] bool where_holds(const CompiledFilter& filter, const observe::Event& event);
  // What the look-back would have seen had it named no path: "write /tmp/x (3×)".
  [[nodiscard]] std::string near_misses(const model::LookBack& what, const Seen& seen,
                                        uint64_t window_ns);

  // Highest end (in flight: none is high enough) among the first i + 1 events of a posting:
  // monotonic, so the window's first candidate is found by binary search though ends are not in
  // order.
  [[nodiscard]] size_t first_in_window(int16_t service, uint16_t nr,
                                       const std::vector<uint64_t>& seqs, uint64_t window_ns);

  const observe::EventStore* store_;
  Where where_;
  std::optional<Error> failed_;
  // By callback: what it said of each event that can't change any more; −1 = not asked.
  std::map<uint32_t, std::vector<int8_t>> where_said_;
  std::unordered_map<uint32_t, std::vector<uint64_t>> latest_ends_;
};

// The assert_never that are judged again when their scope is left (LANGUAGE section 7).
class PendingNevers {
 public:
  // Remembers `what` unless it is no never or has until="now". Call it for each never that held
  // (or was inconclusive) where it stood.
  void add(const model::LookBack& what, const Place& place, uint64_t window_ns);
  // Is there anything to judge when `scope` is left (so that a barrier is needed)?
  [[nodiscard]] bool any(model::ScopeId scope) const;
  // Judges those of `scope` again and forgets them; `again` is set in each answer. Call it after
  // a barrier and before lifting what the scope installed.
  std::vector<Judged> leave(model::ScopeId scope, LookBacks& look_backs, const Seen& seen);

 private:
  struct Pending {
    model::LookBack what;
    Place place;
    uint64_t window_ns;
  };
  std::vector<Pending> pending_;
};

}  // namespace fbx::check
