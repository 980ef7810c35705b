// SPDX-License-Identifier: Apache-2.0
//
// Making values, and reading them.
#include "spec/starlark/objects.h"

#include <algorithm>
#include <array>
#include <new>

#include "spec/starlark/heap.h"
#include "spec/starlark/program.h"
#include "spec/starlark/values.h"

namespace starlark {

// ---- hash of bytes; any value but 0
namespace {

constexpr std::uint64_t mix(std::uint64_t a, std::uint64_t b) {
  std::uint64_t x = (a ^ b) * 0x9E3779B97F4A7C15ull;
  return x ^ (x >> 29);
}

constexpr std::uint32_t finish(std::uint64_t h) {
  h = mix(h, 0xD6E8FEB86659FD93ull);
  auto out = static_cast<std::uint32_t>(h ^ (h >> 32));
  return out == 0 ? 1 : out;
}

constexpr std::uint32_t hash_one(unsigned char c) {
  return finish(mix(mix(0, 1), c));
}

// Static objects: byte strings, the empty string and tuple. Their hashes are there from the start.
constexpr StringObject frozen_string(std::uint32_t hash, std::uint32_t size, const char* data) {
  StringObject s{};
  s.kind = Kind::string;
  s.region = Object::kFrozen;
  s.aux = hash;
  s.size = size;
  s.data = data;
  return s;
}

struct ByteText {
  char text[256];
  constexpr ByteText() : text() {
    for (int i = 0; i < 256; ++i) text[i] = static_cast<char>(i);
  }
};
constexpr ByteText kByteText;

struct ByteObjects {
  StringObject strings[257];
  constexpr ByteObjects() : strings() {
    for (int i = 0; i < 256; ++i) {
      strings[i] = frozen_string(hash_one(static_cast<unsigned char>(i)), 1, kByteText.text + i);
    }
    strings[256] = frozen_string(finish(mix(0, 0)), 0, kByteText.text);
  }
};
constinit const ByteObjects kByteObjects;

struct EmptyTuple {
  TupleObject tuple{{Kind::tuple, Object::kFrozen, 0, 0, 1}, 0};
};
constinit const EmptyTuple kEmptyTuple;

}  // namespace

std::uint32_t hash_bytes(std::string_view s) {
  std::uint64_t h = mix(0, s.size());
  if (s.size() == 1) return finish(mix(h, static_cast<unsigned char>(s[0])));
  const char* p = s.data();
  std::size_t n = s.size();
  for (; n >= 8; n -= 8, p += 8) {
    std::uint64_t word = 0;
    for (int i = 0; i < 8; ++i) word |= std::uint64_t{static_cast<unsigned char>(p[i])} << (8 * i);
    h = mix(h, word);
  }
  if (n > 0) {
    std::uint64_t word = 0;
    for (std::size_t i = 0; i < n; ++i) {
      word |= std::uint64_t{static_cast<unsigned char>(p[i])} << (8 * i);
    }
    h = mix(h, word);
  }
  return finish(h);
}

Value byte_string(unsigned char byte) { return Value::of(&kByteObjects.strings[byte]); }
Value empty_string() { return Value::of(&kByteObjects.strings[256]); }

Value new_string(Heap& heap, Kind kind, std::size_t size, char*& data) {
  auto* s = static_cast<StringObject*>(heap.allocate(sizeof(StringObject) + size));
  init(s, kind, heap.region());
  s->size = static_cast<std::uint32_t>(size);
  s->unused = 0;
  data = reinterpret_cast<char*>(s + 1);
  s->data = data;
  return Value::of(s);
}

Value concat(Heap& heap, Kind kind, const StringObject* a, const StringObject* b) {
  const std::size_t size = std::size_t{a->size} + b->size;
  const bool own = heap.may_change(a);
  if (own && (a->flags & StringObject::kInBuffer) != 0) {
    auto* buffer = reinterpret_cast<StringBuffer*>(const_cast<char*>(a->data)) - 1;
    if (buffer->used == a->size && buffer->capacity - buffer->used >= b->size) {
      std::memcpy(const_cast<char*>(a->data) + a->size, b->data, b->size);
      buffer->used = size;
      buffer->shared = 1;
      auto* s = static_cast<StringObject*>(heap.allocate(sizeof(StringObject)));
      init(s, kind, heap.region(), StringObject::kInBuffer);
      s->size = static_cast<std::uint32_t>(size);
      s->unused = 0;
      s->data = a->data;
      return Value::of(s);
    }
  }
  if (own && a->flags != 0 && size >= 64) {
    std::size_t bytes = sizeof(StringBuffer) + 2 * size;
    auto* buffer = static_cast<StringBuffer*>(heap.take_buffer(bytes));
    if (buffer == nullptr) return Value();
    buffer->used = size;
    buffer->capacity = bytes - sizeof(StringBuffer);
    buffer->shared = 0;
    char* data = reinterpret_cast<char*>(buffer + 1);
    std::memcpy(data, a->data, a->size);
    std::memcpy(data + a->size, b->data, b->size);
    auto* s = static_cast<StringObject*>(heap.allocate(sizeof(StringObject)));
    init(s, kind, heap.region(), StringObject::kInBuffer);
    s->size = static_cast<std::uint32_t>(size);
    s->unused = 0;
    s->data = data;
    return Value::of(s);
  }
  if (size > 4096 && !heap.try_bytes(size)) return Value();
  char* data;
  Value v = new_string(heap, kind, size, data);
  std::memcpy(data, a->data, a->size);
  std::memcpy(data + a->size, b->data, b->size);
  v.object()->flags = StringObject::kConcat;
  return v;
}

bool grow(Heap& heap, StringObject* a, const StringObject* b) {
  const std::size_t size = std::size_t{a->size} + b->size;
  if (!heap.may_change(a) || a == b || size > kMaxString) return false;
  auto* buffer = reinterpret_cast<StringBuffer*>(const_cast<char*>(a->data)) - 1;
  if (buffer->used != a->size) return false;
  if (buffer->capacity < size) {
    if (buffer->shared != 0) return false;
    std::size_t bytes = sizeof(StringBuffer) + 2 * size;
    auto* wider = static_cast<StringBuffer*>(heap.take_buffer(bytes));
    if (wider == nullptr) return false;
    wider->capacity = bytes - sizeof(StringBuffer);
    wider->shared = 0;
    std::memcpy(wider + 1, a->data, a->size);
    // `b` may lie in the buffer that goes: what it was made of is copied first.
    std::memcpy(reinterpret_cast<char*>(wider + 1) + a->size, b->data, b->size);
    heap.give_buffer(buffer, sizeof(StringBuffer) + buffer->capacity);
    a->data = reinterpret_cast<const char*>(wider + 1);
    buffer = wider;
  } else {
    std::memcpy(const_cast<char*>(a->data) + a->size, b->data, b->size);
  }
  buffer->used = size;
  a->size = static_cast<std::uint32_t>(size);
  a->aux = 0;
  return true;
}

// ---- Heap: making values

Value Heap::integer(std::int64_t i) {
  if (Value::fits_small(i)) return Value::small_int(i);
  auto* b = static_cast<BigObject*>(allocate(sizeof(BigObject) + 8));
  init(b, Kind::integer, region_, i < 0 ? 1 : 0);
  b->aux = 1;
  b->limbs()[0] = i < 0 ? 0 - static_cast<std::uint64_t>(i) : static_cast<std::uint64_t>(i);
  return Value::of(b);
}

Value Heap::floating(double d) {
  Value v;
  if (encode_float(d, v)) return v;
  auto* f = static_cast<FloatObject*>(allocate(sizeof(FloatObject)));
  init(f, Kind::floating, region_);
  f->value = d;
  return Value::of(f);
}

Value Heap::string(std::string_view s) {
  if (s.size() <= 1) return s.empty() ? empty_string() : byte_string(static_cast<unsigned char>(s[0]));
  return text(Kind::string, s);
}

Value Heap::bytes(std::string_view s) { return text(Kind::bytes, s); }

Value Heap::text(Kind kind, std::string_view s) {
  if (s.size() > 4096 && (s.size() > kMaxString || !try_bytes(s.size()))) {
    overdraw();
    s = {};
  }
  char* data;
  Value v = new_string(*this, kind, s.size(), data);
  if (!s.empty()) std::memcpy(data, s.data(), s.size());
  return v;
}

Value new_tuple(Heap& heap, std::size_t size) {
  if (size == 0) return Value::of(&kEmptyTuple.tuple);
  std::size_t bytes = sizeof(TupleObject) + size * sizeof(Value);
  if (bytes > 4096 && !heap.try_bytes(bytes)) return Value();
  auto* t = static_cast<TupleObject*>(heap.allocate(bytes));
  init(t, Kind::tuple, heap.region());
  t->size = size;
  return Value::of(t);
}

Value Heap::tuple(std::span<const Value> items) {
  Value v = new_tuple(*this, items.size());
  if (!v.valid()) {
    overdraw();
    return new_tuple(*this, 0);
  }
  std::copy(items.begin(), items.end(), as<TupleObject>(v)->items());
  return v;
}

bool list_reserve(Heap& heap, ListObject* list, std::size_t capacity) {
  if (capacity <= list->capacity) return true;
  if (capacity > 0x3fffffff) return false;
  std::size_t bytes = std::max<std::size_t>(capacity, 4) * sizeof(Value);
  auto* items = static_cast<Value*>(heap.take_buffer(bytes));
  if (items == nullptr) return false;
  if (list->size > 0) std::memcpy(static_cast<void*>(items), list->items, list->size * sizeof(Value));
  heap.give_buffer(list->items, list->capacity * sizeof(Value));
  list->items = items;
  list->capacity = static_cast<std::uint32_t>(bytes / sizeof(Value));
  return true;
}

Value new_list(Heap& heap, std::size_t capacity) {
  auto* l = static_cast<ListObject*>(heap.allocate(sizeof(ListObject)));
  init(l, Kind::list, heap.region());
  l->size = l->capacity = 0;
  l->items = nullptr;
  if (capacity > 0 && !list_reserve(heap, l, capacity)) return Value();
  return Value::of(l);
}

Value Heap::list(std::span<const Value> items) {
  Value v = new_list(*this, items.size());
  if (!v.valid()) {
    overdraw();
    return new_list(*this, 0);
  }
  if (!items.empty()) std::copy(items.begin(), items.end(), as<ListObject>(v)->items);
  as<ListObject>(v)->size = static_cast<std::uint32_t>(items.size());
  return v;
}

Value Heap::dict(std::size_t expected) {
  Value v = new_table(*this, Kind::dict);
  if (expected > 0) table_reserve(*this, as<TableObject>(v), expected);
  return v;
}

Value Heap::set(std::size_t expected) {
  Value v = new_table(*this, Kind::set);
  if (expected > 0) table_reserve(*this, as<TableObject>(v), expected);
  return v;
}

Value Heap::range(std::int64_t start, std::int64_t stop, std::int64_t step) {
  auto* r = static_cast<RangeObject*>(allocate(sizeof(RangeObject)));
  init(r, Kind::range, region_);
  unsigned __int128 n = 0;
  if (step > 0 && start < stop) {
    n = (static_cast<unsigned __int128>(static_cast<__int128>(stop) - start) - 1) /
            static_cast<std::uint64_t>(step) + 1;
  } else if (step < 0 && start > stop) {
    n = (static_cast<unsigned __int128>(static_cast<__int128>(start) - stop) - 1) /
            (0 - static_cast<std::uint64_t>(step)) + 1;
  }
  *static_cast<RangeObject*>(r) = {{Kind::range, region_, 0, 0, 0}, start, stop, step,
                                   n > INT64_MAX ? INT64_MAX : static_cast<std::int64_t>(n)};
  return Value::of(r);
}

namespace {

Value make_struct(Heap& heap, Kind kind, std::span<const Keyword> given, Value constructor) {
  auto* s = static_cast<StructObject*>(
      heap.allocate(sizeof(StructObject) + given.size() * sizeof(Keyword)));
  init(s, kind, heap.region());
  s->count = given.size();
  s->constructor = constructor;
  std::copy(given.begin(), given.end(), s->fields());
  std::sort(s->fields(), s->fields() + s->count, [](const Keyword& a, const Keyword& b) {
    return as<StringObject>(a.name)->view() < as<StringObject>(b.name)->view();
  });
  return Value::of(s);
}

}  // namespace

Value Heap::structure(std::span<const Keyword> given, Value constructor) {
  return make_struct(*this, Kind::structure, given, constructor);
}

Value Heap::module(std::string_view name, std::span<const Keyword> members) {
  return make_struct(*this, Kind::module, members, string(name));
}

Value Heap::bound(const Builtin& method, Value receiver) {
  auto* b = static_cast<BoundObject*>(allocate(sizeof(BoundObject)));
  init(b, Kind::builtin, region_, BoundObject::kBound);
  b->method = &method;
  b->self = receiver;
  return Value::of(b);
}

Value Heap::cell(Value content) {
  auto* c = static_cast<CellObject*>(allocate(sizeof(CellObject)));
  init(c, Kind::cell, region_);
  c->content = content;
  return Value::of(c);
}

// ---- Heap: changing

Refused Heap::append(Value list, Value item) {
  auto* l = as<ListObject>(list);
  if (Refused r = changeable(*this, l); r != Refused::no) return r;
  return list_push(*this, l, item) ? Refused::no : Refused::memory;
}

Refused Heap::dict_set(Value dict, Value key, Value value) {
  auto* t = as<TableObject>(dict);
  if (!may_change(t)) return Refused::frozen;
  auto h = hash(key);
  if (!h) return Refused::unhashable;
  if (t->aux > 0) return Refused::iterating;
  return table_insert(*this, t, key, *h, value);
}

Refused Heap::set_add(Value set, Value key) {
  auto* t = as<TableObject>(set);
  if (Refused r = changeable(*this, t); r != Refused::no) return r;
  auto h = hash(key);
  if (!h) return Refused::unhashable;
  return table_insert(*this, t, key, *h, Value::none());
}

void Heap::tuple_fill(Value tuple, std::size_t index, Value item) {
  as<TupleObject>(tuple)->items()[index] = item;
}

std::string refusal_text(Refused why, std::string_view verb, Value container) {
  std::string_view type = type_name(container);
  std::string what = type == "list" ? "list" : type == "dict" || type == "set" ? "hash table"
                                                                               : std::string(type);
  std::string v(verb);
  switch (why) {
    case Refused::no: return "";
    case Refused::frozen: return "cannot " + v + " frozen " + what;
    case Refused::iterating: return "cannot " + v + " " + what + " during iteration";
    case Refused::unhashable: return "unhashable type";
    case Refused::memory: return "out of memory: the memory budget is used up";
    case Refused::too_deep: return "value nested too deeply: maximum recursion";
  }
  return "";
}

// ---- reading

std::string_view type_name(Value v) {
  static constexpr std::string_view kNames[kKindCount] = {
      "NoneType", "bool", "int", "float", "string", "bytes", "list", "tuple", "dict", "set",
      "range", "function", "builtin_function_or_method", "struct", "module", "", "", "cell"};
  if (!v.valid()) return "no value";
  Kind k = kind_of(v);
  if (k == Kind::host) return host_object(v)->type();
  if (k == Kind::string_view) {
    bool bytes = kind_of(as<ViewObject>(v)->string) == Kind::bytes;
    switch (v.object()->flags) {
      case ViewObject::elems: return bytes ? "bytes.elems" : "string.elems";
      case ViewObject::elem_ords: return "string.elems";
      case ViewObject::codepoints: return "string.codepoints";
      default: return "string.codepoints";
    }
  }
  return kNames[static_cast<int>(k)];
}

bool is_frozen(Value v) {
  if (!v.is_object()) return true;
  switch (v.object()->kind) {
    case Kind::list:
    case Kind::dict:
    case Kind::set:
    case Kind::function:
    case Kind::cell:
    case Kind::host:
      return v.object()->region == Object::kFrozen;
    default: return true;
  }
}

std::string_view to_string_view(Value v) { return as<StringObject>(v)->view(); }

std::span<const Value> elements(Value v) {
  if (v.object()->kind == Kind::list) {
    auto* l = as<ListObject>(v);
    return {l->items, l->size};
  }
  auto* t = as<TupleObject>(v);
  return {t->items(), t->size};
}

RangeInfo range_info(Value v) {
  auto* r = as<RangeObject>(v);
  return {r->start, r->stop, r->step, r->length};
}

std::size_t length(Value v) {
  switch (kind_of(v)) {
    case Kind::string:
    case Kind::bytes: return as<StringObject>(v)->size;
    case Kind::list: return as<ListObject>(v)->size;
    case Kind::tuple: return as<TupleObject>(v)->size;
    case Kind::dict:
    case Kind::set: return as<TableObject>(v)->live;
    case Kind::range: return static_cast<std::size_t>(as<RangeObject>(v)->length);
    case Kind::structure:
    case Kind::module: return as<StructObject>(v)->count;
    default: return 0;
  }
}

bool next_entry(Value table, std::size_t& cursor, Value& key, Value& value) {
  auto* t = as<TableObject>(table);
  for (; cursor < t->used; ++cursor) {
    if (!t->entries[cursor].key.valid()) continue;
    key = t->entries[cursor].key;
    value = t->entries[cursor].value;
    ++cursor;
    return true;
  }
  return false;
}

Value dict_get(Value dict, std::string_view key) {
  TableEntry* e = table_find_string(as<TableObject>(dict), key);
  return e ? e->value : Value();
}

std::vector<Keyword> fields(Value v) {
  auto* s = as<StructObject>(v);
  return {s->fields(), s->fields() + s->count};
}

const Keyword* find_field(const StructObject* s, const StringObject* name) {
  constexpr std::uint64_t kFew = 8;  // names of one program are the same objects
  for (std::uint64_t i = 0; i < std::min(s->count, kFew); ++i) {
    if (s->fields()[i].name.same(Value::of(name))) return &s->fields()[i];
  }
  const Keyword* end = s->fields() + s->count;
  const Keyword* at = std::lower_bound(s->fields(), end, name->view(),
                                       [](const Keyword& k, std::string_view n) {
    return as<StringObject>(k.name)->view() < n;
  });
  return at != end && same_string(as<StringObject>(at->name), name) ? at : nullptr;
}

Value field(Value v, std::string_view name) {
  auto* s = as<StructObject>(v);
  Keyword* end = s->fields() + s->count;
  Keyword* at = std::lower_bound(s->fields(), end, name, [](const Keyword& k, std::string_view n) {
    return as<StringObject>(k.name)->view() < n;
  });
  return at != end && as<StringObject>(at->name)->view() == name ? at->value : Value();
}

Value constructor(Value v) { return as<StructObject>(v)->constructor; }
HostObject* host_object(Value v) {
  return is_kind(v, Kind::host) ? as<HostRef>(v)->object : nullptr;
}
Value cell_value(Value cell) { return as<CellObject>(cell)->content; }
void cell_assign(Value cell, Value v) { as<CellObject>(cell)->content = v; }

const Builtin* builtin_of(Value v) {
  if (v.object()->flags & BoundObject::kBound) return as<BoundObject>(v)->method;
  return static_cast<const Builtin*>(v.object());
}

Value receiver_of(Value v) {
  return v.object()->flags & BoundObject::kBound ? as<BoundObject>(v)->self : Value();
}

}  // namespace starlark
