// SPDX-License-Identifier: Apache-2.0
//
// expect_success() and its kin: made with what they expect, called with a scenario's result. Any
// function may stand in their place; what it raises, or a returned False, fails the test.
#include "spec/model/builtins.h"
#include "spec/model/host.h"
#include "spec/model/objects.h"
#include "spec/plan/duration.h"
#include "spec/starlark/values.h"

namespace fbx::model {

namespace {

using starlark::Call;
using starlark::Value;
using Pass = Param::Pass;
using Kind = ExpectationObject::Kind;

constexpr Param kErrorParams[] = {{.name = "status", .takes = Takes::kStatus, .none = true}};
constexpr Param kWithinParams[] = {
    {.name = "ms", .takes = Takes::kMillis, .required = true, .pass = Pass::kKeyword}};
constexpr Param kHangParams[] = {
    {.name = "after", .takes = Takes::kLongDuration, .required = true, .pass = Pass::kKeyword}};

double millis(Value v) {
  return v.is_small_int() ? static_cast<double>(v.small()) : starlark::to_double(v);
}

Value make_success(MakeContext& context, const Bound&) {
  return context.heap.make_host<ExpectationObject>(Kind::kSuccess, 0, 0.0);
}
Value make_error(MakeContext& context, const Bound& b) {
  return context.heap.make_host<ExpectationObject>(Kind::kError,
                                                   static_cast<int>(int_arg(b, 0, 0)), 0.0);
}
Value make_within(MakeContext& context, const Bound& b) {
  return context.heap.make_host<ExpectationObject>(Kind::kErrorWithin, 0, millis(b.values[0]));
}
Value make_hang(MakeContext& context, const Bound& b) {
  const auto ns = static_cast<double>(duration_arg(b, 0, 0));
  return context.heap.make_host<ExpectationObject>(Kind::kHang, 0, ns / 1e6);
}

constexpr Signature kSuccess{.name = "expect_success", .params = {}, .make = make_success};
constexpr Signature kError{.name = "expect_error", .params = kErrorParams, .make = make_error};
constexpr Signature kWithin{
    .name = "expect_error_within", .params = kWithinParams, .make = make_within};
constexpr Signature kHang{.name = "expect_hang", .params = kHangParams, .make = make_hang};

constexpr starlark::Builtin kAll[] = {{"expect_success", make_builtin, &kSuccess},
                                      {"expect_error", make_builtin, &kError},
                                      {"expect_error_within", make_builtin, &kWithin},
                                      {"expect_hang", make_builtin, &kHang}};

// An answer came, and it says that something went wrong.
bool is_error_answer(const ResponseObject& response) {
  if (response.kind == ResponseObject::Kind::kHttp) return response.result.status >= 400;
  if (response.kind == ResponseObject::Kind::kExec) return response.result.status > 0;
  return false;
}

bool no_answer(const ResponseObject& response) {
  if (response.kind == ResponseObject::Kind::kHttp && response.result.status != 0) return false;
  if (response.kind == ResponseObject::Kind::kExec && response.result.status >= 0) return false;
  return !response.result.ok && !response.result.error.empty();
}

bool holds(const ExpectationObject& expected, const ResponseObject& got) {
  switch (expected.kind) {
    case Kind::kSuccess: return got.result.ok;
    case Kind::kError:
      return is_error_answer(got) && (expected.status == 0 || got.result.status == expected.status);
    case Kind::kErrorWithin: return is_error_answer(got) && got.result.duration_ms <= expected.ms;
    case Kind::kHang: return no_answer(got) && got.result.duration_ms >= expected.ms;
  }
  return false;
}

std::string wanted(const ExpectationObject& expected) {
  const std::string ms = starlark::float_text(expected.ms);
  switch (expected.kind) {
    case Kind::kSuccess: return "a good answer (below 400; exit code 0)";
    case Kind::kError:
      return expected.status == 0 ? "an answer of 400 or more from a living service"
                                  : "an answer with status " + std::to_string(expected.status);
    case Kind::kErrorWithin: return "an answer of 400 or more within " + ms + " ms";
    case Kind::kHang: return "no answer within " + ms + " ms";
  }
  return "";
}

}  // namespace

std::span<const starlark::Builtin> expectation_builtins() { return kAll; }

Value ExpectationObject::call(Call& c) {
  const starlark::Param params[] = {{"result", starlark::kAny, starlark::Param::required}};
  Value got[1];
  if (!c.unpack(params, got)) return Call::failed();
  const Host& host = c.host_as<Host>();
  if (host.at_top()) {
    return fail_with(c, {"misplaced", starlark::repr(value()) + " needs a running test"});
  }
  const auto* response = starlark::host_as<ResponseObject>(got[0]);
  if (response == nullptr) {
    return fail_with(c, {"argument-type",
                         starlark::repr(value()) + " was given " +
                             std::string(starlark::type_name(got[0])) +
                             ", want the response of a step",
                         "does the scenario return its response?"});
  }
  ++host.body->asserted;
  if (holds(*this, *response)) return Value::none();
  std::string actual = starlark::repr(got[0]);
  actual += " after " + starlark::float_text(response->result.duration_ms) + " ms";
  return fail_assertion(c, starlark::repr(value()) + " does not hold", std::move(actual),
                        wanted(*this));
}

}  // namespace fbx::model
