// SPDX-License-Identifier: Apache-2.0
//
// How values are laid out in memory. Private: hosts use value.h and heap.h.
#pragma once

#include <bit>
#include <cassert>
#include <cstring>

#include "spec/starlark/host.h"
#include "spec/starlark/value.h"

namespace starlark {

struct Lowered;

struct StringObject : Object {  // string and bytes
  // flags
  static constexpr std::uint8_t kConcat = 1;  // made by +; the next + will make room to grow
  static constexpr std::uint8_t kInBuffer = 2;  // `data` points behind a StringBuffer
  static constexpr std::uint8_t kOwn = 4;  // in one register and nowhere else (VmOp::add_own): may grow
  std::uint32_t size;
  std::uint32_t unused;
  const char* data;
  std::string_view view() const { return {data, size}; }
};
inline constexpr std::size_t kMaxString = 0x7fffffff;

// Room that strings made by repeated + share: each is a prefix of what is used.
struct StringBuffer {
  std::uint64_t used;
  std::uint64_t capacity;
  std::uint64_t shared;  // more than one string was made in it
};

struct ListObject : Object {
  std::uint32_t size;
  std::uint32_t capacity;
  Value* items;
};
struct TupleObject : Object {  // aux: cached hash
  std::uint64_t size;
  Value* items() { return reinterpret_cast<Value*>(this + 1); }
  const Value* items() const { return reinterpret_cast<const Value*>(this + 1); }
};

struct TableEntry {
  Value key;  // no value: deleted
  Value value;
  std::uint32_t hash;
};
struct TableObject : Object {  // dict and set
  std::uint32_t used;      // entries, deleted ones included
  std::uint32_t live;
  std::uint32_t capacity;
  std::uint32_t first;     // no live entry is before it
  std::uint32_t mask;      // of `index`; 0: no index, entries are searched one by one
  std::uint32_t unused;
  TableEntry* entries;
  std::uint64_t* index;    // hash << 32 | entry number + 1, or 0
};

struct RangeObject : Object {
  std::int64_t start, stop, step, length;
};
struct FunctionObject : Object {
  const Lowered* code;
  Module* module;
  Value* slots() { return reinterpret_cast<Value*>(this + 1); }  // defaults, then cells
};
struct BoundObject : Object {  // Kind::builtin with kBound
  static constexpr std::uint8_t kBound = 1;
  const Builtin* method;
  Value self;
};
struct StructObject : Object {  // structure and module; aux: cached hash
  std::uint64_t count;
  Value constructor;  // module: its name
  Keyword* fields() { return reinterpret_cast<Keyword*>(this + 1); }  // sorted by name
  const Keyword* fields() const { return reinterpret_cast<const Keyword*>(this + 1); }
};
struct HostRef : Object {
  HostObject* object;
};
struct ViewObject : Object {  // s.elems() and its kin; flags: which
  enum Form : std::uint8_t { elems, elem_ords, codepoints, codepoint_ords };
  Value string;
};
struct CellObject : Object {
  Value content;
};
struct BigObject : Object {  // aux: number of limbs; flags: 1 = negative
  std::uint64_t* limbs() { return reinterpret_cast<std::uint64_t*>(this + 1); }
};
struct FloatObject : Object {
  double value;
};

template <class T>
T* as(Value v) {
  return static_cast<T*>(v.object());
}

inline void init(Object* o, Kind kind, std::uint8_t region, std::uint8_t flags = 0) {
  o->kind = kind;
  o->region = region;
  o->flags = flags;
  o->spare = 0;
  o->aux = 0;
}

// Hash caches of frozen objects are filled by whichever thread comes first.
inline std::uint32_t cached_hash(const Object* o) {
  return __atomic_load_n(&o->aux, __ATOMIC_RELAXED);
}
inline void cache_hash(const Object* o, std::uint32_t h) {
  __atomic_store_n(const_cast<std::uint32_t*>(&o->aux), h, __ATOMIC_RELAXED);
}

// ---- floats in 64 bits: exponents near zero are stored rotated, 0.0 has a pattern of its own
inline constexpr std::uint64_t kZeroFloat = 0x8000000000000002;
inline bool encode_float(double d, Value& out) {
  auto bits = std::bit_cast<std::uint64_t>(d);
  auto top = (bits >> 60) & 7;
  if (top == 3 || top == 4) {
    if (bits == 0x3000000000000000) return false;  // would look like 0.0
    out = Value::from_bits((std::rotl(bits, 3) & ~std::uint64_t{3}) | 2);
    return true;
  }
  if (bits == 0) {
    out = Value::from_bits(kZeroFloat);
    return true;
  }
  return false;
}
inline double decode_float(Value v) {
  std::uint64_t bits = v.bits();
  if (bits == kZeroFloat) return 0;
  std::uint64_t low = 2 - (bits >> 63);
  return std::bit_cast<double>(std::rotr((bits & ~std::uint64_t{3}) | low, 3));
}
inline bool is_float(Value v) { return v.is_inline_float() || is_kind(v, Kind::floating); }
inline double float_value(Value v) {
  return v.is_inline_float() ? decode_float(v) : as<FloatObject>(v)->value;
}
inline bool is_int(Value v) { return v.is_small_int() || is_kind(v, Kind::integer); }

// ---- one-byte strings exist once
Value byte_string(unsigned char byte);
Value empty_string();

// ---- strings
std::uint32_t hash_bytes(std::string_view s);
inline std::uint32_t string_hash(const StringObject* s) {
  std::uint32_t h = cached_hash(s);
  if (h != 0) return h;
  h = hash_bytes(s->view());
  cache_hash(s, h);
  return h;
}
inline bool same_string(const StringObject* a, const StringObject* b) {
  return a == b || (a->size == b->size && std::memcmp(a->data, b->data, a->size) == 0);
}
// A string with uninitialised bytes; `data` is where to write them.
Value new_string(Heap& heap, Kind kind, std::size_t size, char*& data);
// a + b, with room to grow when strings are built piece by piece.
Value concat(Heap& heap, Kind kind, const StringObject* a, const StringObject* b);

// a += b in place, for an `a` that is kOwn; false: it is as it was, concat must do it.
bool grow(Heap& heap, StringObject* a, const StringObject* b);

// ---- lists
Value new_list(Heap& heap, std::size_t capacity);  // no value: over the budget
Value new_tuple(Heap& heap, std::size_t size);     // items uninitialised; no value: over the budget
bool list_reserve(Heap& heap, ListObject* list, std::size_t capacity);
inline bool list_push(Heap& heap, ListObject* list, Value v) {
  if (list->size == list->capacity && !list_reserve(heap, list, list->size + std::size_t{1})) {
    return false;
  }
  list->items[list->size++] = v;
  return true;
}

// The hash of small ints in a row is a row: what is filled in order lies in order.
inline std::uint32_t small_int_hash(Value v) {
  auto i = static_cast<std::uint64_t>(v.small());
  return static_cast<std::uint32_t>(i) ^ (static_cast<std::uint32_t>(i >> 32) * 0x9E3779B9u);
}
// For the keys that most tables have, which cannot fail.
inline bool quick_hash(Value v, std::uint32_t& out) {
  if (v.is_small_int()) {
    out = small_int_hash(v);
    return true;
  }
  if (!is_string(v)) return false;
  out = string_hash(as<StringObject>(v));
  return true;
}

// A struct's or module's field; null if there is none.
const Keyword* find_field(const StructObject* s, const StringObject* name);

// ---- tables. Hash errors and budgets come back as Refused; `table` is assumed changeable.
Refused table_find(TableObject* t, Value key, std::uint32_t hash, TableEntry*& out);
TableEntry* table_find_string(const TableObject* t, std::string_view key);
Refused table_insert(Heap& heap, TableObject* t, Value key, std::uint32_t hash, Value value);
Refused table_reserve(Heap& heap, TableObject* t, std::size_t entries);
void table_erase(TableObject* t, TableEntry* e);
void table_clear(Heap& heap, TableObject* t);
Value new_table(Heap& heap, Kind kind);
// May this be changed now?
inline Refused changeable(const Heap& heap, const Object* o) {
  if (!heap.may_change(o)) return Refused::frozen;
  return o->aux > 0 ? Refused::iterating : Refused::no;
}

// ---- iteration from C++. Keeps the container from being changed until it ends.
class Iterate {
 public:
  Iterate(Heap& heap, Value v);
  ~Iterate();
  Iterate(const Iterate&) = delete;
  Iterate& operator=(const Iterate&) = delete;
  bool ok() const { return ok_; }  // iterable?
  bool next(Value& out);
  // How many there will be, or -1.
  std::int64_t expected() const;

 private:
  Heap& heap_;
  Value v_;
  bool ok_;
  bool held_ = false;
  IterState state_;
};
// Starts and ends an iteration: a container that is not frozen counts who iterates it.
inline bool hold(const Heap& heap, Value v) {
  if (!v.is_object()) return false;
  Object* o = v.object();
  if ((o->kind != Kind::list && o->kind != Kind::dict && o->kind != Kind::set) ||
      o->region == Object::kFrozen || !heap.may_change(o)) {
    return false;
  }
  ++o->aux;
  return true;
}
// Only if hold() said true.
inline void release(Value v) {
  if (v.object()->region != Object::kFrozen) --v.object()->aux;
}
// One step over `v`; false at the end. `state` starts with no values.
bool iterate(Heap& heap, Value v, IterState& state, Value& out);

}  // namespace starlark
