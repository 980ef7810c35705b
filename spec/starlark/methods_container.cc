// SPDX-License-Identifier: Apache-2.0
//
// Methods of list, dict and set.
#include <algorithm>
#include <utility>

#include "spec/starlark/builtin_tables.h"
#include "spec/starlark/ints.h"
#include "spec/starlark/objects.h"
#include "spec/starlark/ops.h"
#include "spec/starlark/values.h"

namespace starlark {
namespace {

std::string named(Call& c) { return std::string(c.name()) + ": "; }

constexpr Param required(std::string_view name, std::uint32_t want = kAny) {
  return {.name = name, .want = want, .positional_only = true};
}
constexpr Param optional(std::string_view name, std::uint32_t want = kAny) {
  return {.name = name, .want = want, .form = Param::optional, .positional_only = true};
}

bool changing(Call& c, std::string_view verb) {
  Refused r = changeable(c.heap(), c.self().object());
  if (r != Refused::no) c.refuse(r, verb, c.self());
  return r == Refused::no;
}

// ---- list

Value list_append(Call& c) {
  if (c.args().size() == 1 && c.kwargs().empty()) [[likely]] {
    Refused r = c.heap().append(c.self(), c.args()[0]);
    return r == Refused::no ? Value::none() : c.refuse(r, "append to", c.self());
  }
  static constexpr Param kParams[] = {required("x")};
  Value x;
  c.unpack(kParams, {&x, 1});
  return c.failed();
}

Value list_clear(Call& c) {
  if (!c.unpack({}, {}) || !changing(c, "clear")) return c.failed();
  as<ListObject>(c.self())->size = 0;
  return Value::none();
}

Value list_extend(Call& c) {
  static constexpr Param kParams[] = {required("iterable", kIterable)};
  Value x;
  if (!c.unpack(kParams, {&x, 1}) || !ops::extend(c, c.self(), x, "extend")) return c.failed();
  return Value::none();
}

std::int64_t clamp_index(Value v, std::int64_t n, std::int64_t missing) {
  if (!v.valid() || v.is_none()) return missing;
  std::int64_t i = to_int64(v).value_or(int_sign(v) < 0 ? INT64_MIN / 2 : INT64_MAX / 2);
  if (i < 0) i += n;
  return std::clamp<std::int64_t>(i, 0, n);
}

Value list_index(Call& c) {
  static constexpr Param kParams[] = {required("x"), optional("start", kInt | kNone),
                                      optional("end", kInt | kNone)};
  Value a[3];
  if (!c.unpack(kParams, a)) return c.failed();
  auto items = elements(c.self());
  auto n = static_cast<std::int64_t>(items.size());
  std::int64_t end = clamp_index(a[2], n, n);
  if (!c.charge(items.size() / 8)) return c.failed();
  std::uint64_t work = 0;
  for (std::int64_t i = clamp_index(a[1], n, 0); i < end; ++i) {
    auto same = equal(items[static_cast<std::size_t>(i)], a[0], &work);
    if (!c.charge(std::exchange(work, 0) / 8)) return c.failed();
    if (!same) return c.refuse(Refused::too_deep, "", c.self());
    if (*same) return Value::small_int(i);
  }
  return c.fail(Code::value, named(c) + "value not in list");
}

Value list_insert(Call& c) {
  static constexpr Param kParams[] = {required("index", kInt), required("x")};
  Value a[2];
  if (!c.unpack(kParams, a) || !changing(c, "insert into")) return c.failed();
  auto* l = as<ListObject>(c.self());
  std::int64_t at = clamp_index(a[0], l->size, 0);
  if (!c.charge(static_cast<std::uint64_t>(l->size - at) / 16)) return c.failed();
  if (!list_push(c.heap(), l, a[1])) return c.refuse(Refused::memory, "", c.self());
  std::rotate(l->items + at, l->items + l->size - 1, l->items + l->size);
  return Value::none();
}

Value list_pop(Call& c) {
  static constexpr Param kParams[] = {optional("index", kInt)};
  Value x;
  if (!c.unpack(kParams, {&x, 1})) return c.failed();
  auto* l = as<ListObject>(c.self());
  std::int64_t n = l->size;
  std::int64_t i = x.valid() ? to_int64(x).value_or(INT64_MAX) : n - 1;
  std::int64_t at = i < 0 && x.valid() ? i + n : i;
  if (at < 0 || at >= n) {
    if (n == 0) return c.fail(Code::index, named(c) + "index " + std::to_string(i) + " out of range: empty list");
    return c.fail(Code::index, named(c) + "index " + std::to_string(i) + " out of range [" +
                                   std::to_string(-n) + ":" + std::to_string(n - 1) + "]");
  }
  if (!changing(c, "pop from") || !c.charge(static_cast<std::uint64_t>(n - at) / 16)) return c.failed();
  Value v = l->items[at];
  std::move(l->items + at + 1, l->items + n, l->items + at);
  --l->size;
  return v;
}

Value list_remove(Call& c) {
  static constexpr Param kParams[] = {required("x")};
  Value x;
  if (!c.unpack(kParams, {&x, 1}) || !changing(c, "remove from")) return c.failed();
  auto* l = as<ListObject>(c.self());
  if (!c.charge(l->size / 8)) return c.failed();
  std::uint64_t work = 0;
  for (std::uint32_t i = 0; i < l->size; ++i) {
    auto same = equal(l->items[i], x, &work);
    if (!c.charge(std::exchange(work, 0) / 8)) return c.failed();
    if (!same) return c.refuse(Refused::too_deep, "", c.self());
    if (!*same) continue;
    std::move(l->items + i + 1, l->items + l->size, l->items + i);
    --l->size;
    return Value::none();
  }
  return c.fail(Code::value, "remove: element not found");
}

constexpr Builtin kListMethods[] = {{"append", list_append}, {"clear", list_clear}, {"extend", list_extend},
                             {"index", list_index}, {"insert", list_insert}, {"pop", list_pop},
                             {"remove", list_remove}};

// ---- dict and set

TableObject* table(Call& c) { return as<TableObject>(c.self()); }

bool lookup(Call& c, Value key, std::uint32_t& h, TableEntry*& e) {
  std::string_view why;
  auto computed = hash(key, &why);
  if (!computed) {
    c.fail(Code::unhashable, named(c) + "unhashable type: " + std::string(why));
    return false;
  }
  h = *computed;
  if (Refused r = table_find(table(c), key, h, e); r != Refused::no) {
    c.refuse(r, "", c.self());
    return false;
  }
  return true;
}

Value table_clear_(Call& c) {
  if (!c.unpack({}, {})) return c.failed();
  if (table(c)->live == 0 && is_kind(c.self(), Kind::set)) return Value::none();
  if (!changing(c, "clear") || !c.charge(table(c)->mask / 16)) return c.failed();
  table_clear(c.heap(), table(c));
  return Value::none();
}

// The arguments (key, default=) and the key's entry, if it has one. `verb`: what will change; null
// for nothing.
bool key_and_default(Call& c, const char* verb, Value (&a)[2], TableEntry*& e) {
  static constexpr Param kParams[] = {required("key"), optional("default")};
  std::uint32_t h;
  return c.unpack(kParams, a) && (verb == nullptr || changing(c, verb)) && lookup(c, a[0], h, e);
}

Value dict_get_(Call& c) {
  Value a[2];
  TableEntry* e;
  if (!key_and_default(c, nullptr, a, e)) return c.failed();
  return e ? e->value : a[1].valid() ? a[1] : Value::none();
}

Value dict_list(Call& c, int what) {
  if (!c.unpack({}, {})) return c.failed();
  std::vector<Value> out;
  if (!c.need_bytes(std::uint64_t{table(c)->live} * (what == 2 ? 40 : 8)) || !c.charge(table(c)->live / 4)) return c.failed();
  std::size_t cursor = 0;
  Value pair[2];
  while (next_entry(c.self(), cursor, pair[0], pair[1])) {
    out.push_back(what == 2 ? c.heap().tuple(pair) : pair[what]);
  }
  return c.heap().list(out);
}
Value dict_keys(Call& c) { return dict_list(c, 0); }
Value dict_values(Call& c) { return dict_list(c, 1); }
Value dict_items(Call& c) { return dict_list(c, 2); }

Value dict_pop(Call& c) {
  Value a[2];
  TableEntry* e;
  if (!key_and_default(c, "delete from", a, e)) return c.failed();
  if (e == nullptr) return a[1].valid() ? a[1] : c.fail(Code::key, "pop: missing key");
  Value v = e->value;
  table_erase(table(c), e);
  return v;
}

TableEntry* first_entry(TableObject* t) {
  while (t->first < t->used && !t->entries[t->first].key.valid()) ++t->first;
  return t->first < t->used ? &t->entries[t->first] : nullptr;
}

Value dict_popitem(Call& c) {
  if (!c.unpack({}, {})) return c.failed();
  TableEntry* e = first_entry(table(c));
  if (e == nullptr) return c.fail(Code::key, "popitem: empty dict");
  if (!changing(c, "delete from")) return c.failed();
  Value pair[] = {e->key, e->value};
  table_erase(table(c), e);
  return c.heap().tuple(pair);
}

Value dict_setdefault(Call& c) {
  Value a[2];
  TableEntry* e;
  if (!key_and_default(c, nullptr, a, e)) return c.failed();
  if (e != nullptr) return e->value;
  Value v = a[1].valid() ? a[1] : Value::none();
  Refused r = c.heap().dict_set(c.self(), a[0], v);
  return r == Refused::no ? v : c.refuse(r, "insert into", c.self());
}

Value dict_update(Call& c) {
  if (c.args().size() > 1) {
    return c.fail(Code::call, "update: got " + std::to_string(c.args().size()) + " arguments, want at most 1");
  }
  if (!c.args().empty() && !ops::update_dict(c, c.self(), c.args()[0])) return c.failed();
  for (const Keyword& k : c.kwargs()) {
    if (!ops::insert(c, c.self(), k.name, k.value, false)) return c.failed();
  }
  return Value::none();
}

constexpr Builtin kDictMethods[] = {{"clear", table_clear_}, {"get", dict_get_}, {"items", dict_items},
                             {"keys", dict_keys}, {"pop", dict_pop}, {"popitem", dict_popitem},
                             {"setdefault", dict_setdefault}, {"update", dict_update},
                             {"values", dict_values}};

Value set_change(Call& c, bool add, bool must) {
  static constexpr Param kParams[] = {required("x")};
  Value x;
  if (!c.unpack(kParams, {&x, 1})) return c.failed();
  std::uint32_t h;
  TableEntry* e;
  if (!lookup(c, x, h, e)) return c.failed();
  if (!changing(c, add ? "insert into" : "delete from")) return c.failed();
  if (add) {
    Refused r = table_insert(c.heap(), table(c), x, h, Value::none());
    return r == Refused::no ? Value::none() : c.refuse(r, "insert into", c.self());
  }
  if (e == nullptr) return must ? c.fail(Code::key, "remove: missing key") : Value::none();
  table_erase(table(c), e);
  return Value::none();
}
Value set_add_(Call& c) { return set_change(c, true, false); }
Value set_discard(Call& c) { return set_change(c, false, false); }
Value set_remove(Call& c) { return set_change(c, false, true); }

Value set_pop(Call& c) {
  if (!c.unpack({}, {})) return c.failed();
  if (!changing(c, "delete from")) return c.failed();
  TableEntry* e = first_entry(table(c));
  if (e == nullptr) return c.fail(Code::key, "pop: empty set");
  Value v = e->key;
  table_erase(table(c), e);
  return v;
}

// Any iterable as a set; no value: the error is set.
Value as_set(Call& c, Value x) {
  if (is_kind(x, Kind::set)) return x;
  std::vector<Value> items;
  if (!ops::collect(c, x, items)) return Value();
  Value out = c.heap().set(items.size());
  for (Value v : items) {
    std::string_view why;
    auto h = hash(v, &why);
    if (!h) return c.fail(Code::unhashable, named(c) + "unhashable type: " + std::string(why));
    Refused r = table_insert(c.heap(), as<TableObject>(out), v, *h, Value::none());
    if (r != Refused::no) return c.refuse(r, "insert into", out);
  }
  return out;
}

bool iterable_args(Call& c) {
  if (!c.kwargs().empty()) {
    c.fail(Code::call, named(c) + "does not accept keyword arguments");
    return false;
  }
  for (std::size_t i = 0; i < c.args().size(); ++i) {
    if (is_iterable(c.args()[i])) continue;
    c.fail(Code::type, named(c) + "argument #" + std::to_string(i + 1) + " is not iterable: " +
                           std::string(type_name(c.args()[i])));
    return false;
  }
  return true;
}

Value fold(Call& c, core::Op op) {
  if (!iterable_args(c)) return c.failed();
  Value acc = ops::binary(c, core::Op::bit_or, c.self(), c.heap().set());
  for (std::size_t i = 0; i < c.args().size() && acc.valid(); ++i) {
    Value other = as_set(c, c.args()[i]);
    if (!other.valid()) return c.failed();
    acc = ops::binary(c, op, acc, other);
  }
  return acc;
}
Value set_union(Call& c) { return fold(c, core::Op::bit_or); }
Value set_intersection(Call& c) { return fold(c, core::Op::bit_and); }
Value set_difference(Call& c) { return fold(c, core::Op::sub); }

Value set_symmetric(Call& c) {
  static constexpr Param kParams[] = {required("other", kIterable)};
  Value x;
  if (!c.unpack(kParams, {&x, 1})) return c.failed();
  Value other = as_set(c, x);
  return other.valid() ? ops::binary(c, core::Op::bit_xor, c.self(), other) : c.failed();
}

Value set_compare(Call& c, core::Op op) {
  static constexpr Param kParams[] = {required("other", kIterable)};
  Value x;
  if (!c.unpack(kParams, {&x, 1})) return c.failed();
  Value other = as_set(c, x);
  return other.valid() ? ops::compare(c, op, c.self(), other) : c.failed();
}
Value set_issubset(Call& c) { return set_compare(c, core::Op::le); }
Value set_issuperset(Call& c) { return set_compare(c, core::Op::ge); }

Value set_update(Call& c) {
  if (!iterable_args(c)) return c.failed();
  for (Value x : c.args()) {
    std::vector<Value> items;
    if (!ops::collect(c, x, items)) return c.failed();
    if (!changing(c, "insert into")) return c.failed();
    for (Value v : items) {
      std::string_view why;
      auto h = hash(v, &why);
      if (!h) return c.fail(Code::unhashable, "update: unhashable type: " + std::string(why));
      Refused r = table_insert(c.heap(), table(c), v, *h, Value::none());
      if (r != Refused::no) return c.refuse(r, "insert into", c.self());
    }
  }
  return Value::none();
}

constexpr Builtin kSetMethods[] = {{"add", set_add_}, {"clear", table_clear_}, {"difference", set_difference},
                            {"discard", set_discard}, {"intersection", set_intersection},
                            {"issubset", set_issubset}, {"issuperset", set_issuperset},
                            {"pop", set_pop}, {"remove", set_remove},
                            {"symmetric_difference", set_symmetric}, {"union", set_union},
                            {"update", set_update}};

}  // namespace

std::span<const Builtin> list_methods() { return kListMethods; }
std::span<const Builtin> dict_methods() { return kDictMethods; }
std::span<const Builtin> set_methods() { return kSetMethods; }

}  // namespace starlark
