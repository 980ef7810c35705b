// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/fake_runner.h"

#include <doctest/doctest.h>

namespace fbx::testing {

namespace {

struct Describe {
  const plan::Plan& plan;
  std::string operator()(const model::InstallFaults& e) const {
    std::string out = "faults " + std::to_string(e.scope);
    for (const auto& rule : e.rules) out += " " + plan.services[rule.service].name + " " + rule.display;
    return out;
  }
  std::string operator()(const model::InstallPartition& e) const {
    return "partition " + std::to_string(e.scope) + " " + e.display;
  }
  std::string operator()(const model::LeaveScope& e) const { return "leave " + std::to_string(e.scope); }
  std::string operator()(const model::HttpStep& e) const {
    return e.method + " " + plan.services[e.service].name + e.path + (e.body.empty() ? "" : " " + e.body);
  }
  std::string operator()(const model::TcpSendStep& e) const {
    return "send " + plan.services[e.service].name + " " + e.data;
  }
  std::string operator()(const model::ExchangeStep& e) const {
    return "exchange " + plan.services[e.service].name + " " + e.data;
  }
  std::string operator()(const model::Sleep& e) const { return "sleep " + std::to_string(e.duration_ns); }
  std::string operator()(const model::LookBack& e) const {
    const bool never = e.kind == model::LookBack::Kind::kNever;
    return std::string(never ? "never " : "eventually ") + std::to_string(e.scope) + " " + e.filter.display;
  }
  std::string operator()(const model::ExpectExit& e) const {
    return "expect_exit " + plan.services[e.service].name;
  }
  std::string operator()(const model::Print& e) const { return "print " + e.text; }
};

}  // namespace

model::Response FakeRunner::answer(const std::string& asked, const model::Effect& effect) {
  if (const auto told = answers.find(asked); told != answers.end()) return told->second;
  const bool step = std::holds_alternative<model::HttpStep>(effect) ||
                    std::holds_alternative<model::TcpSendStep>(effect) ||
                    std::holds_alternative<model::ExchangeStep>(effect);
  if (!step) return model::Done{};
  if (step_ < steps.size()) return steps[step_++];
  model::StepResult good;
  good.status = 200;
  good.ok = true;
  return good;
}

Played FakeRunner::play(const plan::Plan& plan, const std::string& test) {
  Played out;
  size_t index = plan.tests.size();
  for (size_t t = 0; t < plan.tests.size(); ++t) {
    if (plan.tests[t].name == test) index = t;
  }
  REQUIRE(index < plan.tests.size());
  auto session = model::Session::start(plan, index, {});
  REQUIRE_MESSAGE(session, session.error().text());
  bool cancelled = false;
  for (int turns = 0; turns < 10'000; ++turns) {
    model::Turn turn = (*session)->next();
    if (auto* done = std::get_if<model::Finished>(&turn)) {
      out.finished = std::move(*done);
      return out;
    }
    const auto& request = std::get<model::Request>(turn);
    out.asked.push_back(std::visit(Describe{plan}, request.effect));
    if (out.asked.back() == cancel_at && !cancelled) {
      cancelled = true;
      (*session)->cancel("time is over");
    } else {
      (*session)->resume(answer(out.asked.back(), request.effect));
    }
  }
  FAIL("the session does not end, after " << out.asked[0] << ", " << out.asked[1] << ", " << out.asked[2] << ", " << out.asked[3]);
  return out;
}

}  // namespace fbx::testing
