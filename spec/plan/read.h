// SPDX-License-Identifier: Apache-2.0
//
// The first half of reading a plan: TOML, schema, references and the form of its code and values.
// spec/model/load.h does the second: verifies the code, tries the values, compares the needs. A plan
// that only passed here must not be run.
//
// Thread rule: pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/diagnostic.h"
#include "spec/plan/plan.h"

namespace fbx::plan {

// Where parts of a plan stand in its file, for what is found out later.
struct PlanPlaces {
  std::vector<Place> tests;
  std::vector<Place> services;
  // One per module, one per function: the first line of its instructions.
  std::vector<std::vector<Place>> code;
  std::vector<uint32_t> values;  // line of the value's text, by ValueRef; 0 = not known
  Place document;
};

// Larger plans are refused.
constexpr size_t kLargestPlan = size_t{64} << 20;

// `file` names the plan in diagnostics. Nothing when there is an error among them. Test::needs
// and observe are as written; `needs_given` says for which tests.
struct ReadPlan {
  Plan plan;
  PlanPlaces places;
  std::vector<bool> needs_given;
};
[[nodiscard]] std::optional<ReadPlan> read_plan(std::string_view text, const std::string& file,
                                                Diagnostics& diagnostics);

}  // namespace fbx::plan
