// SPDX-License-Identifier: Apache-2.0
//
// What a run knows of its services' programs, and learns: a call that escaped its hand is a reason
// to have this program's calls of that kind decided by the supervisor from then on.
//
// Thread rule: the front's only thread.
#pragma once

#include <set>
#include <string>
#include <utility>
#include <vector>

#include "runner/inject/choose.h"
#include "runner/report/outcome.h"
#include "spec/plan/plan.h"

namespace fbx::run {

class HandMemory {
 public:
  explicit HandMemory(inject::Wishes wishes) : wishes_(std::move(wishes)) {}

  // Looks at the programs of the plan's services. Plans are numbered in the order of these calls.
  void look_at(const plan::Plan& plan);

  [[nodiscard]] inject::Known known(size_t plan) const { return {programs_[plan], escaped_}; }
  [[nodiscard]] const std::vector<std::vector<inject::Program>>& programs() const {
    return programs_;
  }

  // Whether the test is worth repeating: something escaped a hand, and the hand was fbx's own
  // choice. Then `outcome` is void, and what is learnt is in known().
  bool learn(size_t plan, const plan::Plan& of, const report::TestOutcome& outcome);

 private:
  inject::Wishes wishes_;
  std::vector<std::vector<inject::Program>> programs_;
  std::set<std::pair<std::string, std::string>> escaped_;
};

// "repeated with seccomp: inventory's write escaped the shim: …"
[[nodiscard]] std::string repetition_text(const plan::Plan& plan,
                                          const report::TestOutcome& first);

}  // namespace fbx::run
