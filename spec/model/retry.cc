// SPDX-License-Identifier: Apache-2.0
//
// eventually(): calls a function until it no longer fails. The time between is the runner's.
#include <optional>

#include "spec/model/builtins.h"
#include "spec/model/host.h"
#include "spec/model/objects.h"
#include "spec/starlark/values.h"

namespace fbx::model {

namespace {

using starlark::Call;
using starlark::Value;

constexpr Param kParams[] = {
    {.name = "fn", .takes = Takes::kCallable, .required = true},
    {.name = "timeout", .takes = Takes::kDuration},
    {.name = "every", .takes = Takes::kLongDuration}};
constexpr Signature kEventually{.name = "eventually", .params = kParams, .where = Where::kBody};

// Asks the time, calls, and again. An attempt fails when it raises or returns False; what it
// raised last is what the whole raises.
class RetryFrame final : public starlark::Continuation {
 public:
  RetryFrame(BodyState& body, Value fn, int64_t timeout_ns, int64_t every_ns)
      : body_(body), fn_(fn), timeout_ns_(timeout_ns), every_ns_(every_ns) {
    ++body_.tentative;
    arm();
  }

  Value next(Call& c, Value got) override {
    if (calling_) {
      calling_ = false;
      if (!got.is_bool() || got.is_true()) {
        ++body_.asserted;
        return got;
      }
      last_.reset();
      return wait(c);
    }
    const int64_t now = starlark::to_int64(got).value_or(0);
    if (!began_ns_) began_ns_ = now;
    else if (now - *began_ns_ >= timeout_ns_) return give_up(c);
    calling_ = true;
    return c.call(fn_);
  }

  // Only a failed assertion is tried again: a mistake in the spec stays one.
  Value failed(Call& c, const starlark::Error& error) override {
    const bool attempt = calling_;
    calling_ = false;
    const bool assertion = dynamic_cast<const AssertionPayload*>(error.payload.get()) != nullptr ||
                           error.code == starlark::Code::fail;
    if (!attempt || !assertion) return Value();
    last_ = error;
    return wait(c);
  }

  Value exit(Call&, Value) override {
    --body_.tentative;
    return Value::none();
  }

 private:
  Value wait(Call& c) { return ask(c, Tick{every_ns_}); }

  Value give_up(Call& c) {
    if (!last_) {
      ++body_.asserted;
      return fail_assertion(c, "eventually(): the function returned False to the end", "False",
                            "anything but False");
    }
    starlark::Error error = *last_;
    error.trace.clear();
    error.message = "eventually(): to the end: " + error.message;
    return c.fail(std::move(error));
  }

  BodyState& body_;
  Value fn_;
  int64_t timeout_ns_, every_ns_;
  bool calling_ = false;
  std::optional<int64_t> began_ns_;
  std::optional<starlark::Error> last_;
};

Value eventually(Call& c) {
  Bound b;
  if (!bind_call(c, kEventually, b)) return Call::failed();
  BodyState& body = *c.host_as<Host>().body;
  c.push<RetryFrame>(body, b.values[0], duration_arg(b, 1, 10'000'000'000),
                     duration_arg(b, 2, 50'000'000));
  return ask(c, Tick{});
}

constexpr starlark::Builtin kAll[] = {{"eventually", eventually, &kEventually}};

}  // namespace

std::span<const starlark::Builtin> retry_builtins() { return kAll; }

}  // namespace fbx::model
