// SPDX-License-Identifier: Apache-2.0
//
// assert_never(), assert_eventually(): what the runner judges by the events that were seen. trace()
// and its kin, which only widen what is watched.
#include "spec/model/builtins.h"
#include "spec/model/host.h"
#include "spec/model/objects.h"
#include "spec/starlark/values.h"

namespace fbx::model {

namespace {

using starlark::Call;
using starlark::Value;
using Pass = Param::Pass;

constexpr Param keyword(std::string_view name, Takes takes, bool none = false) {
  return {.name = name, .takes = takes, .none = none, .pass = Pass::kKeyword};
}

// The filter's keys come first, in the same places for each look-back.
enum FilterParam : size_t {
  kService, kType, kSyscall, kPath, kOn, kFd, kOk, kErrno, kDecision, kLabel, kOp, kPeer, kPid,
  kExe, kSince, kWhere, kWithin, kUntil
};

#define FBX_FILTER_KEYS                                                                        \
  keyword("service", Takes::kServiceName), keyword("type", Takes::kEventType),                 \
      keyword("syscall", Takes::kSyscall), keyword("path", Takes::kText),                      \
      keyword("on", Takes::kOn), keyword("fd", Takes::kCount), keyword("ok", Takes::kBoolOrNone), \
      keyword("errno", Takes::kErrno), keyword("decision", Takes::kText),                      \
      keyword("label", Takes::kText), keyword("op", Takes::kOpName),                           \
      keyword("peer", Takes::kPeer), keyword("pid", Takes::kPositive),                         \
      keyword("exe", Takes::kText), keyword("since", Takes::kText),                            \
      Param{.name = "where", .pass = Pass::kKeyword,                                           \
            .later = "name what the event must be with the other keys"}

constexpr Param kNeverParams[] = {FBX_FILTER_KEYS, keyword("within", Takes::kDuration, true),
                                  keyword("until", Takes::kText)};
constexpr Param kEventuallyParams[] = {FBX_FILTER_KEYS,
                                       keyword("within", Takes::kDuration, true)};

bool known(const Bound& b, size_t i) { return b.has(i) && is_known(b.values[i]); }

std::optional<Problem> check_filter(const Bound& b, const CheckContext& context) {
  if (known(b, kSince) && string_arg(b, kSince) != "start") {
    return Problem{"argument-value", "`since` is \"" + string_arg(b, kSince) + "\", want \"start\"",
                   suggest(string_arg(b, kSince), {"start"}), -1, "since"};
  }
  if (known(b, kType) && string_arg(b, kType) != "syscall") {
    return Problem{"not-yet", "`type` other than \"syscall\" is not there yet", {}, -1, "type"};
  }
  if (known(b, kOp) && known(b, kService)) {
    const std::string service = peer_arg(b, kService);
    for (const plan::Service& s : context.plan->services) {
      if (s.name != service) continue;
      std::vector<std::string> ops;
      for (const plan::Op& op : s.ops) {
        ops.push_back(op.name);
        if (op.name == string_arg(b, kOp)) return std::nullopt;
      }
      return Problem{"unknown-op", "the service has no op \"" + string_arg(b, kOp) + "\"",
                     suggest(string_arg(b, kOp), ops), -1, "op"};
    }
  }
  for (size_t i = kService; i <= kExe; ++i) {
    if (b.has(i)) return std::nullopt;
  }
  if (b.open) return std::nullopt;
  return Problem{"empty-filter", "no filter is given: it would match every event",
                 "write, for instance, service=…, syscall=\"write\""};
}

std::optional<Problem> check_never(const Bound& b, const CheckContext& context) {
  if (known(b, kUntil) && string_arg(b, kUntil) != "now") {
    return Problem{"argument-value", "`until` is \"" + string_arg(b, kUntil) + "\", want \"now\"",
                   suggest(string_arg(b, kUntil), {"now"}), -1, "until"};
  }
  if (b.has(kUntil) && b.has(kWithin)) {
    return Problem{"argument-conflict", "`until` and `within` exclude each other", {}, -1, "within"};
  }
  return check_filter(b, context);
}

constexpr Signature kNever{.name = "assert_never", .params = kNeverParams, .where = Where::kBody,
                           .also = check_never};
constexpr Signature kEventually{.name = "assert_eventually", .params = kEventuallyParams,
                                .where = Where::kBody, .also = check_filter};

// The keys as they were written: `service="inventory", syscall="write"`.
std::string display(const Signature& signature, const Bound& b) {
  std::string out;
  for (size_t i = kService; i <= kSince; ++i) {
    if (!b.has(i)) continue;
    const bool peer = i == kService || i == kPeer;
    const std::string value = peer ? starlark::quote_string(peer_arg(b, i)) : starlark::repr(b.values[i]);
    out += (out.empty() ? "" : ", ") + std::string(signature.params[i].name) + "=" + value;
  }
  return out;
}

Filter read_filter(const Call& c, const Signature& signature, const Bound& b) {
  Filter filter;
  if (b.has(kService)) {
    const std::string name = peer_arg(b, kService);
    const auto& services = c.host_as<Host>().plan->services;
    for (uint32_t i = 0; i < services.size(); ++i) {
      if (services[i].name == name) filter.service = i;
    }
  }
  filter.type = string_arg(b, kType);
  filter.syscall = string_arg(b, kSyscall);
  filter.path = string_arg(b, kPath);
  filter.on = string_arg(b, kOn);
  if (b.has(kFd)) filter.fd = int_arg(b, kFd, 0);
  if (b.has(kOk)) {
    filter.ok_any = b.values[kOk].is_none();
    if (!filter.ok_any) filter.ok = b.values[kOk].is_true();
  }
  filter.errname = string_arg(b, kErrno);
  filter.decision = string_arg(b, kDecision);
  filter.label = string_arg(b, kLabel);
  filter.op = string_arg(b, kOp);
  filter.peer = peer_arg(b, kPeer);
  if (b.has(kPid)) filter.pid = int_arg(b, kPid, 0);
  filter.exe = string_arg(b, kExe);
  filter.display = display(signature, b);
  return filter;
}

template <const Signature& signature, LookBack::Kind kind>
Value look_back(Call& c) {
  Bound b;
  if (!bind_call(c, signature, b)) return Call::failed();
  LookBack effect;
  effect.kind = kind;
  effect.scope = c.host_as<Host>().body->scopes.back();
  effect.filter = read_filter(c, signature, b);
  effect.since_start = b.has(kSince);
  effect.within_ns = duration_arg(b, kWithin, 0);
  if constexpr (kind == LookBack::Kind::kNever) effect.until_now = b.has(kUntil);
  return ask(c, std::move(effect));
}

// ---- trace()

constexpr Param kTraceParams[] = {{.name = "service", .takes = Takes::kServiceName, .required = true},
                                  keyword("syscalls", Takes::kSyscalls),
                                  {.name = "run", .takes = Takes::kCallable, .pass = Pass::kKeyword}};
constexpr Param kTraceStopParams[] = {
    {.name = "service", .takes = Takes::kServiceName, .required = true},
    keyword("syscalls", Takes::kSyscalls)};
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
    {"trace", trace, &kTrace},
    {"trace_start", accepted<kTraceStart>, &kTraceStart},
    {"trace_stop", accepted<kTraceStop>, &kTraceStop}};

}  // namespace

std::span<const starlark::Builtin> look_back_builtins() { return kAll; }

}  // namespace fbx::model
