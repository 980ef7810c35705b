// SPDX-License-Identifier: Apache-2.0
//
// UTF-8 and character classes; the wrapper of utf8proc.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace starlark {

inline constexpr std::int32_t kReplacement = 0xFFFD;

// Takes one code point from the front. Malformed bytes: U+FFFD, one byte taken. `s` must not be empty.
std::int32_t decode(std::string_view& s);
// As decode, but says whether it was well-formed.
bool decode_strict(std::string_view& s, std::int32_t& out);
// Surrogates and numbers out of range become U+FFFD.
void encode(std::int32_t code_point, std::string& out);
bool valid_utf8(std::string_view s);
// Offset of the first malformed byte, or npos.
std::size_t first_malformed(std::string_view s);
std::size_t count_code_points(std::string_view s);

bool is_letter(std::int32_t c);
bool is_digit(std::int32_t c);   // Nd
bool is_number(std::int32_t c);  // Nd, Nl, No
bool is_upper(std::int32_t c);
bool is_lower(std::int32_t c);
bool is_title(std::int32_t c);
bool is_space(std::int32_t c);
bool is_printable(std::int32_t c);
std::int32_t to_upper(std::int32_t c);
std::int32_t to_lower(std::int32_t c);
std::int32_t to_title(std::int32_t c);

}  // namespace starlark
