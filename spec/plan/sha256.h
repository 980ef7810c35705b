// SPDX-License-Identifier: Apache-2.0
//
// SHA-256 of a file that was read while compiling, so that a plan says which inputs it was made
// from. The digest itself is libnettle's (docs/decisions.md).
//
// Thread rule: pure.
#pragma once

#include <string>
#include <string_view>

namespace fbx::plan {

// 64 lower-case hex digits.
[[nodiscard]] std::string sha256_hex(std::string_view bytes);

}  // namespace fbx::plan
