// SPDX-License-Identifier: Apache-2.0
//
// An observer that loses records on purpose, to test that nothing ends green over it. Only tests
// link it. kAdmits says so in Loss, as the real one does when its ring was full; kHides drops the
// same records and keeps quiet: then written = kept + filtered + lost must not hold any more.
//
// Thread rule: as Observer.
#pragma once

#include <functional>
#include <memory>
#include <utility>

#include "runner/observe/observer.h"

namespace fbx::observe::testing {

class LossyObserver : public Observer {
 public:
  enum class How { kAdmits, kHides };
  // `loses`: whether this event disappears. Asked once for each, when it is first seen.
  LossyObserver(std::unique_ptr<Observer> inner, How how, std::function<bool(const Event&)> loses)
      : inner_(std::move(inner)), how_(how), loses_(std::move(loses)) {}

  Status begin_test(const TestWatch& watch) override {
    store_ = std::make_unique<EventStore>();
    copied_ = lost_ = 0;
    return inner_->begin_test(watch);
  }
  Status pump() override {
    Status done = inner_->pump();
    copy();
    return done;
  }
  Result<BarrierResult> barrier(uint64_t bound_ns) override {
    Result<BarrierResult> result = inner_->barrier(bound_ns);
    copy();
    if (result) result->in_flight = store_->open_calls();
    return result;
  }
  EventStore& store() override { return *store_; }
  Loss loss() const override {
    Loss loss = inner_->loss();
    loss.kept -= std::min(lost_, loss.kept);
    if (how_ == How::kAdmits) loss.lost += lost_;
    return loss;
  }
  int poll_fd() const override { return inner_->poll_fd(); }
  std::vector<fbx_decided> take_decisions() override { return inner_->take_decisions(); }
  Status end_test() override {
    Status done = inner_->end_test();
    copy();
    return done;
  }

 private:
  void copy() {
    EventStore& from = inner_->store();
    for (; copied_ < from.size(); ++copied_) {
      Event event = from.at(copied_ + 1);
      if (loses_(event)) {
        ++lost_;
        continue;
      }
      for (StringId* id : {&event.exe, &event.path, &event.opened_as, &event.peer_text, &event.text,
                           &event.decision, &event.label})
        *id = store_->intern(from.string(*id));
      store_->append(event);
    }
  }

  std::unique_ptr<Observer> inner_;
  How how_;
  std::function<bool(const Event&)> loses_;
  std::unique_ptr<EventStore> store_;
  uint64_t copied_ = 0, lost_ = 0;
};

}  // namespace fbx::observe::testing
