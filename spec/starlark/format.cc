// SPDX-License-Identifier: Apache-2.0
//
// `format % args` and string.format.
#include <charconv>
#include <cmath>

#include "spec/starlark/ints.h"
#include "spec/starlark/numbers.h"
#include "spec/starlark/objects.h"
#include "spec/starlark/ops.h"
#include "spec/starlark/unicode.h"
#include "spec/starlark/values.h"

namespace starlark {
namespace {

using View = std::string_view;

// The int that %d and its kin mean; no value: the error is set.
Value as_int(Call& c, Value v) {
  if (is_int(v)) return v;
  if (is_float(v)) {
    double d = float_value(v);
    if (std::isnan(d)) return c.fail(Code::value, "cannot convert float NaN to integer");
    if (std::isinf(d)) return c.fail(Code::value, "cannot convert float infinity to integer");
    return int_from_double(c.heap(), std::trunc(d));
  }
  return c.fail(Code::type, "%d format: cannot convert " + std::string(type_name(v)) + " to int");
}

bool number(Call& c, Writer& w, char form, Value v) {
  if (v.is_small_int() && (form == 'd' || form == 'i')) {
    char digits[24];
    auto end = std::to_chars(digits, digits + sizeof digits, v.small());
    w.add(View(digits, static_cast<std::size_t>(end.ptr - digits)));
    return true;
  }
  Value i = as_int(c, v);
  if (!i.valid()) return false;
  int base = form == 'o' ? 8 : form == 'x' || form == 'X' ? 16 : 10;
  std::string text = base == 10 ? int_to_decimal(i) : int_to_base(i, base);
  if (form == 'X') {
    for (char& ch : text) ch = static_cast<char>(std::toupper(static_cast<unsigned char>(ch)));
  }
  w.add(text);
  return true;
}

bool real(Call& c, Writer& w, char form, Value v) {
  if (!is_int(v) && !is_float(v)) {
    c.fail(Code::type, std::string("%") + form + " format requires float, not " +
                           (is_string(v) ? "str" : std::string(type_name(v))));
    return false;
  }
  double d = to_double(v);
  if (!is_float(v) && std::isinf(d)) {
    c.fail(Code::overflow, "int too large to convert to float");
    return false;
  }
  if (!std::isfinite(d)) {
    w.add(float_text(d));
  } else if (form == 'g' || form == 'G') {
    std::string text = format_double(d, 'g', 6);
    if (text.find_first_of(".e") == std::string::npos) text += ".0";
    w.add(text);
  } else {
    char lower = static_cast<char>(form | 32);
    std::string text = format_double(d, lower, 6);
    if (form == 'E') {
      for (char& ch : text) ch = static_cast<char>(std::toupper(static_cast<unsigned char>(ch)));
    }
    w.add(text);
  }
  return true;
}

bool character(Call& c, Writer& w, Value v) {
  std::string out;
  if (is_string(v)) {
    if (count_code_points(to_string_view(v)) != 1) {
      c.fail(Code::value, "%c format requires a single-character string");
      return false;
    }
    w.add(to_string_view(v));
    return true;
  }
  if (!is_int(v)) {
    c.fail(Code::type, "%c format requires int or single-character string, not " +
                           std::string(type_name(v)));
    return false;
  }
  auto n = to_int64(v);
  if (!n || *n < 0 || *n > 0x10FFFF) {
    c.fail(Code::value, "%c format requires a valid Unicode code point, got " + int_to_decimal(v));
    return false;
  }
  encode(static_cast<std::int32_t>(*n), out);
  w.add(out);
  return true;
}

// `args`: the right operand; `list`: its values, if it is no mapping.
Value format_with(Call& c, Value format, Value args, std::span<const Value> list) {
  Writer w(std::min<std::size_t>(kMaxString, c.heap().budget() / 4));
  View f = to_string_view(format);
  std::size_t next = 0;
  while (!f.empty()) {
    std::size_t at = f.find('%');
    w.add(f.substr(0, at));
    if (at == View::npos) break;
    f.remove_prefix(at + 1);
    if (f.starts_with('%')) {
      w.add('%');
      f.remove_prefix(1);
      continue;
    }
    Value v;
    bool mapped = f.starts_with('(');
    if (mapped) {
      std::size_t close = f.find(')');
      if (close == View::npos) return c.fail(Code::value, "incomplete format key");
      if (!is_kind(args, Kind::dict)) return c.fail(Code::type, "format requires a mapping");
      std::string key(f.substr(1, close - 1));
      v = dict_get(args, key);
      if (!v.valid()) return c.fail(Code::key, "key not found: " + key);
      f.remove_prefix(close + 1);
    } else {
      if (next >= list.size()) return c.fail(Code::value, "not enough arguments for format string");
      v = list[next++];
    }
    if (f.empty()) return c.fail(Code::value, "incomplete format");
    char form = f[0];
    f.remove_prefix(1);
    bool fine = true;
    switch (form) {
      case 's': w.str(v); break;
      case 'r': w.repr(v); break;
      case 'd':
      case 'i':
      case 'o':
      case 'x':
      case 'X': fine = number(c, w, form, v); break;
      case 'e':
      case 'f':
      case 'g':
      case 'E':
      case 'F':
      case 'G': fine = real(c, w, form, v); break;
      case 'c': fine = character(c, w, v); break;
      default: return c.fail(Code::value, std::string("unknown conversion %") + form);
    }
    if (!fine) return c.failed();
    if (w.full()) return c.fail(Code::memory, "format: string too large");
  }
  if (next < list.size() && !is_kind(args, Kind::dict)) {
    return c.fail(Code::value, "too many arguments for format string");
  }
  if (w.full() || !c.need_bytes(w.text().size())) {
    return c.has_error() ? c.failed() : c.fail(Code::memory, "format: string too large");
  }
  return c.heap().string(w.text());
}

}  // namespace

Value ops::format_percent(Call& c, Value format, Value args) {
  bool tuple = is_kind(args, Kind::tuple);
  return format_with(c, format, args, tuple ? elements(args) : std::span<const Value>(&args, 1));
}

Value ops::format_percent(Call& c, Value format, std::span<const Value> args) {
  return format_with(c, format, Value(), args);
}

namespace {

struct Numbering {
  bool automatic = false, manual = false;
  std::size_t next = 0;
};

// The argument that a replacement field names.
Value field_value(Call& c, View name, Numbering& n) {
  bool digits = !name.empty() && name.find_first_not_of("0123456789") == View::npos;
  if (name.empty() || digits) {
    (name.empty() ? n.automatic : n.manual) = true;
    if (n.automatic && n.manual) {
      return c.fail(Code::value, name.empty()
          ? "format: cannot switch from manual field specification to automatic field numbering"
          : "format: cannot switch from automatic field numbering to manual");
    }
    std::size_t i = 0;
    if (name.empty()) {
      i = n.next++;
    } else if (std::from_chars(name.data(), name.data() + name.size(), i).ec != std::errc{}) {
      i = SIZE_MAX;
    }
    return i < c.args().size() ? c.args()[i]
                               : c.fail(Code::index, "format: tuple index out of range");
  }
  for (const Keyword& k : c.kwargs()) {
    if (to_string_view(k.name) == name) return k.value;
  }
  if (name.find('.') != View::npos) {
    return c.fail(Code::value, "format: attribute syntax x.y is not supported in replacement fields: " + std::string(name));
  }
  if (name.find('[') != View::npos) {
    return c.fail(Code::value, "format: element syntax a[i] is not supported in replacement fields: " + std::string(name));
  }
  return c.fail(Code::key, "format: keyword " + std::string(name) + " not found");
}

}  // namespace

Value string_format(Call& c) {
  Writer w(std::min<std::size_t>(kMaxString, c.heap().budget() / 4));
  View f = to_string_view(c.self());
  Numbering n;
  while (!f.empty()) {
    std::size_t at = f.find_first_of("{}");
    w.add(f.substr(0, at));
    if (at == View::npos) break;
    char brace = f[at];
    f.remove_prefix(at + 1);
    if (f.starts_with(brace)) {
      w.add(brace);
      f.remove_prefix(1);
      continue;
    }
    if (brace == '}') return c.fail(Code::value, "format: single '}' in format");
    std::size_t close = f.find('}');
    if (close == View::npos) return c.fail(Code::value, "format: unmatched '{' in format");
    View name = f.substr(0, close);
    f.remove_prefix(close + 1);
    if (name.find('{') != View::npos) {
      return c.fail(Code::value, "format: nested replacement fields not supported");
    }
    std::size_t colon = name.find(':');
    View spec = colon == View::npos ? View() : name.substr(colon + 1);
    name = name.substr(0, colon);
    std::size_t bang = name.find('!');
    View conversion = bang == View::npos ? "s" : name.substr(bang + 1);
    name = name.substr(0, bang);
    Value v = field_value(c, name, n);
    if (!v.valid()) return c.failed();
    if (!spec.empty()) {
      return c.fail(Code::value, "format spec features not supported in replacement fields: " + std::string(spec));
    }
    if (conversion != "s" && conversion != "r") {
      return c.fail(Code::value, "format: unknown conversion \"" + std::string(conversion) + "\"");
    }
    conversion == "s" ? w.str(v) : w.repr(v);
    if (w.full()) return c.fail(Code::memory, "format: string too large");
  }
  if (!c.need_bytes(w.text().size())) return c.failed();
  return c.heap().string(w.text());
}

}  // namespace starlark
