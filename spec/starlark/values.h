// SPDX-License-Identifier: Apache-2.0
//
// Operations on values that a host needs too: equality, order, hash, truth, text.
#pragma once

#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "spec/starlark/diagnostic.h"
#include "spec/starlark/heap.h"
#include "spec/starlark/value.h"

namespace starlark {

bool truth(Value v);
bool is_callable(Value v);
bool is_iterable(Value v);

// Nested values are compared to this depth; deeper ones, and cyclic ones, are an error.
inline constexpr int kMaxValueDepth = 200;

// Nothing: too deeply nested, or too much work (a graph that shares much can be exponential).
// What it cost, in elements looked at, is added to *work.
std::optional<bool> equal(Value a, Value b, std::uint64_t* work = nullptr);
// Code::type where the types have no order, Code::depth as for equal. Negative, 0, positive.
std::expected<int, Error> compare(Value a, Value b, std::uint64_t* work = nullptr);
// Nothing if unhashable; *why names the type that is not.
std::optional<std::uint32_t> hash(Value v, std::string_view* why = nullptr);

// Collects text up to a limit; beyond it, `full()` is true and what comes is dropped.
class Writer {
 public:
  explicit Writer(std::size_t limit = std::size_t{256} << 20) : limit_(limit) {}
  void add(std::string_view text);
  void add(char c);
  void repr(Value v);  // nested values; cycles are written […] and {…}
  void str(Value v);
  bool full() const { return full_; }
  std::size_t room() const { return full_ ? 0 : limit_ - text_.size(); }
  const std::string& text() const { return text_; }
  std::string take() { return std::move(text_); }

 private:
  friend struct ReprState;
  std::string text_;
  std::size_t limit_;
  bool full_ = false;
  int depth_ = 0;
  std::vector<const Object*> open_;
};

std::string repr(Value v);
std::string str(Value v);
// A string literal as repr writes it.
std::string quote_string(std::string_view s, bool bytes = false);
// Shortest text that reads back as the same float, as str() of a float has it ("1.0", "+inf", "nan").
std::string float_text(double d);

// JSON, deterministic (dict keys sorted as json.encode does), within the budget of `heap`. Decoding
// gives mutable values of `heap`; errors have Code::value.
std::expected<std::string, Error> json_encode(Heap& heap, Value v);
std::expected<Value, Error> json_decode(Heap& heap, std::string_view text);

}  // namespace starlark
