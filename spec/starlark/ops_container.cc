// SPDX-License-Identifier: Apache-2.0
//
// Indexing, slicing, attributes, and changes of containers.
#include <algorithm>

#include "spec/starlark/builtins.h"
#include "spec/starlark/ints.h"
#include "spec/starlark/objects.h"
#include "spec/starlark/ops.h"
#include "spec/starlark/unicode.h"
#include "spec/starlark/values.h"

namespace starlark::ops {
namespace {

std::string type(Value v) { return std::string(type_name(v)); }

Value out_of_range(Call& c, Value x, Value key) {
  std::int64_t n = static_cast<std::int64_t>(length(x));
  std::string what = type(x) + " index " + int_to_decimal(key) + " out of range";
  if (n == 0) return c.fail(Code::index, what + ": empty " + type(x));
  return c.fail(Code::index, what + " [" + std::to_string(-n) + ":" + std::to_string(n - 1) + "]");
}

Value unhashable(Call& c, std::string_view why) {
  bool container = why == "list" || why == "dict" || why == "set";
  return c.fail(Code::unhashable, (container ? "unhashable type: " : "unhashable: ") + std::string(why));
}

// A bound of a slice, clamped; `missing` when None.
bool bound(Call& c, Value v, const char* which, std::int64_t n, std::int64_t low, std::int64_t high,
           std::int64_t missing, std::int64_t& out) {
  if (v.is_none()) {
    out = missing;
    return true;
  }
  if (!is_int(v)) {
    c.fail(Code::type, std::string("invalid ") + which + " index: got " + type(v) + ", want int");
    return false;
  }
  std::int64_t i = to_int64(v).value_or(int_sign(v) < 0 ? INT64_MIN / 2 : INT64_MAX / 2);
  if (i < 0) i += n;
  out = std::clamp(i, low, high);
  return true;
}

}  // namespace

Value index(Call& c, Value x, Value key) {
  Kind k = kind_of(x);
  switch (k) {
    case Kind::dict: {
      std::string_view why;
      auto h = hash(key, &why);
      if (!h) return unhashable(c, why);
      TableEntry* e;
      if (table_find(as<TableObject>(x), key, *h, e) != Refused::no) {
        return c.fail(Code::depth, "comparison exceeded maximum recursion depth");
      }
      if (e != nullptr) return e->value;
      std::string shown = repr(key);
      if (shown.size() > 200) shown = shown.substr(0, 200) + "...";
      return c.fail(Code::key, "key " + shown + " not in dict");
    }
    case Kind::string:
    case Kind::bytes:
    case Kind::list:
    case Kind::tuple:
    case Kind::range: {
      if (!is_int(key)) {
        return c.fail(Code::type, type(x) + " index: got " + type(key) + ", want int");
      }
      auto n = static_cast<std::int64_t>(length(x));
      auto i = to_int64(key);
      if (!i || *i >= n || *i < -n) return out_of_range(c, x, key);
      std::int64_t at = *i < 0 ? *i + n : *i;
      if (k == Kind::range) return c.heap().integer(range_info(x).start + at * range_info(x).step);
      if (k == Kind::list || k == Kind::tuple) return elements(x)[static_cast<std::size_t>(at)];
      auto byte = static_cast<unsigned char>(to_string_view(x)[static_cast<std::size_t>(at)]);
      return k == Kind::string ? byte_string(byte) : c.heap().bytes(to_string_view(byte_string(byte)));
    }
    case Kind::string_view: {  // elems and elem_ords are indexable
      Value s = as<ViewObject>(x)->string;
      if (x.object()->flags > ViewObject::elem_ords || !is_int(key)) break;
      auto n = static_cast<std::int64_t>(length(s));
      std::int64_t at = to_int64(key).value_or(n);
      if (at < 0) at += n;
      if (at < 0 || at >= n) return out_of_range(c, s, key);
      auto byte = static_cast<unsigned char>(to_string_view(s)[static_cast<std::size_t>(at)]);
      bool text = x.object()->flags == ViewObject::elems && is_string(s);
      return text ? byte_string(byte) : Value::small_int(byte);
    }
    case Kind::host:
      if (host_object(x)->indexable()) return host_object(x)->index(c, key);
      break;
    default: break;
  }
  return c.fail(Code::type, "unhandled index operation " + type(x) + "[" + type(key) + "]");
}

bool set_index(Call& c, Value x, Value key, Value v) {
  if (is_kind(x, Kind::list)) {
    auto* l = as<ListObject>(x);
    if (Refused r = changeable(c.heap(), l); r != Refused::no) {
      c.refuse(r, "assign to element of", x);
      return false;
    }
    if (!is_int(key)) {
      c.fail(Code::type, "list index: got " + type(key) + ", want int");
      return false;
    }
    auto i = to_int64(key);
    if (!i || *i >= l->size || *i < -static_cast<std::int64_t>(l->size)) {
      out_of_range(c, x, key);
      return false;
    }
    l->items[*i < 0 ? *i + l->size : *i] = v;
    return true;
  }
  if (is_kind(x, Kind::dict)) return insert(c, x, key, v, false);
  c.fail(Code::type, type(x) + " value does not support item assignment");
  return false;
}

bool insert(Call& c, Value dict, Value key, Value v, bool must_be_new) {
  auto* t = as<TableObject>(dict);
  std::string_view why;
  auto h = hash(key, &why);
  if (!h) {
    unhashable(c, why);
    return false;
  }
  std::uint32_t before = t->live;
  Refused r = changeable(c.heap(), t);
  if (r == Refused::no) r = table_insert(c.heap(), t, key, *h, v);
  if (r != Refused::no) {
    c.refuse(r, "insert into", dict);
    return false;
  }
  if (must_be_new && t->live == before) {
    c.fail(Code::key, "duplicate key: " + repr(key));
    return false;
  }
  return true;
}

bool extend(Call& c, Value list, Value with, std::string_view verb) {
  auto* l = as<ListObject>(list);
  if (Refused r = changeable(c.heap(), l); r != Refused::no) {
    c.refuse(r, verb, list);
    return false;
  }
  std::vector<Value> items;
  if (!collect(c, with, items)) return false;
  if (!list_reserve(c.heap(), l, std::size_t{l->size} + items.size())) {
    c.refuse(Refused::memory, "", list);
    return false;
  }
  for (Value v : items) l->items[l->size++] = v;
  return true;
}

Value slice(Call& c, Value x, Value lo, Value hi, Value step_value) {
  Kind k = kind_of(x);
  bool fits = k == Kind::string || k == Kind::bytes || k == Kind::list || k == Kind::tuple ||
              k == Kind::range;
  if (!fits) return c.fail(Code::type, "invalid slice operand " + type(x));
  auto n = static_cast<std::int64_t>(length(x));
  std::int64_t step = 1, from, to;
  if (!step_value.is_none()) {
    if (!is_int(step_value)) {
      return c.fail(Code::type, "invalid slice step: got " + type(step_value) + ", want int");
    }
    step = to_int64(step_value).value_or(int_sign(step_value) < 0 ? -INT64_MAX : INT64_MAX);
    if (step == INT64_MIN) step = -INT64_MAX;
    if (step == 0) return c.fail(Code::value, "zero is not a valid slice step");
  }
  std::int64_t low = step > 0 ? 0 : -1, high = step > 0 ? n : n - 1;
  if (!bound(c, lo, "start", n, low, high, step > 0 ? 0 : n - 1, from)) return Value();
  if (!bound(c, hi, "end", n, low, high, step > 0 ? n : -1, to)) return Value();
  std::int64_t count = step > 0 ? (to > from ? (to - from - 1) / step + 1 : 0)
                                : (from > to ? (from - to - 1) / -step + 1 : 0);
  auto size = static_cast<std::size_t>(count);
  auto at = [&](std::size_t i) { return static_cast<std::size_t>(from + static_cast<std::int64_t>(i) * step); };
  if (k == Kind::range) {
    RangeInfo r = range_info(x);
    __int128 new_step = static_cast<__int128>(r.step) * step;
    if (new_step > INT64_MAX || new_step < INT64_MIN) new_step = r.step;
    std::int64_t start = count == 0 ? 0 : r.start + from * r.step;
    auto s = static_cast<std::int64_t>(new_step);
    Value out = c.heap().range(0, 0, s);
    auto* o = as<RangeObject>(out);
    o->start = start;
    o->length = count;
    o->stop = count == 0 ? start : start + (count - 1) * s + (s > 0 ? 1 : -1);
    return out;
  }
  if (!c.charge(size / 16)) return Value();
  if (k == Kind::string || k == Kind::bytes) {
    std::string_view s = to_string_view(x);
    if (step == 1) {
      std::string_view part = s.substr(static_cast<std::size_t>(size ? from : 0), size);
      return k == Kind::string ? c.heap().string(part) : c.heap().bytes(part);
    }
    std::string part(size, '\0');
    for (std::size_t i = 0; i < size; ++i) part[i] = s[at(i)];
    return k == Kind::string ? c.heap().string(part) : c.heap().bytes(part);
  }
  Value out = k == Kind::list ? new_list(c.heap(), size) : new_tuple(c.heap(), size);
  if (!out.valid()) return c.refuse(Refused::memory, "", x);
  auto items = elements(x);
  Value* dst = k == Kind::list ? as<ListObject>(out)->items : as<TupleObject>(out)->items();
  for (std::size_t i = 0; i < size; ++i) dst[i] = items[at(i)];
  if (k == Kind::list) as<ListObject>(out)->size = static_cast<std::uint32_t>(size);
  return out;
}

std::vector<std::string_view> attribute_names(Value x) {
  std::vector<std::string_view> names;
  switch (kind_of(x)) {
    case Kind::structure:
    case Kind::module:
      for (const Keyword& f : fields(x)) names.push_back(to_string_view(f.name));
      break;
    case Kind::host: names = host_object(x)->attr_names(); break;
    default: names = method_names(kind_of(x));
  }
  std::sort(names.begin(), names.end());
  return names;
}

Value attribute(Call& c, Value x, Value name_value) {
  std::string_view name = to_string_view(name_value);
  Kind k = kind_of(x);
  Value v;
  if (k == Kind::structure || k == Kind::module) {
    const Keyword* f = find_field(as<StructObject>(x), as<StringObject>(name_value));
    if (f != nullptr) v = f->value;
  } else if (k == Kind::host) {
    v = host_object(x)->attr(c, name);
    if (!v.valid() && c.has_error()) return v;
  } else if (const Builtin* m = method(k, name)) {
    return c.heap().bound(*m, x);
  }
  if (v.valid()) return v;
  std::string who = k == Kind::structure && constructor(x).valid()
                        ? str(constructor(x)) + " struct"
                        : type(x);
  std::string what = k == Kind::structure ? " attribute" : " field or method";
  return c.fail(Code::attribute, who + " has no ." + std::string(name) + what,
                did_you_mean(name, attribute_names(x)).empty()
                    ? ""
                    : "did you mean ." + std::string(nearest(name, attribute_names(x))) + "?");
}

bool set_attribute(Call& c, Value x, Value name, Value v) {
  if (is_kind(x, Kind::host) && host_object(x)->has_set_attr()) {
    Value r = host_object(x)->set_attr(c, to_string_view(name), v);
    if (r.valid()) return true;
    if (!c.has_error()) {
      std::string_view near = nearest(to_string_view(name), attribute_names(x));
      c.fail(Code::attribute,
             type(x) + " has no ." + std::string(to_string_view(name)) + " field or method",
             near.empty() ? "" : "did you mean ." + std::string(near) + "?");
    }
    return false;
  }
  c.fail(Code::type, "can't assign to ." + std::string(to_string_view(name)) + " field of " + type(x));
  return false;
}

// dict.update's positional argument: a dict, or an iterable of pairs.
bool update_dict(Call& c, Value dict, Value with) {
  if (is_kind(with, Kind::dict)) {
    std::size_t cursor = 0;
    Value key, value;
    auto* t = as<TableObject>(with);
    bool same = with.same(dict);
    for (std::uint32_t i = 0; i < t->used && !same; ++i) {
      TableEntry e = t->entries[i];
      if (e.key.valid() && !insert(c, dict, e.key, e.value, false)) return false;
    }
    (void)cursor;
    return true;
  }
  std::vector<Value> pairs;
  if (!is_iterable(with)) {
    c.fail(Code::type, "got " + type(with) + ", want iterable");
    return false;
  }
  if (!collect(c, with, pairs)) return false;
  for (std::size_t i = 0; i < pairs.size(); ++i) {
    std::string which = "dictionary update sequence element #" + std::to_string(i);
    if (!is_iterable(pairs[i])) {
      c.fail(Code::type, which + " is not iterable (" + type(pairs[i]) + ")");
      return false;
    }
    std::vector<Value> pair;
    if (!collect(c, pairs[i], pair)) return false;
    if (pair.size() != 2) {
      c.fail(Code::value, which + " has length " + std::to_string(pair.size()) + ", want 2");
      return false;
    }
    if (!insert(c, dict, pair[0], pair[1], false)) return false;
  }
  return true;
}

}  // namespace starlark::ops
