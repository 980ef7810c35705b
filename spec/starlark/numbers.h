// SPDX-License-Identifier: Apache-2.0
//
// Numbers and text, the same on every machine and in every locale.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace starlark {

// The whole of `text` as a decimal float ("1", "-1.5e9", no spaces, no inf, no hex). Infinity if it
// is too large; nothing if it is malformed.
std::optional<double> parse_double(std::string_view text);

// Shortest digits that read back the same, as "%.17g" would lay them out.
std::string shortest_double(double d);
// As printf's %e, %f, %g with the given precision; `d` finite.
std::string format_double(double d, char form, int precision);

}  // namespace starlark
