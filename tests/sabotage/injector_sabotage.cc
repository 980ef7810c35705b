// SPDX-License-Identifier: Apache-2.0
#include "tests/sabotage/injector_sabotage.h"

#include <functional>
#include <utility>

#include "base/clock.h"
#include "runner/step/step_client.h"
#include "tests/sabotage/under_the_seams.h"
#include "tests/sabotage/wrappers.h"

// StepClient::perform(const HttpStep&), whose name the linker knows mangled. What is late is so by
// one request, however long that takes.
using fbx::model::HttpStep;
using fbx::step::StepClient;
using fbx::step::StepOutcome;
StepOutcome real_perform(StepClient* client, const HttpStep& step) __asm__(
    "__real__ZN3fbx4step10StepClient7performERKNS_5model8HttpStepE");
StepOutcome wrapped_perform(StepClient* client, const HttpStep& step) __asm__(
    "__wrap__ZN3fbx4step10StepClient7performERKNS_5model8HttpStepE");
StepOutcome wrapped_perform(StepClient* client, const HttpStep& step) {
  StepOutcome outcome = real_perform(client, step);
  fbx::sabotage::bind_what_is_late();
  return outcome;
}

namespace fbx::sabotage {

namespace {

class PartitionDoesNothing : public ForwardingInjector {
 public:
  using ForwardingInjector::ForwardingInjector;

  Status begin_test(const inject::TestInject& test) override {
    cuts_.clear();
    return ForwardingInjector::begin_test(test);
  }

  using ForwardingInjector::install;
  Status install(const model::InstallPartition& cut) override {
    inject::RuleEntry entry;
    entry.kind = inject::RuleEntry::Kind::kPartition;
    entry.cut = cut;
    entry.display = cut.display;
    entry.label = cut.label;
    entry.optional = cut.optional;
    entry.scope = cut.scope;
    entry.hand = inject::Hand::kCgroup;
    entry.installed_ns = now_ns();
    cuts_.push_back(std::move(entry));
    return {};
  }

  Status lift(model::ScopeId scope) override {
    for (inject::RuleEntry& cut : cuts_) {
      if (cut.scope == scope) cut.lifted_ns = now_ns();
    }
    return ForwardingInjector::lift(scope);
  }

  // Behind the real entries, whose indexes stand in events.
  const inject::RuleLog& log() const override {
    log_ = real_->log();
    log_.rules.insert(log_.rules.end(), cuts_.begin(), cuts_.end());
    return log_;
  }

 private:
  std::vector<inject::RuleEntry> cuts_;
  mutable inject::RuleLog log_;
};

class InstallIsLate : public ForwardingInjector {
 public:
  using ForwardingInjector::ForwardingInjector;

  Status install(const model::InstallFaults& faults) override { return later(faults); }
  Status install(const model::InstallPartition& cut) override { return later(cut); }

  Status lift(model::ScopeId scope) override {
    settle();
    return ForwardingInjector::lift(scope);
  }
  Status collect() override {
    settle();
    return ForwardingInjector::collect();
  }
  Status conclude() override {
    settle();
    return ForwardingInjector::conclude();
  }
  Status end_test() override {
    settle();
    return ForwardingInjector::end_test();
  }

 private:
  template <typename What>
  Status later(const What& what) {
    settle();
    owed_ = [this, what] { static_cast<void>(real_->install(what)); };
    return {};
  }
  void settle() {
    if (owed_) std::exchange(owed_, nullptr)();
  }

  std::function<void()> owed_;
};

class LiftDoesNothing : public ForwardingInjector {
 public:
  using ForwardingInjector::ForwardingInjector;
  Status lift(model::ScopeId) override { return {}; }
};

class PartitionHalf : public ForwardingInjector {
 public:
  using ForwardingInjector::ForwardingInjector;
  using ForwardingInjector::install;
  Status install(const model::InstallPartition& cut) override {
    const BlindIterators blind;
    return ForwardingInjector::install(cut);
  }
};

}  // namespace

OwnedInjector partition_does_nothing(OwnedInjector real) {
  return std::make_unique<PartitionDoesNothing>(std::move(real));
}

OwnedInjector install_is_late(OwnedInjector real) {
  return std::make_unique<InstallIsLate>(std::move(real));
}

OwnedInjector lift_does_nothing(OwnedInjector real) {
  return std::make_unique<LiftDoesNothing>(std::move(real));
}

OwnedInjector ignores_seccomp(OwnedInjector real) {
  under_the_seams().seccomp_always_continues = true;
  return real;
}

OwnedInjector partition_half(OwnedInjector real) {
  return std::make_unique<PartitionHalf>(std::move(real));
}

}  // namespace fbx::sabotage
