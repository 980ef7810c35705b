// SPDX-License-Identifier: Apache-2.0
#include "runner/cli/machine.h"

namespace fbx::cli {

Decision decide(const plan::Plan&) { return {}; }

Diagnostics unfit_binaries(const plan::Plan&) { return {}; }

}  // namespace fbx::cli
