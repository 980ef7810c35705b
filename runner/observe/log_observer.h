// SPDX-License-Identifier: Apache-2.0
//
// Seeing without BPF: what the supervisor tells (call_log.h). Every call asked for is supervised,
// so every call is seen as it begins; of those that are let through nobody sees how they end
// (kResultUnknown).
//
// The barrier is exact by itself: a call is told before it is answered, and has no effect before.
#pragma once

#include <memory>
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
  [[nodiscard]] CallLog* call_log() override { return &log_; }
  Status end_test() override;

 private:
  void take(const CallBegun& call);
  void take(const CallAnswered& call);
  [[nodiscard]] bool asked_for(const Event& event) const;

  CallLog log_;
  TestWatch watch_;
  std::unique_ptr<EventStore> store_ = std::make_unique<EventStore>();
  std::vector<uint64_t> escapes_;
  Loss loss_;
};

}  // namespace fbx::observe
