// SPDX-License-Identifier: Apache-2.0
//
// The seam behind which seeing happens. One implementation loads BPF (bpf_observer.h), one listens
// to the supervisor (log_observer.h); the tests wrap them to lose records on purpose.
//
// Life: loaded once per run by the front, attached once to the run's cgroup, inherited by the
// worker; begin_test() and end_test() around each test.
//
// The barrier (DESIGN section 6) is what makes a look-back exact: when it returns, every call of
// interest that had returned, or whose effect somebody may already have seen, is in the store.
//
// Thread rule: all calls from the worker's VM-and-step thread; pump() and barrier() append to the
// store. Times are CLOCK_MONOTONIC ns.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "bpf/abi/event.h"
#include "runner/observe/call_log.h"
#include "runner/observe/event.h"

namespace fbx::observe {

struct WatchedService {
  int16_t index = 0;       // in the plan
  uint64_t cgroup_id = 0;  // of its leaf; descendants belong to it too
  // Syscalls, native numbers, to be recorded; sorted. What the hands need is added by the caller.
  std::vector<uint16_t> syscalls;
};

struct TestWatch {
  std::vector<WatchedService> services;
  uint64_t client_cgroup_id = 0;  // the worker's own: a peer made there is the test's client
  uint64_t client_leaf_id = 0;    // of the programs that steps execute: the client, too; 0 = none
};

// A process that left its service's cgroup: from then on it is neither seen nor broken.
struct Left {
  int16_t service = -1;
  uint32_t pid = 0;
  std::string exe;
};

struct Loss {
  uint64_t written = 0;  // records that the kernel side says it handed over
  uint64_t kept = 0;     // in the store
  uint64_t filtered = 0; // joined into others, or of no interest after all
  uint64_t lost = 0;     // ring full, or a record that could not be built
  std::optional<Left> left = std::nullopt;  // the first of them
  [[nodiscard]] bool all_came() const { return lost == 0 && written == kept + filtered; }
  // Nothing may be concluded from absence when this is false.
  [[nodiscard]] bool exact() const { return all_came() && !left; }
};

struct BarrierResult {
  bool exact = true;     // false: the marker did not come, or a running call did not end in time
  std::string why;       // when not exact
  uint64_t at_ns = 0;    // the marker's time
  // Seqs of calls that have begun and not ended (blocked ones, and those the injector holds and has
  // entered by EventStore::open_call). Appended with state kInFlight; when such a call ends, its
  // event is completed in place. A call in uninterruptible sleep is waited for up to 5 ms.
  std::vector<uint64_t> in_flight;
};

class Observer {
 public:
  virtual ~Observer() = default;
  // Starts a fresh store and makes the services' calls visible. Before any service is started.
  virtual Status begin_test(const TestWatch& watch) = 0;
  // Takes what the ring holds, without waiting.
  virtual Status pump() = 0;
  // As above. Waits at most `bound_ns` for calls that are running (not blocked).
  virtual Result<BarrierResult> barrier(uint64_t bound_ns = 1'000'000'000) = 0;
  [[nodiscard]] virtual EventStore& store() = 0;
  [[nodiscard]] virtual Loss loss() const = 0;
  // A file descriptor that becomes readable when the ring holds a quarter or more; -1 = none.
  [[nodiscard]] virtual int poll_fd() const = 0;
  // What BPF hands have decided since the last call, in the ring's order: the injector joins them
  // with events. Filled by pump() and barrier().
  virtual std::vector<fbx_decided> take_decisions() { return {}; }
  // Seqs of calls by which a service works past system calls that could be seen: io_uring, io_submit,
  // a writable shared mapping of a file. They are in the store though nobody asked for them; a
  // look-back over what they may have touched is inconclusive.
  [[nodiscard]] virtual std::vector<uint64_t> escapes() const { return {}; }
  // The thread of a service that its own PID namespace numbered `inside` at that time.
  [[nodiscard]] virtual Thread thread(uint32_t inside, uint64_t at_ns) const {
    (void)inside, (void)at_ns;
    return {};
  }
  // Where the supervisor must tell every call that it sees; nullptr: this observer sees by itself.
  [[nodiscard]] virtual CallLog* call_log() { return nullptr; }
  // Takes what is left, and makes the services' calls invisible. loss() is then final: the services
  // must be dead, or their last records count as lost. The store stays until the next begin_test().
  virtual Status end_test() = 0;
};

}  // namespace fbx::observe
