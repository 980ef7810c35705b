// SPDX-License-Identifier: Apache-2.0
//
// One test from its sandbox to its outcome: makes the sandbox, starts the services, carries out
// what the body asks for, judges, tears down. Everything that can go wrong on the way is a fact of
// the verdict (runner/check/facts.h), never an exception and never silence.
//
// Thread rule: the worker's only main thread, which is inside the test's network while the body
// runs.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "runner/inject/injector.h"
#include "runner/observe/observer.h"
#include "runner/observe/trace.h"
#include "runner/report/outcome.h"
#include "runner/sandbox/crew.h"
#include "spec/plan/plan.h"

namespace fbx::run {

struct TestContext {
  const plan::Plan* plan = nullptr;
  uint32_t plan_number = 0;  // of the run's
  size_t test = 0;
  uint32_t number = 0;  // of the sandbox: unique in the worker
  uint64_t seed = 0;    // of the run; the test derives its own from it and its name
  int64_t timeout_ns = 0;
  bool strict = false;
  std::string keep_folder;  // "" = nothing is kept
  std::optional<report::Verdict> baseline;  // of a cell
  const inject::Known* known = nullptr;
  sandbox::WorkerContext* worker = nullptr;
  observe::Observer* observer = nullptr;
  inject::Injector* injector = nullptr;
  observe::TraceWriter* trace = nullptr;  // nullptr = what was seen is not kept
};

[[nodiscard]] report::TestOutcome run_test(const TestContext& context);

// The seed of one test: a function of the run's seed and the test's name only.
[[nodiscard]] uint64_t test_seed(uint64_t run_seed, const std::string& test);

}  // namespace fbx::run
