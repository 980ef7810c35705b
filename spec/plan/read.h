// SPDX-License-Identifier: Apache-2.0
//
// The first half of reading a plan: TOML, schema, references and the form of its code and values.
// spec/model/load.h does the second: verifies the code, tries the values, compares the needs. A plan
// that only passed here must not be run.
//
// Thread rule: pure.
#pragma once

#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/diagnostic.h"
#include "spec/plan/plan.h"
#include "spec/plan/toml_tree.h"
#include "spec/plan/value_text.h"

namespace fbx::plan {

// A step down in a document: into a table by key, into an array by number.
struct PlanStep {
  // NOLINTNEXTLINE(google-explicit-constructor)
  PlanStep(const char* into) : key(into) {}
  // NOLINTNEXTLINE(google-explicit-constructor)
  PlanStep(size_t number) : item(number) {}
  std::string_view key;
  size_t item = 0;
};

// Where parts of a plan stand in its file, for what is found out later.
struct PlanPlaces {
  std::string file;
  TomlNode document;
  struct Code {
    Place first;      // instruction
    size_t table = 0; // number of its [[function]]
  };
  std::vector<std::vector<Code>> code;  // one per module, one per function
  std::vector<TextPlace> values;  // of the value's text, by ValueRef

  // of({"service", 2, "ops", 0}): where that begins, or the nearest around it that is there.
  [[nodiscard]] Place of(std::initializer_list<PlanStep> steps) const;
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
