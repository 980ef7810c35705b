// SPDX-License-Identifier: Apache-2.0
#include "runner/run/body.h"

#include <poll.h>

#include <algorithm>
#include <csignal>
#include <variant>

#include "base/clock.h"

namespace fbx::run {

using check::Judged;

namespace {

constexpr uint64_t kMs = 1'000'000;

}  // namespace

check::ServiceExit fact_of(const service::Exit& exit) {
  return {.service = exit.service,
          .wait_status = exit.wait_status,
          .asked = exit.asked,
          .stopping = exit.stopping,
          .killed_by_fbx = exit.killed_by_fbx,
          .nanny_killed = exit.nanny_killed,
          .at_ns = exit.at_ns};
}

Body::Body(const BodyParts& parts, check::Facts& facts)
    : parts_(parts), facts_(facts), look_backs_(parts.observer->store()),
      reader_(*parts.plan, parts.observer->store()) {}

void Body::run(model::Session& session) {
  take_output();
  began_ns_ = now_ns();
  reader_.set_zero(began_ns_);
  look_backs_.ask([&session](uint32_t callback, uint64_t seq) { return session.where(callback, seq); });
  session_ = &session;
  scopes_.enter(model::kBodyScope, began_ns_);
  for (;;) {
    model::Turn turn = session.next();
    if (auto* ended = std::get_if<model::Finished>(&turn)) {
      facts_.ended = std::move(*ended);
      break;
    }
    auto& request = std::get<model::Request>(turn);
    place_ = request.place;
    tentative_ = request.tentative;
    model::Response response = perform(request);
    pump();
    // Before the answer, which the body would go on with.
    if (!cannot_go_on_.empty()) cancel(session, cannot_go_on_);
    session.resume(std::move(response));
    if (!cancelled_ && parts_.deadline->over()) {
      facts_.timed_out = parts_.deadline->timed_out();
      cancel(session, facts_.timed_out ? "the test's time is over" : "the run was ended");
    }
  }
  facts_.ended_ns = now_ns();
  tentative_ = false;
  for (Judged& judged : judge_again(model::kBodyScope)) facts_.judged.push_back(std::move(judged));
  if (const auto raised = look_backs_.failed()) doubt("callback", raised->text(), Place{});
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

model::Response Body::give_up(const char* code, const std::string& text) {
  cannot_go_on_ = text;
  doubt(code, text, place_);
  return model::Done{};
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
  take_output();
}

// What the services printed, as events. After it, all that was written before is in the store.
void Body::take_output() {
  observe::EventStore& store = parts_.observer->store();
  uint64_t lost = 0;
  for (const auto& taken : parts_.services->take_lines(lost)) {
    if (store.full()) {
      ++lost;
      continue;
    }
    observe::Event event;
    event.type = taken.line.is_stderr ? observe::EventType::kStderr : observe::EventType::kStdout;
    event.service = taken.service;
    event.begin_ns = taken.line.from_ns;
    event.end_ns = taken.line.at_ns;
    event.text = store.intern(taken.line.text);
    store.append(event);
  }
  if (lost != 0)
    doubt("events-lost", std::to_string(lost) + " lines of output found no room", Place{});
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
  take_output();
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
  if (const auto paused = paused_.find(effect.scope); paused != paused_.end()) {
    resume(paused->second, begin);
    paused_.erase(paused);
    scopes_.leave(effect.scope);
    return answer(judged);
  }
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

// ---- waiting and printing

model::Response Body::on(const model::Sleep& effect) {
  wait(effect.duration_ns);
  return model::Done{};
}

model::Response Body::on(const model::Tick& effect) {
  wait(effect.wait_ns);
  return model::Now{now_ns()};
}

// In slices, so that the rings do not fill while nothing else is asked for.
void Body::wait(int64_t duration_ns) {
  const uint64_t until = after(now_ns(), duration_ns);
  for (uint64_t now = now_ns(); now < until; now = now_ns()) {
    if (parts_.deadline->wait_until(std::min(until, now + 20 * kMs))) break;
    pump();
  }
}

model::Response Body::on(const model::Print& effect) {
  printed_.push_back(effect.text);
  return model::Done{};
}

}  // namespace fbx::run
