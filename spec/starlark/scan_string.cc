// SPDX-License-Identifier: Apache-2.0
//
// String and bytes literals.
#include <algorithm>
#include <cstdio>

#include "spec/starlark/scan.h"
#include "spec/starlark/unicode.h"

namespace starlark::ast {
namespace {

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

}  // namespace

// The quote is next; `start` is where the literal begins, with its prefix.
Token Scanner::scan_string(bool raw, bool bytes, Pos start) {
  Token t = token(bytes ? Tok::bytes : Tok::string);
  t.pos = start;
  const char quote = peek();
  const bool triple = peek(1) == quote && peek(2) == quote;
  for (int i = 0; i < (triple ? 3 : 1); ++i) advance();
  const char* begin = at_;
  std::string& out = buffer_;
  out.clear();
  bool copied = false;  // `out` differs from the source text
  for (;;) {
    if (end()) return stop(start, Code::literal, "unexpected EOF in string");
    char c = peek();
    if (c == quote && (!triple || (peek(1) == quote && peek(2) == quote))) break;
    if ((c == '\n' || c == '\r') && !triple) {
      return stop(start, Code::literal, "unexpected newline in string");
    }
    if (c != '\\' && c != '\r') {
      if (copied) out += c;
      advance();
      continue;
    }
    if (!copied) out.assign(begin, at_);
    copied = true;
    if (c == '\r') {
      out += '\n';
      if (peek(1) == '\n') advance();
      advance();
    } else if (raw) {
      out += '\\';
      advance();
      if (end()) continue;
      if (peek() == '\r') {
        out += '\n';
        if (peek(1) == '\n') advance();
      } else {
        out += peek();
      }
      advance();
    } else if (!scan_escape(out, bytes, start)) {
      // reported; go on after the backslash
    }
  }
  t.text = copied ? arena_.copy(out)
                  : std::string_view(begin, static_cast<std::size_t>(at_ - begin));
  for (int i = 0; i < (triple ? 3 : 1); ++i) advance();
  return t;
}

bool Scanner::scan_escape(std::string& out, bool bytes, Pos start) {
  advance();
  char c = peek();
  static constexpr std::string_view kFrom = "abfnrtv\\'\"";
  static constexpr std::string_view kTo = "\a\b\f\n\r\t\v\\'\"";
  std::size_t simple = kFrom.find(c);
  if (c != '\0' && simple != std::string_view::npos) {
    out += kTo[simple];
    advance();
    return true;
  }
  if (c == '\n' || c == '\r') {
    if (c == '\r' && peek(1) == '\n') advance();
    advance();
    return true;
  }
  if (c >= '0' && c <= '7') return octal_escape(out, bytes, start);
  if (c == 'x') return hex_escape(out, 2, bytes, start);
  if (c == 'u') return hex_escape(out, 4, bytes, start);
  if (c == 'U') return hex_escape(out, 8, bytes, start);
  std::string_view rest(at_, static_cast<std::size_t>(end_ - at_));
  std::string shown = "\\";
  if (!rest.empty()) encode(decode(rest), shown);
  error(start, Code::literal, "invalid escape sequence " + shown,
        "write \\\\ for a backslash, or a raw string r\"…\"");
  return false;
}

bool Scanner::octal_escape(std::string& out, bool bytes, Pos start) {
  int value = 0;
  const char* begin = at_;
  for (int i = 0; i < 3 && peek() >= '0' && peek() <= '7'; ++i) {
    value = value * 8 + (peek() - '0');
    advance();
  }
  std::string shown = "\\" + std::string(begin, at_);
  if (bytes && value > 255) {
    error(start, Code::literal, "invalid escape sequence " + shown);
    return false;
  }
  if (!bytes && value > 127) {
    char hint[64] = "";
    if (value < 256) {
      std::snprintf(hint, sizeof hint, "use \\u%04X for the UTF-8 encoding of U+%04X",
                    static_cast<unsigned>(value), static_cast<unsigned>(value));
    }
    error(start, Code::literal, "non-ASCII octal escape " + shown, hint);
    return false;
  }
  out += static_cast<char>(value);
  return true;
}

bool Scanner::hex_escape(std::string& out, int digits, bool bytes, Pos start) {
  std::string shown = std::string("\\") + peek();
  advance();
  std::uint32_t value = 0;
  for (int i = 0; i < digits; ++i) {
    char c = peek();
    if (end() || c == '"' || c == '\'' || c == '\n' || c == '\r' || c == '\\') {
      error(start, Code::literal, "truncated escape sequence " + shown);
      return false;
    }
    shown += c;
    if (hex_value(c) < 0) {
      error(start, Code::literal, "invalid escape sequence " + shown);
      return false;
    }
    value = value * 16 + static_cast<std::uint32_t>(hex_value(c));
    advance();
  }
  if (digits == 2) {
    if (!bytes && value > 127) {
      char hint[64];
      std::snprintf(hint, sizeof hint, "use \\u%04X for the UTF-8 encoding of U+%04X", value, value);
      error(start, Code::literal, "non-ASCII hex escape " + shown, hint);
      return false;
    }
    out += static_cast<char>(value);
    return true;
  }
  if (value > 0x10FFFF) {
    error(start, Code::literal, "code point out of range: " + shown + " (max \\U0010ffff)");
    return false;
  }
  if (value >= 0xD800 && value <= 0xDFFF) {
    char text[64];
    std::snprintf(text, sizeof text, "invalid Unicode code point U+%04X", value);
    error(start, Code::literal, text);
    return false;
  }
  encode(static_cast<std::int32_t>(value), out);
  return true;
}

}  // namespace starlark::ast
