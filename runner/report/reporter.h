// SPDX-License-Identifier: Apache-2.0
//
// What a run says to people and to programs. Human text goes to stdout, or to stderr when --json -
// has stdout; colour and the progress line only on a terminal, NO_COLOR respected. The JSON
// document of LANGUAGE section 10 and the JUnit file are written by finish().
//
//   Reporter reporter(options);
//   for each spec: begin_run → (test_started → test_done)* → end_run
//   return reporter.finish();
//
// Thread rule: one thread at a time. Plans must outlive their run.
#pragma once

#include <cstdint>
#include <cstdio>
#include <map>
#include <string>
#include <vector>

#include "base/refusal.h"
#include "base/result.h"
#include "runner/report/outcome.h"
#include "spec/plan/plan.h"

namespace fbx::report {

struct ReporterOptions {
  std::FILE* out = stdout;   // human text; not owned
  bool colour = false;
  bool progress = false;     // a line that is rewritten while tests run
  std::string json;          // "" = none, "-" = stdout, else a file
  std::string junit = {};    // "" = none, else a file (junit.h)
  int width = 100;           // columns of a terminal
};

// Looks at the descriptors and the environment (NO_COLOR, TERM).
[[nodiscard]] ReporterOptions reporter_options(const std::string& json);

struct RunHeader {
  const plan::Plan* plan = nullptr;
  std::string spec_argument;  // as the user typed it, for the rerun command
  uint64_t seed = 0;
  size_t tests = 0;           // that will run, baselines not counted
  std::vector<std::string> flags;  // to repeat in the rerun command: "--inject=seccomp"
};

class Reporter {
 public:
  explicit Reporter(ReporterOptions options);

  void begin_run(const RunHeader& header);
  void test_started(const std::string& name);
  void test_done(const TestOutcome& outcome);
  // Prints the matrices and keeps what finish() needs. `duration_ns` is of the whole run.
  // The outcome: every test in order, and the run's verdict.
  RunOutcome end_run(int64_t duration_ns, bool interrupted = false);
  // The summary line, the JSON document. The exit code: 0, 1, 2, 3, or 130 when interrupted.
  // An unwritable JSON or JUnit file is said on stderr and makes it 1.
  int finish();

 private:
  void print(const std::string& text);
  void clear_progress();
  void show_progress();

  ReporterOptions options_;
  RunHeader header_;
  RunOutcome run_;
  std::vector<RunOutcome> runs_;
  std::vector<std::string> running_;
  size_t done_ = 0;
  bool interrupted_ = false;
  bool progress_shown_ = false;
  std::string refusal_said_;  // what was refused for all tests alike is said once
};

}  // namespace fbx::report
