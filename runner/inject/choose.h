// SPDX-License-Identifier: Apache-2.0
//
// Which hand does what, how it is seen and where it runs: one pure function over the plan, what
// the machine can do and what the user asked for. `run` asks it before anything starts, `plan` and
// `doctor` print it, the injector follows it.
//
//   deny of connect           the cgroup hooks; another hand where the same service has other rules
//                             that can hit the call, because rules of one call must be ordered by
//                             one hand. Of bind, too, where they are named: a bind to a unix name
//                             is past them
//   every other deny          where all that the service needs are denies of calls that name no path:
//                             override, fmod_ret or the security hooks, the first that works here
//   what is left, delays      the shim with its gate, for programs linked dynamically that make
//                             their calls through libc; seccomp notification for the others. One of
//                             the two for all rules of a service that the kernel doesn't carry out
//   partitions                the cgroup hooks, with resets for established connections; where they
//                             are missing, `refuse` by seccomp on every service of the plan
//
// Without records from BPF, everything that look-backs and verdicts ask for goes through the shim or
// to the supervisor, too, who are then the only ones who see. The shim is then taken for every
// service that it reaches, whether a fault is about it or not, because it sees results.
//
// A hand that the user names (--inject, service(inject=)) is for faults, and is not replaced by
// another; service(inject=) goes before --inject.
//
// Escapes of every hand but the supervisor make it the next one.
//
// Refusals: no-hand (nothing here can do it), not-built (this fbx has no such hand,
// or no such limit of a service, yet), no-sight
// (nobody would see the test's calls), no-isolation (the test would see the host's network and
// files), needs-root (another user).
//
// Thread rule: pure.
#pragma once

#include <cstdint>
#include <expected>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/refusal.h"
#include "runner/inject/capabilities.h"
#include "runner/inject/program.h"
#include "runner/inject/rule_log.h"
#include "spec/plan/plan.h"

namespace fbx::inject {

struct Wishes {
  std::string inject = "auto";  // --inject
  bool isolation = true;        // false: --no-isolation
};

// What is known of the services' programs.
struct Known {
  std::vector<Program> programs = {};  // by index in the plan; empty = nothing is known
  // (Program::identity, keyword) of calls that escaped another hand than the supervisor before.
  std::set<std::pair<std::string, std::string>> escaped = {};
};

struct ServiceHands {
  std::vector<uint16_t> supervised;  // native numbers, ascending; empty = no filter
  bool shim = false;                 // the shim decides them, the supervisor what goes past it
  Hand connect = Hand::kNone;        // who decides about connect; kNone = nobody needs to
  Hand bind = Hand::kNone;           // the same
  Hand calls = Hand::kNone;          // override, fmod_ret, lsm: it decides all others
};

enum class Sight : uint8_t {
  kRecords,    // BPF: every call with its begin, end and result
  kSupervisor  // the supervisor: every call asked for, with its begin; results by the shim alone
};

struct Assignment {
  std::vector<ServiceHands> services = {};  // by index in the plan
  std::vector<Hand> needs = {};             // by index in the test's needs
  Sight sight = Sight::kRecords;
};

constexpr size_t kWholeTest = SIZE_MAX;
struct RefusedNeed : Refusal {
  size_t need = kWholeTest;  // index in the test's needs; kWholeTest: whatever it needs
};

// Either every need of the test has its hand, or the reasons why some have none.
[[nodiscard]] std::expected<Assignment, std::vector<RefusedNeed>> choose(
    const plan::Plan& plan, size_t test, const Capabilities& capabilities,
    const Wishes& wishes = {}, const Known& known = {});

// The hand that the spec or the command line names for a service, or "auto".
[[nodiscard]] const std::string& wished_hand(const plan::Service& service, const Wishes& wishes);

// The calls that a hand in the kernel may have to fail for this service in this test, native numbers;
// empty where it is not asked to.
[[nodiscard]] std::set<uint16_t> calls_to_fail(const plan::Plan& plan, size_t test, size_t service,
                                               const Wishes& wishes);

// The hand of that name ("seccomp"); kNone for "auto" and for no hand's name.
[[nodiscard]] Hand hand_named(const std::string& name);
// The capability that a hand stands on.
[[nodiscard]] const Capability& capability_of(const Capabilities& capabilities, Hand hand);

}  // namespace fbx::inject
