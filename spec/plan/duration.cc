// SPDX-License-Identifier: Apache-2.0
#include "spec/plan/duration.h"

#include <array>

namespace fbx::plan {

namespace {

struct Unit {
  std::string_view name;
  int64_t ns;
};

constexpr std::array<Unit, 6> kUnits = {{{"h", 3'600'000'000'000},
                                         {"m", 60'000'000'000},
                                         {"s", 1'000'000'000},
                                         {"ms", 1'000'000},
                                         {"us", 1'000},
                                         {"ns", 1}}};

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// The unit that `text` begins with: the letters up to the next digit.
size_t unit_at(std::string_view text, size_t& pos) {
  size_t end = pos;
  while (end < text.size() && text[end] >= 'a' && text[end] <= 'z') ++end;
  const std::string_view name = text.substr(pos, end - pos);
  pos = end;
  for (size_t i = 0; i < kUnits.size(); ++i) {
    if (kUnits[i].name == name) return i;
  }
  return kUnits.size();
}

struct Number {
  int64_t whole = 0;
  int64_t fraction = 0;  // over `scale`
  int64_t scale = 1;
};

std::optional<Number> number_at(std::string_view text, size_t& pos) {
  Number n;
  const size_t begin = pos;
  for (; pos < text.size() && is_digit(text[pos]); ++pos) {
    n.whole = n.whole * 10 + (text[pos] - '0');
    if (n.whole > kLongestDurationNs) return std::nullopt;
  }
  if (pos == begin) return std::nullopt;
  if (pos == text.size() || text[pos] != '.') return n;
  const size_t point = ++pos;
  for (; pos < text.size() && is_digit(text[pos]); ++pos) {
    if (pos - point >= 12) return std::nullopt;
    n.fraction = n.fraction * 10 + (text[pos] - '0');
    n.scale *= 10;
  }
  if (pos == point) return std::nullopt;
  return n;
}

}  // namespace

std::optional<int64_t> parse_duration(std::string_view text) {
  size_t pos = 0;
  size_t next_unit = 0;
  __int128 total = 0;
  if (text.empty()) return std::nullopt;
  while (pos < text.size()) {
    const auto number = number_at(text, pos);
    if (!number) return std::nullopt;
    const size_t unit = unit_at(text, pos);
    if (unit == kUnits.size() || unit < next_unit) return std::nullopt;
    next_unit = unit + 1;
    const __int128 fraction = static_cast<__int128>(number->fraction) * kUnits[unit].ns;
    if (fraction % number->scale != 0) return std::nullopt;
    total += static_cast<__int128>(number->whole) * kUnits[unit].ns + fraction / number->scale;
    if (total > kLongestDurationNs) return std::nullopt;
  }
  return static_cast<int64_t>(total);
}

std::string format_duration(int64_t ns) {
  if (ns <= 0) return "0s";
  std::string out;
  if (ns >= kUnits[0].ns) out += std::to_string(ns / kUnits[0].ns) + "h";
  ns %= kUnits[0].ns;
  if (ns >= kUnits[1].ns) out += std::to_string(ns / kUnits[1].ns) + "m";
  ns %= kUnits[1].ns;
  if (ns == 0) return out;
  size_t unit = 2;
  while (unit + 1 < kUnits.size() && ns < kUnits[unit].ns) ++unit;
  out += std::to_string(ns / kUnits[unit].ns);
  if (int64_t rest = ns % kUnits[unit].ns; rest != 0) {
    std::string digits = std::to_string(kUnits[unit].ns + rest).substr(1);
    while (digits.back() == '0') digits.pop_back();
    out += "." + digits;
  }
  return out + std::string(kUnits[unit].name);
}

}  // namespace fbx::plan
