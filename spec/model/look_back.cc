// SPDX-License-Identifier: Apache-2.0
//
// assert_never(), assert_eventually(), assert_count(), assert_before(), events(), await_event(),
// await_stable(): what the runner judges by the events that were seen. trace() and its kin, which
// only widen what is watched.
#include "spec/model/builtins.h"
#include "spec/model/filters.h"
#include "spec/model/host.h"
#include "spec/model/objects.h"
#include "spec/starlark/values.h"

namespace fbx::model {

namespace {

using starlark::Call;
using starlark::Value;
using Pass = Param::Pass;

ScopeId innermost(const Call& c) { return c.host_as<Host>().body->scopes.back(); }

// ---- assert_never(), assert_eventually()

enum NeverParam : size_t { kWithin = kFilterKeys, kUntil };

constexpr auto kNeverParams =
    with_filter(std::array{filter_keyword("within", Takes::kDuration, true),
                           filter_keyword("until", Takes::kText)});
constexpr auto kEventuallyParams =
    with_filter(std::array{filter_keyword("within", Takes::kDuration, true)});

std::optional<Problem> check_never(const Bound& b, const CheckContext& context) {
  const bool known = b.has(kUntil) && is_known(b.values[kUntil]);
  if (known && string_arg(b, kUntil) != "now") {
    return Problem{"argument-value", "`until` is \"" + string_arg(b, kUntil) + "\", want \"now\"",
                   suggest(string_arg(b, kUntil), {"now"}), -1, "until"};
  }
  if (b.has(kUntil) && b.has(kWithin)) {
    return Problem{"argument-conflict", "`until` and `within` exclude each other", {}, -1, "within"};
  }
  return check_filter(b, context);
}

constexpr Signature kNever{.name = "assert_never", .params = kNeverParams, .extra = Extra::kFields,
                           .where = Where::kBody, .also = check_never};
constexpr Signature kEventually{.name = "assert_eventually", .params = kEventuallyParams,
                                .extra = Extra::kFields, .where = Where::kBody,
                                .also = check_filter};

template <const Signature& signature, LookBack::Kind kind>
Value look_back(Call& c) {
  Bound b;
  if (!bind_call(c, signature, b)) return Call::failed();
  LookBack effect;
  effect.kind = kind;
  effect.scope = innermost(c);
  effect.filter = read_filter(c, b);
  effect.within_ns = duration_arg(b, kWithin, 0);
  if constexpr (kind == LookBack::Kind::kNever) effect.until_now = b.has(kUntil);
  return ask(c, std::move(effect));
}

// ---- assert_count()

constexpr auto kCountParams = with_filter(std::array{
    Param{.name = "n", .takes = Takes::kCountRange, .required = true}});
constexpr Signature kCount{.name = "assert_count", .params = kCountParams, .extra = Extra::kFields,
                           .where = Where::kBody, .also = check_filter};

Value assert_count(Call& c) {
  Bound b;
  if (!bind_call(c, kCount, b)) return Call::failed();
  const Value n = b.values[kFilterKeys];
  CountLookBack effect;
  effect.scope = innermost(c);
  effect.filter = read_filter(c, b);
  const bool one = !starlark::is_kind(n, starlark::Kind::tuple);
  const Value least = one ? n : starlark::elements(n)[0];
  const Value most = one ? n : starlark::elements(n)[1];
  effect.least = static_cast<uint64_t>(starlark::to_int64(least).value_or(0));
  effect.most = static_cast<uint64_t>(starlark::to_int64(most).value_or(INT64_MAX));
  return ask(c, std::move(effect));
}

// ---- assert_before()

enum BeforeParam : size_t { kFirst, kThen, kKey, kEach };

constexpr Param kBeforeParams[] = {
    {.name = "first", .takes = Takes::kFilterDict, .required = true, .pass = Pass::kKeyword},
    {.name = "then", .takes = Takes::kFilterDict, .required = true, .pass = Pass::kKeyword},
    {.name = "key", .takes = Takes::kCallable, .none = true, .pass = Pass::kKeyword},
    {.name = "each", .takes = Takes::kBool, .pass = Pass::kKeyword}};

std::optional<Problem> check_before(const Bound& b, const CheckContext& context) {
  for (const size_t i : {kFirst, kThen}) {
    if (!b.has(i) || !is_known(b.values[i])) continue;
    Bound filter;
    if (auto problem = bind_filter_dict(b.values[i], kBeforeParams[i].name, context, filter)) {
      return problem;
    }
  }
  return std::nullopt;
}

constexpr Signature kBefore{.name = "assert_before", .params = kBeforeParams,
                            .where = Where::kBody, .also = check_before};

Value assert_before(Call& c) {
  Bound b;
  if (!bind_call(c, kBefore, b)) return Call::failed();
  Host& host = c.host_as<Host>();
  const CheckContext context{host.plan, true};
  Bound first, then;
  // check_before() has found no problem in either.
  (void)bind_filter_dict(b.values[kFirst], "first", context, first);
  (void)bind_filter_dict(b.values[kThen], "then", context, then);
  OrderLookBack effect;
  effect.scope = innermost(c);
  effect.first = read_filter(c, first);
  effect.then = read_filter(c, then);
  effect.each = bool_arg(b, kEach, true);
  if (b.has(kKey)) {
    host.body->callbacks.push_back(b.values[kKey]);
    effect.key = static_cast<uint32_t>(host.body->callbacks.size());
  }
  return ask(c, std::move(effect));
}

// ---- events(), await_event(), await_stable()

constexpr auto kEventsParams = with_filter(std::array<Param, 0>{});
constexpr auto kAwaitParams =
    with_filter(std::array{Param{.name = "timeout", .takes = Takes::kDuration}});
constexpr auto kStableParams =
    with_filter(std::array{Param{.name = "quiescence_window", .takes = Takes::kLongDuration},
                           Param{.name = "timeout", .takes = Takes::kDuration}});
constexpr Signature kEvents{.name = "events", .params = kEventsParams, .extra = Extra::kFields,
                            .where = Where::kBody, .also = check_filter};
constexpr Signature kAwait{.name = "await_event", .params = kAwaitParams, .extra = Extra::kFields,
                           .where = Where::kBody, .also = check_filter};
constexpr Signature kStable{.name = "await_stable", .params = kStableParams,
                            .extra = Extra::kFields, .where = Where::kBody, .also = check_filter};

Value events(Call& c) {
  Bound b;
  if (!bind_call(c, kEvents, b)) return Call::failed();
  return ask(c, ListEvents{innermost(c), read_filter(c, b)});
}

// The one event of the list that the runner answers with.
class FirstFrame final : public starlark::Continuation {
 public:
  Value next(Call&, Value got) override {
    const auto all = starlark::elements(got);
    return all.empty() ? Value::none() : all[0];
  }
};

Value await_event(Call& c) {
  Bound b;
  if (!bind_call(c, kAwait, b)) return Call::failed();
  AwaitEvent effect{innermost(c), read_filter(c, b)};
  effect.timeout_ns = duration_arg(b, kFilterKeys, effect.timeout_ns);
  c.push<FirstFrame>();
  return ask(c, std::move(effect));
}

Value await_stable(Call& c) {
  Bound b;
  if (!bind_call(c, kStable, b)) return Call::failed();
  AwaitStable effect{innermost(c), read_filter(c, b)};
  effect.quiet_ns = duration_arg(b, kFilterKeys, effect.quiet_ns);
  effect.timeout_ns = duration_arg(b, kFilterKeys + 1, effect.timeout_ns);
  return ask(c, std::move(effect));
}

// ---- trace()

constexpr Param kTraceParams[] = {{.name = "service", .takes = Takes::kServiceName, .required = true},
                                  filter_keyword("syscalls", Takes::kSyscalls),
                                  {.name = "run", .takes = Takes::kCallable, .pass = Pass::kKeyword}};
constexpr Param kTraceStopParams[] = {
    {.name = "service", .takes = Takes::kServiceName, .required = true},
    filter_keyword("syscalls", Takes::kSyscalls)};
constexpr Signature kTrace{.name = "trace", .params = kTraceParams, .where = Where::kBody};
constexpr Signature kTraceStart{.name = "trace_start", .params = kTraceStopParams,
                                .where = Where::kBody};
constexpr Signature kTraceStop{.name = "trace_stop", .params = kTraceStopParams,
                               .where = Where::kBody};

// What is watched was decided when the plan was made (needs.h): nothing is left to do here.
Value trace(Call& c) {
  Bound b;
  if (!bind_call(c, kTrace, b)) return Call::failed();
  return b.has(2) ? c.call(b.values[2]) : Value::none();
}

template <const Signature& signature>
Value accepted(Call& c) {
  Bound b;
  return bind_call(c, signature, b) ? Value::none() : Call::failed();
}

constexpr starlark::Builtin kAll[] = {
    {"assert_never", look_back<kNever, LookBack::Kind::kNever>, &kNever},
    {"assert_eventually", look_back<kEventually, LookBack::Kind::kEventually>, &kEventually},
    {"assert_count", assert_count, &kCount},
    {"assert_before", assert_before, &kBefore},
    {"events", events, &kEvents},
    {"await_event", await_event, &kAwait},
    {"await_stable", await_stable, &kStable},
    {"trace", trace, &kTrace},
    {"trace_start", accepted<kTraceStart>, &kTraceStart},
    {"trace_stop", accepted<kTraceStop>, &kTraceStop}};

}  // namespace

std::span<const starlark::Builtin> look_back_builtins() { return kAll; }

}  // namespace fbx::model
