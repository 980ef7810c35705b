// SPDX-License-Identifier: Apache-2.0
#include "spec/plan/toml_text.h"

#include <cstdint>

namespace fbx::plan {

namespace {

bool is_control(char c) { return (static_cast<unsigned char>(c) < 0x20 && c != '\t') || c == 0x7f; }

// Length of the UTF-8 sequence that `text` begins with; 0 if it is none.
size_t sequence_length(std::string_view text) {
  const auto byte = [&](size_t i) { return static_cast<uint8_t>(text[i]); };
  const uint8_t first = byte(0);
  if (first < 0x80) return 1;
  const size_t length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  if (first < 0xc2 || first > 0xf4 || text.size() < length) return 0;
  for (size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return 0;
  }
  const uint8_t second = byte(1);
  if (first == 0xe0 && second < 0xa0) return 0;
  if (first == 0xed && second > 0x9f) return 0;
  if (first == 0xf0 && second < 0x90) return 0;
  if (first == 0xf4 && second > 0x8f) return 0;
  return length;
}

void append_escaped(std::string& out, char c) {
  switch (c) {
    case '"': out += "\\\""; return;
    case '\\': out += "\\\\"; return;
    case '\n': out += "\\n"; return;
    case '\r': out += "\\r"; return;
    case '\t': out += "\\t"; return;
    default: break;
  }
  if (!is_control(c)) {
    out += c;
    return;
  }
  constexpr char kHex[] = "0123456789ABCDEF";
  const auto byte = static_cast<uint8_t>(c);
  out += "\\u00";
  out += kHex[byte >> 4];
  out += kHex[byte & 15];
}

}  // namespace

bool is_utf8(std::string_view text) {
  while (!text.empty()) {
    const size_t length = sequence_length(text);
    if (length == 0) return false;
    text.remove_prefix(length);
  }
  return true;
}

std::string toml_string(std::string_view text) {
  bool escapes = false;
  bool literal = true;
  for (const char c : text) {
    escapes |= c == '"' || c == '\\' || c == '\t' || is_control(c);
    literal &= c != '\'' && c != '\t' && !is_control(c);
  }
  if (escapes && literal) return "'" + std::string(text) + "'";
  std::string out = "\"";
  for (const char c : text) append_escaped(out, c);
  return out + "\"";
}

std::string toml_block(std::string_view lines) {
  bool literal = lines.find("'''") == std::string_view::npos && !lines.ends_with("'");
  for (const char c : lines) literal &= c == '\n' || !is_control(c);
  if (literal) return "'''\n" + std::string(lines) + "'''";
  std::string out = "\"\"\"\n";
  for (const char c : lines) {
    if (c == '\n') out += c;
    else append_escaped(out, c);
  }
  return out + "\"\"\"";
}

std::string toml_key(std::string_view text) {
  bool bare = !text.empty();
  for (const char c : text) {
    bare &= (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
            c == '_' || c == '-';
  }
  return bare ? std::string(text) : toml_string(text);
}

std::string toml_strings(const std::vector<std::string>& texts) {
  std::string out = "[";
  for (const std::string& text : texts) {
    if (out.size() > 1) out += ", ";
    out += toml_string(text);
  }
  return out + "]";
}

}  // namespace fbx::plan
