// SPDX-License-Identifier: Apache-2.0
//
// The universal built-in functions.
#include <algorithm>
#include <cmath>

#include "spec/starlark/builtin_tables.h"
#include "spec/starlark/builtins.h"
#include "spec/starlark/ints.h"
#include "spec/starlark/numbers.h"
#include "spec/starlark/objects.h"
#include "spec/starlark/ops.h"
#include "spec/starlark/unicode.h"
#include "spec/starlark/values.h"
#include "spec/starlark/vm.h"

namespace starlark {
namespace {

std::string type(Value v) { return std::string(type_name(v)); }
std::string self_name(Call& c) { return std::string(c.name()) + ": "; }

Value abs_(Call& c) {
  static constexpr Param kParams[] = {{.name = "x", .want = kNumber, .positional_only = true}};
  Value x;
  if (!c.unpack(kParams, {&x, 1})) return c.failed();
  if (is_float(x)) return c.heap().floating(std::fabs(float_value(x)));
  return int_sign(x) < 0 ? int_neg(c.heap(), x) : x;
}

Value any_all(Call& c, bool stop) {
  static constexpr Param kParams[] = {{.name = "iterable", .want = kIterable, .positional_only = true}};
  Value x, v;
  if (!c.unpack(kParams, {&x, 1})) return c.failed();
  Iterate it(c.heap(), x);
  while (it.next(v)) {
    if (!c.charge(1)) return c.failed();
    if (truth(v) == stop) return Value::boolean(stop);
  }
  return Value::boolean(!stop);
}
Value any_(Call& c) { return any_all(c, true); }
Value all_(Call& c) { return any_all(c, false); }

bool one(Call& c, Value& x, bool required, std::uint32_t want = kAny, std::string_view name = "x") {
  Param p{.name = name, .want = want, .form = required ? Param::required : Param::optional,
          .positional_only = true};
  return c.unpack({&p, 1}, {&x, 1});
}

Value bool_(Call& c) {
  Value x;
  if (!one(c, x, false)) return c.failed();
  return Value::boolean(x.valid() && truth(x));
}

Value bytes_(Call& c) {
  Value x;
  if (!one(c, x, true)) return c.failed();
  if (is_kind(x, Kind::bytes)) return x;
  if (is_string(x)) {
    std::string out;
    std::string_view s = to_string_view(x);
    while (!s.empty()) encode(decode(s), out);
    return c.heap().bytes(out);
  }
  if (!is_iterable(x)) {
    return c.fail(Code::type, "bytes: got " + type(x) + ", want string, bytes, or iterable of ints");
  }
  std::vector<Value> items;
  if (!ops::collect(c, x, items)) return c.failed();
  std::string out;
  for (std::size_t i = 0; i < items.size(); ++i) {
    if (!is_int(items[i])) {
      return c.fail(Code::type, "bytes: at index " + std::to_string(i) + ", got " + type(items[i]) +
                                    ", want int");
    }
    auto n = to_int64(items[i]);
    if (!n || *n < 0 || *n > 255) {
      return c.fail(Code::value, "bytes: at index " + std::to_string(i) + ", " +
                                     int_to_decimal(items[i]) + " out of range (want value in unsigned 8-bit range)");
    }
    out += static_cast<char>(*n);
  }
  return c.heap().bytes(out);
}

Value chr_(Call& c) {
  Value x;
  if (!one(c, x, true, kInt, "i")) return c.failed();
  auto n = to_int64(x);
  if (int_sign(x) < 0) {
    return c.fail(Code::value, "chr: Unicode code point " + int_to_decimal(x) + " out of range (<0)");
  }
  if (!n || *n > 0x10FFFF) {
    std::string hex = int_to_base(x, 16);
    for (char& ch : hex) ch = static_cast<char>(std::toupper(ch));
    return c.fail(Code::value, "chr: Unicode code point U+" + hex + " out of range (>0x10FFFF)");
  }
  std::string out;
  encode(static_cast<std::int32_t>(*n), out);
  return c.heap().string(out);
}

Value dict_(Call& c) {
  if (c.args().size() > 1) {
    return c.fail(Code::call, "dict: got " + std::to_string(c.args().size()) + " arguments, want at most 1");
  }
  Value d = c.heap().dict(c.kwargs().size());
  if (!c.args().empty()) {
    if (!is_iterable(c.args()[0])) {
      return c.fail(Code::type, "dict: got " + type(c.args()[0]) + ", want iterable");
    }
    if (!ops::update_dict(c, d, c.args()[0])) return c.failed();
  }
  for (std::size_t i = 0; i < c.kwargs().size(); ++i) {
    const Keyword& k = c.kwargs()[i];
    for (std::size_t j = 0; j < i && c.kwargs().size() < 200; ++j) {
      if (to_string_view(c.kwargs()[j].name) == to_string_view(k.name)) {
        return c.fail(Code::call, "dict: duplicate keyword arg: " + repr(k.name));
      }
    }
    if (!ops::insert(c, d, k.name, k.value, false)) return c.failed();
  }
  return d;
}

Value dir_(Call& c) {
  Value x;
  if (!one(c, x, true)) return c.failed();
  std::vector<Value> out;
  for (std::string_view name : ops::attribute_names(x)) out.push_back(c.heap().string(name));
  return c.heap().list(out);
}

Value enumerate_(Call& c) {
  static constexpr Param kParams[] = {{"iterable", kIterable}, {"start", kInt, Param::optional}};
  Value a[2], v;
  if (!c.unpack(kParams, a)) return c.failed();
  Value n = a[1].valid() ? a[1] : Value::small_int(0);
  std::vector<Value> items, out;
  if (!ops::collect(c, a[0], items)) return c.failed();
  if (!c.need_bytes(items.size() * 40) || !c.charge(items.size())) return c.failed();
  for (Value item : items) {
    Value pair[] = {n, item};
    out.push_back(c.heap().tuple(pair));
    n = int_add(c.heap(), n, Value::small_int(1));
  }
  return c.heap().list(out);
}

Value fail_(Call& c) {
  static constexpr Param kParams[] = {{"sep", kString, Param::keyword_only}};
  Value sep;
  if (!c.unpack_keywords(kParams, {&sep, 1})) return c.failed();
  Writer w(1 << 20);
  w.add("fail: ");
  for (std::size_t i = 0; i < c.args().size(); ++i) {
    if (i > 0) w.add(sep.valid() ? to_string_view(sep) : " ");
    w.str(c.args()[i]);
  }
  return c.fail(Code::fail, w.take());
}

Value float_(Call& c) {
  Value x;
  if (!one(c, x, false)) return c.failed();
  if (!x.valid()) return c.heap().floating(0);
  if (x.is_bool()) return c.heap().floating(x.is_true() ? 1 : 0);
  if (is_float(x)) return x;
  if (is_int(x)) {
    double d = int_to_double(x);
    if (std::isinf(d)) return c.fail(Code::overflow, "float: int too large to convert to float");
    return c.heap().floating(d);
  }
  if (!is_string(x)) return c.fail(Code::type, "float: got " + type(x) + ", want number or string");
  std::string s(to_string_view(x));
  std::string body = s;
  double sign = 1;
  if (!body.empty() && (body[0] == '+' || body[0] == '-')) {
    sign = body[0] == '-' ? -1 : 1;
    body = body.substr(1);
  }
  std::string lower = body;
  for (char& ch : lower) ch = static_cast<char>(std::tolower(static_cast<unsigned char>(ch)));
  if (lower == "inf" || lower == "infinity") return c.heap().floating(sign * INFINITY);
  if (lower == "nan") return c.heap().floating(NAN);
  auto d = body.empty() || body[0] == '+' || body[0] == '-' ? std::nullopt : parse_double(body);
  if (!d) return c.fail(Code::value, "float: invalid float literal: " + s);
  if (std::isinf(*d)) return c.fail(Code::overflow, "float: floating-point number too large: " + s);
  return c.heap().floating(sign * *d);
}

Value getattr_(Call& c) {
  static constexpr Param kParams[] = {{.name = "object", .positional_only = true},
                                      {.name = "name", .want = kString, .positional_only = true},
                                      {.name = "default", .form = Param::optional, .positional_only = true}};
  Value a[3];
  if (!c.unpack(kParams, a)) return c.failed();
  if (a[2].valid()) {
    auto names = ops::attribute_names(a[0]);
    bool there = std::binary_search(names.begin(), names.end(), to_string_view(a[1]));
    if (!there) return a[2];
  }
  return ops::attribute(c, a[0], a[1]);
}

Value hasattr_(Call& c) {
  static constexpr Param kParams[] = {{.name = "object", .positional_only = true},
                                      {.name = "name", .want = kString, .positional_only = true}};
  Value a[2];
  if (!c.unpack(kParams, a)) return c.failed();
  auto names = ops::attribute_names(a[0]);
  return Value::boolean(std::binary_search(names.begin(), names.end(), to_string_view(a[1])));
}

// Strings: as Java's String.hashCode over UTF-16, like the other implementations; bytes: FNV-1a.
Value hash_(Call& c) {
  Value x;
  if (!one(c, x, true, kString | kBytes) || !c.charge(length(x) / 16)) return c.failed();
  std::string_view s = to_string_view(x);
  if (is_kind(x, Kind::bytes)) {
    std::uint32_t h = 0x811c9dc5;
    for (char ch : s) h = (h ^ static_cast<unsigned char>(ch)) * 0x01000193;
    return Value::small_int(h);
  }
  std::uint32_t h = 0;
  while (!s.empty()) {
    auto cp = static_cast<std::uint32_t>(decode(s));
    if (cp >= 0x10000) {
      h = 31 * h + (0xd800 + ((cp - 0x10000) >> 10));
      cp = 0xdc00 + ((cp - 0x10000) & 0x3ff);
    }
    h = 31 * h + cp;
  }
  return Value::small_int(static_cast<std::int32_t>(h));
}

Value int_from_text(Call& c, Value x, Value base_value) {
  std::string text(to_string_view(x));
  std::int64_t base = 10;
  if (base_value.valid()) base = to_int64(base_value).value_or(-1);
  if (base != 0 && (base < 2 || base > 36)) {
    return c.fail(Code::value, "int: base must be 0 or from 2 to 36, got " + int_to_decimal(base_value));
  }
  auto bad = [&] {
    return c.fail(Code::value, "int: invalid literal with base " + std::to_string(base) + ": " + text);
  };
  std::string_view s = text;
  std::string digits;
  if (!s.empty() && (s[0] == '+' || s[0] == '-')) {
    if (s[0] == '-') digits = "-";
    s.remove_prefix(1);
  }
  std::int64_t real = base;
  if (s.size() > 1 && s[0] == '0') {
    char p = static_cast<char>(s[1] | 32);
    std::int64_t prefix = p == 'x' ? 16 : p == 'o' ? 8 : p == 'b' ? 2 : 0;
    if (prefix != 0 && (base == 0 || base == prefix)) {
      real = prefix;
      s.remove_prefix(2);
    } else if (base == 0 && s.find_first_not_of('0') != std::string_view::npos) {
      return bad();
    }
  }
  if (real == 0) real = 10;
  if (s.empty() || s[0] == '-' || s[0] == '+') return bad();
  Value v = int_from_digits(c.heap(), digits + std::string(s), static_cast<int>(real));
  return v.valid() ? v : bad();
}

Value int_(Call& c) {
  static constexpr Param kParams[] = {{.name = "x", .positional_only = true},
                                      {"base", kInt, Param::optional}};
  Value a[2];
  if (c.args().empty() && c.kwargs().empty()) return c.fail(Code::call, "int: missing argument for x");
  if (!c.unpack(kParams, a)) return c.failed();
  Value x = a[0];
  if (is_string(x)) return int_from_text(c, x, a[1]);
  if (a[1].valid()) return c.fail(Code::type, "int: can't convert non-string with explicit base");
  if (x.is_bool()) return Value::small_int(x.is_true() ? 1 : 0);
  if (is_int(x)) return x;
  if (is_float(x)) {
    double d = float_value(x);
    if (std::isnan(d)) return c.fail(Code::value, "int: cannot convert float NaN to integer");
    if (std::isinf(d)) return c.fail(Code::value, "int: cannot convert float infinity to integer");
    return int_from_double(c.heap(), std::trunc(d));
  }
  return c.fail(Code::type, "int: cannot convert " + type(x) + " to int");
}

Value len_(Call& c) {
  Value x;
  if (!one(c, x, true)) return c.failed();
  switch (kind_of(x)) {
    case Kind::string:
    case Kind::bytes:
    case Kind::list:
    case Kind::tuple:
    case Kind::dict:
    case Kind::set:
    case Kind::range:
      return c.heap().integer(static_cast<std::int64_t>(length(x)));
    case Kind::string_view:
      if (x.object()->flags <= ViewObject::elem_ords) {
        return Value::small_int(static_cast<std::int64_t>(length(as<ViewObject>(x)->string)));
      }
      break;
    case Kind::host:
      if (host_object(x)->length() >= 0) return Value::small_int(host_object(x)->length());
      break;
    default: break;
  }
  return c.fail(Code::type, "len: value of type " + type(x) + " has no len");
}

Value list_or_tuple(Call& c, bool list) {
  Value x;
  if (!one(c, x, false, kIterable, "iterable")) return c.failed();
  std::vector<Value> items;
  if (x.valid() && !ops::collect(c, x, items)) return c.failed();
  if (!c.need_bytes(items.size() * 16)) return c.failed();
  return list ? c.heap().list(items) : c.heap().tuple(items);
}
Value list_(Call& c) { return list_or_tuple(c, true); }
Value tuple_(Call& c) {
  if (c.args().size() == 1 && c.kwargs().empty() && is_kind(c.args()[0], Kind::tuple)) return c.args()[0];
  return list_or_tuple(c, false);
}

Value set_(Call& c) {
  Value x;
  if (!one(c, x, false, kIterable, "iterable")) return c.failed();
  std::vector<Value> items;
  if (x.valid() && !ops::collect(c, x, items)) return c.failed();
  Value out = c.heap().set(items.size());
  for (Value v : items) {
    std::string_view why;
    auto h = hash(v, &why);
    if (!h) return c.fail(Code::unhashable, "set: unhashable type: " + std::string(why));
    Refused r = table_insert(c.heap(), as<TableObject>(out), v, *h, Value::none());
    if (r != Refused::no) return c.refuse(r, "insert into", out);
  }
  return out;
}

Value ord_(Call& c) {
  Value x;
  if (!one(c, x, true, kString | kBytes) || !c.charge(length(x) / 16)) return c.failed();
  std::string_view s = to_string_view(x);
  if (is_kind(x, Kind::bytes)) {
    if (s.size() != 1) {
      return c.fail(Code::value, "ord: bytes has length " + std::to_string(s.size()) + ", want 1");
    }
    return Value::small_int(static_cast<unsigned char>(s[0]));
  }
  std::size_t n = count_code_points(s);
  if (n != 1) {
    return c.fail(Code::value, "ord: string encodes " + std::to_string(n) + " Unicode code points, want 1");
  }
  return Value::small_int(decode(s));
}

Value print_(Call& c) {
  static constexpr Param kParams[] = {{"sep", kString, Param::keyword_only}};
  Value sep;
  if (!c.unpack_keywords(kParams, {&sep, 1})) return c.failed();
  Writer w(16 << 20);
  for (std::size_t i = 0; i < c.args().size(); ++i) {
    if (i > 0) w.add(sep.valid() ? to_string_view(sep) : " ");
    w.str(c.args()[i]);
  }
  if (w.full()) return c.fail(Code::memory, "print: text too large");
  if (c.fiber().env().print) c.fiber().env().print(c.fiber(), w.text());
  return Value::none();
}

Value range_(Call& c) {
  static constexpr Param kParams[] = {{.name = "start", .want = kInt, .positional_only = true},
                                      {.name = "stop", .want = kInt, .form = Param::optional, .positional_only = true},
                                      {.name = "step", .want = kInt, .form = Param::optional, .positional_only = true}};
  Value a[3];
  if (!c.unpack(kParams, a)) return c.failed();
  std::int64_t n[3] = {0, 0, 1};
  for (int i = 0; i < 3; ++i) {
    if (!a[i].valid()) continue;
    auto v = to_int64(a[i]);
    if (!v) {
      return c.fail(Code::value, "range: for parameter " + std::string(kParams[i].name) + ": " +
                                     int_to_decimal(a[i]) + " out of range (want value in signed 64-bit range)");
    }
    n[i] = *v;
  }
  if (!a[1].valid()) {
    n[1] = n[0];
    n[0] = 0;
  }
  if (n[2] == 0) return c.fail(Code::value, "range: step argument must not be zero");
  __int128 span = static_cast<__int128>(n[1]) - n[0];
  if (span / n[2] >= INT64_MAX) return c.fail(Code::overflow, "range: more than 2^63-2 elements");
  return c.heap().range(n[0], n[1], n[2]);
}

Value repr_str(Call& c, bool plain) {
  Value x;
  if (!one(c, x, true)) return c.failed();
  if (plain && is_string(x)) return x;
  Writer w(std::min<std::size_t>(kMaxString, c.heap().budget() / 4));
  plain ? w.str(x) : w.repr(x);
  if (w.full()) return c.fail(Code::memory, self_name(c) + "text too large");
  if (!c.need_bytes(w.text().size()) || !c.charge(w.text().size() / 16)) return c.failed();
  return c.heap().string(w.text());
}
Value repr_(Call& c) { return repr_str(c, false); }
Value str_(Call& c) { return repr_str(c, true); }

Value reversed_(Call& c) {
  Value x;
  if (!one(c, x, true, kIterable, "iterable")) return c.failed();
  std::vector<Value> items;
  if (!ops::collect(c, x, items)) return c.failed();
  std::reverse(items.begin(), items.end());
  return c.heap().list(items);
}

Value type_(Call& c) {
  Value x;
  if (!one(c, x, true)) return c.failed();
  return c.heap().string(type_name(x));
}

Value zip_(Call& c) {
  if (!c.kwargs().empty()) return c.fail(Code::call, "zip: does not accept keyword arguments");
  std::vector<std::vector<Value>> columns(c.args().size());
  std::size_t rows = c.args().empty() ? 0 : SIZE_MAX;
  for (std::size_t i = 0; i < c.args().size(); ++i) {
    if (!is_iterable(c.args()[i])) {
      return c.fail(Code::type, "zip: argument #" + std::to_string(i + 1) + " is not iterable: " +
                                    type(c.args()[i]));
    }
    if (!ops::collect(c, c.args()[i], columns[i])) return c.failed();
    rows = std::min(rows, columns[i].size());
  }
  if (!c.need_bytes(rows * (24 + columns.size() * 8)) || !c.charge(rows * columns.size())) return c.failed();
  std::vector<Value> out, row(columns.size());
  for (std::size_t r = 0; r < rows; ++r) {
    for (std::size_t i = 0; i < columns.size(); ++i) row[i] = columns[i][r];
    out.push_back(c.heap().tuple(row));
  }
  return c.heap().list(out);
}

// ---- sorted, min, max: with a key they call back

Value in_order(Call& c, const std::vector<Value>& items, const std::vector<Value>& keys, bool reverse) {
  std::vector<std::uint32_t> order;
  if (!ops::sort_order(c, keys, reverse, order)) return c.failed();
  Value out = new_list(c.heap(), items.size());
  if (!out.valid()) return c.refuse(Refused::memory, "", out);
  auto* l = as<ListObject>(out);
  for (std::uint32_t i : order) l->items[l->size++] = items[i];
  return out;
}

struct KeyedCall : Continuation {
  KeyedCall(std::vector<Value> all, Value key_fn) : items(std::move(all)), key(key_fn) { set_pure(); }
  virtual Value done(Call& c) = 0;
  Value next(Call& c, Value got) override {
    keys.push_back(got);
    return step(c);
  }
  Value step(Call& c) {
    if (keys.size() < items.size()) return c.call(key, {items[keys.size()]});
    return done(c);
  }
  std::vector<Value> items, keys;
  Value key;
};

struct Sorted : KeyedCall {
  Sorted(std::vector<Value> all, Value key_fn, bool r) : KeyedCall(std::move(all), key_fn), reverse(r) {}
  Value done(Call& c) override { return in_order(c, items, keys, reverse); }
  bool reverse;
};

Value sorted_(Call& c) {
  static constexpr Param kParams[] = {{"iterable", kIterable}, {"key", kCallable, Param::optional},
                                      {"reverse", kBool, Param::optional}};
  Value a[3];
  if (!c.unpack(kParams, a)) return c.failed();
  std::vector<Value> items;
  if (!ops::collect(c, a[0], items) || !c.need_bytes(items.size() * 16)) return c.failed();
  bool reverse = a[2].valid() && a[2].is_true();
  if (a[1].valid()) return c.push<Sorted>(std::move(items), a[1], reverse).step(c);
  return in_order(c, items, items, reverse);
}

Value extreme(Call& c, const std::vector<Value>& items, const std::vector<Value>& keys, bool max) {
  std::size_t best = 0;
  for (std::size_t i = 1; i < items.size(); ++i) {
    std::uint64_t work = 0;
    auto r = compare(keys[max ? best : i], keys[max ? i : best], &work);
    if (!c.charge(work / 8)) return c.failed();
    if (!r) return c.fail(r.error());
    if (*r < 0) best = i;
  }
  return items[best];
}

struct Extreme : KeyedCall {
  Extreme(std::vector<Value> all, Value key_fn, bool m) : KeyedCall(std::move(all), key_fn), max(m) {}
  Value done(Call& c) override { return extreme(c, items, keys, max); }
  bool max;
};

Value min_max(Call& c, bool max) {
  static constexpr Param kParams[] = {{"key", kCallable, Param::keyword_only}};
  Value key;
  if (!c.unpack_keywords(kParams, {&key, 1})) return c.failed();
  std::string name(c.name());
  if (c.args().empty()) {
    return c.fail(Code::call, name + " requires at least one positional argument");
  }
  std::vector<Value> items(c.args().begin(), c.args().end());
  if (items.size() == 1) {
    Value x = items[0];
    items.clear();
    if (!is_iterable(x)) return c.fail(Code::type, name + ": " + type(x) + " value is not iterable");
    if (!ops::collect(c, x, items)) return c.failed();
  }
  if (items.empty()) return c.fail(Code::value, name + ": argument is an empty sequence");
  if (!c.charge(items.size())) return c.failed();
  if (key.valid()) return c.push<Extreme>(std::move(items), key, max).step(c);
  return extreme(c, items, items, max);
}
Value min_(Call& c) { return min_max(c, false); }
Value max_(Call& c) { return min_max(c, true); }

Value struct_(Call& c) {
  if (!c.args().empty()) return c.fail(Code::call, "struct: unexpected positional arguments");
  std::vector<Keyword> all(c.kwargs().begin(), c.kwargs().end());
  std::sort(all.begin(), all.end(), [](const Keyword& a, const Keyword& b) {
    return to_string_view(a.name) < to_string_view(b.name);
  });
  for (std::size_t i = 1; i < all.size(); ++i) {
    if (to_string_view(all[i].name) == to_string_view(all[i - 1].name)) {
      return c.fail(Code::call, "struct: got multiple values for keyword argument " + repr(all[i].name));
    }
  }
  return c.heap().structure(all);
}

constexpr Builtin kUniversal[] = {
    {"abs", abs_}, {"all", all_}, {"any", any_}, {"bool", bool_}, {"bytes", bytes_}, {"chr", chr_},
    {"dict", dict_}, {"dir", dir_}, {"enumerate", enumerate_}, {"fail", fail_}, {"float", float_},
    {"getattr", getattr_}, {"hasattr", hasattr_}, {"hash", hash_}, {"int", int_}, {"len", len_},
    {"list", list_}, {"max", max_}, {"min", min_}, {"ord", ord_}, {"print", print_},
    {"range", range_}, {"repr", repr_}, {"reversed", reversed_}, {"set", set_},
    {"sorted", sorted_}, {"str", str_}, {"tuple", tuple_}, {"type", type_}, {"zip", zip_},
};
constexpr Builtin kStructBuiltin("struct", struct_);

}  // namespace

std::span<const Builtin> universal_functions() { return kUniversal; }
Value struct_builtin() { return kStructBuiltin.value(); }

}  // namespace starlark
