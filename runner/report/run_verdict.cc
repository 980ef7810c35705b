// SPDX-License-Identifier: Apache-2.0
#include "runner/report/run_verdict.h"

#include <algorithm>
#include <map>
#include <string>
#include <utility>

namespace fbx::report {

namespace {

struct Column {
  size_t cells = 0, not_applicable = 0;
};

// Assumptions of which no cell met its fault: they say nothing about the services.
void add_vacuous_assumptions(RunOutcome& run) {
  std::map<std::pair<int, std::string>, Column> columns;
  for (const TestOutcome& test : run.tests) {
    if (test.matrix < 0 || test.assumption.empty()) continue;
    Column& column = columns[{test.matrix, test.assumption}];
    ++column.cells;
    if (test.verdict == Verdict::kNotApplicable) ++column.not_applicable;
  }
  for (const auto& [key, column] : columns) {
    if (column.not_applicable < column.cells) continue;
    Reason reason;
    reason.verdict = Verdict::kInconclusive;
    reason.code = "assumption-never-fired";
    reason.text = "assumption " + key.second + " never fired in any of its " +
                  std::to_string(column.cells) + (column.cells == 1 ? " cell" : " cells");
    reason.remedy = "look at its service, path= and to=, or leave it out";
    run.reasons.push_back(std::move(reason));
  }
}

Verdict worst(Verdict a, Verdict b) {
  const bool a_matters = exit_code(a) != 0, b_matters = exit_code(b) != 0;
  if (a_matters && b_matters) return std::min(a, b);
  return b_matters ? b : a;
}

Reason make_reason(Verdict verdict, std::string code, std::string text) {
  Reason reason;
  reason.verdict = verdict;
  reason.code = std::move(code);
  reason.text = std::move(text);
  return reason;
}

}  // namespace

void conclude(RunOutcome& run) {
  run.verdict = Verdict::kPass;
  add_vacuous_assumptions(run);
  for (const TestOutcome& test : run.tests) run.verdict = worst(run.verdict, test.verdict);
  for (const Reason& reason : run.reasons) run.verdict = worst(run.verdict, reason.verdict);
}

Reason reason_of(const Diagnostic& diagnostic) {
  Reason reason = make_reason(Verdict::kError, diagnostic.code.text(), diagnostic.message);
  reason.place = diagnostic.place;
  reason.remedy = diagnostic.hint;
  return reason;
}

Reason reason_of(const Refusal& refusal) {
  Reason reason = make_reason(Verdict::kInconclusive, "refused:" + refusal.code, refusal.what);
  reason.remedy = refusal.remedy;
  return reason;
}

Reason reason_of(const Error& error) {
  return make_reason(Verdict::kInconclusive, "internal", error.text());
}

}  // namespace fbx::report
