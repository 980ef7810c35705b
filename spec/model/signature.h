// SPDX-License-Identifier: Apache-2.0
//
// Signatures of the dialect's built-ins, closed: what is not listed is an error. One description
// serves the call itself and the check of calls inside functions that have not run (body_check.h),
// where some arguments are not known yet.
//
// Thread rule: constants and pure functions.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/diagnostic_code.h"
#include "spec/plan/plan.h"
#include "spec/starlark/host.h"

namespace fbx::model {

using starlark::Keyword;
using starlark::Value;

// An argument that is there but not known. Never seen by the VM.
inline Value unknown_value() { return Value::from_bits(32); }
inline bool is_known(Value v) { return !v.same(unknown_value()); }

// What an argument must be. takes.cc has the test and the words for each.
enum class Takes : uint8_t {
  kAny,
  kString,
  kText,         // string, not empty
  kName,         // string fit for a name: letters, digits, _ - .
  kBool,
  kBoolOrNone,   // ok=: True, False, None = any
  kInt,
  kCount,        // int ≥ 0
  kPositive,     // int ≥ 1
  kMillis,       // int or float > 0
  kDuration,     // "500ms"
  kLongDuration, // the same, above 0
  kProbability,  // 0.2 or "20%"
  kErrno,        // "EIO"
  kSignal,       // "SIGTERM"
  kOn,           // kind of descriptor
  kTo,           // service, interface, "host:port"
  kStatus,       // 100…599
  kPort,         // 1…65535
  kProtocol,
  kService,
  kServices,     // one or a list
  kServiceName,  // object or name
  kPeer,         // service (object or name), "service.interface", "host:port"
  kFaultTarget,  // service or assumption
  kSyscall,      // of a filter: keyword, or "=call"
  kEventType,
  kCallable,
  kStrings,      // list of strings
  kStringLists,
  kCommand,      // list of strings, not empty
  kStringTable,  // dict: strings, ints in decimal
  kDependencies, // list of services or their names
  kInject,       // a hand
  kLimits,
  kAddress,      // "host:port"
  kUrl,
  kData,         // string or bytes
  kExitCode,     // 0…255
  kOpName,       // an op of some service
  kPath,         // of a URL
  kSyscalls,     // list of keywords
  kMode,         // of a partition
  kDirection,
  kHealth,
  kOps,
  kAssumptions,  // list
  kScenarios,    // list of functions
  kExpectation,  // callable
  kOverrides,    // dict (function, assumption) → expectation
  kCountRange,   // int ≥ 0, or a tuple of two
  kFilterDict,   // dict: keys of a filter
  kSince,        // "start", or an event
  kDecoder,
  kObserved,     // list of observe.stdout(…), observe.stderr(…)
  kCells,        // list of (function, assumption)
};

struct Param {
  enum class Pass : uint8_t { kBoth, kKeyword };
  std::string_view name;
  Takes takes = Takes::kAny;
  bool required = false;
  bool none = false;  // None is the same as not given
  Pass pass = Pass::kBoth;
  std::string_view later = {};  // why it is a "not yet" error when given
};

// What may be given beside the parameters.
enum class Extra : uint8_t {
  kNone,
  kFaults,      // <keyword>=<action>
  kFields,      // fields of an event: filters.h
  kPositional,  // *args
};

enum class Where : uint8_t { kTop, kBody, kAnywhere };

// A user's mistake in a call. `positional` or `keyword` say which argument is meant.
struct Problem {
  DiagnosticCode code;
  std::string message;
  std::string hint = {};
  int positional = -1;
  std::string keyword = {};
};

struct Signature {
  std::string_view name;
  std::span<const Param> params;
  Extra extra = Extra::kNone;
  Where where = Where::kAnywhere;
  // Makes a value of known arguments without any effect: body_check.h may do so too.
  Value (*make)(struct MakeContext&, const struct Bound&) = nullptr;
  // Looks at the arguments together, once each fits.
  std::optional<Problem> (*also)(const struct Bound&, const struct CheckContext&) = nullptr;
  std::string_view tag = {};  // for families of built-ins that share one function
};

// Arguments as given. `open`: there are more that are not known (*args, **kwargs).
struct Given {
  std::span<const Value> args;
  std::span<const Keyword> kwargs;
  bool open = false;
};

struct Bound {
  std::vector<Value> values;   // one per parameter; no value when it was not given
  std::vector<Value> rest;     // Extra::kPositional
  std::vector<Keyword> extra;  // Extra::kFaults, kFields, in order
  bool open = false;           // as Given::open

  [[nodiscard]] bool has(size_t i) const { return values[i].valid(); }
  [[nodiscard]] bool all_known() const;
};

struct CheckContext {
  const plan::Plan* plan = nullptr;  // services declared so far
  // A service that is not there can't come later either.
  bool complete = false;
};

struct MakeContext {
  starlark::Heap& heap;
  const plan::Plan* plan = nullptr;
  std::optional<Problem> problem = {};
};

// Puts the arguments in their places and checks each one that is known. What was bound is in `out`
// even when there is a problem; the first problem is given.
[[nodiscard]] std::optional<Problem> bind(const Signature& signature, const Given& given,
                                          const CheckContext& context, Bound& out);

// Does `v` fit? `what` names the parameter in the message.
[[nodiscard]] std::optional<Problem> check_takes(Takes takes, Value v, std::string_view what,
                                                 const CheckContext& context);

// Is <keyword>=<action> a fault that `service` (−1: not known which) can have?
[[nodiscard]] std::optional<Problem> check_fault_keyword(std::string_view keyword, int service,
                                                         const CheckContext& context);

// ---- the same for a call in progress

// Binds a running call; on a problem sets the call's error, at the argument's place.
[[nodiscard]] bool bind_call(starlark::Call& c, const Signature& signature, Bound& out);
// Sets the call's error from a problem.
Value fail_with(starlark::Call& c, Problem problem);

// "(did you mean X?)" or "".
[[nodiscard]] std::string suggest(std::string_view got, const std::vector<std::string>& known);

}  // namespace fbx::model
