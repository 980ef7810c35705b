// SPDX-License-Identifier: Apache-2.0
//
// Outcomes as JSON: whole, for the way from worker to front; and as the document of --json
// (LANGUAGE section 10). Text that is no UTF-8 (a service's output) is repaired, never refused.
//
// Thread rule: pure functions.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "runner/report/outcome.h"

namespace fbx::report {

// One line, no line feed in it or after it. outcome_from_json(to_json(x)) gives back x, but for
// bytes that were no UTF-8.
[[nodiscard]] std::string to_json(const TestOutcome& outcome);
// Fails on anything that to_json can't have written.
[[nodiscard]] Result<TestOutcome> outcome_from_json(std::string_view text);

// The document of --json, indented, ending in a line feed. One run: the object itself. Several:
// {"fbx_results": 1, "verdict": …, "runs": [objects]}.
[[nodiscard]] std::string results_json(const std::vector<RunOutcome>& runs);

}  // namespace fbx::report
