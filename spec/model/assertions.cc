// SPDX-License-Identifier: Apache-2.0
//
// assert_true(), assert_eq(), assert_ne(), assert_contains(): judged where they stand, by the VM
// alone. sleep() and expect_exit(), which ask the runner.
#include "spec/model/builtins.h"
#include "spec/model/host.h"
#include "spec/model/objects.h"
#include "spec/starlark/values.h"

namespace fbx::model {

namespace {

using starlark::Call;
using starlark::Value;
using Pass = Param::Pass;

constexpr Param kTrueParams[] = {{.name = "cond", .takes = Takes::kAny, .required = true},
                                 {.name = "msg", .takes = Takes::kString}};
constexpr Param kPairParams[] = {{.name = "actual", .takes = Takes::kAny, .required = true},
                                 {.name = "expected", .takes = Takes::kAny, .required = true},
                                 {.name = "msg", .takes = Takes::kString}};
constexpr Param kContainsParams[] = {{.name = "haystack", .takes = Takes::kAny, .required = true},
                                     {.name = "needle", .takes = Takes::kAny, .required = true},
                                     {.name = "msg", .takes = Takes::kString}};

constexpr Signature kTrue{.name = "assert_true", .params = kTrueParams, .where = Where::kBody};
constexpr Signature kEq{.name = "assert_eq", .params = kPairParams, .where = Where::kBody};
constexpr Signature kNe{.name = "assert_ne", .params = kPairParams, .where = Where::kBody};
constexpr Signature kContains{
    .name = "assert_contains", .params = kContainsParams, .where = Where::kBody};

constexpr size_t kLongestShown = 4096;

std::string shown(Value v) {
  starlark::Writer writer(kLongestShown);
  writer.repr(v);
  std::string out = writer.text();
  if (writer.full()) out += "…";
  return out;
}

}  // namespace

Value fail_assertion(Call& c, std::string message, std::string actual, std::string expected) {
  auto payload = std::make_shared<AssertionPayload>();
  payload->actual = std::move(actual);
  payload->expected = std::move(expected);
  starlark::Error error;
  error.message = std::move(message);
  error.payload = std::move(payload);
  return c.fail(std::move(error));
}

namespace {

std::string with_message(std::string text, const Bound& b, size_t msg) {
  const std::string said = string_arg(b, msg);
  return said.empty() ? text : text + ": " + said;
}

void count(Call& c) { ++c.host_as<Host>().body->asserted; }

Value assert_true(Call& c) {
  Bound b;
  if (!bind_call(c, kTrue, b)) return Call::failed();
  count(c);
  if (starlark::truth(b.values[0])) return Value::none();
  return fail_assertion(c, with_message("assert_true failed", b, 1), shown(b.values[0]),
                        "a true value");
}

// Nothing after an error: values nested too deeply to be compared are neither equal nor different.
std::optional<bool> compared(Call& c, const Bound& b, std::string_view name) {
  const auto same = starlark::equal(b.values[0], b.values[1]);
  if (!same) {
    c.fail(starlark::Code::depth,
           std::string(name) + "(): the values are nested too deeply to be compared");
  }
  return same;
}

Value assert_eq(Call& c) {
  Bound b;
  if (!bind_call(c, kEq, b)) return Call::failed();
  const auto same = compared(c, b, "assert_eq");
  if (!same) return Call::failed();
  count(c);
  if (*same) return Value::none();
  return fail_assertion(c, with_message("assert_eq failed", b, 2), shown(b.values[0]),
                        shown(b.values[1]));
}

Value assert_ne(Call& c) {
  Bound b;
  if (!bind_call(c, kNe, b)) return Call::failed();
  const auto same = compared(c, b, "assert_ne");
  if (!same) return Call::failed();
  count(c);
  if (!*same) return Value::none();
  return fail_assertion(c, with_message("assert_ne failed", b, 2), shown(b.values[0]),
                        "anything but " + shown(b.values[1]));
}

// Whether it is in there; nothing when the haystack is of a kind that holds no such needle.
std::optional<bool> holds(Value haystack, Value needle) {
  using starlark::Kind;
  switch (starlark::kind_of(haystack)) {
    case Kind::string:
      if (!starlark::is_string(needle)) return std::nullopt;
      return starlark::to_string_view(haystack).find(starlark::to_string_view(needle)) !=
             std::string_view::npos;
    case Kind::list:
    case Kind::tuple:
      for (const Value item : starlark::elements(haystack)) {
        if (starlark::equal(item, needle).value_or(false)) return true;
      }
      return false;
    case Kind::dict:
    case Kind::set: {
      size_t cursor = 0;
      Value key, value;
      while (starlark::next_entry(haystack, cursor, key, value)) {
        if (starlark::equal(key, needle).value_or(false)) return true;
      }
      return false;
    }
    default: return std::nullopt;
  }
}

Value assert_contains(Call& c) {
  Bound b;
  if (!bind_call(c, kContains, b)) return Call::failed();
  const auto found = holds(b.values[0], b.values[1]);
  if (!found) {
    return fail_with(c, {"argument-type",
                         "assert_contains(): " + std::string(starlark::type_name(b.values[0])) +
                             " can't contain " + std::string(starlark::type_name(b.values[1])) +
                             ", want a string in a string, or anything in a list, tuple, dict or set"});
  }
  count(c);
  if (*found) return Value::none();
  return fail_assertion(c, with_message("assert_contains failed", b, 2), shown(b.values[0]),
                        "something that contains " + shown(b.values[1]));
}

// ---- waiting

constexpr Param kSleepParams[] = {
    {.name = "duration", .takes = Takes::kDuration, .required = true}};
constexpr Signature kSleep{.name = "sleep", .params = kSleepParams, .where = Where::kBody};

Value sleep(Call& c) {
  Bound b;
  if (!bind_call(c, kSleep, b)) return Call::failed();
  return ask(c, Sleep{duration_arg(b, 0, 0)});
}

constexpr Param kExitParams[] = {
    {.name = "service", .takes = Takes::kService, .required = true},
    {.name = "code", .takes = Takes::kExitCode, .none = true, .pass = Pass::kKeyword},
    {.name = "signal", .takes = Takes::kSignal, .none = true, .pass = Pass::kKeyword},
    {.name = "within", .takes = Takes::kDuration, .pass = Pass::kKeyword}};

std::optional<Problem> one_end(const Bound& b, const CheckContext&) {
  if (!b.has(1) || !b.has(2)) return std::nullopt;
  return Problem{"argument-conflict", "`code` and `signal` exclude each other", {}, -1, "signal"};
}

constexpr Signature kExpectExit{
    .name = "expect_exit", .params = kExitParams, .where = Where::kBody, .also = one_end};

Value expect_exit(Call& c) {
  Bound b;
  if (!bind_call(c, kExpectExit, b)) return Call::failed();
  ExpectExit effect;
  effect.service = services_arg(b, 0)[0];
  if (b.has(1)) effect.code = static_cast<int>(int_arg(b, 1, 0));
  effect.signal = string_arg(b, 2);
  effect.within_ns = duration_arg(b, 3, effect.within_ns);
  return ask(c, std::move(effect));
}

constexpr starlark::Builtin kAll[] = {{"assert_true", assert_true, &kTrue},
                                      {"assert_eq", assert_eq, &kEq},
                                      {"assert_ne", assert_ne, &kNe},
                                      {"assert_contains", assert_contains, &kContains},
                                      {"sleep", sleep, &kSleep},
                                      {"expect_exit", expect_exit, &kExpectExit}};

}  // namespace

std::span<const starlark::Builtin> assertion_builtins() { return kAll; }

}  // namespace fbx::model
