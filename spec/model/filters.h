// SPDX-License-Identifier: Apache-2.0
//
// The keys by which events are chosen (LANGUAGE section 7): as parameters of every look-back, and as
// the dicts of assert_before.
//
// Thread rule: pure functions.
#pragma once

#include <algorithm>
#include <array>
#include <optional>
#include <string>

#include "spec/model/session.h"
#include "spec/model/signature.h"

namespace fbx::model {

// Their places among the parameters of every look-back.
enum FilterParam : size_t {
  kService, kType, kSyscall, kPath, kOn, kFd, kOk, kErrno, kDecision, kLabel, kOp, kPeer, kPid,
  kExe, kAfterLostSync, kSince, kWhere, kFilterKeys
};

constexpr Param filter_keyword(std::string_view name, Takes takes, bool none = false) {
  return {.name = name, .takes = takes, .none = none, .pass = Param::Pass::kKeyword};
}

// The filter's keys, then `more`.
template <size_t n>
consteval std::array<Param, kFilterKeys + n> with_filter(const std::array<Param, n>& more) {
  const std::array<Param, kFilterKeys> keys = {
      filter_keyword("service", Takes::kServiceName), filter_keyword("type", Takes::kEventType),
      filter_keyword("syscall", Takes::kSyscall),     filter_keyword("path", Takes::kText),
      filter_keyword("on", Takes::kOn),               filter_keyword("fd", Takes::kCount),
      filter_keyword("ok", Takes::kBoolOrNone),       filter_keyword("errno", Takes::kErrno),
      filter_keyword("decision", Takes::kText),       filter_keyword("label", Takes::kText),
      filter_keyword("op", Takes::kOpName),           filter_keyword("peer", Takes::kPeer),
      filter_keyword("pid", Takes::kPositive),        filter_keyword("exe", Takes::kText),
      filter_keyword("after_lost_sync", Takes::kBool), filter_keyword("since", Takes::kSince),
      filter_keyword("where", Takes::kCallable)};
  std::array<Param, kFilterKeys + n> out;
  std::copy(keys.begin(), keys.end(), out.begin());
  std::copy(more.begin(), more.end(), out.begin() + kFilterKeys);
  return out;
}

// "path" of kPath.
[[nodiscard]] std::string_view filter_key_name(size_t param);

// Looks at the keys together: Signature::also of look-backs, or part of it.
[[nodiscard]] std::optional<Problem> check_filter(const Bound& b, const CheckContext& context);

// Binds a dict {"service": …, "syscall": …} as keys; `what` names the parameter in problems.
[[nodiscard]] std::optional<Problem> bind_filter_dict(Value dict, std::string_view what,
                                                      const CheckContext& context, Bound& out);

// The filter, its where= entered among the body's callbacks.
[[nodiscard]] Filter read_filter(const starlark::Call& c, const Bound& b);

}  // namespace fbx::model
