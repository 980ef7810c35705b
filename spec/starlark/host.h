// SPDX-License-Identifier: Apache-2.0
//
// What a host adds to the language: built-in functions, types, and continuations.
//
// A built-in is a C++ function `Value f(Call&)`. It ends in one of these ways:
//   return value;                     a plain result
//   return c.fail(code, "message");   an error at the caller's place
//   return c.suspend(token);          asks the host; the answer is the result
//   return c.call(fn, args);          calls; what that returns is the result
// With a Continuation pushed before (`c.push<T>(…)`), an answer or a called function's result goes to
// Continuation::next instead, which ends in one of the same ways, and so on. This is how scopes,
// sorted(key=) and everything else that calls back is written. C++ never recurses into the VM.
#pragma once

#include <cstdint>
#include <functional>
#include <initializer_list>
#include <memory>
#include <new>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "spec/starlark/diagnostic.h"
#include "spec/starlark/heap.h"
#include "spec/starlark/value.h"

namespace starlark {

class Call;
class Fiber;
class Module;
class Writer;  // values.h

// An opaque request of a built-in to the host. The host knows its own derived classes.
class Token {
 public:
  virtual ~Token() = default;
};

// ---- built-in functions -----------------------------------------------------------------------

using BuiltinFn = Value (*)(Call&);

// A built-in function's definition. Make it static: it is used by address and is itself the
// (frozen) value. `name` is what a plan calls it by and what errors begin with.
class Builtin : public Object {
 public:
  constexpr Builtin(std::string_view full_name, BuiltinFn function, const void* own = nullptr)
      : Object{Kind::builtin, Object::kFrozen, 0, 0, 0}, name_(full_name), fn_(function), data_(own) {}
  std::string_view name() const { return name_; }
  BuiltinFn fn() const { return fn_; }
  const void* data() const { return data_; }  // the host's own
  Value value() const { return Value::of(this); }

 private:
  std::string_view name_;
  BuiltinFn fn_;
  const void* data_;
};

// ---- argument unpacking -----------------------------------------------------------------------

// What a parameter takes: any of these. Errors say "got int, want string or list".
enum Want : std::uint32_t {
  kAny = 0,
  kNone = 1u << 0,
  kBool = 1u << 1,
  kInt = 1u << 2,
  kFloat = 1u << 3,
  kString = 1u << 4,
  kBytes = 1u << 5,
  kList = 1u << 6,
  kTuple = 1u << 7,
  kDict = 1u << 8,
  kSet = 1u << 9,
  kCallable = 1u << 10,  // function, builtin, or a host object that can be called
  kIterable = 1u << 11,
  kStruct = 1u << 12,
  kHost = 1u << 13,  // any host object; check its class with host_as
  kNumber = kInt | kFloat,
};

struct Param {
  enum Form : std::uint8_t { required, optional, keyword_only, required_keyword_only };
  std::string_view name;
  std::uint32_t want = kAny;
  Form form = required;
  std::string_view want_text = {};  // replaces the list of types in "want …" when given
  bool positional_only = false;
};

// ---- the call a built-in is answering ---------------------------------------------------------

class Continuation;

class Call {
 public:
  // Arguments as given; valid until the built-in returns. Empty in Continuation::next and exit.
  std::span<const Value> args() const { return args_; }
  std::span<const Keyword> kwargs() const { return kwargs_; }
  Value self() const { return self_; }  // receiver of a method, the called host object, or no value
  const Builtin* builtin() const { return builtin_; }  // null when a host object is called
  std::string_view name() const;

  Heap& heap() const { return *heap_; }
  Fiber& fiber() const { return *fiber_; }
  void* host() const;  // Environment::host
  template <class T>
  T& host_as() const { return *static_cast<T*>(host()); }

  // Fills out[i] with the argument for params[i], or no value when it was not given (None is given
  // unless kNone is not wanted: then a type error). Checks number, names (did you mean), repetition,
  // types. False: the error is set, return c.failed().
  bool unpack(std::span<const Param> params, std::span<Value> out);
  // The same for built-ins that take *args: unpacks keywords only, positional ones stay in args().
  bool unpack_keywords(std::span<const Param> params, std::span<Value> out);
  // Checks one value against `want`, as for a parameter of that name.
  bool check(Value v, std::uint32_t want, std::string_view param);

  // Where the call stands in the source: the innermost call made by a Starlark function.
  Place place() const;
  // Where the argument begins; place() when unknown (code that was read from text has no places
  // of arguments, only of calls).
  Place arg_place(std::size_t positional) const;
  Place kwarg_place(std::string_view keyword) const;
  std::vector<TraceEntry> stack() const;

  // ---- ways out; each returns "no value", to be returned
  Value fail(Code code, std::string message, std::string hint = {});
  Value fail(Error error);  // trace is added
  // "append: cannot append to frozen list" …
  Value refuse(Refused why, std::string_view verb, Value container);
  static Value failed() { return Value(); }  // after a helper has set the error
  bool has_error() const;
  Value suspend(std::unique_ptr<Token> token);
  Value call(Value fn, std::span<const Value> args = {}, std::span<const Keyword> kwargs = {});
  Value call(Value fn, std::initializer_list<Value> args) {
    return call(fn, std::span<const Value>(args.begin(), args.size()));
  }
  // Puts a continuation on the fiber's stack; it lives until its built-in has ended. Once per built-in.
  template <class T, class... A>
  T& push(A&&... args);

  // Work done in C++ counts against the step budget: about one per element handled. False: the
  // error is set.
  bool charge(std::uint64_t steps);
  // As Heap::try_bytes, with the error set.
  bool need_bytes(std::uint64_t bytes);

 private:
  friend class Fiber;
  friend struct Machine;
  void* push_space(std::size_t bytes);
  void pushed(Continuation* c);

  Fiber* fiber_ = nullptr;
  Heap* heap_ = nullptr;
  const Builtin* builtin_ = nullptr;
  Value self_;
  std::span<const Value> args_;
  std::span<const Keyword> kwargs_;
};

// A built-in with more than one step.
//
// Order of events: next() with each answer or result; when next() returns a value, exit() if armed,
// then the built-in's result is that value. When what it asked for fails, or the host cancels:
// failed(), then exit() if armed, then the error goes on to the caller.
class Continuation {
 public:
  virtual ~Continuation() = default;
  virtual Value next(Call& c, Value got) = 0;
  // What it waited for failed. To go on all the same, return as next() does (catch, retry); the
  // default returns no value without a new error: the error goes on. Not called for cancellation,
  // for Code::steps, nor for what next(), failed() or the built-in itself reported.
  virtual Value failed(Call& c, const Error& error);
  // The exit action, run exactly once on every way out after arm(). Called again with each answer
  // until it returns a value (which is ignored). May suspend, may not be cancelled; an error from it
  // ends it, and becomes the fiber's error or is added to Error::also.
  virtual Value exit(Call& c, Value got);
  // No effects below this frame: a suspension is Code::effect.
  bool pure() const { return pure_; }
  bool armed() const { return armed_; }

 protected:
  void set_pure() { pure_ = true; }
  // From now on exit() is owed. A scope arms itself before it asks for its installation, if a
  // cancelled installation needs undoing, else in the next() that hears of it.
  void arm() { armed_ = true; }

 private:
  friend class Fiber;
  friend struct Machine;
  bool pure_ = false;
  bool armed_ = false;
};

template <class T, class... A>
T& Call::push(A&&... args) {
  static_assert(std::is_base_of_v<Continuation, T> && alignof(T) <= 16);
  T* t = new (push_space(sizeof(T))) T(std::forward<A>(args)...);
  pushed(t);
  return *t;
}

// ---- host types -------------------------------------------------------------------------------

// Position of an iteration over a host object; starts as two values "no value".
struct IterState {
  Value a, b;
};

enum class Binary : std::uint8_t { add, sub, mul, div, floordiv, mod, bit_and, bit_or, bit_xor, shl, shr };

// A C++ object that programs can hold. Owned by a Heap. Const methods may be called from several
// threads once it is frozen.
class HostObject {
 public:
  virtual ~HostObject() = default;
  virtual std::string_view type() const = 0;

  // Attribute: the value; no value if there is none (then attr_names makes the "did you mean"), or
  // c.fail(…). `c` has no arguments.
  virtual Value attr(Call& c, std::string_view name);
  virtual std::vector<std::string_view> attr_names() const;  // for dir(), sorted by the caller
  virtual bool has_set_attr() const;
  virtual Value set_attr(Call& c, std::string_view name, Value v);  // None on success

  virtual bool callable() const;
  virtual Value call(Call& c);

  virtual void repr(Writer& w) const;  // "<type>"
  virtual void str(Writer& w) const;   // repr
  virtual bool truth() const;          // true
  virtual std::optional<std::uint64_t> hash() const;  // not hashable
  virtual bool equals(const HostObject& other) const;  // same object
  virtual std::optional<int> compare(const HostObject& other) const;  // not ordered; else <0, 0, >0

  // Sequence or mapping behaviour; -1 / no value where there is none.
  virtual std::int64_t length() const;
  virtual bool iterable() const;
  virtual bool next(Heap& heap, IterState& state, Value& out);  // false at the end
  virtual bool indexable() const;
  virtual Value index(Call& c, Value key);
  virtual std::optional<bool> contains(Value v) const;
  // `mine op other` (left) or `other op mine`; no value without an error: not defined.
  virtual Value binary(Call& c, Binary op, Value other, bool left);

  // The values it holds, for freezing and for a plan writer. `visit` may be called in any order.
  virtual void visit(const std::function<void(Value)>& visit) const;
  virtual void freeze();  // this object only; what visit() shows is frozen by the caller
  bool frozen() const { return frozen_; }
  // Its own value; set by Heap::host.
  Value value() const { return value_; }

 private:
  friend class Heap;
  bool frozen_ = false;
  Value value_;
};

}  // namespace starlark
