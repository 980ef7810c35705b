// SPDX-License-Identifier: Apache-2.0
//
// What the texts of a report are put together from. Internal to runner/report.
//
// Thread rule: pure functions.
#pragma once

#include <cstdint>
#include <string>

#include "runner/report/outcome.h"

namespace fbx::report {

enum class Colour { kRed, kYellow, kGreen, kDim, kBold };

// `text` between escape sequences when `on`.
[[nodiscard]] std::string paint(const std::string& text, Colour colour, bool on);

// "ok", "FAIL", "INCONCLUSIVE", "n/a", "known", "ERROR", in the verdict's colour.
[[nodiscard]] std::string verdict_word(Verdict verdict, bool colour);

// "1 test", "2 tests".
[[nodiscard]] std::string plural(uint64_t n, const std::string& word);

// Without what could move a terminal's cursor: control characters become '?', a tab stays.
[[nodiscard]] std::string printable(const std::string& text);

// Every line of `text` after `indent`, each ended by a line feed.
[[nodiscard]] std::string indented(const std::string& text, const std::string& indent);

// Columns that `text` takes: code points.
[[nodiscard]] size_t columns(const std::string& text);
[[nodiscard]] std::string padded(const std::string& text, size_t width);

// Quoted for a POSIX shell where it must be.
[[nodiscard]] std::string shell_word(const std::string& text);

}  // namespace fbx::report
