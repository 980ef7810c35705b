// SPDX-License-Identifier: Apache-2.0
//
// What a ServiceSet knows about its services, shared by starting (start.cc), stopping (stop.cc)
// and the public face (service_set.cc).
//
// Thread rule: the set's thread.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "runner/service/binary.h"
#include "runner/service/output.h"
#include "runner/service/readiness.h"
#include "runner/service/service_set.h"
#include "runner/step/peer_owner.h"

namespace fbx::service {

struct Member {
  enum class Phase : uint8_t {
    kIdle,      // not started (yet)
    kBorn,      // exists, has not executed
    kChecking,  // executes, is not ready
    kReady,
    kGone       // its own process was reaped
  } phase = Phase::kIdle;
  Born born;
  std::function<Status(pid_t)> executed;  // of the birth's hook
  std::unique_ptr<ReadyCheck> check;
  std::string missing;  // what the check misses, for the message when time runs out
  uint64_t check_deadline_ns = 0;
  int wait_status = 0;  // kGone
  bool stopping = false, killed = false;

  [[nodiscard]] bool lives() const { return phase != Phase::kIdle && phase != Phase::kGone; }
};

struct ServiceSet::State {
  ServiceSetOptions options;
  std::string spec_dir;  // without symbolic links: some of them may be covered in the sandbox
  std::vector<Member> members;
  std::vector<Exit> exits;
  std::vector<LifecycleFact> facts;
  std::vector<std::string> notes;
  step::OwnerCheck owns;
  OutputPump output;

  explicit State(ServiceSetOptions given);

  [[nodiscard]] const plan::Service& service(size_t i) const { return options.plan->services[i]; }
  void note_fact(observe::Lifecycle what, size_t i, uint64_t at_ns, int wait_status = 0);
  // Reaps member i's process if it is dead: fact, exit, phase. True when it was.
  bool collect_exit(size_t i);
  // start.cc
  Result<Born> give_birth_to(size_t i, const Binary& binary);
  // Kills what is in the member's leaf and waits until it is empty.
  void clear_leaf(size_t i);
};

// Starting, as one object that lives as long as start_all().
class Starter {
 public:
  Starter(ServiceSet::State& state, uint64_t deadline_ns);
  std::optional<StartFailure> run();

 private:
  using Failure = std::optional<StartFailure>;
  Failure prepare();
  Failure begin_those_that_can();
  Failure begin(size_t i);
  Failure wait();
  Failure after_exec(size_t i);
  Failure ask(size_t i);
  Failure look_at(size_t i, uint64_t now);
  Failure died(size_t i);
  [[nodiscard]] StartFailure too_late(size_t i, uint64_t now) const;
  [[nodiscard]] bool all_ready() const;
  [[nodiscard]] bool may_begin(size_t i) const;
  [[nodiscard]] uint64_t next_wake() const;
  StartFailure failure(StartFailure::Kind kind, size_t i, std::string text) const;

  ServiceSet::State& state_;
  uint64_t deadline_ns_;
  std::optional<Listeners> listeners_;
  ReadyContext context_;
};

// SIGTERM for "SIGTERM" or "TERM"; 0 when there is no such signal.
[[nodiscard]] int signal_number(const std::string& name);

}  // namespace fbx::service
