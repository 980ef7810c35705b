// SPDX-License-Identifier: Apache-2.0
#include "tests/sabotage/observer_sabotage.h"

#include <utility>

#include "base/clock.h"

namespace fbx::sabotage {

namespace {

using observe::BarrierResult;
using observe::Event;
using observe::EventStore;
using observe::EventType;
using observe::Loss;
using observe::TestWatch;

class LosesAndSaysSo : public ForwardingObserver {
 public:
  using ForwardingObserver::ForwardingObserver;

  Status begin_test(const TestWatch& watch) override {
    looked_at_ = lost_ = 0;
    return ForwardingObserver::begin_test(watch);
  }
  Status pump() override {
    Status pumped = ForwardingObserver::pump();
    lose();
    return pumped;
  }
  Result<BarrierResult> barrier(uint64_t bound_ns) override {
    auto result = ForwardingObserver::barrier(bound_ns);
    lose();
    return result;
  }
  Loss loss() const override {
    Loss loss = ForwardingObserver::loss();
    loss.kept -= std::min(loss.kept, lost_);
    loss.lost += lost_;
    return loss;
  }

 private:
  void lose() {
    EventStore& store = real_->store();
    for (; looked_at_ < store.size(); ++looked_at_) {
      Event& event = store.at(looked_at_ + 1);
      const bool call =
          event.type == EventType::kSyscall && event.state == observe::CallState::kDone;
      if (!call || ++calls_ % 3 != 0) continue;
      event = Event{.seq = event.seq, .type = EventType::kLifecycle};
      ++lost_;
    }
  }

  uint64_t looked_at_ = 0, calls_ = 0, lost_ = 0;
};

class BarrierDoesNotWait : public ForwardingObserver {
 public:
  using ForwardingObserver::ForwardingObserver;
  Status begin_test(const TestWatch& watch) override {
    looked_ = false;
    return ForwardingObserver::begin_test(watch);
  }
  Status pump() override { return looked_ ? ForwardingObserver::pump() : Status{}; }
  Result<BarrierResult> barrier(uint64_t) override {
    looked_ = true;
    return BarrierResult{.exact = true, .why = {}, .at_ns = now_ns()};
  }

 private:
  bool looked_ = false;
};

class SeesNothing : public ForwardingObserver {
 public:
  using ForwardingObserver::ForwardingObserver;
  Status begin_test(const TestWatch&) override {
    store_ = EventStore();
    return {};
  }
  Status pump() override { return {}; }
  Result<BarrierResult> barrier(uint64_t) override {
    return BarrierResult{.exact = true, .why = {}, .at_ns = now_ns()};
  }
  EventStore& store() override { return store_; }
  Loss loss() const override { return {}; }
  Status end_test() override { return {}; }

 private:
  EventStore store_;
};

class WatchesNoCall : public ForwardingObserver {
 public:
  using ForwardingObserver::ForwardingObserver;
  Status begin_test(const TestWatch& watch) override {
    TestWatch none = watch;
    for (observe::WatchedService& service : none.services) service.syscalls.clear();
    return ForwardingObserver::begin_test(none);
  }
};

// Each service's calls are looked for in the client's cgroup.
class WatchesStrangers : public ForwardingObserver {
 public:
  using ForwardingObserver::ForwardingObserver;
  Status begin_test(const TestWatch& watch) override {
    TestWatch none = watch;
    none.services.clear();
    return ForwardingObserver::begin_test(none);
  }
};

}  // namespace

Wrapped loses_and_says_so(OwnedObserver real) {
  return std::make_unique<LosesAndSaysSo>(std::move(real));
}

Wrapped barrier_does_not_wait(OwnedObserver real) {
  return std::make_unique<BarrierDoesNotWait>(std::move(real));
}

Wrapped sees_nothing(OwnedObserver real) { return std::make_unique<SeesNothing>(std::move(real)); }

Wrapped watches_no_call(OwnedObserver real) {
  return std::make_unique<WatchesNoCall>(std::move(real));
}

Wrapped watches_strangers(OwnedObserver real) {
  return std::make_unique<WatchesStrangers>(std::move(real));
}

}  // namespace fbx::sabotage
