// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/fake_runner.h"

#include <doctest/doctest.h>

namespace fbx::testing {

namespace {

struct Describe {
  const plan::Plan& plan;
  template <class Step>
  std::string target(const Step& step) const {
    if (step.connection != 0) return "over " + std::to_string(step.connection);
    return plan.services[step.service].name;
  }
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
    return "send " + target(e) + " " + e.data;
  }
  std::string operator()(const model::ExchangeStep& e) const {
    return "exchange " + target(e) + " " + e.data;
  }
  std::string operator()(const model::ExecStep& e) const {
    std::string out = "exec";
    for (const auto& word : e.argv) out += " " + word;
    for (const auto& [name, value] : e.env) out += " " + name + "=" + value;
    if (!e.user.empty()) out += " as " + e.user;
    if (!e.input.empty()) out += " < " + e.input;
    return out;
  }
  std::string operator()(const model::ServiceOrder& e) const {
    constexpr const char* kNames[] = {"kill ", "stop ", "start ", "restart "};
    return kNames[static_cast<size_t>(e.kind)] + plan.services[e.service].name +
           (e.signal.empty() ? "" : " " + e.signal);
  }
  std::string operator()(const model::PauseService& e) const {
    return "pause " + std::to_string(e.scope) + " " + plan.services[e.service].name;
  }
  std::string operator()(const model::ConnectStep& e) const {
    return "connect " + plan.services[e.service].name + " as " + std::to_string(e.connection);
  }
  std::string operator()(const model::CloseStep& e) const {
    return "close " + std::to_string(e.connection);
  }
  std::string operator()(const model::Tick& e) const { return "tick " + std::to_string(e.wait_ns); }
  std::string operator()(const model::CountLookBack& e) const {
    return "count " + std::to_string(e.least) + "…" + std::to_string(e.most) + " " + e.filter.display;
  }
  std::string operator()(const model::OrderLookBack& e) const {
    return "before " + e.first.display + " | " + e.then.display + (e.each ? "" : " once");
  }
  std::string operator()(const model::ListEvents& e) const { return "events " + e.filter.display; }
  std::string operator()(const model::AwaitEvent& e) const { return "await " + e.filter.display; }
  std::string operator()(const model::AwaitStable& e) const {
    return "stable " + std::to_string(e.quiet_ns) + " " + e.filter.display;
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
                    std::holds_alternative<model::ExchangeStep>(effect) ||
                    std::holds_alternative<model::ConnectStep>(effect) ||
                    std::holds_alternative<model::ExecStep>(effect);
  if (std::holds_alternative<model::Tick>(effect)) {
    now_ns_ += static_cast<uint64_t>(std::get<model::Tick>(effect).wait_ns);
    return model::Now{now_ns_};
  }
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
  auto session = model::Session::start(plan, index, {.events = events});
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
