// SPDX-License-Identifier: Apache-2.0
//
// Puts what the hands decided beside what the kernel recorded, call by call, and finds what does
// not fit.
//
// A thread makes one call at a time, so a decision belongs to the first record of the same thread
// and call that ends after the hand saw it. (Not to the record whose begin and end hold it: the
// kernel's sys_enter comes after seccomp, and for a denied call not at all.)
//
//   a denied call whose record says otherwise                → escape of the rule that fired
//   a delayed call that ended too early                      → escape
//   a record of a call that a rule hits, in the rule's time, and that no hand saw → escape
//   a call that the shim denied has no record: its decision becomes an event, once
//   two decisions for one record (a signal restarted it)     → escape: it counted twice
//
// Thread rule: the store's.
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "runner/inject/decision.h"
#include "runner/inject/rule_compile.h"
#include "runner/observe/event.h"

namespace fbx::inject {

// A rule as the join needs it.
struct JoinRule {
  uint32_t index = 0;  // in the log
  int16_t service = -1;
  bool by_cgroup = false;  // its hand; else the supervisor,
  bool by_shim = false;    // or the shim, which tells of matches alone
  bool by_probe = false;   // or a hand that fails calls in the kernel: likewise
  const CompiledRule* rule = nullptr;
  std::string label;
  uint64_t installed_ns = 0;
  uint64_t lifted_ns = 0;  // 0 = active
};

struct Escape {
  uint32_t rule = 0;
  std::string text;  // "write of /tmp/inventory.wal returned 12, and not EIO"
};

// A decision whose hand did not look at the path: the record says it.
struct Named {
  uint32_t rule = 0;
  std::string path;     // of a near miss, with the call before it: "write /tmp/x"
  bool nearly = false;  // only path= or to= kept the rule from matching
};

class DecisionJoin {
 public:
  explicit DecisionJoin(observe::EventStore& store) : store_(store) {}

  // Since the last call: answered decisions and passes of all hands, in any order.
  void add(std::vector<Decision> decisions, std::vector<Passed> passed);
  // Goes through the records that came since. `held` are calls still waiting for their answer: they
  // become events in flight. `settled_ns`: every call that had ended by then is in the store. A
  // decision may be older than that and its record still to come, because what a hand denies is not
  // seen to begin; so its record is asked for 2 s later, or when all is settled.
  static constexpr uint64_t kAllSettled = ~uint64_t{0};
  [[nodiscard]] std::vector<Escape> run(const std::vector<JoinRule>& rules,
                                        const std::vector<Decision>& held, uint64_t settled_ns);
  // Since the last call: decisions without path and peer, fired or nearly, by their records.
  [[nodiscard]] std::vector<Named> take_named() { return std::exchange(named_, {}); }

 private:
  struct Seen {
    uint64_t entered_ns = 0;
    bool decided = false;
    Decision decision;  // when decided
  };
  using Key = uint64_t;  // tid and nr
  static Key key(uint32_t tid, uint16_t nr) { return uint64_t{tid} << 16 | nr; }

  void join_event(observe::Event& event, const std::vector<JoinRule>& rules);
  void apply(observe::Event& event, Decision& decision, const std::vector<JoinRule>& rules);
  void take_until(Key key, observe::Event& event, const std::vector<JoinRule>& rules, bool* seen);
  void check_result(const observe::Event& event, const Decision& decision);
  void append_denied(const Decision& decision, const std::vector<JoinRule>& rules);
  void label(observe::Event& event, const Decision& decision, const std::vector<JoinRule>& rules);
  void check_unseen(const observe::Event& event, const std::vector<JoinRule>& rules);
  void show_held(const std::vector<Decision>& held);
  void check_unproven(uint64_t settled_ns);

  observe::EventStore& store_;
  uint64_t next_seq_ = 1;
  std::vector<uint64_t> open_;  // seqs of records that had not ended
  std::unordered_map<Key, std::deque<Seen>> seen_;
  std::vector<Decision> denied_;  // by the shim, not yet in the store
  std::vector<Escape> escapes_;
  std::vector<Named> named_;
};

// "deny(EIO)", "delay(2s)", "delay(cut at 0.7s)", "allow", "cut(refuse)"; "" for no decision.
[[nodiscard]] std::string decision_text(const Decision& decision);

}  // namespace fbx::inject
