// SPDX-License-Identifier: Apache-2.0
//
// What a test needs, as words of a plan: `needs` and `observe` of [[test]].
//
//   deny inventory.write   delay *.connect   partition   partition drop
//   deny db.persist path=/data/*.wal         only calls that path= matches; so `to`, `on`
//   write                                    to see every service's calls of that family
//   inventory.=write path="/a b" ok=False    one service's; the keys are those of a filter
//   db.stdout event=ready                    a type of event; the keys are fields
//   *   db.*                                 every call: it can't be known
//
// A value is bare where it can be: a letter, `/` or `*` first, and no blank, quote or control
// character. Words that are no strings are bare, too: 3, -1.5, True, False, None.
//
// Thread rule: pure functions.
#pragma once

#include <algorithm>
#include <array>
#include <optional>
#include <string>
#include <string_view>

#include "spec/plan/plan.h"

namespace fbx::plan {

[[nodiscard]] std::string need_text(const Plan& plan, const Need& need);
[[nodiscard]] std::string interest_text(const Plan& plan, const Interest& interest);

// Nothing when `text` is no need, or interest, of this plan; `problem` and `hint` say why.
[[nodiscard]] std::optional<Need> parse_need(const Plan& plan, const std::string& text,
                                             std::string& problem, std::string& hint);
[[nodiscard]] std::optional<Interest> parse_interest(const Plan& plan, const std::string& text,
                                                     std::string& problem, std::string& hint);

// Is every event of `inner` one of `outer`?
[[nodiscard]] bool covers(const Interest& outer, const Interest& inner);

// Types of events that are no system calls.
constexpr std::array<std::string_view, 5> kEventTypes = {"fault", "lifecycle", "stderr", "stdout",
                                                         "step"};
[[nodiscard]] inline bool is_event_type(std::string_view what) {
  return std::find(kEventTypes.begin(), kEventTypes.end(), what) != kEventTypes.end();
}

}  // namespace fbx::plan
