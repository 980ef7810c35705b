// SPDX-License-Identifier: Apache-2.0
//
// Strings and blocks as a plan writes them. Own, because the bytes must be the same everywhere and
// whatever a library's next version prefers.
//
// Thread rule: pure functions.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace fbx::plan {

// Is `text` UTF-8 that TOML can hold (no surrogates)?
[[nodiscard]] bool is_utf8(std::string_view text);

// One line. 'literal' where that saves escapes, "basic" otherwise. `text` must be UTF-8.
[[nodiscard]] std::string toml_string(std::string_view text);

// Several lines, each ended by '\n'. '''literal''' where possible, """basic""" otherwise.
[[nodiscard]] std::string toml_block(std::string_view lines);

// As toml_string, bare where TOML allows a bare key.
[[nodiscard]] std::string toml_key(std::string_view text);

// ["a", "b"]
[[nodiscard]] std::string toml_strings(const std::vector<std::string>& texts);

}  // namespace fbx::plan
