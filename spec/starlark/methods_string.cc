// SPDX-License-Identifier: Apache-2.0
//
// Methods of string and bytes.
#include <algorithm>

#include "spec/starlark/builtin_tables.h"
#include "spec/starlark/ints.h"
#include "spec/starlark/objects.h"
#include "spec/starlark/ops.h"
#include "spec/starlark/unicode.h"
#include "spec/starlark/values.h"

namespace starlark {

Value string_format(Call& c);  // format.cc

namespace {

using View = std::string_view;

std::string named(Call& c) { return std::string(c.name()) + ": "; }
View self(Call& c) { return to_string_view(c.self()); }
bool none(Call& c) { return c.unpack({}, {}); }

constexpr Param required(View name, std::uint32_t want = kString) {
  return {.name = name, .want = want, .positional_only = true};
}
constexpr Param optional(View name, std::uint32_t want) {
  return {.name = name, .want = want, .form = Param::optional, .positional_only = true};
}

Value view(Call& c, ViewObject::Form form) {
  if (!none(c)) return c.failed();
  auto* v = static_cast<ViewObject*>(c.heap().allocate(sizeof(ViewObject)));
  init(v, Kind::string_view, c.heap().region(), form);
  v->string = c.self();
  return Value::of(v);
}
Value elems(Call& c) { return view(c, ViewObject::elems); }
Value elem_ords(Call& c) { return view(c, ViewObject::elem_ords); }
Value codepoints(Call& c) { return view(c, ViewObject::codepoints); }
Value codepoint_ords(Call& c) { return view(c, ViewObject::codepoint_ords); }

// ---- case

template <class F>
Value mapped(Call& c, F f) {
  if (!none(c) || !c.charge(self(c).size() / 8) || !c.need_bytes(self(c).size())) return c.failed();
  std::string out;
  View s = self(c);
  bool word = false;  // the code point before was a letter
  while (!s.empty()) {
    std::int32_t cp = decode(s);
    encode(f(cp, word), out);
    word = is_letter(cp);
  }
  return c.heap().string(out);
}
Value lower_(Call& c) { return mapped(c, [](std::int32_t x, bool) { return to_lower(x); }); }
Value upper_(Call& c) { return mapped(c, [](std::int32_t x, bool) { return to_upper(x); }); }
Value title_(Call& c) {
  return mapped(c, [](std::int32_t x, bool word) { return word ? to_lower(x) : to_title(x); });
}
Value capitalize(Call& c) {
  bool first = true;
  return mapped(c, [&](std::int32_t x, bool) {
    bool was = std::exchange(first, false);
    return was ? to_title(x) : to_lower(x);
  });
}

template <class F>
Value all_code_points(Call& c, F f) {
  if (!none(c) || !c.charge(self(c).size() / 16)) return c.failed();
  View s = self(c);
  if (s.empty()) return Value::boolean(false);
  while (!s.empty()) {
    if (!f(decode(s))) return Value::boolean(false);
  }
  return Value::boolean(true);
}
Value isalnum_(Call& c) { return all_code_points(c, [](auto x) { return is_letter(x) || is_digit(x); }); }
Value isalpha_(Call& c) { return all_code_points(c, is_letter); }
Value isdigit_(Call& c) { return all_code_points(c, is_digit); }
Value isspace_(Call& c) { return all_code_points(c, is_space); }

Value cased(Call& c, bool upper) {
  if (!none(c) || !c.charge(self(c).size() / 16)) return c.failed();
  bool some = false;
  for (View s = self(c); !s.empty();) {
    std::int32_t x = decode(s);
    if (upper ? is_lower(x) || is_title(x) : is_upper(x) || is_title(x)) return Value::boolean(false);
    some = some || (upper ? is_upper(x) : is_lower(x));
  }
  return Value::boolean(some);
}
Value islower_(Call& c) { return cased(c, false); }
Value isupper_(Call& c) { return cased(c, true); }

Value istitle_(Call& c) {
  if (!none(c) || !c.charge(self(c).size() / 16)) return c.failed();
  bool before = false, some = false;
  for (View s = self(c); !s.empty();) {
    std::int32_t x = decode(s);
    if (is_upper(x) || is_title(x)) {
      if (before || to_title(x) != x) return Value::boolean(false);
      before = some = true;
    } else if (is_lower(x)) {
      if (!before) return Value::boolean(false);
    } else {
      before = false;
    }
  }
  return Value::boolean(some);
}

// ---- finding

// The part of the string that [start:end] means; `from` is where it begins.
bool window(Call& c, Value start, Value end, View& part, std::size_t& from) {
  auto n = static_cast<std::int64_t>(self(c).size());
  auto bound = [&](Value v, std::int64_t missing) {
    if (!v.valid() || v.is_none()) return missing;
    std::int64_t at = to_int64(v).value_or(int_sign(v) < 0 ? -n : n);
    return std::clamp<std::int64_t>(at < 0 ? at + n : at, 0, n);
  };
  std::int64_t low = bound(start, 0), high = std::max(low, bound(end, n));
  from = static_cast<std::size_t>(low);
  part = self(c).substr(from, static_cast<std::size_t>(high - low));
  return part.size() < 16 || c.charge(part.size() / 16);
}

constexpr Param kFind[] = {required("sub"), optional("start", kInt | kNone),
                           optional("end", kInt | kNone)};

Value find(Call& c, bool last, bool must) {
  Value a[3];
  View part;
  std::size_t from;
  if (!c.unpack(kFind, a) || !window(c, a[1], a[2], part, from)) return c.failed();
  std::size_t at = last ? part.rfind(to_string_view(a[0])) : part.find(to_string_view(a[0]));
  if (at != View::npos) return Value::small_int(static_cast<std::int64_t>(at + from));
  return must ? c.fail(Code::value, named(c) + "substring not found") : Value::small_int(-1);
}
Value find_(Call& c) { return find(c, false, false); }
Value rfind_(Call& c) { return find(c, true, false); }
Value index_(Call& c) { return find(c, false, true); }
Value rindex_(Call& c) { return find(c, true, true); }

Value count_(Call& c) {
  Value a[3];
  View part;
  std::size_t from;
  if (!c.unpack(kFind, a) || !window(c, a[1], a[2], part, from)) return c.failed();
  View sub = to_string_view(a[0]);
  if (sub.empty()) return Value::small_int(static_cast<std::int64_t>(count_code_points(part)) + 1);
  std::int64_t n = 0;
  for (std::size_t at = part.find(sub); at != View::npos; at = part.find(sub, at + sub.size())) ++n;
  return Value::small_int(n);
}

Value affix(Call& c, bool front) {
  static constexpr Param kParams[] = {required("affix", kString | kTuple), optional("start", kInt | kNone),
                                      optional("end", kInt | kNone)};
  Value a[3];
  View part;
  std::size_t from;
  if (!c.unpack(kParams, a) || !window(c, a[1], a[2], part, from)) return c.failed();
  auto fits = [&](View s) { return front ? part.starts_with(s) : part.ends_with(s); };
  if (is_string(a[0])) return Value::boolean(fits(to_string_view(a[0])));
  auto all = elements(a[0]);
  for (std::size_t i = 0; i < all.size(); ++i) {
    if (!is_string(all[i])) {
      return c.fail(Code::type, named(c) + "want string, got " + std::string(type_name(all[i])) +
                                    ", for element " + std::to_string(i));
    }
    if (fits(to_string_view(all[i]))) return Value::boolean(true);
  }
  return Value::boolean(false);
}
Value startswith_(Call& c) { return affix(c, true); }
Value endswith_(Call& c) { return affix(c, false); }

Value remove_affix(Call& c, bool front) {
  static constexpr Param kParams[] = {required("affix")};
  Value x;
  if (!c.unpack(kParams, {&x, 1})) return c.failed();
  View s = self(c), t = to_string_view(x);
  if (t.empty() || !(front ? s.starts_with(t) : s.ends_with(t))) return c.self();
  return c.heap().string(front ? s.substr(t.size()) : s.substr(0, s.size() - t.size()));
}
Value removeprefix_(Call& c) { return remove_affix(c, true); }
Value removesuffix_(Call& c) { return remove_affix(c, false); }

// ---- stripping

View stripped(View s, View cutset, bool given, bool left, bool right) {
  auto cut = [&](std::int32_t x) {
    if (!given) return is_space(x);
    for (View rest = cutset; !rest.empty();) {
      if (decode(rest) == x) return true;
    }
    return false;
  };
  while (left && !s.empty()) {
    View rest = s;
    if (!cut(decode(rest))) break;
    s = rest;
  }
  while (right && !s.empty()) {
    std::size_t at = s.size() - 1;
    while (at > 0 && s.size() - at < 4 && (static_cast<unsigned char>(s[at]) & 0xC0) == 0x80) --at;
    View one = s.substr(at);
    std::int32_t x = decode(one);
    if (!one.empty()) {  // malformed: take the last byte alone
      at = s.size() - 1;
      x = kReplacement;
    }
    if (!cut(x)) break;
    s = s.substr(0, at);
  }
  return s;
}

Value strip(Call& c, bool left, bool right) {
  static constexpr Param kParams[] = {optional("cutset", kString | kNone)};
  Value x;
  if (!c.unpack(kParams, {&x, 1})) return c.failed();
  bool given = x.valid() && !x.is_none() && !to_string_view(x).empty();
  if (!c.charge((self(c).size() + 1) * (given ? length(x) + 15 : 16) / 256)) return c.failed();
  return c.heap().string(stripped(self(c), given ? to_string_view(x) : View(), given, left, right));
}
Value strip_(Call& c) { return strip(c, true, true); }
Value lstrip_(Call& c) { return strip(c, true, false); }
Value rstrip_(Call& c) { return strip(c, false, true); }

// ---- cutting up and putting together

Value partition(Call& c, bool last) {
  static constexpr Param kParams[] = {required("sep")};
  Value x;
  if (!c.unpack(kParams, {&x, 1})) return c.failed();
  View s = self(c), sep = to_string_view(x);
  if (!c.charge(s.size() / 32)) return c.failed();
  if (sep.empty()) return c.fail(Code::value, named(c) + "empty separator");
  std::size_t at = last ? s.rfind(sep) : s.find(sep);
  Value parts[3];
  if (at == View::npos) {
    parts[last ? 2 : 0] = c.self();
    parts[1] = parts[last ? 0 : 2] = empty_string();
  } else {
    parts[0] = c.heap().string(s.substr(0, at));
    parts[1] = x;
    parts[2] = c.heap().string(s.substr(at + sep.size()));
  }
  return c.heap().tuple(parts);
}
Value partition_(Call& c) { return partition(c, false); }
Value rpartition_(Call& c) { return partition(c, true); }

std::vector<View> split_at(View s, View sep, std::int64_t most, bool last) {
  std::vector<View> out;
  while (most != 0) {
    std::size_t at = last ? s.rfind(sep) : s.find(sep);
    if (at == View::npos) break;
    if (last) {
      out.push_back(s.substr(at + sep.size()));
      s = s.substr(0, at);
    } else {
      out.push_back(s.substr(0, at));
      s = s.substr(at + sep.size());
    }
    if (most > 0) --most;
  }
  out.push_back(s);
  if (last) std::reverse(out.begin(), out.end());
  return out;
}

std::vector<View> split_space(View s, std::int64_t most, bool last) {
  std::vector<View> out;
  auto space = [&](std::size_t at, std::size_t& size) {
    View rest = s.substr(at);
    std::size_t before = rest.size();
    std::int32_t x = decode(rest);
    size = before - rest.size();
    return is_space(x);
  };
  if (!last) {
    for (s = stripped(s, {}, false, true, false); !s.empty(); s = stripped(s, {}, false, true, false)) {
      if (most == 0) {
        out.push_back(s);
        break;
      }
      std::size_t at = 0, size = 0;
      while (at < s.size() && !space(at, size)) at += size;
      out.push_back(s.substr(0, at));
      s = s.substr(at);
      if (most > 0) --most;
    }
    return out;
  }
  for (s = stripped(s, {}, false, false, true); !s.empty(); s = stripped(s, {}, false, false, true)) {
    if (most == 0) {
      out.push_back(s);
      break;
    }
    std::size_t at = s.size();
    while (at > 0) {
      std::size_t before = at - 1, size;
      while (before > 0 && (static_cast<unsigned char>(s[before]) & 0xC0) == 0x80) --before;
      if (space(before, size)) break;
      at = before;
    }
    out.push_back(s.substr(at));
    s = s.substr(0, at);
    if (most > 0) --most;
  }
  std::reverse(out.begin(), out.end());
  return out;
}

Value strings(Call& c, const std::vector<View>& parts) {
  if (!c.need_bytes(parts.size() * 40) || !c.charge(parts.size())) return c.failed();
  std::vector<Value> out;
  out.reserve(parts.size());
  for (View p : parts) out.push_back(c.heap().string(p));
  return c.heap().list(out);
}

Value split(Call& c, bool last) {
  static constexpr Param kParams[] = {optional("sep", kString | kNone), optional("maxsplit", kInt | kNone)};
  Value a[2];
  if (!c.unpack(kParams, a)) return c.failed();
  std::int64_t most = a[1].valid() && !a[1].is_none() ? to_int64(a[1]).value_or(-1) : -1;
  if (!c.charge(self(c).size() / 16)) return c.failed();
  if (!a[0].valid() || a[0].is_none()) return strings(c, split_space(self(c), most, last));
  if (to_string_view(a[0]).empty()) return c.fail(Code::value, named(c) + "empty separator");
  return strings(c, split_at(self(c), to_string_view(a[0]), most, last));
}
Value split_(Call& c) { return split(c, false); }
Value rsplit_(Call& c) { return split(c, true); }

Value splitlines_(Call& c) {
  static constexpr Param kParams[] = {optional("keepends", kBool)};
  Value keep;
  if (!c.unpack(kParams, {&keep, 1})) return c.failed();
  std::vector<View> out;
  View s = self(c);
  if (!c.charge(s.size() / 16)) return c.failed();
  while (!s.empty()) {
    std::size_t at = s.find_first_of("\r\n");
    std::size_t size = at == View::npos ? s.size() : at;
    std::size_t end = at == View::npos ? size : s.substr(at).starts_with("\r\n") ? at + 2 : at + 1;
    out.push_back(s.substr(0, keep.valid() && keep.is_true() ? end : size));
    s = s.substr(end);
  }
  return strings(c, out);
}

Value join_(Call& c) {
  static constexpr Param kParams[] = {required("iterable", kIterable)};
  Value x;
  std::vector<Value> items;
  if (!c.unpack(kParams, {&x, 1}) || !ops::collect(c, x, items)) return c.failed();
  std::size_t size = items.empty() ? 0 : self(c).size() * (items.size() - 1);
  for (Value v : items) {
    if (!is_string(v)) {
      return c.fail(Code::type, "join: in list, want string, got " + std::string(type_name(v)));
    }
    size += length(v);
  }
  if (size > kMaxString) return c.fail(Code::overflow, "join: string too large");
  if (!c.need_bytes(size) || !c.charge(size / 32)) return c.failed();
  if (items.size() == 1) return items[0];
  char* data;
  Value out = new_string(c.heap(), Kind::string, size, data);
  for (std::size_t i = 0; i < items.size(); ++i) {
    if (i > 0) data = std::copy(self(c).begin(), self(c).end(), data);
    View s = to_string_view(items[i]);
    data = std::copy(s.begin(), s.end(), data);
  }
  return out;
}

Value replace_(Call& c) {
  static constexpr Param kParams[] = {required("old"), required("new"), optional("count", kInt)};
  Value a[3];
  if (!c.unpack(kParams, a)) return c.failed();
  std::int64_t most = a[2].valid() ? to_int64(a[2]).value_or(-1) : -1;
  View s = self(c), from = to_string_view(a[0]), to = to_string_view(a[1]);
  std::string out;
  if (!c.charge(s.size() / 32)) return c.failed();
  std::size_t limit = std::min<std::size_t>(kMaxString, c.heap().budget());
  while (most != 0) {
    std::size_t at = s.find(from);
    if (at == View::npos) break;
    if (from.empty()) {
      out += to;
      if (s.empty()) break;
      View rest = s;
      decode(rest);
      out += s.substr(0, s.size() - rest.size());
      s = rest;
    } else {
      out += s.substr(0, at);
      out += to;
      s = s.substr(at + from.size());
    }
    if (out.size() > limit) return c.fail(Code::memory, "replace: string too large");
    if (most > 0) --most;
  }
  out += s;
  if (!c.need_bytes(out.size()) || !c.charge(out.size() / 32)) return c.failed();
  return c.heap().string(out);
}

constexpr Builtin kStringMethods[] = {
    {"capitalize", capitalize}, {"codepoint_ords", codepoint_ords}, {"codepoints", codepoints},
    {"count", count_}, {"elem_ords", elem_ords}, {"elems", elems}, {"endswith", endswith_},
    {"find", find_}, {"format", string_format}, {"index", index_}, {"isalnum", isalnum_},
    {"isalpha", isalpha_}, {"isdigit", isdigit_}, {"islower", islower_}, {"isspace", isspace_},
    {"istitle", istitle_}, {"isupper", isupper_}, {"join", join_}, {"lower", lower_},
    {"lstrip", lstrip_}, {"partition", partition_}, {"removeprefix", removeprefix_},
    {"removesuffix", removesuffix_}, {"replace", replace_}, {"rfind", rfind_}, {"rindex", rindex_},
    {"rpartition", rpartition_}, {"rsplit", rsplit_}, {"rstrip", rstrip_}, {"split", split_},
    {"splitlines", splitlines_}, {"startswith", startswith_}, {"strip", strip_},
    {"title", title_}, {"upper", upper_}};
constexpr Builtin kBytesMethods[] = {{"elems", elems}};

}  // namespace

std::span<const Builtin> string_methods() { return kStringMethods; }
std::span<const Builtin> bytes_methods() { return kBytesMethods; }

}  // namespace starlark
