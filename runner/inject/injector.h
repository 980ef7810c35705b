// SPDX-License-Identifier: Apache-2.0
//
// The seam behind which breaking happens. The worker talks to one Injector, which distributes
// rules and cuts over the hands that choose() has assigned (cgroup hooks, seccomp notification).
// The tests wrap it to break it on purpose.
//
// Promises: when install() returns, the next call that enters is affected and none half-way; when
// lift() returns, none is, and held calls were woken. A crash of the worker lifts everything or
// kills the services; nothing stays half-armed.
//
// Thread rule: all calls from the worker's VM-and-step thread, which is inside the test's network
// namespace between begin_test() and end_test().
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "runner/inject/choose.h"
#include "runner/inject/rule_log.h"
#include "runner/observe/event.h"
#include "spec/model/session.h"
#include "spec/plan/plan.h"

namespace fbx::inject {

struct InjectedService {
  int16_t index = 0;
  uint64_t cgroup_id = 0;
};

struct TestInject {
  const plan::Plan* plan = nullptr;
  size_t test = 0;
  uint64_t seed = 0;  // this test's own
  Known known;
  std::string root;   // where the sandbox's root directory is for this process; "" = it is ours
  std::vector<InjectedService> services;
  observe::EventStore* store = nullptr;
};

// What a service's process must have before it executes, so that a hand can reach it later.
struct BirthNeeds {
  // Syscalls, native numbers, that a seccomp filter must hand to the supervisor; empty = no filter.
  std::vector<uint16_t> supervised;
  // "NAME=value", for the service and what it executes. Where `supervised` is empty, the program
  // itself installs such a filter before its first own instruction: call executed().
  std::vector<std::string> environment;
  // Of the shim whose gate the filter lets pass; 0 = none (seccomp_filter.h).
  uint32_t probe_tag = 0;
};

class Injector {
 public:
  virtual ~Injector() = default;
  virtual Status begin_test(const TestInject& test) = 0;
  // Asked before each start of a service, once.
  [[nodiscard]] virtual Result<BirthNeeds> birth_needs(int16_t service) = 0;
  // The listener of a process that was born with a filter. Takes the descriptor. The supervisor
  // must be answering when this returns; the service executes only afterwards.
  virtual Status adopt_listener(int16_t service, int listener_fd) = 0;

  // Of a process whose needs had an environment, once it has executed: waits until it is behind its
  // filter and the supervisor answers. `pid` is a child of the calling process. What keeps it from
  // there is an escape of the rules to come, not an error.
  virtual Status executed(int16_t service, pid_t pid) = 0;

  // Both return after the rules bind. Entries are appended to log().
  virtual Status install(const model::InstallFaults& faults) = 0;
  virtual Status install(const model::InstallPartition& cut) = 0;
  // Lifts all that `scope` installed. No-op for a scope that installed nothing.
  virtual Status lift(model::ScopeId scope) = 0;

  // Brings counters and decisions of all hands into log() and joins the decisions with the events
  // in the store (call after a barrier): an event gets rule, decision, label; a matching kernel
  // record without its counterpart, or with another result than the decision says, is an escape.
  virtual Status collect() = 0;
  // collect() for the last time, when all services are dead and the observer has given what it had
  // (end_test()): now every denied call must have its kernel record, however short ago it was.
  virtual Status conclude() = 0;
  [[nodiscard]] virtual const RuleLog& log() const = 0;
  virtual Status end_test() = 0;
};

}  // namespace fbx::inject
