// SPDX-License-Identifier: Apache-2.0
#include "spec/plan/read.h"

#include "spec/plan/plan_reader.h"

namespace fbx::plan {

Place PlanPlaces::of(std::initializer_list<PlanStep> steps) const {
  const TomlNode* node = &document;
  for (const PlanStep& step : steps) {
    const TomlNode* next = nullptr;
    if (!step.key.empty()) next = node->find(step.key);
    else if (step.item < node->items.size()) next = &node->items[step.item];
    if (next == nullptr) break;
    node = next;
  }
  return node->line == 0 ? Place{file, 1, 1} : Place{file, node->line, node->col};
}

std::optional<ReadPlan> read_plan(std::string_view text, const std::string& file,
                                  Diagnostics& diagnostics) {
  return PlanReader(file, diagnostics).read(text);
}

}  // namespace fbx::plan
