// SPDX-License-Identifier: Apache-2.0
//
// Looks at the binaries that a plan names, before anything starts: are they there, can they be
// executed here? `run` takes the answers as errors, `check` as warnings.
//
// Thread rule: reads files; no state.
#pragma once

#include "base/diagnostic.h"
#include "spec/plan/plan.h"

namespace fbx::cli {

// One diagnostic per service at most, at its service() call: missing-binary, not-executable,
// wrong-architecture, missing-interpreter.
[[nodiscard]] Diagnostics preflight(const plan::Plan& plan);

}  // namespace fbx::cli
