// SPDX-License-Identifier: Apache-2.0
//
// The front of `fbx run`: decides before anything starts what can't be enforced, makes the run's
// cgroup, keeper and worker, hands out the tests, reports.
//
// Thread rule: the process's only thread.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "runner/run/machine.h"
#include "spec/plan/plan.h"

namespace fbx::run {

// A plan and the tests of it that were selected.
struct PlanRun {
  plan::Plan plan;
  std::string argument;       // the spec or plan as the user typed it, for the rerun command
  std::vector<size_t> tests;  // indexes in plan.tests, ascending; the baselines that the selected
                              // cells need are added by run()
};

struct RunOptions {
  uint64_t seed = 0;
  int64_t timeout_ns = 0;  // of a test; 0 = the spec's
  uint32_t runs = 1;       // repeat all of it; each repetition derives its own seed
  bool fail_fast = false;  // stop after the first test that failed
  bool strict = false;
  bool keep = false;       // keep each test's files
  std::string json;        // "" = none, "-" = standard output, else a file
  std::string trace;       // "" = none, else the file (runner/observe/trace_format.h)
  inject::Wishes wishes;
  std::vector<std::string> flags;  // as typed, to be repeated in the rerun command
};

// Runs everything and says what held. The exit code: 0, 1, 2, 3, or 130 (LANGUAGE section 10).
// `machine` is what this machine can see and break; tests hand in one of their own.
int run(const RunOptions& options, std::vector<PlanRun> plans,
        std::unique_ptr<Machine> machine = real_machine());

}  // namespace fbx::run
