// SPDX-License-Identifier: Apache-2.0
//
// Arbitrary integers over GMP. Sizes are bounded before GMP is asked: it aborts when memory ends.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "spec/starlark/heap.h"
#include "spec/starlark/value.h"

namespace starlark {

inline constexpr std::size_t kMaxIntBits = std::size_t{1} << 24;

// Both ints. No value: the result would be too large.
Value int_add(Heap& heap, Value a, Value b);
Value int_sub(Heap& heap, Value a, Value b);
Value int_mul(Heap& heap, Value a, Value b);
Value int_floordiv(Heap& heap, Value a, Value b);  // b != 0
Value int_mod(Heap& heap, Value a, Value b);       // b != 0
Value int_and(Heap& heap, Value a, Value b);
Value int_or(Heap& heap, Value a, Value b);
Value int_xor(Heap& heap, Value a, Value b);
Value int_shl(Heap& heap, Value a, std::size_t n);
Value int_shr(Heap& heap, Value a, std::size_t n);
Value int_neg(Heap& heap, Value a);
Value int_inv(Heap& heap, Value a);

std::size_t int_words(Value a);  // 64-bit words: what arithmetic on it costs
int int_sign(Value a);
int int_compare(Value a, Value b);
bool int_equal(Value a, Value b);
// -1, 0, 1; d is not NaN.
int int_compare_double(Value a, double d);
std::uint32_t int_hash(Value a);
// Nearest float; infinity if too large.
double int_to_double(Value a);
// d integral and finite.
Value int_from_double(Heap& heap, double d);
std::string int_to_base(Value a, int base);
// Digits of that base only, with an optional '-'; no value if malformed.
Value int_from_digits(Heap& heap, std::string_view digits, int base);

}  // namespace starlark
