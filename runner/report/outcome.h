// SPDX-License-Identifier: Apache-2.0
//
// How one test ended, complete enough to be shown, written as JSON and sent from worker to front.
// Made by the worker; everything in it is text and numbers, nothing points back into the run.
//
// Thread rule: values. Times are ns unless the name says ms.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/diagnostic.h"
#include "spec/model/session.h"

namespace fbx::report {

// In order of precedence (LANGUAGE section 2): the first that applies is the verdict.
enum class Verdict : uint8_t { kError, kFail, kInconclusive, kNotApplicable, kPass, kKnown };

// "error", "fail", "inconclusive", "n/a", "pass", "known".
[[nodiscard]] const char* verdict_name(Verdict verdict);

// Exit code of one verdict: 1, 2, 3, 0, 0, 0. Of a run: the worst, fail over inconclusive.
[[nodiscard]] int exit_code(Verdict verdict);

// One reason, most important first in TestOutcome::reasons.
struct Reason {
  Verdict verdict = Verdict::kFail;
  // Stable, for tests and --json: "assertion", "service-exited", "never-fired", "events-lost",
  // "escape", "foreign-answer", "timeout", "spec-error", "refused:<code>", "residue", …
  std::string code;
  std::string text;  // one sentence, naming service, call, path
  Place place;       // in the spec, when there is one
  std::string remedy;
  std::string actual, expected;
};

struct Fires {
  std::string rule;   // as a person would say it: `write=deny("EIO") on inventory`
  std::string brief;  // for a test's line: "inventory.write", "partition(orders, inventory)"
  std::string label;
  std::string hand;  // "seccomp", "cgroup"
  uint64_t matched = 0, fired = 0;
  std::map<std::string, uint64_t> by;
  bool optional = false;
  uint64_t near_misses = 0;
  std::string nearest;
  std::string note;  // "inventory made 0 fsync calls, 41 writes"
};

// One line of the timeline around a failure.
struct EventLine {
  uint64_t seq = 0;
  double at_ms = 0;     // since the body began
  std::string service;  // or "step", "fault"
  std::string text;     // `connect inventory → ECONNREFUSED  deny(ECONNREFUSED) one-way partition`
  bool offending = false;  // the one that broke the assertion
};

struct ServiceOutput {
  std::string service;
  std::vector<std::string> lines;  // the last ones, "stderr: …" or "stdout: …"
};

// A call that a rule should have hit and that its hand missed; of every hand but the supervisor.
struct EscapedCall {
  uint32_t service = 0;  // index in the plan
  std::string keyword;   // of the rule
  std::string text;
};

struct TestOutcome {
  std::string name;
  std::string doc;
  Place place;
  Verdict verdict = Verdict::kPass;
  std::vector<Reason> reasons;
  uint64_t asserted = 0;
  int64_t duration_ns = 0;
  std::vector<Fires> fires;
  std::map<std::string, std::string> hands;  // "inventory.write" → "seccomp"
  std::vector<EscapedCall> escaped;  // for the front, which repeats the test without that hand
  std::vector<model::Frame> traceback;
  std::string step_in_flight;  // "orders.post /orders → 503, 2.1 ms"
  std::vector<EventLine> events;
  std::vector<ServiceOutput> outputs;
  std::vector<std::string> printed;  // print() of the body
  std::vector<std::string> notes;    // things said and not judged
  std::string known_reason;          // of known_failure
  std::string scenario, assumption;  // of a cell
  int matrix = -1;
  bool hidden = false;               // a baseline: shown only when it did not pass
  std::string kept;                  // folder with the test's files, or ""
};

struct RunOutcome {
  std::string spec;
  uint64_t seed = 0;
  Verdict verdict = Verdict::kPass;
  std::vector<Reason> reasons;  // of the run itself: an assumption that never fired anywhere
  std::vector<TestOutcome> tests;
  int64_t duration_ns = 0;
};

}  // namespace fbx::report
