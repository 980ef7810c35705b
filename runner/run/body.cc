// SPDX-License-Identifier: Apache-2.0
#include "runner/run/body.h"

#include <poll.h>

#include <algorithm>
#include <csignal>
#include <cstring>
#include <variant>

#include "base/clock.h"

namespace fbx::run {

using check::Judged;

namespace {

constexpr uint64_t kMs = 1'000'000;
// While something is awaited the rings are looked at this often (DESIGN section 6).
constexpr uint64_t kPace = 1 * kMs;

uint64_t after(uint64_t from_ns, int64_t duration_ns) {
  return from_ns + static_cast<uint64_t>(std::max<int64_t>(duration_ns, 0));
}

bool exit_matches(const check::ServiceExit& exit, const model::ExpectExit& wanted) {
  if (wanted.code && (!WIFEXITED(exit.wait_status) || WEXITSTATUS(exit.wait_status) != *wanted.code))
    return false;
  if (wanted.signal.empty()) return true;
  const char* name = WIFSIGNALED(exit.wait_status) ? ::sigabbrev_np(WTERMSIG(exit.wait_status)) : nullptr;
  return name != nullptr && (wanted.signal == name || wanted.signal == std::string("SIG") + name);
}

std::string expected_exit_text(const model::ExpectExit& wanted) {
  if (wanted.code) return "exit with status " + std::to_string(*wanted.code);
  if (!wanted.signal.empty()) return "end by " + wanted.signal;
  return "exit";
}

std::string seconds(int64_t ns) {
  char text[32];
  std::snprintf(text, sizeof text, "%.3g s", static_cast<double>(ns) / 1e9);
  return text;
}

}  // namespace

check::ServiceExit fact_of(const service::Exit& exit) {
  return {.service = exit.service,
          .wait_status = exit.wait_status,
          .stopping = exit.stopping,
          .killed_by_fbx = exit.killed_by_fbx,
          .at_ns = exit.at_ns};
}

Body::Body(const BodyParts& parts, check::Facts& facts)
    : parts_(parts), facts_(facts), look_backs_(parts.observer->store()) {}

void Body::run(model::Session& session) {
  began_ns_ = now_ns();
  scopes_.enter(model::kBodyScope, began_ns_);
  for (;;) {
    model::Turn turn = session.next();
    if (auto* ended = std::get_if<model::Finished>(&turn)) {
      facts_.ended = std::move(*ended);
      break;
    }
    auto& request = std::get<model::Request>(turn);
    place_ = request.place;
    session.resume(perform(request));
    pump();
    if (!cannot_go_on_.empty()) cancel(session, cannot_go_on_);
    if (!cancelled_ && parts_.deadline->over()) {
      facts_.timed_out = parts_.deadline->timed_out();
      cancel(session, facts_.timed_out ? "the test's time is over" : "the run was ended");
    }
  }
  facts_.ended_ns = now_ns();
  for (Judged& judged : judge_again(model::kBodyScope)) facts_.judged.push_back(std::move(judged));
  if (Status collected = parts_.injector->collect(); !collected) {
    doubt("hands", collected.error().text(), Place{});
  }
}

void Body::doubt(const char* code, const std::string& text, const Place& place, uint64_t event) {
  facts_.doubts.push_back({.how = Judged::How::kInconclusive,
                           .code = code,
                           .text = text,
                           .place = place,
                           .event = event});
}

void Body::cancel(model::Session& session, const std::string& reason) {
  if (cancelled_) return;
  cancelled_ = true;
  session.cancel(reason);
}

model::Response Body::perform(const model::Request& request) {
  return std::visit([this](const auto& effect) { return on(effect); }, request.effect);
}

void Body::pump() {
  if (Status pumped = parts_.observer->pump(); !pumped) {
    cannot_go_on_ = pumped.error().text();
    doubt("events-lost", cannot_go_on_, Place{});
  }
  doubt_late_records();
  note_exits();
}

void Body::doubt_late_records() {
  const observe::EventStore& store = parts_.observer->store();
  if (looked_ns_ == 0 || late_record_said_) return;
  for (; looked_to_ < store.size(); ++looked_to_) {
    const observe::Event& event = store.at(looked_to_ + 1);
    const bool ended = event.type == observe::EventType::kSyscall &&
                       event.state == observe::CallState::kDone && event.end_ns != 0;
    if (!ended || event.service < 0 || event.end_ns >= looked_ns_) continue;
    late_record_said_ = true;
    doubt("inexact-barrier",
          "a call of " + parts_.plan->services[static_cast<size_t>(event.service)].name +
              " had ended before a look-back and was recorded after it",
          place_, event.seq);
    return;
  }
}

void Body::note_exits() {
  observe::EventStore& store = parts_.observer->store();
  for (const service::LifecycleFact& fact : parts_.services->take_facts()) {
    observe::Event event;
    event.type = observe::EventType::kLifecycle;
    event.what = fact.what;
    event.service = fact.service;
    event.pid = event.tid = static_cast<uint32_t>(std::max(fact.pid, 0));
    event.ret = fact.wait_status;
    event.begin_ns = event.end_ns = fact.at_ns;
    store.append(event);
  }
  for (const service::Exit& exit : parts_.services->take_exits()) {
    facts_.exits.push_back(fact_of(exit));
  }
}

void Body::append_text(observe::EventType type, uint64_t begin_ns, uint64_t end_ns,
                       const std::string& text, int16_t service) {
  observe::EventStore& store = parts_.observer->store();
  observe::Event event;
  event.type = type;
  event.service = service;
  event.begin_ns = begin_ns;
  event.end_ns = end_ns;
  event.text = store.intern(text);
  store.append(event);
}

// ---- faults and cuts

bool Body::binds(model::ScopeId scope, uint64_t now_ns) const {
  bool any = false;
  for (const inject::RuleEntry& rule : parts_.injector->log().rules) {
    if (rule.scope != scope || rule.lifted_ns != 0) continue;
    if (rule.installed_ns == 0 || rule.installed_ns > now_ns) return false;
    any = true;
  }
  return any;
}

bool Body::lifted(model::ScopeId scope) const {
  const auto& rules = parts_.injector->log().rules;
  return std::ranges::none_of(rules, [scope](const inject::RuleEntry& rule) {
    return rule.scope == scope && rule.lifted_ns == 0;
  });
}

template <typename Install>
model::Response Body::install(const Install& what, model::ScopeId scope, const std::string& text) {
  const uint64_t begin = now_ns();
  if (Status installed = parts_.injector->install(what); !installed) {
    // Going on without the fault would judge a system to which nothing happened.
    cannot_go_on_ = installed.error().text();
    doubt("not-enforced", text + " can't be enforced: " + cannot_go_on_, place_);
    return model::Done{};
  }
  const uint64_t now = now_ns();
  if (!binds(scope, now)) {
    cannot_go_on_ = text + " is not in force, though its installation succeeded";
    doubt("not-enforced", cannot_go_on_, place_);
  }
  scopes_.enter(scope, now);
  append_text(observe::EventType::kFault, begin, now, "on: " + text);
  return model::Done{};
}

model::Response Body::on(const model::InstallFaults& effect) {
  std::string text;
  for (const model::RuleSpec& rule : effect.rules) {
    text += (text.empty() ? "" : ", ") + parts_.plan->services[rule.service].name + " " + rule.display;
  }
  return install(effect, effect.scope, text);
}

model::Response Body::on(const model::InstallPartition& effect) {
  return install(effect, effect.scope, effect.display);
}

model::Response Body::on(const model::LeaveScope& effect) {
  const std::vector<Judged> judged = judge_again(effect.scope);
  const uint64_t begin = now_ns();
  if (Status lifted = parts_.injector->lift(effect.scope); !lifted) {
    cannot_go_on_ = lifted.error().text();
    doubt("not-lifted", "a fault could not be lifted: " + cannot_go_on_, place_);
  }
  if (cannot_go_on_.empty() && !lifted(effect.scope)) {
    cannot_go_on_ = "a fault is still in force, though it was lifted";
    doubt("not-lifted", cannot_go_on_, place_);
  }
  append_text(observe::EventType::kFault, begin, now_ns(), "off");
  scopes_.leave(effect.scope);
  return answer(judged);
}

// ---- steps

template <typename Step>
model::Response Body::step(const Step& step) {
  last_step_ = step::describe(*parts_.plan, step);
  step::StepOutcome outcome = parts_.steps->perform(step);
  last_step_ = outcome.display;
  append_text(observe::EventType::kStep, outcome.begin_ns, outcome.end_ns, outcome.display,
              static_cast<int16_t>(step.service));
  if (outcome.doubt) doubt(outcome.doubt->code.c_str(), outcome.doubt->text, place_);
  return std::move(outcome.result);
}

model::Response Body::on(const model::Sleep& effect) {
  const uint64_t until = after(now_ns(), effect.duration_ns);
  // In slices, so that the rings do not fill while nothing else is asked for.
  for (uint64_t now = now_ns(); now < until; now = now_ns()) {
    if (parts_.deadline->wait_until(std::min(until, now + 20 * kMs))) break;
    pump();
  }
  return model::Done{};
}

model::Response Body::on(const model::Print& effect) {
  printed_.push_back(effect.text);
  return model::Done{};
}

// ---- looking back

check::Seen Body::look() {
  check::Seen seen{.plan = parts_.plan,
                   .store = &parts_.observer->store(),
                   .watch = parts_.watch,
                   .barrier = {},
                   .loss = {},
                   .escapes = {}};
  const uint64_t begin = now_ns();
  Result<observe::BarrierResult> barrier = parts_.observer->barrier();
  doubt_late_records();
  looked_ns_ = begin;
  if (barrier) {
    seen.barrier = std::move(*barrier);
  } else {
    seen.barrier.exact = false;
    seen.barrier.why = barrier.error().text();
  }
  if (Status collected = parts_.injector->collect(); !collected) {
    seen.barrier.exact = false;
    seen.barrier.why = collected.error().text();
  }
  // What a hand alone knows, the calls that the shim denied, came with the collection.
  looked_to_ = parts_.observer->store().size();
  seen.loss = parts_.observer->loss();
  seen.escapes = parts_.observer->escapes();
  return seen;
}

Judged Body::judge_look_back(const model::LookBack& what) {
  const uint64_t window = what.since_start ? 0 : scopes_.begin(what.scope);
  const uint64_t until = after(now_ns(), what.within_ns);
  for (;;) {
    const check::Evaluation evaluation = look_backs_.evaluate(what, place_, look(), window);
    const uint64_t now = now_ns();
    if (evaluation.settled || now >= until) {
      if (evaluation.judged.how != Judged::How::kFailed) pending_.add(what, place_, window);
      return evaluation.judged;
    }
    if (parts_.deadline->wait_until(std::min(until, now + kPace))) return evaluation.judged;
    note_exits();
  }
}

model::Response Body::on(const model::LookBack& effect) { return answer({judge_look_back(effect)}); }

std::vector<Judged> Body::judge_again(model::ScopeId scope) {
  if (!pending_.any(scope)) return {};
  const check::Seen seen = look();
  return pending_.leave(scope, look_backs_, seen);
}

model::Response Body::answer(const std::vector<Judged>& judged) {
  model::Response response = model::Done{};
  for (const Judged& one : judged) {
    facts_.judged.push_back(one);
    const bool first_failure =
        one.how == Judged::How::kFailed && std::holds_alternative<model::Done>(response);
    if (first_failure) response = model::Fail{one.text};
  }
  return response;
}

// ---- exits

model::Response Body::on(const model::ExpectExit& effect) {
  const auto service = static_cast<int16_t>(effect.service);
  const std::string& name = parts_.plan->services[effect.service].name;
  const uint64_t until = after(now_ns(), effect.within_ns);
  for (;;) {
    note_exits();
    const auto last = std::find_if(facts_.exits.rbegin(), facts_.exits.rend(),
                                   [&](const auto& exit) { return exit.service == service; });
    const uint64_t now = now_ns();
    if (last != facts_.exits.rend()) {
      last->asked = true;
      const bool held = exit_matches(*last, effect);
      Judged judged{.how = held ? Judged::How::kHeld : Judged::How::kFailed,
                    .code = "expect-exit",
                    .text = name + " " + service::describe_wait_status(last->wait_status),
                    .place = place_};
      if (!held) {
        judged.actual = judged.text;
        judged.expected = name + " to " + expected_exit_text(effect);
        judged.text += ", expected it to " + expected_exit_text(effect);
      }
      return answer({judged});
    }
    if (now >= until || parts_.deadline->wait_until(std::min(until, now + kPace))) {
      return answer({{.how = Judged::How::kFailed,
                      .code = "expect-exit",
                      .text = name + " did not " + expected_exit_text(effect) + " within " +
                              seconds(effect.within_ns),
                      .place = place_}});
    }
    pump();
  }
}

}  // namespace fbx::run
