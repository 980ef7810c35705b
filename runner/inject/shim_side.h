// SPDX-License-Identifier: Apache-2.0
//
// The shim hand of one test: a ShimHand for each start of a service that has one, a thread that
// empties their rings, and what they report as decisions.
//
//   ShimSide side(place);
//   side.prepare(service, calls, …) → environment; exec; side.take_listener(service, pid)
//   → supervisor → side.open_door(service)
//   side.publish(service, set)      rules bind calls that enter from here on
//   side.collect(threads)           decisions, held calls, and why nothing may be concluded
//
// A service that starts again gets a new segment with the counters of the old one.
//
// Where nobody else records calls (ShimPlace::lives), the shims enter the begin and the end of those
// that they make; tell_calls() hands them to the observer. The filter is then there before the
// program is, made with probe_tag(), and nobody waits for a listener.
//
// Thread rule: all of it from one thread, the worker's.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/result.h"
#include "runner/inject/active_set.h"
#include "runner/inject/decision.h"
#include "runner/observe/call_log.h"
#include "runner/observe/event.h"
#include "runner/sandbox/fd.h"
#include "shim/hand/shim_hand.h"

namespace fbx::inject {

struct ShimPlace {
  std::string library;  // libfbxshim.so, as this process sees it
  // Where the test's root directory is for this process ("/proc/self/fd/7"); "" = it is ours. The
  // library is copied below it, and segments are made beside the copy, in a folder of /dev/shm.
  std::string root;
  // That is the host's, where nothing may be left whatever becomes of this process: no folder is
  // made, the library is loaded from where it is, and segments have no names.
  bool on_host = false;
  // Set: calls are recorded. Whether a process of the service lives that can write, and whether a
  // thread of that number is the service's.
  std::function<bool(int16_t service)> lives;
  std::function<bool(int16_t service, uint32_t tid)> owns;
};

class ShimSide {
 public:
  explicit ShimSide(ShimPlace place) : place_(std::move(place)) { hold_file_systems(); }
  ~ShimSide();
  ShimSide(const ShimSide&) = delete;
  ShimSide& operator=(const ShimSide&) = delete;

  // Before a start of the service: its segment. Gives the environment that reaches the shim.
  Result<std::vector<std::string>> prepare(int16_t service, const std::vector<uint16_t>& calls,
                                           bool refuse_io_uring);
  // The listener of the filter that `pid`, a child of ours that has executed, installs. −1: it died
  // first. An error: it has none, so its calls escape whatever the shim does not see.
  Result<int> take_listener(int16_t service, pid_t pid);
  void open_door(int16_t service);
  // Of the service's latest segment (ShimHand::probe_tag()).
  [[nodiscard]] uint32_t probe_tag(int16_t service) const;
  [[nodiscard]] bool has(int16_t service) const { return sides_.contains(service); }

  // A null set: every call passes. A service that has not been prepared gets it when it is.
  Status publish(int16_t service, std::shared_ptr<const ActiveSet> set);
  // Where this service's rules count; FBX_COUNTERS of them. Changes with prepare().
  [[nodiscard]] fbx_counter* counters(int16_t service);

  struct Report {
    std::vector<Decision> decisions;  // whole ones, by the time at which they began
    std::vector<Decision> held;
    // By service: why calls may have escaped its rules.
    std::map<int16_t, std::string> escapes;
    std::string damage;  // a segment was written into; nothing may be concluded
  };
  // Waits, bounded, for entries that were begun before it was called.
  using FindThread = std::function<observe::Thread(uint32_t inside, uint64_t at_ns)>;
  Report collect(const FindThread& find_thread);

  // observe::CallLog::Source: the calls that were entered since.
  bool tell_calls(std::vector<observe::CallLog::Entry>& out, bool all);

 private:
  struct Side {
    uint32_t number = 0;  // of all starts
    std::unique_ptr<ShimHand> hand;
    // By generation of the segment's sets, from 0 (none): the rules by position.
    std::vector<std::vector<uint32_t>> sets{{}};
    std::shared_ptr<const ActiveSet> active;
    std::deque<fbx_shim_entry> entries;  // read and not yet told
    std::map<uint32_t, std::vector<Decision>> holding;  // by tid inside
    ShimReport seen;                     // without entries
    std::deque<fbx_shim_entry> calls;    // the same, of what is recorded
    std::map<uint64_t, Decision> ruled;  // by the entry of their begin: calls that a rule decided
    uint64_t missed = 0;                 // told as lost
    bool unfinished = false;             // an entry was begun and not ended in time
    std::vector<std::unique_ptr<Side>> told_before;  // of earlier starts
  };

  [[nodiscard]] bool records() const { return place_.lives != nullptr; }
  Status make_folder();
  void drain();
  void read(Side& side, bool over = false);
  bool await_begun(int16_t service, Side& side);
  void tell_calls(Side& side, int16_t service, std::vector<observe::CallLog::Entry>& out);
  void tell_call(Side& side, int16_t service, const fbx_shim_entry& entry,
                 std::vector<observe::CallLog::Entry>& out);
  void tell(Side& side, int16_t service, const FindThread& find_thread, Report& report);
  bool decision_of(const Side& side, const fbx_shim_entry& entry, int16_t service,
                   const observe::Thread& thread, Decision& out) const;

  void hold_file_systems();

  ShimPlace place_;
  std::vector<sandbox::Fd> held_;   // folders of file_devs_
  std::vector<dev_t> file_devs_;    // ShimSetup::file_devs
  std::string folder_, seen_folder_;  // "" until the first prepare()
  uint32_t starts_ = 0;
  std::map<int16_t, std::shared_ptr<const ActiveSet>> wanted_;
  // Guarded by mutex_: the draining thread reads the rings.
  mutable std::mutex mutex_;
  std::map<int16_t, Side> sides_;
  std::condition_variable change_;
  bool over_ = false;
  std::thread drain_;
};

// Where libfbxshim.so is: beside this program in a build tree, in its library folder when installed.
Result<std::string> find_shim_library();

}  // namespace fbx::inject
