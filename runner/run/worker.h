// SPDX-License-Identifier: Apache-2.0
//
// A worker: takes tests from the front one after the other, runs each, sends back its outcome.
// The messages are lines of JSON: an Order to the worker, a report::TestOutcome back.
//
// Thread rule: the worker process's main thread.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "runner/observe/trace.h"
#include "runner/report/outcome.h"
#include "runner/run/machine.h"
#include "runner/sandbox/crew.h"
#include "spec/plan/plan.h"

namespace fbx::run {

// One test to be run.
struct Order {
  uint32_t plan = 0;    // index in the run's plans
  uint32_t test = 0;    // index in the plan's tests
  uint32_t number = 0;  // of the sandbox, unique in the worker's life
  uint64_t seed = 0;    // of the run
  int64_t timeout_ns = 0;
  bool strict = false;
  std::string keep_folder;
  std::optional<report::Verdict> baseline;
  // As inject::Known::escaped.
  std::set<std::pair<std::string, std::string>> escaped;
};

[[nodiscard]] std::string to_text(const Order& order);
Result<Order> order_from_text(std::string_view text);

// Serves until the front goes away or the run is to end. The process's exit status: 0, or 1 when
// it could not begin (said on stderr).
// `programs`: of each plan's services. `trace`: where what was seen is kept, or nullptr.
int serve(sandbox::WorkerContext& context, Machine& machine,
          const std::vector<const plan::Plan*>& plans,
          const std::vector<std::vector<inject::Program>>& programs, observe::TraceWriter* trace);

}  // namespace fbx::run
