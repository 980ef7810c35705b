// SPDX-License-Identifier: Apache-2.0
//
// The quick ways of the instruction loop: small ints, lists, strings, fields. Each gives no value,
// or false, where the general way (ops) must do it. For interpret.cc alone.
#pragma once

#include "spec/starlark/ints.h"
#include "spec/starlark/machine.h"
#include "spec/starlark/values.h"

namespace starlark {

inline bool both_small(Value a, Value b) { return (a.bits() & b.bits() & 1) != 0; }

// A small int is its number doubled and one, so that sums and differences need no shift.
inline Value quick_add(Value x, Value y) {
  std::int64_t r;
  const auto a = static_cast<std::int64_t>(x.bits()), b = static_cast<std::int64_t>(y.bits() - 1);
  if (!both_small(x, y) || __builtin_add_overflow(a, b, &r)) return Value();
  return Value::from_bits(static_cast<std::uint64_t>(r));
}
inline Value quick_sub(Value x, Value y) {
  std::int64_t r;
  const auto a = static_cast<std::int64_t>(x.bits()), b = static_cast<std::int64_t>(y.bits() - 1);
  if (!both_small(x, y) || __builtin_sub_overflow(a, b, &r)) return Value();
  return Value::from_bits(static_cast<std::uint64_t>(r));
}
inline Value quick_add_int(Value x, std::int64_t n) {  // n within 31 bits
  std::int64_t r;
  if (!x.is_small_int() ||
      __builtin_add_overflow(static_cast<std::int64_t>(x.bits()), n * 2, &r)) {
    return Value();
  }
  return Value::from_bits(static_cast<std::uint64_t>(r));
}
inline Value quick_mul(Value x, Value y) {
  std::int64_t r;
  if (!both_small(x, y) || __builtin_mul_overflow(x.small(), y.small(), &r)) return Value();
  return Value::fits_small(r) ? Value::small_int(r) : Value();
}
inline Value quick_floordiv(Value x, Value y) {
  if (!both_small(x, y) || y.small() <= 0) return Value();
  std::int64_t m = x.small(), n = y.small(), q = m / n;
  return Value::small_int(m % n < 0 ? q - 1 : q);
}
inline Value quick_mod(Value x, Value y) {
  if (!both_small(x, y) || y.small() <= 0) return Value();
  std::int64_t r = x.small() % y.small();
  return Value::small_int(r < 0 ? r + y.small() : r);
}

inline bool quick_truth(Value v) {
  return v.is_bool() ? v.is_true() : truth(v);
}

// The sum of two strings; no value: the general way must do it.
inline Value quick_concat(Heap& heap, Value x, Value y) {
  if (!is_string(x) || !is_string(y)) return Value();
  auto *a = as<StringObject>(x), *b = as<StringObject>(y);
  if (a->size == 0 || b->size == 0 || std::size_t{a->size} + b->size > kMaxString) return Value();
  return concat(heap, Kind::string, a, b);
}

// x = x + y where x is a local; false: the general way must do it.
inline bool quick_grow(Heap& heap, Value& x, Value y) {
  if (!is_string(x) || !is_string(y)) return false;
  auto* a = as<StringObject>(x);
  if ((a->flags & StringObject::kOwn) != 0 && grow(heap, a, as<StringObject>(y))) return true;
  Value joined = quick_concat(heap, x, y);
  if (!joined.valid()) return false;
  if ((joined.object()->flags & StringObject::kInBuffer) != 0) {
    joined.object()->flags |= StringObject::kOwn;
  }
  x = joined;
  return true;
}

// x[i] of lists, tuples, and dicts with common keys; no value: the general way must do it.
inline Value quick_index(Value x, Value i) {
  if (!x.is_object()) return Value();
  std::uint32_t h;
  switch (x.object()->kind) {
    case Kind::list: {
      auto* l = as<ListObject>(x);
      auto at = static_cast<std::uint64_t>(i.small());
      return i.is_small_int() && at < l->size ? l->items[at] : Value();
    }
    case Kind::tuple: {
      auto* t = as<TupleObject>(x);
      auto at = static_cast<std::uint64_t>(i.small());
      return i.is_small_int() && at < t->size ? t->items()[at] : Value();
    }
    case Kind::dict: {
      TableEntry* e;
      if (!quick_hash(i, h) || table_find(as<TableObject>(x), i, h, e) != Refused::no) return Value();
      return e != nullptr ? e->value : Value();
    }
    default: return Value();
  }
}

// x[i] = v likewise; false: the general way must do it.
inline bool quick_set_index(Heap& heap, Value x, Value i, Value v) {
  if (!x.is_object() || changeable(heap, x.object()) != Refused::no) return false;
  std::uint32_t h;
  if (x.object()->kind == Kind::list) {
    auto* l = as<ListObject>(x);
    auto at = static_cast<std::uint64_t>(i.small());
    if (!i.is_small_int() || at >= l->size) return false;
    l->items[at] = v;
    return true;
  }
  return x.object()->kind == Kind::dict && quick_hash(i, h) &&
         table_insert(heap, as<TableObject>(x), i, h, v) == Refused::no;
}

// The field of a struct or module. The instruction remembers where it was last: structs made at one
// place of a program have it there again. A wrong hint costs time only, so threads may race for it.
inline Value quick_field(Value x, Value name, const Ins* pc) {
  if (!is_kind(x, Kind::structure) && !is_kind(x, Kind::module)) return Value();
  const auto* o = as<StructObject>(x);
  auto hint = static_cast<std::uint32_t>(__atomic_load_n(&pc->e, __ATOMIC_RELAXED));
  if (hint < o->count && o->fields()[hint].name.same(name)) return o->fields()[hint].value;
  const Keyword* f = find_field(o, as<StringObject>(name));
  if (f == nullptr) return Value();
  auto at = static_cast<std::uint32_t>(f - o->fields());
  if (at != hint) {
    __atomic_store_n(const_cast<std::int32_t*>(&pc->e), static_cast<std::int32_t>(at), __ATOMIC_RELAXED);
  }
  return f->value;
}

inline Value quick_integer(Heap& heap, std::int64_t i) {
  return Value::fits_small(i) ? Value::small_int(i) : heap.integer(i);
}

}  // namespace starlark
