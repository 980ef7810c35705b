// SPDX-License-Identifier: Apache-2.0
//
// A Value: 64 bits, copied freely, owned by nobody. It is a small int, most floats, None, a bool,
// or a pointer to an object in a Heap (heap.h); it is valid as long as that heap, or, for constants
// and built-ins, as long as the program or the built-in's definition.
//
// Bits: …1 int of 63 bits; …10 float whose exponent lies within ±255 (others are boxed);
// …00 pointer, or a number below 64 for None, False, True; all zero: no value.
#pragma once

#include <bit>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace starlark {

struct Object;
class HostObject;
class Builtin;

// The order is part of the VM's tables. `cell` is never seen by a program.
enum class Kind : std::uint8_t {
  none, boolean, integer, floating, string, bytes, list, tuple, dict, set, range,
  function, builtin, structure, module, host, string_view, cell,
};
inline constexpr int kKindCount = 18;

class Value {
 public:
  // "No value": a variable not yet assigned, an argument not given, "see the fiber" (host.h).
  constexpr Value() = default;

  static constexpr Value none() { return Value(8); }
  static constexpr Value boolean(bool b) { return Value(b ? 24 : 16); }
  // For |i| < 2^62 only; Heap::integer takes any.
  static constexpr Value small_int(std::int64_t i) {
    return Value((static_cast<std::uint64_t>(i) << 1) | 1);
  }
  static constexpr bool fits_small(std::int64_t i) {
    return i >= -(std::int64_t{1} << 62) && i < (std::int64_t{1} << 62);
  }
  static Value of(const Object* object) {
    return Value(static_cast<std::uint64_t>(reinterpret_cast<std::uintptr_t>(object)));
  }
  static constexpr Value from_bits(std::uint64_t bits) { return Value(bits); }

  constexpr std::uint64_t bits() const { return bits_; }
  // Not "no value".
  constexpr bool valid() const { return bits_ != 0; }
  constexpr bool is_none() const { return bits_ == 8; }
  constexpr bool is_bool() const { return bits_ == 16 || bits_ == 24; }
  constexpr bool is_true() const { return bits_ == 24; }
  constexpr bool is_small_int() const { return (bits_ & 1) != 0; }
  constexpr std::int64_t small() const { return static_cast<std::int64_t>(bits_) >> 1; }
  constexpr bool is_inline_float() const { return (bits_ & 3) == 2; }
  constexpr bool is_object() const { return (bits_ & 3) == 0 && bits_ >= 64; }
  Object* object() const {
    return reinterpret_cast<Object*>(static_cast<std::uintptr_t>(bits_));
  }

  // Identity, not equality (values.h: equal).
  constexpr bool same(Value other) const { return bits_ == other.bits_; }

 private:
  constexpr explicit Value(std::uint64_t bits) : bits_(bits) {}
  std::uint64_t bits_ = 0;
};
static_assert(sizeof(Value) == 8);

// What every object starts with. `region` says who may change it: the heap's current region, or
// kFrozen for nobody. It is the only thing looked at before a change.
struct Object {
  static constexpr std::uint8_t kFrozen = 0xff;
  Kind kind;
  std::uint8_t region;
  std::uint8_t flags;
  std::uint8_t spare;
  std::uint32_t aux;  // string, bytes: cached hash (0 = none yet); list, dict, set: active iterations
};

struct Keyword {
  Value name;  // a string
  Value value;
};

// ---- reading ----------------------------------------------------------------------------------
// Every reader requires the kind it names (checked by assertion in debug builds only).

inline Kind kind_of(Value v) {  // v must be valid
  if (v.is_small_int()) return Kind::integer;
  if (v.is_inline_float()) return Kind::floating;
  if (v.is_object()) return v.object()->kind;
  return v.is_none() ? Kind::none : Kind::boolean;
}
// "int", "NoneType", "function", "builtin_function_or_method", a host object's own name…
std::string_view type_name(Value v);
bool is_frozen(Value v);  // immutable values count as frozen

// int: the value if it fits.
std::optional<std::int64_t> to_int64(Value v);
std::string int_to_decimal(Value v);
double to_double(Value v);  // float
std::string_view to_string_view(Value v);  // string or bytes: its bytes; valid as long as the value
inline bool is_string(Value v) { return v.is_object() && v.object()->kind == Kind::string; }
inline bool is_kind(Value v, Kind k) { return v.is_object() && v.object()->kind == k; }

// list or tuple: its elements, valid until the list is changed.
std::span<const Value> elements(Value v);

struct RangeInfo {
  std::int64_t start, stop, step, length;
};
RangeInfo range_info(Value v);

// Number of elements: string, bytes (bytes), list, tuple, dict, set, range, struct (fields).
std::size_t length(Value v);

// dict (key and value) and set (key), in insertion order. `cursor` starts at 0.
bool next_entry(Value table, std::size_t& cursor, Value& key, Value& value);
// dict: the value for a string key, or no value.
Value dict_get(Value dict, std::string_view key);

// struct and module: fields in order of name; the value of one, or no value.
std::vector<Keyword> fields(Value v);
Value field(Value v, std::string_view name);
// struct: its constructor ("struct" itself unless the host gave another); module: its name, a string.
Value constructor(Value v);

// The host's own object; null unless kind is host.
HostObject* host_object(Value v);
template <class T>
T* host_as(Value v) {
  return is_kind(v, Kind::host) ? dynamic_cast<T*>(host_object(v)) : nullptr;
}

// A cell (captured variable): what is in it; no value if the variable is not assigned.
Value cell_value(Value cell);
void cell_assign(Value cell, Value v);  // only while rebuilding a graph, before it is frozen

// A built-in: its definition, and the receiver of a bound method (`xs.append`), or no value.
const Builtin* builtin_of(Value v);
Value receiver_of(Value v);

}  // namespace starlark
