// SPDX-License-Identifier: Apache-2.0
#include "spec/starlark/unicode.h"

#include <utf8proc.h>

namespace starlark {

bool decode_strict(std::string_view& s, std::int32_t& out) {
  auto byte = static_cast<unsigned char>(s[0]);
  if (byte < 0x80) {
    out = byte;
    s.remove_prefix(1);
    return true;
  }
  utf8proc_int32_t c = -1;
  auto n = utf8proc_iterate(reinterpret_cast<const utf8proc_uint8_t*>(s.data()),
                            static_cast<utf8proc_ssize_t>(s.size()), &c);
  if (n <= 0) {
    out = kReplacement;
    s.remove_prefix(1);
    return false;
  }
  out = c;
  s.remove_prefix(static_cast<std::size_t>(n));
  return true;
}

std::int32_t decode(std::string_view& s) {
  std::int32_t c;
  decode_strict(s, c);
  return c;
}

void encode(std::int32_t c, std::string& out) {
  if (c >= 0 && c < 0x80) {
    out += static_cast<char>(c);
    return;
  }
  if (c < 0 || c > 0x10FFFF || (c >= 0xD800 && c <= 0xDFFF)) c = kReplacement;
  utf8proc_uint8_t buffer[4];
  auto n = utf8proc_encode_char(c, buffer);
  out.append(reinterpret_cast<char*>(buffer), static_cast<std::size_t>(n));
}

std::size_t first_malformed(std::string_view s) {
  const std::size_t size = s.size();
  while (!s.empty()) {
    if (static_cast<unsigned char>(s[0]) < 0x80) {
      s.remove_prefix(1);
      continue;
    }
    std::size_t at = size - s.size();
    std::int32_t c;
    if (!decode_strict(s, c)) return at;
  }
  return std::string_view::npos;
}

bool valid_utf8(std::string_view s) { return first_malformed(s) == std::string_view::npos; }

std::size_t count_code_points(std::string_view s) {
  std::size_t n = 0;
  while (!s.empty()) {
    decode(s);
    ++n;
  }
  return n;
}

bool is_letter(std::int32_t c) {
  if (c < 0x80) return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
  switch (utf8proc_category(c)) {
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LL:
    case UTF8PROC_CATEGORY_LT:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_LO:
      return true;
    default:
      return false;
  }
}

bool is_digit(std::int32_t c) {
  if (c < 0x80) return c >= '0' && c <= '9';
  return utf8proc_category(c) == UTF8PROC_CATEGORY_ND;
}

bool is_number(std::int32_t c) {
  if (c < 0x80) return c >= '0' && c <= '9';
  auto category = utf8proc_category(c);
  return category == UTF8PROC_CATEGORY_ND || category == UTF8PROC_CATEGORY_NL ||
         category == UTF8PROC_CATEGORY_NO;
}

bool is_upper(std::int32_t c) {
  if (c < 0x80) return c >= 'A' && c <= 'Z';
  return utf8proc_category(c) == UTF8PROC_CATEGORY_LU;
}

bool is_lower(std::int32_t c) {
  if (c < 0x80) return c >= 'a' && c <= 'z';
  return utf8proc_category(c) == UTF8PROC_CATEGORY_LL;
}

bool is_title(std::int32_t c) {
  return c >= 0x80 && utf8proc_category(c) == UTF8PROC_CATEGORY_LT;
}

bool is_space(std::int32_t c) {
  if (c < 0x80) return c == ' ' || (c >= '\t' && c <= '\r');
  if (c == 0x85 || c == 0xA0) return true;
  auto category = utf8proc_category(c);
  return category == UTF8PROC_CATEGORY_ZS || category == UTF8PROC_CATEGORY_ZL ||
         category == UTF8PROC_CATEGORY_ZP;
}

bool is_printable(std::int32_t c) {
  if (c < 0x80) return c >= 0x20 && c < 0x7F;
  switch (utf8proc_category(c)) {
    case UTF8PROC_CATEGORY_CC:
    case UTF8PROC_CATEGORY_CF:
    case UTF8PROC_CATEGORY_CS:
    case UTF8PROC_CATEGORY_CO:
    case UTF8PROC_CATEGORY_CN:
    case UTF8PROC_CATEGORY_ZL:
    case UTF8PROC_CATEGORY_ZP:
    case UTF8PROC_CATEGORY_ZS:
      return false;
    default:
      return true;
  }
}

// Unicode gives "ß" no capital of one letter; utf8proc takes "ẞ".
std::int32_t to_upper(std::int32_t c) { return c == 0xDF ? c : utf8proc_toupper(c); }
std::int32_t to_lower(std::int32_t c) { return utf8proc_tolower(c); }
std::int32_t to_title(std::int32_t c) { return c == 0xDF ? c : utf8proc_totitle(c); }

}  // namespace starlark
