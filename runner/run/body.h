// SPDX-License-Identifier: Apache-2.0
//
// The body of one test: takes each Request of the session, carries it out on the machine, answers.
// Collects the facts of the verdict as it goes.
//
// Thread rule: the worker's main thread, inside the test's network namespace.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "runner/check/event_reader.h"
#include "runner/check/facts.h"
#include "runner/check/look_back.h"
#include "runner/inject/injector.h"
#include "runner/observe/observer.h"
#include "runner/run/deadline.h"
#include "runner/service/command.h"
#include "runner/service/service_set.h"
#include "runner/step/step_client.h"
#include "spec/model/session.h"

namespace fbx::run {

// An exit as the verdict takes it; whether it was asked for is not known yet.
[[nodiscard]] check::ServiceExit fact_of(const service::Exit& exit);

struct BodyParts {
  const plan::Plan* plan = nullptr;
  size_t test = 0;
  observe::Observer* observer = nullptr;
  inject::Injector* injector = nullptr;
  const sandbox::Sandbox* sandbox = nullptr;
  service::ServiceSet* services = nullptr;
  step::StepClient* steps = nullptr;
  const Deadline* deadline = nullptr;
  const observe::TestWatch* watch = nullptr;
};

// `duration_ns` later; below 0 counts as 0.
[[nodiscard]] inline uint64_t after(uint64_t from_ns, int64_t duration_ns) {
  return from_ns + static_cast<uint64_t>(duration_ns < 0 ? 0 : duration_ns);
}

class Body {
 public:
  // All parts outlive the body; `facts` is filled.
  Body(const BodyParts& parts, check::Facts& facts);

  // Runs the session to its end and judges what is left to judge. Fills facts.ended.
  void run(model::Session& session);

  // Takes what happened meanwhile into the store and the facts: rings, lifecycle, exits.
  void pump();

  [[nodiscard]] uint64_t began_ns() const { return began_ns_; }
  // What the session reads of events.
  [[nodiscard]] const model::EventReader& events() const { return reader_; }
  [[nodiscard]] const std::vector<std::string>& printed() const { return printed_; }
  // The step that ran last, or is running: "orders.post /orders → 503, 2.1 ms".
  [[nodiscard]] const std::string& last_step() const { return last_step_; }

 private:
  model::Response perform(const model::Request& request);

  model::Response on(const model::InstallFaults& effect);
  model::Response on(const model::InstallPartition& effect);
  model::Response on(const model::LeaveScope& effect);
  model::Response on(const model::HttpStep& effect);  // body_steps.cc, with the next four
  model::Response on(const model::TcpSendStep& effect);
  model::Response on(const model::ExchangeStep& effect);
  model::Response on(const model::ConnectStep& effect);
  model::Response on(const model::CloseStep& effect);
  model::Response on(const model::ExecStep& effect);       // body_processes.cc, with the next two
  model::Response on(const model::ServiceOrder& effect);
  model::Response on(const model::PauseService& effect);
  model::Response on(const model::Sleep& effect);
  model::Response on(const model::Tick& effect);
  model::Response on(const model::LookBack& effect);  // body_look.cc, with the next six
  model::Response on(const model::CountLookBack& effect);
  model::Response on(const model::OrderLookBack& effect);
  model::Response on(const model::ListEvents& effect);
  model::Response on(const model::AwaitEvent& effect);
  model::Response on(const model::AwaitStable& effect);
  model::Response on(const model::ExpectExit& effect);
  model::Response on(const model::Print& effect);

  template <typename Step>
  model::Response step(const Step& step);
  template <typename Install>
  model::Response install(const Install& what, model::ScopeId scope, const std::string& text);
  model::Response start(uint32_t service);
  void resume(uint32_t service, uint64_t begin_ns);
  [[nodiscard]] Result<service::CommandResult> run_program(const model::ExecStep& step);
  // The answer to an effect that could not be carried out, and without which the rest of the body
  // would judge something else.
  model::Response give_up(const char* code, const std::string& text);
  // The log must show what was installed, as binding, and that what was lifted is.
  [[nodiscard]] bool binds(model::ScopeId scope, uint64_t now_ns) const;
  [[nodiscard]] bool lifted(model::ScopeId scope) const;
  // A barrier, and the hands' decisions joined to what it brought.
  check::Seen look();
  // A call that had ended before the last look-back began, and whose record came after it: what
  // that look-back found absent may have been there. No barrier lets this happen.
  void doubt_late_records();
  check::Evaluation judge_look_back(const model::LookBack& what);
  // The first that failed, as an answer to the session.
  model::Response answer(const std::vector<check::Judged>& judged);
  std::vector<check::Judged> judge_again(model::ScopeId scope);
  void note_exits();
  void take_output();
  void wait(int64_t duration_ns);
  // Something that keeps the verdict from being a pass.
  void doubt(const char* code, const std::string& text, const Place& place, uint64_t event = 0);
  void append_text(observe::EventType type, uint64_t begin_ns, uint64_t end_ns,
                   const std::string& text, int16_t service = -1);
  void cancel(model::Session& session, const std::string& reason);

  BodyParts parts_;
  check::Facts& facts_;
  check::LookBacks look_backs_;
  check::PendingNevers pending_;
  check::ScopeClock scopes_;
  std::map<model::ScopeId, uint32_t> paused_;  // by scope: the service
  check::StoreReader reader_;
  model::Session* session_ = nullptr;  // while it runs
  Place place_;              // of the request being carried out
  bool tentative_ = false;   // of that request
  std::string cannot_go_on_; // why the session must be cancelled; "" = it need not
  bool cancelled_ = false;
  uint64_t began_ns_ = 0;
  uint64_t looked_ns_ = 0;       // when the last look-back began; 0 = none yet
  uint64_t looked_to_ = 0;       // what the store held when its barrier returned
  bool late_record_said_ = false;
  std::vector<std::string> printed_;
  std::string last_step_;
};

}  // namespace fbx::run
