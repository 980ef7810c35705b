// SPDX-License-Identifier: Apache-2.0
//
// Seeing without BPF: what the supervisor and the shims tell (call_log.h). Every call asked for is
// told by one of them as it begins. How it ends the shims tell, too; of those that the supervisor
// lets through nobody sees it (kResultUnknown).
//
// Both are merged by time: pump() takes what was told until it was called, so what is taken later
// is not older, but for what another thread was telling just then.
//
// The barrier: a call is told before it has any effect, so all that somebody may have seen the
// effect of is there. A shim's call that has begun and runs is waited for; one that is blocked, or
// held, is in flight.
#pragma once

#include <map>
#include <memory>
#include <unordered_map>
#include <vector>

#include "runner/observe/call_log.h"
#include "runner/observe/observer.h"

namespace fbx::observe {

class LogObserver : public Observer {
 public:
  Status begin_test(const TestWatch& watch) override;
  Status pump() override;
  Result<BarrierResult> barrier(uint64_t bound_ns) override;
  [[nodiscard]] EventStore& store() override { return *store_; }
  [[nodiscard]] Loss loss() const override { return loss_; }
  [[nodiscard]] int poll_fd() const override { return -1; }
  [[nodiscard]] std::vector<uint64_t> escapes() const override { return escapes_; }
  // What the supervisor told of a thread that a shim's entries name.
  [[nodiscard]] Thread thread(uint32_t inside, uint64_t at_ns) const override;
  [[nodiscard]] CallLog* call_log() override { return &log_; }
  Status end_test() override;

 private:
  void take(const CallLog::Entry& entry);
  void take(const CallBegun& call);
  void take(const CallAnswered& call);
  [[nodiscard]] bool asked_for(const Event& event) const;
  bool take_until(uint64_t until_ns, bool all);
  [[nodiscard]] bool any_runs(const std::map<uint64_t, uint64_t>& calls, uint64_t asked_ns) const;
  void drop_dead();

  CallLog log_;
  std::vector<CallLog::Entry> waiting_;  // told, and later than what was asked for
  std::map<uint64_t, uint64_t> open_;    // a teller's number of a call → its seq
  std::unordered_map<uint32_t, Thread> threads_;
  TestWatch watch_;
  std::unique_ptr<EventStore> store_ = std::make_unique<EventStore>();
  std::vector<uint64_t> escapes_;
  Loss loss_;
};

}  // namespace fbx::observe
