// SPDX-License-Identifier: Apache-2.0
//
// deny(), delay(), allow(), op(): values made of checked arguments, without any effect.
#include "spec/model/builtins.h"
#include "spec/model/objects.h"
#include "spec/model/signals.h"
#include "spec/starlark/values.h"

namespace fbx::model {

namespace {

using starlark::Value;

// The options that deny, delay and allow share, in the same places.
enum Option : size_t {
  kFirst,
  kDelay,
  kProbability,
  kNth,
  kAfter,
  kEvery,
  kMaxFires,
  kPath,
  kTo,
  kOn,
  kSticky,
  kOptional,
  kLabel
};

constexpr Param keyword(std::string_view name, Takes takes) {
  return {.name = name, .takes = takes, .none = true, .pass = Param::Pass::kKeyword};
}

#define FBX_ACTION_OPTIONS                                                                  \
  keyword("probability", Takes::kProbability), keyword("nth", Takes::kPositive),            \
      keyword("after", Takes::kCount), keyword("every", Takes::kPositive),                  \
      keyword("max_fires", Takes::kPositive), keyword("path", Takes::kText),                \
      keyword("to", Takes::kTo), keyword("on", Takes::kOn), keyword("sticky", Takes::kBool), \
      keyword("optional", Takes::kBool), keyword("label", Takes::kText)

constexpr Param kDenyParams[] = {{.name = "errno", .takes = Takes::kErrno, .required = true},
                                 keyword("delay", Takes::kLongDuration), FBX_ACTION_OPTIONS};
constexpr Param kDelayParams[] = {
    {.name = "duration", .takes = Takes::kLongDuration, .required = true}, FBX_ACTION_OPTIONS};
constexpr Param kAllowParams[] = {FBX_ACTION_OPTIONS};

double probability_of(Value v) {
  if (starlark::is_string(v)) return *parse_percent(starlark::to_string_view(v));
  if (v.is_small_int()) return static_cast<double>(v.small());
  return starlark::to_double(v);
}

// `shift`: how far the options stand before their place in Option.
bool read_options(MakeContext& context, const Bound& b, size_t shift, plan::Action& out) {
  const auto at = [&](Option option) { return option - shift; };
  if (b.has(at(kProbability))) out.probability = probability_of(b.values[at(kProbability)]);
  if (b.has(at(kNth))) {
    for (const auto& [option, name] : {std::pair(kAfter, "after"), {kMaxFires, "max_fires"}}) {
      if (!b.has(at(option))) continue;
      context.problem = Problem{"argument-conflict",
                                "`nth` excludes `" + std::string(name) +
                                    "`: nth=k is after=k-1, max_fires=1",
                                {}, -1, name};
      return false;
    }
    out.after = static_cast<uint64_t>(int_arg(b, at(kNth), 1)) - 1;
    out.max_fires = 1;
  }
  out.after = static_cast<uint64_t>(int_arg(b, at(kAfter), static_cast<int64_t>(out.after)));
  out.every = static_cast<uint64_t>(int_arg(b, at(kEvery), 1));
  if (b.has(at(kMaxFires))) out.max_fires = static_cast<uint64_t>(int_arg(b, at(kMaxFires), 1));
  out.path = string_arg(b, at(kPath));
  out.to = peer_arg(b, at(kTo));
  out.on = string_arg(b, at(kOn));
  out.sticky = bool_arg(b, at(kSticky), false);
  out.optional = bool_arg(b, at(kOptional), false);
  out.label = string_arg(b, at(kLabel));
  return true;
}

Value make_deny(MakeContext& context, const Bound& b) {
  plan::Action action;
  action.kind = plan::Action::Kind::kDeny;
  action.errname = string_arg(b, kFirst);
  action.delay_ns = duration_arg(b, kDelay, 0);
  if (!read_options(context, b, 0, action)) return Value();
  return context.heap.make_host<ActionObject>(std::move(action));
}

Value make_delay(MakeContext& context, const Bound& b) {
  plan::Action action;
  action.kind = plan::Action::Kind::kDelay;
  action.delay_ns = duration_arg(b, kFirst, 0);
  if (!read_options(context, b, 1, action)) return Value();
  return context.heap.make_host<ActionObject>(std::move(action));
}

Value make_allow(MakeContext& context, const Bound& b) {
  plan::Action action;
  action.kind = plan::Action::Kind::kAllow;
  if (!read_options(context, b, 2, action)) return Value();
  return context.heap.make_host<ActionObject>(std::move(action));
}

constexpr Param kOpParams[] = {
    {.name = "syscalls", .takes = Takes::kSyscalls, .required = true, .pass = Param::Pass::kKeyword},
    keyword("path", Takes::kText)};

Value make_op(MakeContext& context, const Bound& b) {
  plan::Op op;
  op.syscalls = strings_arg(b, 0);
  op.path = string_arg(b, 1);
  return context.heap.make_host<OpObject>(std::move(op));
}

constexpr Signature kDeny{.name = "deny", .params = kDenyParams, .make = make_deny};
constexpr Signature kDelayAction{.name = "delay", .params = kDelayParams, .make = make_delay};
constexpr Signature kAllow{.name = "allow", .params = kAllowParams, .make = make_allow};
constexpr Signature kOp{.name = "op", .params = kOpParams, .make = make_op};

constexpr starlark::Builtin kAll[] = {{"deny", make_builtin, &kDeny},
                                      {"delay", make_builtin, &kDelayAction},
                                      {"allow", make_builtin, &kAllow},
                                      {"op", make_builtin, &kOp}};

}  // namespace

std::span<const starlark::Builtin> action_builtins() { return kAll; }

}  // namespace fbx::model
