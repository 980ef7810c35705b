// SPDX-License-Identifier: Apache-2.0
//
// Outcomes as JUnit XML, as CI systems read it: a suite per spec, a case per test.
//
//   fail → <failure>   error, inconclusive → <error>: neither may look green
//   n/a, known → <skipped>   pass → nothing
//
// Thread rule: pure function.
#pragma once

#include <string>
#include <vector>

#include "runner/report/outcome.h"

namespace fbx::report {

// A whole document, ending in a line feed. What XML can't hold (control characters, bytes that are
// no UTF-8) is replaced by '?'. A run's own reasons are a case named "(run)".
[[nodiscard]] std::string results_junit(const std::vector<RunOutcome>& runs);

}  // namespace fbx::report
