// SPDX-License-Identifier: Apache-2.0
//
// The services of one test: started in dependency order (independent ones side by side), watched,
// stopped in reverse order.
//
// Ready is an event. It counts only when a socket of that very service answers, told by the cgroup
// that made the socket; a stranger on the port is said at once.
//
// Thread rule: the thread that made the sandbox. Output is drained by a thread of the set's own,
// so a service never blocks on a full pipe. Times are CLOCK_MONOTONIC ns.
#pragma once

#include <poll.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "runner/observe/event.h"
#include "runner/sandbox/sandbox.h"
#include "runner/service/birth.h"
#include "runner/service/output.h"
#include "runner/step/peer_owner.h"
#include "spec/plan/plan.h"

namespace fbx::service {

// Something happened to a service. Becomes an event of type lifecycle.
struct LifecycleFact {
  observe::Lifecycle what = observe::Lifecycle::kNone;  // started, ready, exited, killed (by us)
  int16_t service = -1;
  pid_t pid = -1;
  int wait_status = 0;  // exited, killed
  uint64_t at_ns = 0;
};

// A service's own process is gone.
struct Exit {
  int16_t service = -1;
  pid_t pid = -1;
  int wait_status = 0;         // as waitpid gives it
  uint64_t at_ns = 0;
  bool stopping = false;       // after the set began to stop it
  bool asked = false;          // by a signal of send_signal() that is meant to end it
  bool killed_by_fbx = false;  // SIGKILL after stop_timeout
  bool nanny_killed = false;   // it died because fbx's process that looks after it was killed
};

struct StartFailure {
  enum class Kind {
    kSetup,        // a leaf, a pipe, a user: the machine or fbx
    kExec,         // the program could not be executed
    kPrepare,      // a command of prepare= failed
    kDied,         // exited before it (or another) was ready
    kNotReady,     // its check's timeout, or the deadline, ran out
    kForeign,      // its port is answered by something that is no service of the test, or by
                   // another service of it
    kNotYet,       // something that this fbx does not have
    kInterrupted   // stop_fd became readable
  } kind = Kind::kSetup;
  int16_t service = -1;
  std::string text;                // "service orders exited with status 1 before it was ready"
  int wait_status = 0;             // kDied
  std::vector<OutputLine> output;  // the service's last lines, both streams, by time
};

struct ServiceSetOptions {
  const plan::Plan* plan = nullptr;             // outlives the set
  const sandbox::Sandbox* sandbox = nullptr;    // with a leaf per service of the plan; outlives it
  // Asked before each start of a service. Empty, or a hook without functions = no filter.
  std::function<Result<BirthHook>(int16_t service)> hook;
  // Called from inside start_all(), start() and stop() while they wait, at least every few ms and with nothing held, so
  // that rings are pumped while services start. May be empty.
  std::function<void()> while_waiting;
  int stop_fd = -1;                             // readable = give up starting
};

class ServiceSet {
 public:
  explicit ServiceSet(ServiceSetOptions options);
  // Kills what still lives and reaps it.
  ~ServiceSet();
  ServiceSet(const ServiceSet&) = delete;
  ServiceSet& operator=(const ServiceSet&) = delete;

  // Starts all services that are not start="manual" and waits until they are ready.
  // `deadline_ns` (CLOCK_MONOTONIC, 0 = none) bounds the whole. On a failure the others are left
  // running: call stop_all().
  std::optional<StartFailure> start_all(uint64_t deadline_ns = 0);

  // Starts one service that is not running and waits until it is ready; its prepare= goes before
  // its first start. What it left running is killed first. Other services are not looked at.
  std::optional<StartFailure> start(int16_t service, uint64_t deadline_ns = 0);
  // Sends a signal to a running service. SIGKILL ends all its processes, and it returns when they
  // are gone; every other one goes to its own process, and it returns at once. An exit by that
  // signal, or after one that is meant to end a program, has `asked` set.
  Status send_signal(int16_t service, int signal);
  // As stop_all() does for all: signal, stop_timeout, cgroup.kill. Its exit has `stopping` set.
  void stop(int16_t service);
  // No process of a running service goes on until it is resumed.
  Status pause(int16_t service);
  Status resume(int16_t service);

  // Adds the descriptors that become readable when a service's own process ends.
  void poll_fds(std::vector<pollfd>& fds) const;
  // The exits since the last call, oldest first, reaped. Does not wait.
  std::vector<Exit> take_exits();
  // The facts since the last call, oldest first. Calls nothing that waits.
  std::vector<LifecycleFact> take_facts();

  // Sends stop signals in reverse order of starting, waits stop_timeout each (dependents first,
  // independent ones side by side), then cgroup.kill of the leaf, which also takes what a service
  // left behind. Returns all exits not yet taken,
  // those that happened before with `stopping` false.
  std::vector<Exit> stop_all();

  [[nodiscard]] bool running(int16_t service) const;
  [[nodiscard]] pid_t pid(int16_t service) const;  // host pid, -1 when not running
  // The lines that services have printed since the last call (output.h: take_lines): all that was
  // written before it.
  std::vector<OutputPump::Taken> take_lines(uint64_t& lost);
  // The last `n` lines of a service, both streams, by time.
  [[nodiscard]] std::vector<OutputLine> last_output(int16_t service, size_t n) const;
  // Things said and not judged: variables that were withheld.
  [[nodiscard]] const std::vector<std::string>& notes() const;

  struct State;  // service_state.h

 private:
  std::unique_ptr<State> state_;
};

// Whose leaf a socket was made in.
[[nodiscard]] step::OwnerCheck owners_of(const sandbox::Sandbox& place, size_t services);

// "exited with status 1", "was killed by SIGSEGV (core dumped)".
[[nodiscard]] std::string describe_wait_status(int wait_status);

// SIGTERM for "SIGTERM" or "TERM"; 0 when there is no such signal.
[[nodiscard]] int signal_number(const std::string& name);

}  // namespace fbx::service
