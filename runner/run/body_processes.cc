// SPDX-License-Identifier: Apache-2.0
//
// Requests about processes: programs as steps, and services that are ended, started and paused in
// the middle of a body.
#include <sys/wait.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <filesystem>

#include "base/clock.h"
#include "runner/run/body.h"
#include "runner/service/environment.h"

namespace fbx::run {

namespace {

std::string took_text(uint64_t begin_ns, uint64_t end_ns) {
  char text[48];
  std::snprintf(text, sizeof text, "%.1f ms", static_cast<double>(end_ns - begin_ns) / 1e6);
  return text;
}

std::string bound_text(int64_t ns) {
  char text[32];
  std::snprintf(text, sizeof text, "%.3g", static_cast<double>(ns) / 1e9);
  return std::string(text) + "s";
}

// LANGUAGE section 4: 128+n after signal n, as a shell has it; −1 when there is no status.
model::StepResult result_of(service::CommandResult& ran, int64_t timeout_ns) {
  using How = service::CommandResult::How;
  model::StepResult result;
  result.body = std::move(ran.out);
  result.error_output = std::move(ran.err);
  result.duration_ms = static_cast<double>(ran.end_ns - ran.begin_ns) / 1e6;
  result.status = -1;
  switch (ran.how) {
    case How::kEnded:
      result.status = WIFSIGNALED(ran.wait_status) ? 128 + WTERMSIG(ran.wait_status)
                                                   : WEXITSTATUS(ran.wait_status);
      break;
    case How::kTimedOut: result.error = "timed out after " + bound_text(timeout_ns); break;
    case How::kAborted: result.error = "interrupted"; break;
    case How::kTooMuchOutput: result.error = "output larger than 64 MiB"; break;
  }
  result.ok = result.status == 0;
  return result;
}

}  // namespace

Result<service::CommandResult> Body::run_program(const model::ExecStep& step) {
  auto user = service::resolve_user(step.user);
  if (!user) return std::unexpected(user.error());
  service::CommandRequest request;
  request.sandbox = parts_.sandbox;
  std::error_code error;
  const auto folder = std::filesystem::canonical(parts_.plan->spec_dir, error);
  request.spec_dir = error ? parts_.plan->spec_dir : folder.string();
  request.argv = step.argv;
  request.env = service::client_environment(*parts_.plan, step.env, *user,
                                            service::caller_environment()).entries;
  request.user = std::move(*user);
  request.input = step.input;
  service::CommandBounds bounds;
  bounds.timeout_ns = step.timeout_ns;
  bounds.abort_fd = parts_.deadline->fd();
  bounds.meanwhile_fd = parts_.observer->poll_fd();
  bounds.meanwhile = [this] { static_cast<void>(parts_.observer->pump()); };
  return service::run_command(request, bounds);
}

model::Response Body::on(const model::ExecStep& effect) {
  const std::string what = "exec " + service::command_text(effect.argv);
  last_step_ = what;
  Result<service::CommandResult> ran = run_program(effect);
  if (!ran) return give_up("not-executed", what + ": " + ran.error().text());
  const uint64_t begin = ran->begin_ns, end = ran->end_ns;
  model::StepResult result = result_of(*ran, effect.timeout_ns);
  last_step_ = what + " → " + (result.error.empty() ? std::to_string(result.status) : result.error) +
               ", " + took_text(begin, end);
  append_text(observe::EventType::kStep, begin, end, last_step_);
  return result;
}

// ---- services

model::Response Body::start(uint32_t service) {
  using Kind = service::StartFailure::Kind;
  const std::string& name = parts_.plan->services[service].name;
  auto failure = parts_.services->start(static_cast<int16_t>(service), parts_.deadline->at_ns());
  note_exits();
  if (!failure) return model::Done{};
  const std::string text = "start(" + name + "): " + failure->text;
  switch (failure->kind) {
    case Kind::kExec:
    case Kind::kPrepare:
    case Kind::kDied:
    case Kind::kNotReady: return model::Fail{text};
    case Kind::kForeign: return give_up("foreign-answer", text);
    case Kind::kSetup:
    case Kind::kNotYet:
    case Kind::kInterrupted: return give_up("not-started", text);
  }
  return model::Done{};
}

model::Response Body::on(const model::ServiceOrder& effect) {
  using Kind = model::ServiceOrder::Kind;
  constexpr const char* kNames[] = {"kill", "stop", "start", "restart"};
  const auto service = static_cast<int16_t>(effect.service);
  const std::string call = std::string(kNames[static_cast<size_t>(effect.kind)]) + "(" +
                           parts_.plan->services[effect.service].name + ")";
  note_exits();
  const bool running = parts_.services->running(service);
  if (effect.kind == Kind::kStart && running) return model::Fail{call + ": it is running already"};
  if (effect.kind != Kind::kStart && !running) return model::Fail{call + ": it is not running"};
  last_step_ = call;
  const uint64_t begin = now_ns();
  model::Response response = model::Done{};
  if (effect.kind == Kind::kKill) {
    const int signal = service::signal_number(effect.signal);
    if (Status sent = parts_.services->send_signal(service, signal); !sent)
      response = give_up("not-killed", call + ": " + sent.error().text());
  }
  if (effect.kind == Kind::kStop || effect.kind == Kind::kRestart) parts_.services->stop(service);
  note_exits();
  if (effect.kind == Kind::kStart || effect.kind == Kind::kRestart)
    response = start(effect.service);
  const uint64_t end = now_ns();
  const bool done = std::holds_alternative<model::Done>(response);
  last_step_ = call + (effect.signal.empty() ? "" : " " + effect.signal) +
               (done ? " → done, " : " → failed, ") + took_text(begin, end);
  append_text(observe::EventType::kStep, begin, end, last_step_, service);
  return response;
}

model::Response Body::on(const model::PauseService& effect) {
  const auto service = static_cast<int16_t>(effect.service);
  const std::string call = "pause(" + parts_.plan->services[effect.service].name + ")";
  note_exits();
  const uint64_t begin = now_ns();
  scopes_.enter(effect.scope, begin);
  if (!parts_.services->running(service)) return model::Fail{call + ": it is not running"};
  if (Status paused = parts_.services->pause(service); !paused) {
    (void)parts_.services->resume(service);  // those that had stopped
    return give_up("not-paused", call + ": " + paused.error().text());
  }
  paused_[effect.scope] = effect.service;
  scopes_.enter(effect.scope, now_ns());
  append_text(observe::EventType::kFault, begin, now_ns(), "on: " + call, service);
  return model::Done{};
}

void Body::resume(uint32_t service, uint64_t begin_ns) {
  const std::string call = "pause(" + parts_.plan->services[service].name + ")";
  if (Status resumed = parts_.services->resume(static_cast<int16_t>(service)); !resumed)
    give_up("not-resumed", call + ": " + resumed.error().text());
  append_text(observe::EventType::kFault, begin_ns, now_ns(), "off: " + call,
              static_cast<int16_t>(service));
}

}  // namespace fbx::run
