// SPDX-License-Identifier: Apache-2.0
#include "spec/starlark/ints.h"

#include <gmp.h>

#include <cmath>
#include <limits>

#include "spec/starlark/objects.h"

namespace starlark {
namespace {

static_assert(sizeof(mp_limb_t) == 8);

// A read-only view of an int as GMP's type.
class View {
 public:
  explicit View(Value v) {
    if (v.is_small_int()) {
      std::int64_t i = v.small();
      limb_ = i < 0 ? 0 - static_cast<std::uint64_t>(i) : static_cast<std::uint64_t>(i);
      mpz_roinit_n(z_, &limb_, i == 0 ? 0 : i < 0 ? -1 : 1);
    } else {
      auto* b = as<BigObject>(v);
      auto n = static_cast<mp_size_t>(b->aux);
      mpz_roinit_n(z_, reinterpret_cast<const mp_limb_t*>(b->limbs()), b->flags ? -n : n);
    }
  }
  mpz_srcptr get() const { return z_; }

 private:
  mp_limb_t limb_ = 0;
  mpz_t z_;
};

struct Result {
  mpz_t z;
  Result() { mpz_init(z); }
  ~Result() { mpz_clear(z); }
  Result(const Result&) = delete;
};

Value store(Heap& heap, mpz_srcptr z) {
  std::size_t n = mpz_size(z);
  if (n == 0) return Value::small_int(0);
  if (n == 1) {
    mp_limb_t limb = mpz_getlimbn(z, 0);
    if (limb < (mp_limb_t{1} << 62)) {
      auto i = static_cast<std::int64_t>(limb);
      return Value::small_int(mpz_sgn(z) < 0 ? -i : i);
    }
    if (mpz_sgn(z) < 0 && limb == (mp_limb_t{1} << 62)) {
      return Value::small_int(-(std::int64_t{1} << 62));
    }
  }
  if (n * 64 > kMaxIntBits + 64 || (n > 512 && !heap.try_bytes(n * 8))) return Value();
  auto* b = static_cast<BigObject*>(heap.allocate(sizeof(BigObject) + n * 8));
  init(b, Kind::integer, heap.region(), mpz_sgn(z) < 0 ? 1 : 0);
  b->aux = static_cast<std::uint32_t>(n);
  std::memcpy(b->limbs(), mpz_limbs_read(z), n * 8);
  return Value::of(b);
}

template <class F>
Value two(Heap& heap, Value a, Value b, F f) {
  View x(a), y(b);
  Result r;
  f(r.z, x.get(), y.get());
  return store(heap, r.z);
}

std::size_t bits(Value v) { return mpz_sizeinbase(View(v).get(), 2); }

}  // namespace

Value int_add(Heap& h, Value a, Value b) { return two(h, a, b, mpz_add); }
Value int_sub(Heap& h, Value a, Value b) { return two(h, a, b, mpz_sub); }
Value int_mul(Heap& h, Value a, Value b) {
  if (bits(a) + bits(b) > kMaxIntBits) return Value();
  return two(h, a, b, mpz_mul);
}
Value int_floordiv(Heap& h, Value a, Value b) { return two(h, a, b, mpz_fdiv_q); }
Value int_mod(Heap& h, Value a, Value b) { return two(h, a, b, mpz_fdiv_r); }
Value int_and(Heap& h, Value a, Value b) { return two(h, a, b, mpz_and); }
Value int_or(Heap& h, Value a, Value b) { return two(h, a, b, mpz_ior); }
Value int_xor(Heap& h, Value a, Value b) { return two(h, a, b, mpz_xor); }

Value int_shl(Heap& heap, Value a, std::size_t n) {
  if (bits(a) + n > kMaxIntBits) return Value();
  Result r;
  mpz_mul_2exp(r.z, View(a).get(), n);
  return store(heap, r.z);
}

Value int_shr(Heap& heap, Value a, std::size_t n) {
  Result r;
  mpz_fdiv_q_2exp(r.z, View(a).get(), n);
  return store(heap, r.z);
}

Value int_neg(Heap& heap, Value a) {
  Result r;
  mpz_neg(r.z, View(a).get());
  return store(heap, r.z);
}

Value int_inv(Heap& heap, Value a) {
  Result r;
  mpz_com(r.z, View(a).get());
  return store(heap, r.z);
}

std::size_t int_words(Value a) { return a.is_small_int() ? 1 : as<BigObject>(a)->aux; }

int int_sign(Value a) {
  if (a.is_small_int()) return a.small() < 0 ? -1 : a.small() > 0 ? 1 : 0;
  return as<BigObject>(a)->flags ? -1 : 1;
}

int int_compare(Value a, Value b) {
  if (a.is_small_int() && b.is_small_int()) {
    return a.small() < b.small() ? -1 : a.small() > b.small() ? 1 : 0;
  }
  int c = mpz_cmp(View(a).get(), View(b).get());
  return c < 0 ? -1 : c > 0 ? 1 : 0;
}

bool int_equal(Value a, Value b) { return int_compare(a, b) == 0; }

int int_compare_double(Value a, double d) {
  if (std::isinf(d)) return d > 0 ? -1 : 1;
  if (a.is_small_int() && std::fabs(static_cast<double>(a.small())) < 9007199254740992.0) {
    auto x = static_cast<double>(a.small());
    return x < d ? -1 : x > d ? 1 : 0;
  }
  int c = mpz_cmp_d(View(a).get(), d);
  return c < 0 ? -1 : c > 0 ? 1 : 0;
}

std::uint32_t int_hash(Value a) {
  if (a.is_small_int()) return small_int_hash(a);
  std::uint64_t h = as<BigObject>(a)->flags;
  for (std::uint32_t i = 0; i < a.object()->aux; ++i) {
    h = (h ^ as<BigObject>(a)->limbs()[i]) * 0x9E3779B97F4A7C15ull;
    h ^= h >> 31;
  }
  return static_cast<std::uint32_t>(h >> 32);
}

// Rounds to nearest, ties to even (mpz_get_d truncates).
double int_to_double(Value a) {
  if (a.is_small_int()) return static_cast<double>(a.small());
  View x(a);
  std::size_t n = mpz_sizeinbase(x.get(), 2);
  if (n > 1024) return int_sign(a) < 0 ? -INFINITY : INFINITY;
  Result r;
  mpz_abs(r.z, x.get());
  std::size_t shift = n > 64 ? n - 64 : 0;
  bool sticky = shift > 0 && mpz_scan1(r.z, 0) < shift;
  mpz_fdiv_q_2exp(r.z, r.z, shift);
  std::uint64_t top = mpz_getlimbn(r.z, 0);
  if (sticky) top |= 1;
  double d = std::ldexp(static_cast<double>(top), static_cast<int>(shift));
  return int_sign(a) < 0 ? -d : d;
}

Value int_from_double(Heap& heap, double d) {
  if (std::fabs(d) < 4e18) return heap.integer(static_cast<std::int64_t>(d));
  Result r;
  mpz_set_d(r.z, d);
  return store(heap, r.z);
}

std::string int_to_base(Value a, int base) {
  View x(a);
  std::string out(mpz_sizeinbase(x.get(), base) + 2, '\0');
  mpz_get_str(out.data(), base, x.get());
  out.resize(out.find('\0'));
  return out;
}

std::string int_to_decimal(Value v) {
  return v.is_small_int() ? std::to_string(v.small()) : int_to_base(v, 10);
}

Value int_from_digits(Heap& heap, std::string_view digits, int base) {
  std::string_view rest = digits;
  if (rest.starts_with('-')) rest.remove_prefix(1);
  if (rest.empty() || rest.size() > kMaxIntBits / 3) return Value();
  for (char c : rest) {
    int d = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'z' ? c - 'a' + 10
            : c >= 'A' && c <= 'Z' ? c - 'A' + 10 : 99;
    if (d >= base) return Value();
  }
  if (rest.size() <= 11) {
    std::int64_t i = 0;
    for (char c : rest) i = i * base + (c <= '9' ? c - '0' : (c | 32) - 'a' + 10);
    return heap.integer(digits[0] == '-' ? -i : i);
  }
  Result r;
  std::string text(digits);
  if (mpz_set_str(r.z, text.c_str(), base) != 0) return Value();
  return store(heap, r.z);
}

Value Heap::integer_from_decimal(std::string_view digits) { return int_from_digits(*this, digits, 10); }

std::optional<std::int64_t> to_int64(Value v) {
  if (v.is_small_int()) return v.small();
  auto* b = as<BigObject>(v);
  if (b->aux != 1) return std::nullopt;
  std::uint64_t limb = b->limbs()[0];
  if (b->flags) {
    if (limb > (std::uint64_t{1} << 63)) return std::nullopt;
    return static_cast<std::int64_t>(0 - limb);
  }
  if (limb > INT64_MAX) return std::nullopt;
  return static_cast<std::int64_t>(limb);
}

double to_double(Value v) { return is_float(v) ? float_value(v) : int_to_double(v); }

}  // namespace starlark
