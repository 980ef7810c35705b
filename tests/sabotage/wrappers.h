// SPDX-License-Identifier: Apache-2.0
//
// The seams of a run, forwarded: what a sabotage starts from and changes one thing of. None of it
// is linked into fbx.
//
// Thread rule: as the interfaces that they implement.
#pragma once

#include <functional>
#include <memory>
#include <utility>

#include "runner/inject/injector.h"
#include "runner/observe/observer.h"
#include "runner/run/machine.h"

namespace fbx::sabotage {

class ForwardingObserver : public observe::Observer {
 public:
  explicit ForwardingObserver(std::unique_ptr<observe::Observer> real) : real_(std::move(real)) {}
  Status begin_test(const observe::TestWatch& watch) override { return real_->begin_test(watch); }
  Status pump() override { return real_->pump(); }
  Result<observe::BarrierResult> barrier(uint64_t bound_ns) override {
    return real_->barrier(bound_ns);
  }
  observe::EventStore& store() override { return real_->store(); }
  observe::Loss loss() const override { return real_->loss(); }
  int poll_fd() const override { return real_->poll_fd(); }
  std::vector<fbx_decided> take_decisions() override { return real_->take_decisions(); }
  observe::Thread thread(uint32_t inside, uint64_t at_ns) const override {
    return real_->thread(inside, at_ns);
  }
  Status end_test() override { return real_->end_test(); }

  // What the real injector was made to work with.
  observe::Observer& real() { return *real_; }

 protected:
  std::unique_ptr<observe::Observer> real_;
};

class ForwardingInjector : public inject::Injector {
 public:
  explicit ForwardingInjector(std::unique_ptr<inject::Injector> real) : real_(std::move(real)) {}
  Status begin_test(const inject::TestInject& test) override { return real_->begin_test(test); }
  Result<inject::BirthNeeds> birth_needs(int16_t service) override {
    return real_->birth_needs(service);
  }
  Status executed(int16_t service, pid_t pid) override { return real_->executed(service, pid); }
  Status adopt_listener(int16_t service, int listener_fd) override {
    return real_->adopt_listener(service, listener_fd);
  }
  Status install(const model::InstallFaults& faults) override { return real_->install(faults); }
  Status install(const model::InstallPartition& cut) override { return real_->install(cut); }
  Status lift(model::ScopeId scope) override { return real_->lift(scope); }
  Status collect() override { return real_->collect(); }
  Status conclude() override { return real_->conclude(); }
  const inject::RuleLog& log() const override { return real_->log(); }
  Status end_test() override { return real_->end_test(); }

 protected:
  std::unique_ptr<inject::Injector> real_;
};

using WrapObserver =
    std::function<std::unique_ptr<ForwardingObserver>(std::unique_ptr<observe::Observer>)>;
using WrapInjector =
    std::function<std::unique_ptr<inject::Injector>(std::unique_ptr<inject::Injector>)>;

// The real machine, with its observer, its injector or both wrapped; an empty function leaves it.
[[nodiscard]] std::unique_ptr<run::Machine> wrapped_machine(WrapObserver observer,
                                                            WrapInjector injector);

}  // namespace fbx::sabotage
