// SPDX-License-Identifier: Apache-2.0
//
// The seccomp hand: one thread that answers for all services of a test. Every supervised call of a
// service stops until it is answered here: passed on, failed with an errno, or held until its delay
// is over. Holding never sleeps: the call's id waits in a queue by due time.
//
//   Supervisor s(counters, peers);
//   s.start();                                  // the thread takes over the caller's network
//   namespace s.adopt(service, listener);                 // answering from here on
//   s.publish(service, set);                    // rules bind calls that enter from here on
//   s.publish(service, nullptr); s.wake(rules); // none does, and what they held goes on
//   s.take_decisions();
//   s.stop();
//
// Thread rule: all of it from one thread, the worker's. publish() and wake() return after the
// change binds.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

#include "base/result.h"
#include "bpf/abi/stats.h"
#include "runner/inject/accept_ring.h"
#include "runner/inject/active_set.h"
#include "runner/inject/decision.h"
#include "runner/inject/dial.h"
#include "runner/inject/peer_finder.h"
#include "runner/inject/result_changer.h"
#include "runner/inject/task_view.h"
#include "runner/inject/wire.h"
#include "runner/observe/call_log.h"
#include "runner/sandbox/fd.h"

struct seccomp_notif;

namespace fbx::inject {

// A call that opens or uses a link by an address, let go, whose thread has made no supervised call
// since: whether it has taken effect is not known.
struct LooseDial {
  uint32_t tid = 0;
  int nr = 0;
  int fd = -1;
  uint64_t at_ns = 0;
};

class Supervisor {
 public:
  // `counters` is the array of FBX_COUNTERS that all hands share. Both must outlive it.
  Supervisor(fbx_counter* counters, const PeerFinder& peers);
  ~Supervisor();
  Supervisor(const Supervisor&) = delete;
  Supervisor& operator=(const Supervisor&) = delete;

  Status start();
  // Closes all listeners: services that still live get ENOSYS for supervised calls. Kill them
  // first.
  void stop();

  // From start() on, every supervised call is told there before it is answered. nullptr: none is.
  void tell(observe::CallLog* log) { told_ = log; }

  // Takes the descriptor.
  Status adopt(int16_t service, int listener);
  // Where the rules of this service count from now on, when not in the array that all share; must
  // outlive the service.
  void count_in(int16_t service, fbx_counter* counters);
  // A null set: every call passes.
  void publish(int16_t service, std::shared_ptr<const ActiveSet> set);
  // What carries delays of connect and send on sockets that don't block (it must outlive stop()),
  // or why there is none. Before the first rule with such a delay is published.
  void use_wire(Result<Wire*> wire);
  // Links (who opens, who is reached) whose dials and addressed datagrams get ECONNREFUSED from now
  // on, also those that are held. Needs connect, sendto, sendmsg and sendmmsg to be supervised.
  void refuse(std::set<std::pair<int16_t, int16_t>> links);
  [[nodiscard]] std::vector<LooseDial> loose_dials() const;
  // Lets calls go that these rules (indexes in the log) hold.
  void wake(const std::vector<uint32_t>& rules);

  // Decisions since the last call, oldest first. One that is still held stays here until it is
  // answered; held() shows it.
  [[nodiscard]] std::vector<Decision> take_decisions();
  [[nodiscard]] std::vector<Passed> take_passed();
  [[nodiscard]] std::vector<Decision> held() const;
  // Why nothing may be concluded from what it did: a listener that broke… Any = inconclusive.
  [[nodiscard]] std::vector<std::string> troubles() const;
  // How calls of this service can pass unseen since when; "" = they can't.
  struct Bypass {
    std::string how;  // "io_uring"
    uint64_t since_ns = 0;
  };
  [[nodiscard]] Bypass bypass(int16_t service) const;
  // Whether a process lives that is behind one of the service's filters.
  [[nodiscard]] bool has_callers(int16_t service) const;
  // Whether this is the number of a thread of the service's that has asked for it (FBX_SHIM_HELLO).
  [[nodiscard]] bool has_greeted(int16_t service, uint32_t tid) const;

 private:
  // In what epoll_ gives beside a descriptor's number: it is a WaitingAccept's, which may be gone.
  static constexpr uint64_t kOfAccept = uint64_t{1} << 32;
  struct Listener {
    int16_t service = -1;
    sandbox::Fd fd;
  };
  struct HeldCall {
    int listener = -1;
    uint64_t id = 0;
    Decision decision;
    std::vector<Dialled> dialled = {};
  };
  // A denied accept that waits for the connection it will consume.
  struct WaitingAccept {
    HeldCall call;
    sandbox::Fd ready;  // an epoll of the listening socket alone, which it does not keep open
  };
  struct ServiceState {
    std::shared_ptr<const ActiveSet> set;
    fbx_counter* counters = nullptr;  // null: counters_
    Bypass bypass;
  };

  // One call that waits for its answer.
  struct Call {
    int listener = -1;
    int16_t service = -1;
    uint64_t entered_ns = 0;
    const seccomp_notif* notif = nullptr;
    std::vector<Dialled> dialled = {};
  };

  void run();
  void serve(int fd);
  void handle(Call& call);
  void greet(const Call& call);
  void handle_under(Call& call, std::shared_ptr<const ActiveSet> set,
                    std::unique_lock<std::mutex>& lock);
  void finish(const Call& call, const ActiveSet& set, const CallSeen& seen);
  bool note_bypass(const Call& call, ServiceState& state);
  bool refuse_if_cut(const Call& call);
  [[nodiscard]] const Dialled* cut_among(int16_t service, const std::vector<Dialled>& dialled) const;
  void let_go(HeldCall call);
  void note_loose(uint32_t tid, int nr, int fd);
  void tell_begun(const Call& call, const CallSeen& seen);
  void tell_answered(const seccomp_notif& call, uint64_t at_ns);
  void tell_answered(const Decision& decision);
  [[nodiscard]] uint32_t stuck_mask(const ActiveSet& set, const std::string& file) const;
  Status put_on_wire(const Call& call, const abi::Syscall& row, const Decision& decision);
  std::string read_path(const Call& call, const abi::Syscall& row);
  void pass(const Call& call, bool rules_active);
  void hold(const Call& call, Decision decision);
  void answer(int listener, uint64_t id, Decision decision);
  void reply(int listener, uint64_t id, Decision decision, bool goes_on);
  // supervisor_effects.cc: what a denied call does all the same.
  void deny_close(int listener, uint64_t id, Decision decision);
  bool let_close(int listener, uint64_t id, Decision decision, const Status& held);
  void deny_accept(int listener, uint64_t id, Decision decision);
  Result<bool> consume(int listening);
  void await_connection(HeldCall call, const sandbox::Fd& listening);
  void serve_accept(int ready);
  void give_up_accepts(const std::vector<uint32_t>& rules);
  [[nodiscard]] bool valid(int listener, uint64_t id) const;
  void release_due();
  void drop_listener(int fd);
  void arm_timer();

  fbx_counter* counters_;
  const PeerFinder& peers_;
  observe::CallLog* told_ = nullptr;
  mutable std::mutex mutex_;
  std::thread thread_;
  sandbox::Fd epoll_, stop_event_, timer_;
  std::vector<uint8_t> notif_buffer_;
  Tasks tasks_;  // of the thread
  // Guarded by mutex_.
  std::map<int, Listener> listeners_;
  std::map<int16_t, ServiceState> services_;
  std::multimap<uint64_t, HeldCall> held_;            // by due time
  std::map<int, WaitingAccept> accepting_;            // by `ready`
  std::unique_ptr<AcceptRing> ring_;                  // from the first denied accept
  std::set<std::pair<uint32_t, std::string>> stuck_;  // (sticky rule, a file that it failed on)
  std::vector<Decision> log_;
  std::vector<Passed> passed_;
  std::set<std::pair<int16_t, int16_t>> refused_;
  bool refuses_ = false;  // since the first refuse(): dials are looked at
  std::unordered_map<uint32_t, LooseDial> loose_;  // by tid
  std::set<std::pair<int16_t, uint32_t>> greeted_;
  std::unordered_map<uint32_t, Passed> idle_;  // by tid: the last one while no rule was active
  std::vector<std::string> troubles_;
  Result<Wire*> wire_ = fail("no wire was asked for");
  uint64_t next_id_ = 1;
  std::vector<uint8_t> response_buffer_;
  ResultChanger changer_;  // last: its thread uses the rest
};

}  // namespace fbx::inject
