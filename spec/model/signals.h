// SPDX-License-Identifier: Apache-2.0
//
// Signals by name, and percentages: small words of the dialect.
//
// Thread rule: pure functions.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace fbx::model {

// "SIGTERM": the standard signals of Linux, without real-time ones.
[[nodiscard]] bool is_signal(std::string_view name);
[[nodiscard]] std::vector<std::string> signal_names();

// "20%" and "2.5%" as 0.2 and 0.025. Nothing when it is no percentage of 0 to 100.
[[nodiscard]] std::optional<double> parse_percent(std::string_view text);

}  // namespace fbx::model
