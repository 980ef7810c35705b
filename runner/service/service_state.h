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
#include "runner/service/command.h"
#include "runner/service/environment.h"
#include "runner/service/output.h"
#include "runner/service/readiness.h"
#include "runner/service/service_set.h"
#include "runner/step/peer_owner.h"

namespace fbx::service {

// How often while_waiting is called at least.
constexpr uint64_t kBreathNs = 2'000'000;

struct Member {
  enum class Phase : uint8_t {
    kIdle,      // not started (yet)
    kPreparing, // a command of its prepare= runs
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
  bool was_ready = false;
  int asked_signal = 0;  // of send_signal(), the last one
  // kPreparing
  std::unique_ptr<Command> command;
  size_t next_command = 0;

  // Its own process exists.
  [[nodiscard]] bool lives() const {
    return phase != Phase::kIdle && phase != Phase::kPreparing && phase != Phase::kGone;
  }
};

struct ServiceSet::State {
  ServiceSetOptions options;
  std::string spec_dir;  // without symbolic links: some of them may be covered in the sandbox
  std::vector<Member> members;
  std::vector<bool> prepared;  // its prepare= has been run
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
  // A program that runs as the service does, with its environment, and is no part of it.
  Result<CommandRequest> command_for(size_t i, const std::vector<std::string>& argv);
  Result<Environment> environment_of(size_t i, const Identity& user);
  [[nodiscard]] std::string folder_of(size_t i) const;
  // Kills what is in the member's leaf and waits until it is empty. The leaf can be born into again,
  // unless it is for good.
  void clear_leaf(size_t i, bool for_good = false);
};

// Starting, as one object that lives as long as start_all() or start().
class Starter {
 public:
  // `wanted`: which members to start; each of them is not running.
  Starter(ServiceSet::State& state, std::vector<bool> wanted, uint64_t deadline_ns);
  std::optional<StartFailure> run();

 private:
  using Failure = std::optional<StartFailure>;
  Failure go();
  Failure check_all();
  Failure begin_those_that_can();
  Failure begin(size_t i);
  Failure prepare(size_t i);
  Failure prepared(size_t i);
  Failure give_birth(size_t i);
  Failure wait();
  Failure after_exec(size_t i);
  Failure ask(size_t i);
  Failure look_at(size_t i, uint64_t now);
  Failure died(size_t i);
  [[nodiscard]] StartFailure too_late(size_t i, uint64_t now) const;
  [[nodiscard]] std::string listens_on(size_t i) const;
  [[nodiscard]] bool all_ready() const;
  [[nodiscard]] bool may_begin(size_t i) const;
  [[nodiscard]] uint64_t next_wake() const;
  StartFailure failure(StartFailure::Kind kind, size_t i, std::string text) const;

  ServiceSet::State& state_;
  std::vector<bool> wanted_;
  uint64_t deadline_ns_;
  std::optional<Listeners> listeners_;
  ReadyContext context_;
};

// Stops these members: dependents before what they depend on (stop.cc).
void stop_members(ServiceSet::State& state, std::vector<bool> wanted);

}  // namespace fbx::service
