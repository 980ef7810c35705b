// SPDX-License-Identifier: Apache-2.0
//
// The one glob of fbx: `path=` of rules and ops, string values of filters, `--test`.
//
//   *   any characters, in a path none of them '/'; matches a leading dot
//   **  any characters at all; "/**/" also matches a single '/'
//   ?   one character, in a path not '/'
//   \x  x itself
//
// Everything else matches itself, byte by byte. The whole text must match.
//
// Thread rule: pure functions. Time is O(pattern × text), whatever the pattern.
#pragma once

#include <string_view>

namespace fbx {

// `text` is a path: '*' and '?' stay inside a component.
[[nodiscard]] bool glob_match_path(std::string_view pattern, std::string_view text);
// `text` is anything else: '*' crosses '/'.
[[nodiscard]] bool glob_match(std::string_view pattern, std::string_view text);
// False when the pattern can only match itself.
[[nodiscard]] bool has_glob(std::string_view pattern);

}  // namespace fbx
