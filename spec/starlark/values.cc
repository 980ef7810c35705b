// SPDX-License-Identifier: Apache-2.0
//
// Truth, equality, order, hash, iteration.
#include "spec/starlark/values.h"

#include <cmath>

#include "spec/starlark/ints.h"
#include "spec/starlark/objects.h"
#include "spec/starlark/unicode.h"

namespace starlark {
namespace {

// Beyond this depth the number of nested comparisons is counted: a graph that shares its parts can
// be walked in exponentially many ways.
constexpr int kFreeDepth = 16;
constexpr int kMaxNested = 1'000'000;

struct Compare {
  int nested = 0;
  std::uint64_t work = 0;
  bool too_deep(int depth) {
    return depth > kMaxValueDepth || (depth > kFreeDepth && ++nested > kMaxNested);
  }
  std::optional<bool> equal(Value a, Value b, int depth);
  std::optional<bool> sequences(Value a, Value b, int depth);
  std::optional<bool> tables(Value a, Value b, int depth);
  std::optional<bool> structs(Value a, Value b, int depth);
  std::expected<int, Error> order(Value a, Value b, int depth);
};

int compare_floats(double x, double y) {
  bool nx = std::isnan(x), ny = std::isnan(y);
  if (nx || ny) return nx && ny ? 0 : nx ? 1 : -1;  // NaN is above all numbers and equals itself
  return x < y ? -1 : x > y ? 1 : 0;
}

int compare_numbers(Value a, Value b) {
  bool fa = is_float(a), fb = is_float(b);
  if (fa && fb) return compare_floats(float_value(a), float_value(b));
  if (!fa && !fb) return int_compare(a, b);
  double d = float_value(fa ? a : b);
  if (std::isnan(d)) return fa ? 1 : -1;
  int c = int_compare_double(fa ? b : a, d);
  return fa ? -c : c;
}

bool is_number(Value v) { return is_int(v) || is_float(v); }

Error error(Code code, std::string message) {
  Error e;
  e.code = code;
  e.message = std::move(message);
  return e;
}

}  // namespace

bool truth(Value v) {
  if (v.is_bool()) return v.is_true();
  if (v.is_none()) return false;
  if (v.is_small_int()) return v.small() != 0;
  if (v.is_inline_float()) return decode_float(v) != 0;
  switch (v.object()->kind) {
    case Kind::floating: return float_value(v) != 0;
    case Kind::string:
    case Kind::bytes:
    case Kind::list:
    case Kind::tuple:
    case Kind::dict:
    case Kind::set:
    case Kind::range:
      return length(v) != 0;
    case Kind::host: return host_object(v)->truth();
    default: return true;
  }
}

bool is_callable(Value v) {
  Kind k = kind_of(v);
  return k == Kind::function || k == Kind::builtin ||
         (k == Kind::host && host_object(v)->callable());
}

bool is_iterable(Value v) {
  switch (kind_of(v)) {
    case Kind::list:
    case Kind::tuple:
    case Kind::dict:
    case Kind::set:
    case Kind::range:
    case Kind::string_view:
      return true;
    case Kind::host: return host_object(v)->iterable();
    default: return false;
  }
}

std::optional<bool> Compare::equal(Value a, Value b, int depth) {
  if (is_number(a) && is_number(b)) return compare_numbers(a, b) == 0;
  Kind k = kind_of(a);
  if (k != kind_of(b)) return false;
  switch (k) {
    case Kind::none: return true;
    case Kind::boolean: return a.same(b);
    case Kind::string:
    case Kind::bytes:
      work += length(a) / 32;
      return same_string(as<StringObject>(a), as<StringObject>(b));
    case Kind::list:
    case Kind::tuple: return sequences(a, b, depth);
    case Kind::dict:
    case Kind::set: return tables(a, b, depth);
    case Kind::range: {
      RangeInfo x = range_info(a), y = range_info(b);
      if (x.length != y.length) return false;
      return x.length == 0 || (x.start == y.start && (x.length == 1 || x.step == y.step));
    }
    case Kind::builtin:
      return a.same(b);
    case Kind::structure: return structs(a, b, depth);
    case Kind::host: return a.same(b) || host_object(a)->equals(*host_object(b));
    default: return a.same(b);
  }
}

std::optional<bool> Compare::sequences(Value a, Value b, int depth) {
  if (too_deep(depth)) return std::nullopt;
  if (length(a) != length(b)) return false;
  auto x = elements(a), y = elements(b);
  for (std::size_t i = 0; i < x.size(); ++i) {
    ++work;
    if (x[i].same(y[i]) && !x[i].is_object()) continue;
    auto r = equal(x[i], y[i], depth + 1);
    if (!r || !*r) return r;
  }
  return true;
}

std::optional<bool> Compare::tables(Value a, Value b, int depth) {
  if (too_deep(depth)) return std::nullopt;
  auto *x = as<TableObject>(a), *y = as<TableObject>(b);
  if (x->live != y->live) return false;
  for (std::uint32_t i = 0; i < x->used; ++i) {
    TableEntry& e = x->entries[i];
    if (!e.key.valid()) continue;
    ++work;
    TableEntry* other;
    if (table_find(y, e.key, e.hash, other) != Refused::no) return std::nullopt;
    if (other == nullptr) return false;
    if (x->kind == Kind::set) continue;
    auto r = equal(e.value, other->value, depth + 1);
    if (!r || !*r) return r;
  }
  return true;
}

std::optional<bool> Compare::structs(Value a, Value b, int depth) {
  if (too_deep(depth)) return std::nullopt;
  auto *x = as<StructObject>(a), *y = as<StructObject>(b);
  if (x->count != y->count || x->constructor.valid() != y->constructor.valid()) return false;
  if (x->constructor.valid()) {
    auto r = equal(x->constructor, y->constructor, depth + 1);
    if (!r || !*r) return r;
  }
  for (std::uint64_t i = 0; i < x->count; ++i) {
    Keyword &m = x->fields()[i], &n = y->fields()[i];
    if (!same_string(as<StringObject>(m.name), as<StringObject>(n.name))) return false;
    auto r = equal(m.value, n.value, depth + 1);
    if (!r || !*r) return r;
  }
  return true;
}

std::expected<int, Error> Compare::order(Value a, Value b, int depth) {
  if (is_number(a) && is_number(b)) return compare_numbers(a, b);
  Kind k = kind_of(a);
  if (k == kind_of(b)) {
    switch (k) {
      case Kind::string:
      case Kind::bytes: return to_string_view(a).compare(to_string_view(b));
      case Kind::boolean: return static_cast<int>(a.is_true()) - static_cast<int>(b.is_true());
      case Kind::list:
      case Kind::tuple: {
        if (too_deep(depth)) break;
        auto x = elements(a), y = elements(b);
        for (std::size_t i = 0; i < x.size() && i < y.size(); ++i) {
          auto same = equal(x[i], y[i], depth + 1);
          if (!same) return std::unexpected(error(Code::depth, "comparison exceeded maximum recursion depth"));
          if (!*same) return order(x[i], y[i], depth + 1);
        }
        return x.size() < y.size() ? -1 : x.size() > y.size() ? 1 : 0;
      }
      case Kind::host:
        if (auto r = host_object(a)->compare(*host_object(b))) return *r;
        break;
      default: break;
    }
    if (k == Kind::list || k == Kind::tuple) {
      return std::unexpected(error(Code::depth, "comparison exceeded maximum recursion depth"));
    }
  }
  return std::unexpected(error(Code::type, std::string(type_name(a)) + " < " +
                                               std::string(type_name(b)) + " not implemented"));
}

std::optional<bool> equal(Value a, Value b, std::uint64_t* work) {
  Compare c;
  auto result = c.equal(a, b, 0);
  if (work != nullptr) *work += c.work;
  return result;
}
std::expected<int, Error> compare(Value a, Value b, std::uint64_t* work) {
  Compare c;
  auto result = c.order(a, b, 0);
  if (work != nullptr) *work += c.work;
  return result;
}

namespace {

std::optional<std::uint32_t> hash_at(Value v, std::string_view* why, int depth);

std::optional<std::uint32_t> hash_tuple(Value v, std::string_view* why, int depth) {
  std::uint32_t h = cached_hash(v.object());
  if (h != 0) return h;
  if (depth > kMaxValueDepth) {
    if (why) *why = "tuple nested too deeply";
    return std::nullopt;
  }
  h = 0x345678;
  for (Value item : elements(v)) {
    auto one = hash_at(item, why, depth + 1);
    if (!one) return std::nullopt;
    h = (h ^ *one) * 1000003 + 82520;
  }
  if (h == 0) h = 1;
  cache_hash(v.object(), h);
  return h;
}

std::optional<std::uint32_t> hash_at(Value v, std::string_view* why, int depth) {
  switch (kind_of(v)) {
    case Kind::none: return 0x1234567;
    case Kind::boolean: return v.is_true() ? 1 : 2;
    case Kind::integer: return int_hash(v);
    case Kind::floating: {
      double d = float_value(v);
      if (std::isnan(d)) return 0x7ff8;
      if (std::isinf(d)) return d > 0 ? 0x7ff0 : 0xfff0;
      if (d == std::floor(d)) {
        if (std::fabs(d) < 4e18) return int_hash(Value::small_int(static_cast<std::int64_t>(d)));
        Heap scratch(1 << 16);
        return int_hash(int_from_double(scratch, d));
      }
      auto bits = std::bit_cast<std::uint64_t>(d) * 0x9E3779B97F4A7C15ull;
      return static_cast<std::uint32_t>(bits >> 32);
    }
    case Kind::string:
    case Kind::bytes: return string_hash(as<StringObject>(v));
    case Kind::tuple: return hash_tuple(v, why, depth);
    case Kind::function:
    case Kind::builtin: {
      std::uint64_t p = v.object()->kind == Kind::builtin && !receiver_of(v).valid()
                            ? std::hash<std::string_view>()(builtin_of(v)->name())
                            : v.bits();
      return static_cast<std::uint32_t>((p * 0x9E3779B97F4A7C15ull) >> 32);
    }
    case Kind::structure: {
      std::uint32_t h = cached_hash(v.object());
      if (h != 0) return h;
      h = 8731;
      if (depth > kMaxValueDepth) break;
      for (const Keyword& f : std::span(as<StructObject>(v)->fields(), as<StructObject>(v)->count)) {
        auto one = hash_at(f.value, why, depth + 1);
        if (!one) return std::nullopt;
        h = (h ^ string_hash(as<StringObject>(f.name)) ^ (*one * 5)) * 1000003;
      }
      if (h == 0) h = 1;
      cache_hash(v.object(), h);
      return h;
    }
    case Kind::host:
      if (auto h = host_object(v)->hash()) return static_cast<std::uint32_t>(*h ^ (*h >> 32));
      break;
    default: break;
  }
  if (why) *why = type_name(v);
  return std::nullopt;
}

}  // namespace

std::optional<std::uint32_t> hash(Value v, std::string_view* why) {
  std::uint32_t h;
  return quick_hash(v, h) ? h : hash_at(v, why, 0);
}

// ---- iteration

bool iterate(Heap& heap, Value v, IterState& state, Value& out) {
  // The position is kept as a small int, absent at the start.
  auto position = [&] { return state.a.valid() ? state.a.small() : 0; };
  switch (kind_of(v)) {
    case Kind::list:
    case Kind::tuple: {
      std::int64_t i = position();
      auto items = elements(v);
      if (static_cast<std::size_t>(i) >= items.size()) return false;
      out = items[static_cast<std::size_t>(i)];
      state.a = Value::small_int(i + 1);
      return true;
    }
    case Kind::dict:
    case Kind::set: {
      auto cursor = static_cast<std::size_t>(position());
      Value ignored;
      if (!next_entry(v, cursor, out, ignored)) return false;
      state.a = Value::small_int(static_cast<std::int64_t>(cursor));
      return true;
    }
    case Kind::range: {
      std::int64_t i = position();
      RangeInfo r = range_info(v);
      if (i >= r.length) return false;
      out = heap.integer(r.start + i * r.step);
      state.a = Value::small_int(i + 1);
      return true;
    }
    case Kind::string_view: {
      auto at = static_cast<std::size_t>(position());
      Value s = as<ViewObject>(v)->string;
      std::string_view rest = to_string_view(s);
      if (at >= rest.size()) return false;
      rest.remove_prefix(at);
      int form = v.object()->flags;
      if (form == ViewObject::elems && kind_of(s) == Kind::bytes) form = ViewObject::elem_ords;
      auto byte = static_cast<unsigned char>(rest[0]);
      std::size_t size = 1;
      if (form == ViewObject::elems) {
        out = byte_string(byte);
      } else if (form == ViewObject::elem_ords) {
        out = Value::small_int(byte);
      } else {
        std::string_view after = rest;
        std::int32_t c = decode(after);
        size = rest.size() - after.size();
        if (form == ViewObject::codepoints) {
          std::string text;
          encode(c, text);
          out = heap.string(text);
        } else {
          out = Value::small_int(c);
        }
      }
      state.a = Value::small_int(static_cast<std::int64_t>(at + size));
      return true;
    }
    case Kind::host: return host_object(v)->next(heap, state, out);
    default: return false;
  }
}

Iterate::Iterate(Heap& heap, Value v) : heap_(heap), v_(v), ok_(is_iterable(v)) {
  if (ok_) held_ = hold(heap, v);
}
Iterate::~Iterate() {
  if (held_) release(v_);
}
bool Iterate::next(Value& out) { return iterate(heap_, v_, state_, out); }
std::int64_t Iterate::expected() const {
  switch (kind_of(v_)) {
    case Kind::list:
    case Kind::tuple:
    case Kind::dict:
    case Kind::set:
    case Kind::range:
      return static_cast<std::int64_t>(length(v_));
    case Kind::host: return host_object(v_)->length();
    default: return -1;
  }
}

}  // namespace starlark
