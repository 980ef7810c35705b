// SPDX-License-Identifier: Apache-2.0
//
// Durations as specs and plans write them: "500ms", "2s", "1m30s", "1.5s". Units h, m, s, ms, us,
// ns, each at most once and in this order; a fraction is exact to the nanosecond. No sign.
//
// Thread rule: pure functions.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace fbx::plan {

// Nothing a test does waits longer; longer durations are refused.
constexpr int64_t kLongestDurationNs = int64_t{24} * 3600 * 1'000'000'000;

// Nanoseconds, 0…kLongestDurationNs; nothing when `text` is no duration or too long.
[[nodiscard]] std::optional<int64_t> parse_duration(std::string_view text);

// The shortest text that parse_duration gives the same value for: 1'500'000'000 → "1.5s".
[[nodiscard]] std::string format_duration(int64_t ns);

}  // namespace fbx::plan
