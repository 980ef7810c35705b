// SPDX-License-Identifier: Apache-2.0
//
// Where the hands tell the calls they see, for an observer without BPF. The supervisor tells a call
// before it answers it, a shim enters it in its ring before it makes it: nobody can have seen its
// effect before it stands here, or in a source that gather() asks.
//
// Thread rule: told by any thread, in the order in which the supervisor saw the calls; take() and
// gather() by the observer's.
#pragma once

#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "runner/observe/event.h"

namespace fbx::observe {

// A call that has begun. `event` without strings; those stand beside it.
struct CallBegun {
  Event event;
  std::string exe, path, opened_as, peer_text;
  // The teller's number for this call, by which its end is told; 0 = by its thread. With a number
  // pid and exe are those of the thread as thread() told it.
  uint64_t call = 0;
};

// What became of a call: of `call`, or of the latest one of that thread.
struct CallAnswered {
  uint32_t tid = 0;
  uint16_t nr = 0;
  uint64_t at_ns = 0;
  std::optional<int64_t> ret;  // unset: it was let through, and how it ends nobody sees
  int32_t rule = -1;
  std::string decision;
  uint64_t call = 0;
};

class CallLog {
 public:
  // One of them; `unread`: a call that could not be looked at and may have been any.
  struct Entry {
    std::optional<CallBegun> begun = {};
    std::optional<CallAnswered> answered = {};
    std::optional<Thread> thread = {};
    bool unread = false;
  };

  void begun(CallBegun call) { add({.begun = std::move(call)}); }
  void answered(CallAnswered call) { add({.answered = std::move(call)}); }
  // A thread that will be named in what sources give.
  void thread(Thread one) { add({.thread = std::move(one)}); }
  void unread() { add({.unread = true}); }

  [[nodiscard]] std::vector<Entry> take() {
    const std::lock_guard lock(mutex_);
    return std::exchange(entries_, {});
  }

  // Who has more to tell, when asked: appends what came since, oldest first. With `all` waits,
  // bounded, for what was being told when it was asked; false: that was not told whole in time.
  using Source = std::function<bool(std::vector<Entry>& out, bool all)>;
  void set_source(Source source) { source_ = std::move(source); }
  bool gather(std::vector<Entry>& out, bool all) { return !source_ || source_(out, all); }

 private:
  void add(Entry entry) {
    const std::lock_guard lock(mutex_);
    entries_.push_back(std::move(entry));
  }

  std::mutex mutex_;
  std::vector<Entry> entries_;
  Source source_;
};

}  // namespace fbx::observe
