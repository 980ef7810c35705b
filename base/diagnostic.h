// SPDX-License-Identifier: Apache-2.0
//
// What a user did wrong in a spec, a plan or on the command line: where, what was got, what was
// expected, and a hint. Diagnostics are collected, several per file, and never thrown.
//
// Thread rule: values.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/diagnostic_code.h"

namespace fbx {

// A place in a file. Lines and columns count from 1; 0 means "unknown" (a column counts UTF-8
// code points).
struct Place {
  std::string file = {};
  uint32_t line = 0;
  uint32_t col = 0;

  // "spec.star:3:9", "spec.star" when the line is unknown, "" when the file is.
  [[nodiscard]] std::string text() const;
  bool operator==(const Place&) const = default;
};

enum class Severity { kError, kWarning };

struct Diagnostic {
  Place place = {};
  DiagnosticCode code = {};  // stable and short, for tests, --json and editors
  std::string message = {};
  std::string hint = {};  // "did you mean EIO?"; empty when there is none
  Severity severity = Severity::kError;

  // "spec.star:3:9: unknown errno "EIOO"\n  hint: did you mean EIO?"
  [[nodiscard]] std::string text() const;
};

using Diagnostics = std::vector<Diagnostic>;

[[nodiscard]] bool has_errors(const Diagnostics& all);

// The candidate nearest to `got` by edit distance, else one that begins like it; "" when none is
// near enough to be meant.
[[nodiscard]] std::string nearest_name(std::string_view got,
                                       const std::vector<std::string>& candidates);
// "did you mean EIO?", or "" when none is near enough.
[[nodiscard]] std::string did_you_mean(std::string_view got,
                                       const std::vector<std::string>& candidates);

}  // namespace fbx
