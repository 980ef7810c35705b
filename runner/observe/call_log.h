// SPDX-License-Identifier: Apache-2.0
//
// Where the supervisor tells the calls it sees, for an observer without BPF. A call is told before
// it is answered, so nobody can have seen its effect before it stands here.
//
// Thread rule: any thread; told in the order in which the supervisor saw the calls.
#pragma once

#include <cstdint>
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
};

// What the supervisor made of the latest call of that thread.
struct CallAnswered {
  uint32_t tid = 0;
  uint16_t nr = 0;
  uint64_t at_ns = 0;
  std::optional<int64_t> ret;  // unset: it was let through, and how it ends nobody sees
  int32_t rule = -1;
  std::string decision;
};

class CallLog {
 public:
  // One of the two, and `unread`: a call that could not be looked at and may have been any.
  struct Entry {
    std::optional<CallBegun> begun;
    std::optional<CallAnswered> answered;
    bool unread = false;
  };

  void begun(CallBegun call) { add({.begun = std::move(call), .answered = {}, .unread = false}); }
  void answered(CallAnswered call) {
    add({.begun = {}, .answered = std::move(call), .unread = false});
  }
  void unread() { add({.begun = {}, .answered = {}, .unread = true}); }

  [[nodiscard]] std::vector<Entry> take() {
    const std::lock_guard lock(mutex_);
    return std::exchange(entries_, {});
  }

 private:
  void add(Entry entry) {
    const std::lock_guard lock(mutex_);
    entries_.push_back(std::move(entry));
  }

  std::mutex mutex_;
  std::vector<Entry> entries_;
};

}  // namespace fbx::observe
