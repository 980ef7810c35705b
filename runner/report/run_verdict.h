// SPDX-License-Identifier: Apache-2.0
//
// From the tests' verdicts to the run's (LANGUAGE sections 2 and 10), and the one function that
// maps the three kinds of failure to verdicts.
//
// Thread rule: pure functions.
#pragma once

#include <string>

#include "base/diagnostic.h"
#include "base/refusal.h"
#include "base/result.h"
#include "runner/report/outcome.h"

namespace fbx::report {

// Sets run.verdict: the worst of its tests, error before fail before inconclusive; an assumption
// all of whose cells are n/a makes a run that would pass inconclusive and adds the reason to
// run.reasons. Baselines count like tests only when they did not pass.
void conclude(RunOutcome& run);

// A user's mistake is an error, a machine that can't is inconclusive, anything else is a failure
// of fbx itself: inconclusive, code "internal", because nothing was learned about the services.
[[nodiscard]] Reason reason_of(const Diagnostic& diagnostic);
[[nodiscard]] Reason reason_of(const Refusal& refusal);
[[nodiscard]] Reason reason_of(const Error& error);

}  // namespace fbx::report
