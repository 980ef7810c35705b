// SPDX-License-Identifier: Apache-2.0
//
// Requests that look back at what was seen, and expect_exit().
#include <sys/wait.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstring>

#include "base/clock.h"
#include "runner/check/order.h"
#include "runner/run/body.h"

namespace fbx::run {

using check::Judged;

namespace {

// While something is awaited the rings are looked at this often (DESIGN section 6).
constexpr uint64_t kPace = 1'000'000;

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

check::Seen Body::look() {
  check::Seen seen{.plan = parts_.plan,
                   .store = &parts_.observer->store(),
                   .watch = parts_.watch,
                   .barrier = {},
                   .loss = {},
                   .escapes = {}};
  const uint64_t begin = now_ns();
  Result<observe::BarrierResult> barrier = parts_.observer->barrier();
  take_output();
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

check::Evaluation Body::judge_look_back(const model::LookBack& what) {
  const uint64_t window = scopes_.begin(what.scope);
  const uint64_t until = after(now_ns(), what.within_ns);
  for (;;) {
    check::Evaluation evaluation = look_backs_.evaluate(what, place_, look(), window);
    const uint64_t now = now_ns();
    if (evaluation.settled || now >= until) {
      if (evaluation.judged.how != Judged::How::kFailed) pending_.add(what, place_, window);
      return evaluation;
    }
    if (parts_.deadline->wait_until(std::min(until, now + kPace))) return evaluation;
    note_exits();
  }
}

model::Response Body::on(const model::LookBack& effect) {
  return answer({judge_look_back(effect).judged});
}

model::Response Body::on(const model::CountLookBack& effect) {
  const check::CountWanted wanted{effect.least, effect.most, effect.filter};
  return answer({check::judge_count(look_backs_, wanted, place_, look(),
                                    scopes_.begin(effect.scope))});
}

model::Response Body::on(const model::OrderLookBack& effect) {
  check::BeforeWanted wanted{effect.first, effect.then, effect.each, {}};
  if (effect.key != 0) {
    wanted.key = [this, &effect](const observe::Event& event) {
      return session_->key(effect.key, event.seq).value_or("");
    };
  }
  return answer({check::judge_before(look_backs_, wanted, place_, look(),
                                     scopes_.begin(effect.scope))});
}

model::Response Body::on(const model::ListEvents& effect) {
  check::Listing listing = check::list_events(look_backs_, effect.filter, place_, look(),
                                              scopes_.begin(effect.scope));
  if (listing.doubt) facts_.doubts.push_back(std::move(*listing.doubt));
  return model::Events{std::move(listing.seqs)};
}

// Waits as assert_eventually(within=) does; what came is no assertion, what did not come fails.
model::Response Body::on(const model::AwaitEvent& effect) {
  model::LookBack what;
  what.kind = model::LookBack::Kind::kEventually;
  what.scope = effect.scope;
  what.filter = effect.filter;
  what.within_ns = effect.timeout_ns;
  check::Evaluation evaluation = judge_look_back(what);
  if (evaluation.first != 0) return model::Events{{evaluation.first}};
  const std::string call = "await_event(" + effect.filter.display + ")";
  if (evaluation.judged.how == Judged::How::kInconclusive)
    return give_up(evaluation.judged.code.c_str(), call + ": " + evaluation.judged.text);
  evaluation.judged.text = call + ": no such event within " + seconds(effect.timeout_ns);
  return answer({evaluation.judged});
}

model::Response Body::on(const model::AwaitStable& effect) {
  const uint64_t window = scopes_.begin(effect.scope);
  const uint64_t until = after(now_ns(), effect.timeout_ns);
  const std::string call = "await_stable(" + effect.filter.display + ")";
  for (;;) {
    const uint64_t looked = now_ns();
    const check::Seen seen = look();
    const Result<uint64_t> last = check::last_event_ns(look_backs_, effect.filter, seen, window);
    if (!last) return give_up("internal", call + ": " + last.error().text());
    const bool happening = *last == UINT64_MAX;
    const uint64_t quiet_at = happening ? UINT64_MAX
                                        : after(std::max(*last, window), effect.quiet_ns);
    if (looked >= quiet_at) {
      const auto listing = check::list_events(look_backs_, effect.filter, place_, seen, window);
      if (listing.doubt) return give_up(listing.doubt->code.c_str(), listing.doubt->text);
      return model::Done{};
    }
    if (looked >= until) {
      return answer({{.how = Judged::How::kFailed,
                      .code = "await-stable",
                      .text = call + ": not quiet for " + seconds(effect.quiet_ns) + " within " +
                              seconds(effect.timeout_ns),
                      .place = place_}});
    }
    const uint64_t next = std::min({until, quiet_at, looked + 20 * kPace});
    if (parts_.deadline->wait_until(next)) return model::Done{};
    pump();
  }
}

std::vector<Judged> Body::judge_again(model::ScopeId scope) {
  if (!pending_.any(scope)) return {};
  const check::Seen seen = look();
  return pending_.leave(scope, look_backs_, seen);
}

model::Response Body::answer(const std::vector<Judged>& judged) {
  model::Response response = model::Done{};
  (void)look_backs_.failed();  // the session raises what its callback raised
  for (const Judged& one : judged) {
    const bool again = tentative_ && one.how == Judged::How::kFailed;
    if (!again) facts_.judged.push_back(one);
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
    // One that was started again has not ended yet, however its last life did.
    if (last != facts_.exits.rend() && !parts_.services->running(service)) {
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
