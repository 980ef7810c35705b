// SPDX-License-Identifier: Apache-2.0
//
// The processes of a run, as its front sees them: the run's cgroup, the keeper, the workers, and
// the signals that end it.
//
//   front ──forks──▶ keeper   own session; when the front dies, kills the run's cgroup, removes it
//         └─forks──▶ worker   in <run>/worker.<w>; dies with the front (PDEATHSIG, and the keeper)
//                       └───▶ guard of a test, init of its PID namespace; dies with the worker,
//                             and with it every process of the test, daemons too
//
// Any one of them can be SIGKILLed: front → the keeper clears; keeper → the front clears and the
// run is over; worker → its guards die, the front clears its cgroups. All at once → no process
// stays, the next run removes the empty directories.
//
// Thread rule: everything from the front's only thread. The front must be single-threaded when it
// calls create() and spawn_worker().
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "runner/sandbox/attempt.h"
#include "runner/sandbox/channel.h"
#include "runner/sandbox/run_group.h"

namespace fbx::sandbox {

// Where a run's tests live.
enum class Place : uint8_t {
  kRoot,           // cgroups and namespaces of root's
  kUserNamespace,  // namespaces in a user namespace, which the caller has entered
  kHost            // no namespaces: the host's processes, network and files
};

// What a worker has. Lives as long as the worker's main function.
struct WorkerContext {
  int index = 0;
  Channel* channel = nullptr;      // to the front
  const RunGroup* group = nullptr;  // nullptr without cgroups
  Place place = Place::kRoot;
  uint64_t cgroup_id = 0;          // of <run>/worker.<index>: sockets made here are the client's
  // Becomes and stays readable when the run is to end (SIGINT, SIGTERM, keeper dead): stop what
  // is running, tear down, return. Who does not within the grace is killed.
  int stop_fd = -1;
};

struct CrewEvent {
  enum class Kind {
    kMessage,       // worker, message
    kWorkerExited,  // worker, wait_status; its cgroups are cleared, all its messages were delivered
    kKeeperDied,    // the run must end: stop_workers(), finish()
    kInterrupted,   // signal: SIGINT, SIGTERM or SIGHUP; stop_workers(), finish(), exit 130
    kTimeout,
    kBroken         // message says why: the crew can't go on
  } kind = Kind::kTimeout;
  int worker = -1;
  std::string message;
  int wait_status = 0;  // as waitpid gives it
  int signal = 0;
  std::vector<std::string> residue;  // kWorkerExited: what clearing could not remove
};

class Crew {
 public:
  // Makes the run's cgroup and the keeper; blocks SIGINT, SIGTERM, SIGHUP and SIGCHLD of this
  // thread (next_event() delivers them). The front becomes the reaper of orphans.
  static Attempt<std::unique_ptr<Crew>> create();
  // The same without root: no cgroup and no keeper. What a dead worker leaves ends by itself: its
  // guards and nannies by their parent-death signals, and what they leave comes to the front.
  static Attempt<std::unique_ptr<Crew>> create_unprivileged(Place place);
  // finish(), if it was not called.
  ~Crew();
  Crew(const Crew&) = delete;
  Crew& operator=(const Crew&) = delete;

  [[nodiscard]] const RunGroup& group() const;  // of create()
  // Forks a worker; `main`'s value is its exit status. The worker has the front's memory and
  // descriptors as they are now, no child of the front, and default signal handling except that
  // SIGINT, SIGTERM and SIGHUP are ignored and SIGPIPE is ignored. Returns the worker's index.
  Result<int> spawn_worker(const std::function<int(WorkerContext&)>& main);
  Status send(int worker, std::string_view message);
  // Waits for what happens next; timeout_ns < 0 = for ever.
  CrewEvent next_event(int64_t timeout_ns = -1);
  // Asks all workers to stop, waits up to `grace_ns`, kills the rest, clears. Their messages are
  // still delivered to `on_message`.
  void stop_workers(int64_t grace_ns,
                    const std::function<void(int worker, std::string message)>& on_message = {});
  // Kills what lives, removes the run's cgroup, dismisses the keeper. Returns what is left; none =
  // promise kept. Nothing may be called afterwards.
  std::vector<std::string> finish();

 private:
  struct State;
  explicit Crew(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace fbx::sandbox
