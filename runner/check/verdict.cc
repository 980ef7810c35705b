// SPDX-License-Identifier: Apache-2.0
//
// The verdict table of LANGUAGE section 2. Every cause adds a reason with the verdict that it
// alone would give; the worst reason is the verdict. What inverts or softens a verdict (a cell
// whose fault never fired, known_failure) comes last, on purpose in one place.
#include <sys/wait.h>

#include <algorithm>
#include <csignal>
#include <cstring>
#include <iterator>

#include "runner/check/counting.h"
#include "runner/check/facts.h"
#include "runner/check/fires.h"
#include "runner/check/syncs.h"

namespace fbx::check {

namespace {

using model::Finished;
using report::Reason;
using report::TestOutcome;
using report::Verdict;

const plan::Test& test_of(const Facts& facts) { return facts.plan->tests[facts.test]; }

Reason make_reason(Verdict verdict, std::string code, std::string text) {
  Reason reason;
  reason.verdict = verdict;
  reason.code = std::move(code);
  reason.text = std::move(text);
  return reason;
}

Reason reason_of(const Judged& judged) {
  Reason reason = make_reason(
      judged.how == Judged::How::kFailed ? Verdict::kFail : Verdict::kInconclusive, judged.code,
      judged.text);
  reason.place = judged.place;
  reason.remedy = judged.remedy;
  reason.actual = judged.actual;
  reason.expected = judged.expected;
  return reason;
}

class Reasons {
 public:
  // The same thing judged twice, or said by body and runner, is one reason.
  void add(Reason reason) {
    for (Reason& known : all_) {
      if (known.code != reason.code || known.text != reason.text) continue;
      if (known.place.line == 0) known.place = reason.place;
      return;
    }
    all_.push_back(std::move(reason));
  }
  [[nodiscard]] bool has(Verdict verdict) const {
    return std::any_of(all_.begin(), all_.end(),
                       [verdict](const Reason& r) { return r.verdict == verdict; });
  }
  [[nodiscard]] bool empty() const { return all_.empty(); }
  std::vector<Reason> take() {
    std::stable_sort(all_.begin(), all_.end(),
                     [](const Reason& a, const Reason& b) { return a.verdict < b.verdict; });
    return std::move(all_);
  }

 private:
  std::vector<Reason> all_;
};

// ---- error, fail

void add_judged(const Facts& facts, Reasons& reasons) {
  for (const Judged& judged : facts.judged)
    if (judged.how != Judged::How::kHeld) reasons.add(reason_of(judged));
}

// A look-back's failure unwinds the body with its own text; it has been added already.
bool said_by_a_look_back(const Facts& facts, const std::string& message) {
  return std::any_of(facts.judged.begin(), facts.judged.end(), [&message](const Judged& judged) {
    return judged.how == Judged::How::kFailed && judged.text == message;
  });
}

void add_body(const Facts& facts, Reasons& reasons) {
  if (!facts.ended) return;
  const Finished& ended = *facts.ended;
  const bool failed = ended.how == Finished::How::kFailed;
  if (!failed && ended.how != Finished::How::kError) return;
  if (failed && said_by_a_look_back(facts, ended.message)) return;
  Reason reason = failed ? make_reason(Verdict::kFail, "assertion", ended.message)
                         : make_reason(Verdict::kError, "spec-error", ended.message);
  if (!ended.traceback.empty()) reason.place = ended.traceback.back().place;
  reason.actual = ended.actual;
  reason.expected = ended.expected;
  reasons.add(std::move(reason));
}

std::string signal_name(int signal) {
  const char* name = ::sigabbrev_np(signal);
  return name != nullptr ? std::string("SIG") + name : "signal " + std::to_string(signal);
}

std::string exit_text(const ServiceExit& exit) {
  if (WIFSIGNALED(exit.wait_status))
    return "was killed by " + signal_name(WTERMSIG(exit.wait_status));
  return "exited with status " + std::to_string(WEXITSTATUS(exit.wait_status));
}

bool is_signal(int signal, const std::string& name) {
  return name == signal_name(signal) || name == std::to_string(signal) ||
         "SIG" + name == signal_name(signal);
}

void add_exit(const Facts& facts, const ServiceExit& exit, Reasons& reasons, TestOutcome& outcome) {
  const plan::Service& service = facts.plan->services[static_cast<size_t>(exit.service)];
  if (exit.nanny_killed) {
    reasons.add(make_reason(Verdict::kInconclusive, "nanny-killed",
                            service.name + " was killed with the process of fbx's that looked "
                                           "after it, which somebody else killed"));
    return;
  }
  if (!exit.stopping) {
    if (exit.asked || service.may_exit) return;
    Reason reason = make_reason(Verdict::kFail, "service-exited",
                                service.name + " " + exit_text(exit) + " though nobody asked");
    reason.place = service.place;
    reason.remedy = "expect_exit(" + service.name + ") or may_exit=True, if it is meant to";
    reasons.add(std::move(reason));
    return;
  }
  if (exit.killed_by_fbx) {
    outcome.notes.push_back(service.name + " did not stop within stop_timeout and was killed");
    return;
  }
  const bool crashed = WIFSIGNALED(exit.wait_status) &&
                       !is_signal(WTERMSIG(exit.wait_status), service.stop_signal);
  if (crashed) {
    reasons.add(make_reason(Verdict::kFail, "service-crashed",
                            service.name + " " + exit_text(exit) + " while it was stopped with " +
                                service.stop_signal));
  } else if (WIFEXITED(exit.wait_status) && WEXITSTATUS(exit.wait_status) != 0) {
    outcome.notes.push_back(service.name + " " + exit_text(exit) + " when it was stopped");
  }
}

void add_failures(const Facts& facts, Reasons& reasons, TestOutcome& outcome) {
  add_judged(facts, reasons);
  add_body(facts, reasons);
  if (facts.start_failure) {
    Reason reason = make_reason(Verdict::kFail, "start-failed", *facts.start_failure);
    if (facts.start_failed >= 0)
      reason.place = facts.plan->services[static_cast<size_t>(facts.start_failed)].place;
    reasons.add(std::move(reason));
  }
  for (const ServiceExit& exit : facts.exits) {
    // A service that died before it was ready has told so as a start failure.
    const bool told = facts.start_failure && !exit.stopping;
    if (exit.service >= 0 && !told) add_exit(facts, exit, reasons, outcome);
  }
  if (facts.timed_out)
    reasons.add(make_reason(Verdict::kFail, "timeout", "the test did not end in its time"));
}

// ---- inconclusive

void add_refusals(const Facts& facts, Reasons& reasons) {
  for (const Refusal& refusal : facts.refusals) {
    Reason reason =
        make_reason(Verdict::kInconclusive, "refused:" + refusal.code, refusal.what);
    reason.remedy = refusal.remedy;
    reasons.add(std::move(reason));
  }
}

void add_loss(const Facts& facts, Reasons& reasons) {
  const auto doubt = doubt_about_loss(*facts.plan, facts.loss);
  if (!doubt) return;
  Reason reason = make_reason(Verdict::kInconclusive, doubt->code, doubt->text);
  reason.remedy = doubt->remedy;
  reasons.add(std::move(reason));
}

void add_escapes(const Facts& facts, Reasons& reasons) {
  for (const inject::RuleEntry& entry : facts.rules) {
    if (entry.escapes.empty()) continue;
    const size_t more = entry.escapes.size() - 1;
    Reason reason = make_reason(
        Verdict::kInconclusive, "escape",
        rule_text(*facts.plan, entry) + " was not enforced: " + entry.escapes.front() +
            (more != 0 ? " (and " + std::to_string(more) + " more)" : ""));
    reason.place = entry.place;
    reasons.add(std::move(reason));
  }
}

// A cell is about its faults; it says n/a instead when none of them met anything.
bool nothing_fired(const Facts& facts) {
  bool any = false;
  for (const inject::RuleEntry& entry : facts.rules) {
    const bool met_nothing = never_fired(entry) || (entry.optional && entry.fired == 0);
    if (!met_nothing) return false;
    any = any || never_fired(entry);
  }
  return any;
}

void add_never_fired(const Facts& facts, Reasons& reasons, TestOutcome& outcome) {
  const plan::Test& test = test_of(facts);
  const bool cell = test.kind == plan::TestKind::kCell;
  const bool not_applicable = cell && nothing_fired(facts);
  for (const inject::RuleEntry& entry : facts.rules) {
    if (!never_fired(entry)) continue;
    if (cell && !test.require_faults_fire) {
      outcome.notes.push_back("not fired: " + never_fired_text(facts, entry));
      continue;
    }
    Reason reason = make_reason(not_applicable ? Verdict::kNotApplicable : Verdict::kInconclusive,
                                "never-fired", never_fired_text(facts, entry));
    reason.place = entry.place;
    if (!not_applicable)
      reason.remedy = entry.near_misses != 0 ? "compare the path= or to= of the rule with these"
                                             : "optional=True, if it need not fire";
    reasons.add(std::move(reason));
  }
}

void add_baseline(const Facts& facts, Reasons& reasons) {
  const plan::Test& test = test_of(facts);
  if (test.kind != plan::TestKind::kCell || test.baseline < 0) return;
  if (facts.baseline == Verdict::kPass) return;
  const std::string how =
      facts.baseline ? std::string("ended as ") + report::verdict_name(*facts.baseline)
                     : std::string("did not run");
  reasons.add(make_reason(Verdict::kInconclusive, "baseline",
                          "without faults " + test.scenario + " " + how +
                              ", so this cell says nothing about the fault"));
}

// A body that did not reach its end, and nothing else says why.
void add_unfinished(const Facts& facts, Reasons& reasons) {
  if (facts.ended && facts.ended->how == Finished::How::kReturned) return;
  if (reasons.has(Verdict::kError) || reasons.has(Verdict::kFail) ||
      reasons.has(Verdict::kInconclusive))
    return;
  const bool cut_short = facts.ended && facts.ended->how == Finished::How::kCancelled;
  reasons.add(make_reason(Verdict::kInconclusive, cut_short ? "interrupted" : "not-run",
                          cut_short ? "the test was ended early: " + facts.ended->message
                                    : "the test's body did not run"));
}

void add_open_questions(const Facts& facts, Reasons& reasons, TestOutcome& outcome) {
  add_refusals(facts, reasons);
  for (const Judged& doubt : facts.doubts) {
    Reason reason = reason_of(doubt);
    reason.verdict = Verdict::kInconclusive;
    reasons.add(std::move(reason));
  }
  add_escapes(facts, reasons);
  add_loss(facts, reasons);
  for (const std::string& left : facts.residue)
    reasons.add(make_reason(Verdict::kInconclusive, "residue", "left after the test: " + left));
  add_baseline(facts, reasons);
  add_never_fired(facts, reasons, outcome);
  add_unfinished(facts, reasons);
}

// ---- the rest of the table

uint64_t count_asserted(const Facts& facts) {
  const auto judged = std::count_if(facts.judged.begin(), facts.judged.end(),
                                    [](const Judged& j) { return !j.again; });
  return (facts.ended ? facts.ended->asserted : 0) + static_cast<uint64_t>(judged);
}

void invert_known_failure(const Facts& facts, TestOutcome& outcome) {
  const std::optional<std::string>& known = test_of(facts).known_failure;
  if (!known) return;
  outcome.known_reason = *known;
  if (outcome.verdict == Verdict::kFail) {
    outcome.verdict = Verdict::kKnown;
  } else if (outcome.verdict == Verdict::kPass) {
    outcome.verdict = Verdict::kFail;
    outcome.reasons.insert(outcome.reasons.begin(),
                           make_reason(Verdict::kFail, "known-failure-passed",
                                       "it passed, though known_failure says that it fails: " +
                                           *known));
  }
}

}  // namespace

void judge(const Facts& facts, TestOutcome& outcome) {
  Reasons reasons;
  outcome.fires = fires_of(facts);
  outcome.asserted = count_asserted(facts);
  add_failures(facts, reasons, outcome);
  add_open_questions(facts, reasons, outcome);
  std::ranges::move(lost_sync_notes(facts), std::back_inserter(outcome.notes));
  std::ranges::move(unsynced_notes(facts), std::back_inserter(outcome.notes));
  const bool asks_for_assertions =
      facts.strict && test_of(facts).kind != plan::TestKind::kBaseline;
  if (asks_for_assertions && reasons.empty() && outcome.asserted == 0)
    reasons.add(make_reason(Verdict::kInconclusive, "nothing-asserted",
                            "it asserted nothing, and --strict asks for something"));
  outcome.reasons = reasons.take();
  outcome.verdict = outcome.reasons.empty() ? Verdict::kPass : outcome.reasons.front().verdict;
  invert_known_failure(facts, outcome);
}

}  // namespace fbx::check
