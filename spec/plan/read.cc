// SPDX-License-Identifier: Apache-2.0
#include "spec/plan/read.h"

#include "spec/plan/plan_reader.h"

namespace fbx::plan {

std::optional<ReadPlan> read_plan(std::string_view text, const std::string& file,
                                  Diagnostics& diagnostics) {
  return PlanReader(file, diagnostics).read(text);
}

}  // namespace fbx::plan
