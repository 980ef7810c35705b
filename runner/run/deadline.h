// SPDX-License-Identifier: Apache-2.0
//
// The two things that end a test from outside, as one descriptor that every wait polls: its timeout
// and the end of the run.
//
// Thread rule: the worker's VM-and-step thread.
#pragma once

#include <cstdint>

#include "base/result.h"
#include "runner/sandbox/fd.h"

namespace fbx::run {

class Deadline {
 public:
  // `stop_fd` stays the caller's (-1 = none). The clock starts with arm().
  static Result<Deadline> create(int stop_fd);
  // From now on, `timeout_ns` are left.
  Status arm(int64_t timeout_ns);

  // Readable, and it stays so, once the time is over or the run is to end. Never read it.
  [[nodiscard]] int fd() const { return epoll_.get(); }
  [[nodiscard]] bool timed_out() const;
  [[nodiscard]] bool stopped() const;
  [[nodiscard]] bool over() const { return timed_out() || stopped(); }
  // Waits until `until_ns` (CLOCK_MONOTONIC) or until it is over; true when it is over.
  [[nodiscard]] bool wait_until(uint64_t until_ns) const;
  // CLOCK_MONOTONIC when the time is over; 0 = not armed.
  [[nodiscard]] uint64_t at_ns() const { return at_ns_; }

 private:
  sandbox::Fd timer_;
  sandbox::Fd epoll_;
  int stop_fd_ = -1;
  uint64_t at_ns_ = 0;
};

}  // namespace fbx::run
