// SPDX-License-Identifier: Apache-2.0
#include "spec/starlark/numbers.h"

#include <locale.h>
#if defined(__APPLE__)
#include <xlocale.h>
#endif

#include <charconv>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <string>
#include <version>

namespace starlark {
namespace {

bool well_formed(std::string_view s) {
  std::size_t i = 0;
  auto digits = [&] {
    std::size_t from = i;
    while (i < s.size() && s[i] >= '0' && s[i] <= '9') ++i;
    return i - from;
  };
  if (i < s.size() && (s[i] == '+' || s[i] == '-')) ++i;
  std::size_t count = digits();
  if (i < s.size() && s[i] == '.') {
    ++i;
    count += digits();
  }
  if (count == 0) return false;
  if (i < s.size() && (s[i] == 'e' || s[i] == 'E')) {
    ++i;
    if (i < s.size() && (s[i] == '+' || s[i] == '-')) ++i;
    if (digits() == 0) return false;
  }
  return i == s.size();
}

// Is a number that does not fit too small rather than too large?
[[maybe_unused]] bool underflows(std::string_view s) {
  std::size_t e = s.find_first_of("eE");
  std::string_view mantissa = s.substr(0, e);
  long exponent = 0;
  if (e != std::string_view::npos) {
    bool negative = s[e + 1] == '-';
    for (char c : s.substr(e + 1)) {
      if (c >= '0' && c <= '9' && exponent < 100'000'000) exponent = exponent * 10 + (c - '0');
    }
    if (negative) exponent = -exponent;
  }
  std::size_t dot = mantissa.find('.');
  std::size_t first = mantissa.find_first_of("123456789");
  if (first == std::string_view::npos) return true;
  if (dot == std::string_view::npos) dot = mantissa.size();
  return static_cast<long>(dot) - static_cast<long>(first) + exponent < 0;
}

}  // namespace

std::optional<double> parse_double(std::string_view text) {
  if (!well_formed(text)) return std::nullopt;
  bool negative = text[0] == '-';
  if (text[0] == '+' || text[0] == '-') text.remove_prefix(1);
  double d = 0;
#if defined(__cpp_lib_to_chars)
  auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), d);
  if (problem == std::errc::result_out_of_range) {
    d = underflows(text) ? 0 : std::numeric_limits<double>::infinity();
  }
#else
  // What is out of range gives 0, a subnormal or infinity, as C has it; streams lose subnormals.
  static const locale_t classic = ::newlocale(LC_ALL_MASK, "C", nullptr);
  d = ::strtod_l(std::string(text).c_str(), nullptr, classic);
#endif
  return negative ? -d : d;
}

std::string shortest_double(double d) {
  char buffer[64];
  auto sci = std::to_chars(buffer, buffer + sizeof buffer, d, std::chars_format::scientific);
  std::string text(buffer, sci.ptr);
  int exponent = std::atoi(text.c_str() + text.find('e') + 1);
  if (exponent < -4 || exponent >= 17) return text;
  auto fixed = std::to_chars(buffer, buffer + sizeof buffer, d, std::chars_format::fixed);
  return {buffer, fixed.ptr};
}

std::string format_double(double d, char form, int precision) {
  auto how = form == 'e'   ? std::chars_format::scientific
             : form == 'f' ? std::chars_format::fixed
                           : std::chars_format::general;
  std::string buffer(static_cast<std::size_t>(precision) + 400, '\0');
  auto end = std::to_chars(buffer.data(), buffer.data() + buffer.size(), d, how, precision);
  buffer.resize(static_cast<std::size_t>(end.ptr - buffer.data()));
  return buffer;
}

}  // namespace starlark
