// SPDX-License-Identifier: Apache-2.0
//
// The module `math`.
#include <cmath>

#include "spec/starlark/builtin_tables.h"
#include "spec/starlark/builtins.h"
#include "spec/starlark/ints.h"
#include "spec/starlark/objects.h"
#include "spec/starlark/values.h"

namespace starlark {
namespace {

constexpr Param kX = {.name = "x", .want = kNumber, .want_text = "float or int", .positional_only = true};
constexpr Param kY = {.name = "y", .want = kNumber, .want_text = "float or int", .positional_only = true};

bool real(Call& c, Value v, double& out) {
  out = to_double(v);
  if (is_float(v) || std::isfinite(out)) return true;
  c.fail(Code::overflow, "int too large to convert to float");
  return false;
}

template <double (*F)(double)>
Value unary(Call& c) {
  Value x;
  double d;
  if (!c.unpack({&kX, 1}, {&x, 1}) || !real(c, x, d)) return c.failed();
  return c.heap().floating(F(d));
}

template <double (*F)(double, double)>
Value binary(Call& c) {
  static constexpr Param kParams[] = {kX, kY};
  Value a[2];
  double x, y;
  if (!c.unpack(kParams, a) || !real(c, a[0], x) || !real(c, a[1], y)) return c.failed();
  return c.heap().floating(F(x, y));
}

template <double (*F)(double)>
Value rounded(Call& c) {
  Value x;
  if (!c.unpack({&kX, 1}, {&x, 1})) return c.failed();
  if (is_int(x)) return x;
  double d = F(float_value(x));
  if (std::isnan(d)) return c.fail(Code::value, "cannot convert float NaN to integer");
  if (std::isinf(d)) return c.fail(Code::value, "cannot convert float infinity to integer");
  return int_from_double(c.heap(), d);
}

double degrees(double x) { return x * 180 / M_PI; }
double radians(double x) { return x * M_PI / 180; }
double gamma_(double x) { return x == std::floor(x) && x < 0 ? NAN : std::tgamma(x); }

Value log_(Call& c) {
  static constexpr Param kBase = {.name = "base", .want = kNumber, .form = Param::optional,
                                  .want_text = "float or int", .positional_only = true};
  static constexpr Param kParams[] = {kX, kBase};
  Value a[2];
  double x, base = M_E;
  if (!c.unpack(kParams, a) || !real(c, a[0], x) || (a[1].valid() && !real(c, a[1], base))) return c.failed();
  if (base == 1) return c.fail(Code::division, "division by zero");
  if (!a[1].valid()) return c.heap().floating(std::log(x));
  return c.heap().floating(std::log(x) / std::log(base));
}

constexpr Builtin kMathFunctions[] = {
    {"math.ceil", rounded<std::ceil>}, {"math.copysign", binary<std::copysign>},
    {"math.fabs", unary<std::fabs>}, {"math.floor", rounded<std::floor>},
    {"math.mod", binary<std::fmod>}, {"math.pow", binary<std::pow>},
    {"math.remainder", binary<std::remainder>}, {"math.round", unary<std::round>},
    {"math.exp", unary<std::exp>}, {"math.sqrt", unary<std::sqrt>}, {"math.acos", unary<std::acos>},
    {"math.asin", unary<std::asin>}, {"math.atan", unary<std::atan>},
    {"math.atan2", binary<std::atan2>}, {"math.cos", unary<std::cos>},
    {"math.hypot", binary<std::hypot>}, {"math.sin", unary<std::sin>}, {"math.tan", unary<std::tan>},
    {"math.degrees", unary<degrees>}, {"math.radians", unary<radians>},
    {"math.acosh", unary<std::acosh>}, {"math.asinh", unary<std::asinh>},
    {"math.atanh", unary<std::atanh>}, {"math.cosh", unary<std::cosh>},
    {"math.sinh", unary<std::sinh>}, {"math.tanh", unary<std::tanh>}, {"math.log", log_},
    {"math.gamma", unary<gamma_>}};

}  // namespace

std::span<const Builtin> math_functions() { return kMathFunctions; }

Value math_module(Heap& heap) {
  std::vector<Keyword> members = {{heap.string("e"), heap.floating(M_E)},
                                  {heap.string("pi"), heap.floating(M_PI)}};
  for (const Builtin& b : kMathFunctions) members.push_back({heap.string(b.name().substr(5)), b.value()});
  Value m = heap.module("math", members);
  heap.freeze(m);
  return m;
}

}  // namespace starlark
