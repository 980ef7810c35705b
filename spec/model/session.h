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

// A connection that is kept until it is closed, or the body ends; later steps name it. A transport
// error is an answer that is not ok.
using ConnectionId = uint32_t;  // unique in the session; 0 = none: the step makes its own

struct ConnectStep {
  uint32_t service = 0;
  uint32_t interface = 0;
  ConnectionId connection = 0;  // what it will be called
  int64_t timeout_ns = 10'000'000'000;
};

struct CloseStep {
  ConnectionId connection = 0;
};

// Writes data and a newline, gives the line that comes back without its line end.
struct TcpSendStep {
  uint32_t service = 0;
  uint32_t interface = 0;
  ConnectionId connection = 0;
  std::string data;
  int64_t timeout_ns = 10'000'000'000;
};

// Writes exactly `data` and reads up to a terminator. Over udp, one datagram there and, unless it is
// kNothing, one back.
struct ExchangeStep {
  enum class Until : uint8_t { kDelimiter, kBytes, kLines, kRegex, kDatagram, kNothing };
  uint32_t service = 0;
  uint32_t interface = 0;
  ConnectionId connection = 0;
  std::string data;
  Until until = Until::kDelimiter;
  std::string delimiter = "\n";  // kDelimiter; kRegex: the pattern (RE2)
  uint64_t count = 0;  // kBytes, kLines (a line ends in LF or CR LF, and has neither)
  int64_t timeout_ns = 10'000'000'000;
};

// Runs a program to its end, in the test's network and mounts, in no service's cgroup.
struct ExecStep {
  std::vector<std::string> argv;  // [0]: absolute, relative to the spec's folder, or on PATH
  std::string input;              // its stdin; empty = /dev/null
  std::vector<std::pair<std::string, std::string>> env;
  std::string user;  // empty = the invoking user
  int64_t timeout_ns = 30'000'000'000;
};

// Ends or starts a service. kStart and kRestart are answered when it is ready, kStop when it is
// gone, kKill with SIGKILL when all its processes are; kKill with another signal at once.
struct ServiceOrder {
  enum class Kind : uint8_t { kKill, kStop, kStart, kRestart };
  Kind kind = Kind::kKill;
  uint32_t service = 0;
  std::string signal;  // kKill: "SIGKILL"
};

// Until the scope is left no process of the service runs.
struct PauseService {
  ScopeId scope = 0;
  uint32_t service = 0;
};

struct Sleep {
  int64_t duration_ns = 0;
};

// Events that a look-back or an await asks for; all keys given must match. String values are
// globs. LANGUAGE section 7.
struct Filter {
  // A key of a decoded line of output, or of a lifecycle event ("what", "code", "signal"). A string
  // is a glob; numbers and booleans are equal or not; None is a field that is not there.
  struct Field {
    std::string name;
    std::variant<std::monostate, bool, int64_t, double, std::string> value;
  };
  std::optional<uint32_t> service;
  std::string type;     // "" = syscall unless other keys say otherwise
  std::string syscall;  // family or name; "=write" the single call
  std::string path, on, errname, decision, label, op, peer, exe;
  std::optional<int64_t> fd, pid;
  std::optional<bool> ok;      // unset with ok_any=false: the look-back's own default
  bool ok_any = false;         // ok=None was written
  std::optional<bool> after_lost_sync;  // a sync that succeeded after one of that file was denied
  std::vector<Field> fields;
  uint32_t where = 0;          // Session::where() decides last; 0 = no where=
  bool since_start = false;    // since="start": the window begins with the services' start
  uint64_t since_event = 0;    // since=event: strictly after that one; 0 = none
  std::string display;         // `service="inventory", syscall="write"`
};

struct LookBack {
  enum class Kind : uint8_t { kNever, kEventually };
  Kind kind = Kind::kNever;
  ScopeId scope = 0;  // innermost scope: the window begins with it, and kNever is judged at its end
  Filter filter;
  bool until_now = false;    // kNever: only where it stands
  int64_t within_ns = 0;     // kNever: wait that long too; kEventually: wait up to
};

// assert_count(n) is {n, n}.
struct CountLookBack {
  ScopeId scope = 0;
  Filter filter;
  uint64_t least = 0, most = 0;
};

// assert_before(first=, then=, key=, each=).
struct OrderLookBack {
  ScopeId scope = 0;
  Filter first, then;
  uint32_t key = 0;  // Session::key(); 0 = none
  bool each = true;
};

// events(): answered with Events, by the time they began.
struct ListEvents {
  ScopeId scope = 0;
  Filter filter;
};

// await_event(): answered with Events of one, the first; fails when none came in time.
struct AwaitEvent {
  ScopeId scope = 0;
  Filter filter;
  int64_t timeout_ns = 10'000'000'000;
};

// await_stable(): answered when nothing that matches has happened for `quiet_ns`.
struct AwaitStable {
  ScopeId scope = 0;
  Filter filter;
  int64_t quiet_ns = 1'000'000'000;
  int64_t timeout_ns = 30'000'000'000;
};

// Waits, then says the time: what eventually() is made of. Answered with Now.
struct Tick {
  int64_t wait_ns = 0;
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
                            ExchangeStep, ConnectStep, CloseStep, ExecStep, ServiceOrder, PauseService,
                            Sleep, Tick, LookBack, CountLookBack, OrderLookBack, ListEvents,
                            AwaitEvent, AwaitStable, ExpectExit, Print>;

struct Request {
  uint64_t id = 0;  // 1, 2, …
  Place place;      // of the call in the spec
  Effect effect;
  // Inside eventually(): a failure is no verdict, it is tried again.
  bool tentative = false;
};

// ---- what the runner answers

struct StepResult {
  // HTTP status, 0 = no answer came; of an ExecStep the exit code, 128+n after signal n, −1 when it
  // did not end in time.
  int status = 0;
  bool ok = false;
  std::string body;  // HTTP body, or the data that came back; of an ExecStep its stdout
  std::string error_output = {};                             // of an ExecStep its stderr
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

struct Events {
  std::vector<uint64_t> seqs;  // EventReader's
};

struct Now {
  uint64_t ns = 0;  // CLOCK_MONOTONIC
};

using Response = std::variant<Done, StepResult, Fail, Events, Now>;

// ---- what the spec reads of events

// A value as JSON text: a decoded line, or a part of one.
struct JsonText {
  std::string text;
};
using EventValue = std::variant<std::monostate, bool, int64_t, double, std::string,
                                std::vector<int64_t>, JsonText>;

// The store of events, as a session reads it: always the same for the same recording.
class EventReader {
 public:
  virtual ~EventReader() = default;
  // An attribute of LANGUAGE section 7; monostate is None. Nothing when events of that kind have no
  // such attribute.
  [[nodiscard]] virtual std::optional<EventValue> attribute(uint64_t seq,
                                                            std::string_view name) const = 0;
  // The names of the attributes it has.
  [[nodiscard]] virtual std::vector<std::string> names(uint64_t seq) const = 0;
  // One line, for messages.
  [[nodiscard]] virtual std::string text(uint64_t seq) const = 0;
};

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
  const EventReader* events = nullptr;  // outlives the session; null: no event can be read
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

  // Callbacks of the spec (Filter::where, OrderLookBack::key) about one event. They are pure, so
  // they may be asked between next() and resume(), and after Finished. When one raises, the answer
  // is an error, and the body fails with it when it is resumed.
  virtual Result<bool> where(uint32_t /*callback*/, uint64_t /*event*/) {
    return fail("this session has no callbacks");
  }
  // The key as text: equal keys have equal texts.
  virtual Result<std::string> key(uint32_t /*callback*/, uint64_t /*event*/) {
    return fail("this session has no callbacks");
  }
};

}  // namespace fbx::model
