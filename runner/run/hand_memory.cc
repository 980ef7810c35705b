// SPDX-License-Identifier: Apache-2.0
#include "runner/run/hand_memory.h"

#include "runner/service/binary.h"

namespace fbx::run {

void HandMemory::look_at(const plan::Plan& plan) {
  std::vector<inject::Program> programs;
  const std::string path = service::service_path();
  for (const plan::Service& service : plan.services) {
    const auto found = service::find_binary(service.binary, plan.spec_dir, path);
    programs.push_back(found ? inject::look_at_program(found->real)
                             : inject::Program{service.binary, "is not there", ""});
  }
  programs_.push_back(std::move(programs));
}

bool HandMemory::learn(size_t plan, const plan::Plan& of, const report::TestOutcome& outcome) {
  bool learnt = false;
  for (const report::EscapedCall& one : outcome.escaped) {
    if (inject::wished_hand(of.services[one.service], wishes_) != "auto") return false;
    learnt |= escaped_.insert({programs_[plan][one.service].identity, one.keyword}).second;
  }
  return learnt;
}

std::string repetition_text(const plan::Plan& plan, const report::TestOutcome& first) {
  std::string text = "repeated with seccomp, because calls escaped the ";
  for (const report::EscapedCall& one : first.escaped) {
    const std::string what = plan.services[one.service].name + "." + one.keyword;
    const auto by = first.hands.find(what);
    const std::string hand = by == first.hands.end() ? "hand" : by->second;
    text += &one == &first.escaped.front() ? hand.substr(0, hand.find(',')) + ": " : "; ";
    text += what + ": " + one.text;
  }
  return text;
}

}  // namespace fbx::run
