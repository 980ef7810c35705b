// SPDX-License-Identifier: Apache-2.0
#include "tests/sabotage/wrappers.h"

namespace fbx::sabotage {

namespace {

class WrappedMachine : public run::Machine {
 public:
  WrappedMachine(WrapObserver observer, WrapInjector injector)
      : wrap_observer_(std::move(observer)), wrap_injector_(std::move(injector)) {}

  inject::Ground survey() override { return real_->survey(); }
  sandbox::Attempt<void> open(const sandbox::RunGroup* group,
                              const inject::Hooks& hooks) override {
    return real_->open(group, hooks);
  }

  const inject::Capabilities& capabilities() const override { return real_->capabilities(); }

  Result<std::unique_ptr<observe::Observer>> make_observer(
      const sandbox::WorkerContext& worker) override {
    auto real = real_->make_observer(worker);
    if (!real || !wrap_observer_) return real;
    auto wrapped = wrap_observer_(std::move(*real));
    wrapped_ = wrapped.get();
    return wrapped;
  }

  // The real injector knows its own kind of observer and reads what the hands wrote from it.
  Result<std::unique_ptr<inject::Injector>> make_injector(const sandbox::WorkerContext& worker,
                                                          observe::Observer& observer) override {
    auto real = real_->make_injector(worker, wrapped_ != nullptr ? wrapped_->real() : observer);
    if (!real || !wrap_injector_) return real;
    return wrap_injector_(std::move(*real));
  }

 private:
  std::unique_ptr<run::Machine> real_ = run::real_machine();
  WrapObserver wrap_observer_;
  WrapInjector wrap_injector_;
  ForwardingObserver* wrapped_ = nullptr;  // lives in the worker
};

}  // namespace

std::unique_ptr<run::Machine> wrapped_machine(WrapObserver observer, WrapInjector injector) {
  return std::make_unique<WrappedMachine>(std::move(observer), std::move(injector));
}

}  // namespace fbx::sabotage
