// SPDX-License-Identifier: Apache-2.0
//
// One test's body as a state machine that does nothing but ask. The runner calls next(), performs
// the Request it gets, and answers with resume(); until Finished comes.
//
//   auto session = Session::start(plan, test, options);
//   for (;;) {
//     Turn turn = (*session)->next();
//     if (auto* done = std::get_if<Finished>(&turn)) break;
//     (*session)->resume(perform(std::get<Request>(turn)));
//   }
//
// Scopes: fault(…, run=f), partition(…, run=f) ask for an install, run f, and ask for the lift on
// every way out, innermost first, also after cancel(). Each scope has an id, unique in the session;
// scope 0 is the test's body itself. A look-back carries the innermost scope it stands in.
//
// Requests, responses and events are all that passes between language and machine; nothing here
// holds a pointer into the VM. Times are ns.
//
// Thread rule: one thread at a time. A Session holds its own heap; several may share a Plan.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "base/diagnostic.h"
#include "base/result.h"
#include "spec/plan/plan.h"

namespace fbx::model {

using ScopeId = uint32_t;
constexpr ScopeId kBodyScope = 0;

// ---- what the spec asks for

// One <keyword>=<action> of a fault. Counting and firing: LANGUAGE section 5.
struct RuleSpec {
  enum class Action : uint8_t { kDeny, kDelay, kAllow };
  uint32_t service = 0;
  std::string keyword;  // family, syscall ("pwrite64"), or the service's op
  Action action = Action::kDeny;
  int errnum = 0;         // kDeny: positive errno
  std::string errname;    // "EIO"
  int64_t delay_ns = 0;   // kDelay; or delay= of a deny
  double probability = 1; // 0…1
  uint64_t after = 0;     // nth=k arrives as after=k−1, max_fires=1
  uint64_t every = 1;     // ≥ 1
  uint64_t max_fires = UINT64_MAX;
  std::string path;  // glob; empty = any
  std::string to;    // "inventory", "inventory.main", "host:port"; empty = any
  std::string on;    // "", "any", "file", "socket", "stream", "udp", "unix", "pipe"
  bool sticky = false;
  bool optional = false;
  std::string label;
  std::string display;  // as a person would say it: `write=deny("EIO", path="/tmp/*.wal")`
  Place place;
};

struct InstallFaults {
  ScopeId scope = 0;
  std::vector<RuleSpec> rules;  // as written: the first that fires decides
};

struct InstallPartition {
  enum class Mode : uint8_t { kRefuse, kDrop };
  enum class Direction : uint8_t { kBoth, kAToB, kBToA };
  ScopeId scope = 0;
  std::vector<uint32_t> a, b;  // service indexes
  Mode mode = Mode::kRefuse;
  Direction direction = Direction::kBoth;
  bool optional = false;
  std::string label;
  std::string display;  // "partition(orders, inventory)"
};

// The scope is left: judge its look-backs again, then lift what it installed.
struct LeaveScope {
  ScopeId scope = 0;
};

struct HttpStep {
  uint32_t service = 0;
  uint32_t interface = 0;  // index in the service's interfaces
  std::string method;      // "GET"
  std::string path;        // with the query already appended and encoded
  std::string body;
  std::vector<std::pair<std::string, std::string>> headers;
  int64_t timeout_ns = 30'000'000'000;
  bool follow = true;
};

// Writes data and a newline, gives the line that comes back without its line end.
struct TcpSendStep {
  uint32_t service = 0;
  uint32_t interface = 0;
  std::string data;
  int64_t timeout_ns = 10'000'000'000;
};

// Writes exactly `data` and reads up to a terminator.
struct ExchangeStep {
  enum class Until : uint8_t { kDelimiter, kBytes, kLines };
  uint32_t service = 0;
  uint32_t interface = 0;
  std::string data;
  Until until = Until::kDelimiter;
  std::string delimiter = "\n";
  uint64_t count = 0;  // kBytes, kLines
  int64_t timeout_ns = 10'000'000'000;
};

struct Sleep {
  int64_t duration_ns = 0;
};

// Events that a look-back or an await asks for; all keys given must match. String values are
// globs. LANGUAGE section 7.
struct Filter {
  std::optional<uint32_t> service;
  std::string type;     // "" = syscall unless other keys say otherwise
  std::string syscall;  // family or name; "=write" the single call
  std::string path, on, errname, decision, label, op, peer, exe;
  std::optional<int64_t> fd, pid;
  std::optional<bool> ok;      // unset with ok_any=false: the look-back's own default
  bool ok_any = false;         // ok=None was written
  std::string display;         // `service="inventory", syscall="write"`
};

struct LookBack {
  enum class Kind : uint8_t { kNever, kEventually };
  Kind kind = Kind::kNever;
  ScopeId scope = 0;  // innermost scope: the window begins with it, and kNever is judged at its end
  Filter filter;
  bool since_start = false;  // since="start": the window begins with the services' start
  bool until_now = false;    // kNever: only where it stands
  int64_t within_ns = 0;     // kNever: wait that long too; kEventually: wait up to
};

struct ExpectExit {
  uint32_t service = 0;
  std::optional<int> code;
  std::string signal;  // "SIGKILL"; empty = any
  int64_t within_ns = 10'000'000'000;
};

struct Print {
  std::string text;
};

using Effect = std::variant<InstallFaults, InstallPartition, LeaveScope, HttpStep, TcpSendStep,
                            ExchangeStep, Sleep, LookBack, ExpectExit, Print>;

struct Request {
  uint64_t id = 0;  // 1, 2, …
  Place place;      // of the call in the spec
  Effect effect;
};

// ---- what the runner answers

struct StepResult {
  int status = 0;  // HTTP status; 0 = no answer came
  bool ok = false;
  std::string body;  // HTTP body, or the data that came back
  std::vector<std::pair<std::string, std::string>> headers;  // lower-case names
  std::string error;                                         // "" or "connection refused"
  double duration_ms = 0;
};

// Nothing to give back; the effect was performed (or noted as inconclusive by the runner).
struct Done {};

// The effect failed the test: unwinds the body with this message.
struct Fail {
  std::string message;
};

using Response = std::variant<Done, StepResult, Fail>;

// ---- how it ended

struct Frame {
  std::string function;
  Place place;
};

struct Finished {
  enum class How : uint8_t {
    kReturned,  // the body returned (an expectation that returned False is kFailed)
    kFailed,    // an assertion or expectation did not hold, or the runner answered Fail
    kError,     // the spec itself is wrong: a type error, an unknown attribute…
    kCancelled
  };
  How how = How::kReturned;
  std::string message;            // kFailed, kError; kCancelled: the reason given to cancel()
  std::string actual, expected;   // of assert_eq and its kin, printed; else empty
  std::vector<Frame> traceback;   // innermost last
  uint64_t asserted = 0;          // assertions and expectations that the body evaluated itself
  std::string result;             // the body's value, printed, at most 4 KiB
};

using Turn = std::variant<Request, Finished>;

struct SessionOptions {
  uint64_t seed = 0;
  uint64_t step_budget = 100'000'000;
  uint64_t memory_budget_bytes = 256ull << 20;
};

class Session {
 public:
  // `plan` must outlive the session. Fails when the test's code can't be loaded (our bug: a plan
  // that was read has been verified).
  static Result<std::unique_ptr<Session>> start(const plan::Plan& plan, size_t test,
                                                const SessionOptions& options);
  virtual ~Session() = default;

  // Runs the body up to its next effect or its end. After Finished it must not be called again.
  virtual Turn next() = 0;
  // Answers the Request that next() gave. Exactly once for each.
  virtual void resume(Response response) = 0;
  // Ends the body where it stands (timeout, a service died, a monitor). The pending Request, if
  // any, is dropped (a pending LeaveScope is given again, unless it is answered all the same);
  // next() then gives the LeaveScope of each open scope, innermost first, and
  // Finished with kCancelled. Idempotent.
  virtual void cancel(std::string reason) = 0;
};

}  // namespace fbx::model
