// SPDX-License-Identifier: Apache-2.0
#include <unistd.h>

#include "runner/inject/main_injector.h"
#include "runner/inject/probe.h"
#include "runner/observe/bpf_object.h"
#include "runner/observe/bpf_observer.h"
#include "runner/observe/log_observer.h"
#include "runner/run/machine.h"

namespace fbx::run {

namespace {

class RealMachine : public Machine {
 public:
  explicit RealMachine(const inject::Wishes& wishes) : wishes_(wishes) {}

  inject::Ground survey() override {
    // What root can't do is said by what fails; looking first would cost every run a namespace.
    if (::geteuid() != 0) inject::probe_ground(capabilities_);
    return capabilities_.ground;
  }

  sandbox::Attempt<void> open(const sandbox::RunGroup* group,
                              const inject::Hooks& hooks) override {
    if (!group) {
      inject::probe_unloaded({"needs-root", "BPF programs need CAP_BPF and CAP_PERFMON here",
                              "run it with sudo"},
                             capabilities_);
      return {};
    }
    auto object = observe::BpfObject::open();
    if (!object) return std::unexpected(sandbox::Trouble(object.error()));
    object_ = std::move(*object);
    observe::BpfObserver::enable(*object_);
    inject::enable_hooks(*object_, hooks);
    if (auto loaded = object_->load(); !loaded) {
      return std::unexpected(sandbox::Trouble(loaded.error()));
    }
    if (auto attached = object_->attach(group->fd()); !attached) {
      return std::unexpected(sandbox::Trouble(attached.error()));
    }
    inject::probe_loaded(*object_, capabilities_);
    inject::attach_call_hands(*object_, hooks.calls, capabilities_);
    return {};
  }

  [[nodiscard]] const inject::Capabilities& capabilities() const override { return capabilities_; }

  Result<std::unique_ptr<observe::Observer>> make_observer(
      const sandbox::WorkerContext& worker) override {
    if (!object_) return std::unique_ptr<observe::Observer>(new observe::LogObserver);
    auto made = observe::BpfObserver::create(*object_, static_cast<uint32_t>(worker.index));
    if (!made) return std::unexpected(made.error());
    return std::unique_ptr<observe::Observer>(std::move(*made));
  }

  Result<std::unique_ptr<inject::Injector>> make_injector(const sandbox::WorkerContext& worker,
                                                          observe::Observer& observer) override {
    auto made = inject::MainInjector::create({.object = object_.get(),
                                              .worker = static_cast<uint32_t>(worker.index),
                                              .observer = &observer,
                                              .capabilities = capabilities_,
                                              .wishes = wishes_});
    if (!made) return std::unexpected(made.error());
    return std::unique_ptr<inject::Injector>(std::move(*made));
  }

 private:
  inject::Wishes wishes_;
  std::unique_ptr<observe::BpfObject> object_;
  inject::Capabilities capabilities_;
};

}  // namespace

std::unique_ptr<Machine> real_machine(const inject::Wishes& wishes) {
  return std::make_unique<RealMachine>(wishes);
}

}  // namespace fbx::run
