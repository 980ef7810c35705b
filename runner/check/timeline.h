// SPDX-License-Identifier: Apache-2.0
//
// The 10–15 events that explain a failure, by relevance and not by position: the offending one,
// what the hands decided, calls that failed, steps, exits, and the neighbours on the same file or
// with the same peer. Shown in order of time.
//
// Thread rule: pure functions over a store.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "runner/observe/event.h"
#include "runner/report/outcome.h"
#include "spec/plan/plan.h"

namespace fbx::check {

struct TimelineFocus {
  uint64_t event = 0;             // seq of the offending event; 0 = none
  std::vector<int16_t> services;  // those the failure is about; empty = all
  uint64_t body_ns = 0;           // what at_ms counts from
  uint64_t until_ns = 0;          // events that begin later are left out; 0 = none are
  size_t at_most = 14;
};

[[nodiscard]] std::vector<report::EventLine> timeline(const plan::Plan& plan,
                                                      const observe::EventStore& store,
                                                      const TimelineFocus& focus);

// One event on one line, without time and service:
// `connect inventory (127.0.0.1:5432) → ECONNREFUSED  deny(ECONNREFUSED) one-way partition`.
[[nodiscard]] std::string describe(const plan::Plan& plan, const observe::EventStore& store,
                                   const observe::Event& event);

// "orders", or "client", "step", "fault": the column an event stands in.
[[nodiscard]] std::string column_of(const plan::Plan& plan, const observe::Event& event);

}  // namespace fbx::check
