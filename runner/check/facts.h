// SPDX-License-Identifier: Apache-2.0
//
// Everything a verdict is made of, and the one pure function that makes it (verdict.cc): the table
// of LANGUAGE section 2 in code, table-tested without root.
//
// Thread rule: values.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/refusal.h"
#include "runner/inject/rule_log.h"
#include "runner/observe/observer.h"
#include "runner/report/outcome.h"
#include "spec/model/session.h"
#include "spec/plan/plan.h"

namespace fbx::check {

// A service's own process ended.
struct ServiceExit {
  int16_t service = -1;
  int wait_status = 0;    // as waitpid gives it
  bool asked = false;     // kill, stop, or an expect_exit somewhere in the body
  bool stopping = false;  // after fbx began to stop it
  bool killed_by_fbx = false;  // SIGKILL after stop_timeout
  bool nanny_killed = false;   // with fbx's process that looked after it, by somebody else
  uint64_t at_ns = 0;
};

// A judged look-back, or an effect that failed.
struct Judged {
  enum class How : uint8_t { kHeld, kFailed, kInconclusive } how = How::kHeld;
  std::string code;  // as report::Reason::code
  std::string text;
  Place place;
  std::string actual, expected;
  uint64_t event = 0;  // seq of the offending one; 0 = none
  bool again = false;  // the second judgement of one that was judged before: not asserted twice
  std::string remedy = {};
};

struct Facts {
  const plan::Plan* plan = nullptr;
  size_t test = 0;
  std::vector<Refusal> refusals;          // of choose(), or met on the way
  std::optional<model::Finished> ended;   // unset: the body never ran
  std::vector<Judged> judged;             // look-backs, expect_exit, second judgements
  std::vector<ServiceExit> exits;
  std::vector<inject::RuleEntry> rules;
  // As inject::RuleLog::after_lost_sync.
  std::map<std::pair<int16_t, std::string>, uint64_t> after_lost_sync;
  observe::Loss loss;
  std::vector<Judged> doubts;             // foreign answers, outside dials, inexact barriers…
  std::optional<std::string> start_failure;  // a service did not become ready: fails the test
  int16_t start_failed = -1;                 // that service
  bool timed_out = false;
  std::vector<std::string> residue;       // what teardown found still alive; any = inconclusive
  std::optional<report::Verdict> baseline;  // of a cell: how the fault-free run ended
  bool strict = false;  // --strict: a test that asserted nothing is inconclusive
  // For words only ("inventory made 0 fsync calls, 41 writes"); either may be null.
  const observe::EventStore* store = nullptr;
  const observe::TestWatch* watch = nullptr;
  uint64_t ended_ns = 0;  // CLOCK_MONOTONIC, when the body ended: what is not lifted ran until then
};

// Fills verdict, reasons (most important first), asserted and fires of `outcome`.
void judge(const Facts& facts, report::TestOutcome& outcome);

}  // namespace fbx::check
