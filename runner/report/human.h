// SPDX-License-Identifier: Apache-2.0
//
// The words of a run, made from outcomes: one line for a test that passed, one screen for one that
// did not, a table for a matrix, one summary line. Pure text, tested by goldens.
//
// Thread rule: pure functions.
#pragma once

#include <string>
#include <vector>

#include "runner/report/outcome.h"
#include "spec/plan/plan.h"

namespace fbx::report {

struct HumanContext {
  const plan::Plan* plan = nullptr;  // for quoted source lines; may be null
  bool colour = false;
  std::string rerun;  // "fbx run x.star --test test_y --seed 7"; "" = not shown
};

// "2.41 s", "12 ms".
[[nodiscard]] std::string duration_text(int64_t ns);

// `ok    test_heals  2.41 s  (fired: connect=deny("ECONNREFUSED") 6×)` and a line feed.
[[nodiscard]] std::string test_line(const TestOutcome& outcome, bool colour);

// Everything about a test that failed, is inconclusive or an error, in the order of the contract:
// name and doc, place with source line and caret, actual and expected, step in flight, rules and
// fires, timeline, last output of the services, command to run it again, kept folder.
[[nodiscard]] std::string test_details(const TestOutcome& outcome, const HumanContext& context);

// One table per matrix of the run: scenarios × assumptions, each cell beside its baseline.
[[nodiscard]] std::string matrix_tables(const RunOutcome& run, const plan::Plan& plan,
                                        bool colour);

// `7 tests: 6 passed, 1 failed · seed 42 · 3.1 s`
[[nodiscard]] std::string summary_line(const std::vector<RunOutcome>& runs, bool colour);

// `BIN=build/x fbx run x.star --test test_y --seed 7 --inject=seccomp`
[[nodiscard]] std::string rerun_command(const plan::Plan& plan, const std::string& spec_argument,
                                        const std::string& test, uint64_t seed,
                                        const std::vector<std::string>& flags);

}  // namespace fbx::report
