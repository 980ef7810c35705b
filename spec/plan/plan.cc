// SPDX-License-Identifier: Apache-2.0
#include "spec/plan/plan.h"

namespace fbx::plan {

std::string source_line(const Plan& plan, const Place& place) {
  for (const SourceLines& source : plan.sources) {
    if (source.file != place.file) continue;
    const auto line = source.lines.find(place.line);
    return line == source.lines.end() ? "" : line->second;
  }
  return "";
}

}  // namespace fbx::plan
