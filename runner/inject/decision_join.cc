// SPDX-License-Identifier: Apache-2.0
#include "runner/inject/decision_join.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <utility>

#include "base/glob.h"
#include "bpf/abi/event.h"
#include "bpf/abi/tables.h"
#include "runner/observe/decoder.h"

namespace fbx::inject {
namespace {

using observe::Event;

// A hand and the kernel read the same clock, but a timer may fire a little before its time.
constexpr uint64_t kClockSlackNs = 100'000;
// A decision that has been answered this long must have its record.
constexpr uint64_t kProofNs = 2'000'000'000;

std::string duration(uint64_t ns) {
  char text[32];
  if (ns % 1'000'000'000 == 0)
    std::snprintf(text, sizeof text, "%llus", static_cast<unsigned long long>(ns / 1'000'000'000));
  else if (ns % 1'000'000 == 0)
    std::snprintf(text, sizeof text, "%llums", static_cast<unsigned long long>(ns / 1'000'000));
  else
    std::snprintf(text, sizeof text, "%.3gms", static_cast<double>(ns) / 1e6);
  return text;
}

std::string call_name(uint16_t nr) {
  const abi::Syscall* row = abi::find_syscall(int{nr});
  return row ? std::string(row->name) : "system call " + std::to_string(nr);
}

std::string errno_text(int errnum) {
  const std::string_view name = abi::errno_name(errnum);
  return name.empty() ? std::to_string(errnum) : std::string(name);
}

// Failures that the kernel finds before it asks any hook who may dial whom, and dials that had
// begun before.
bool ended_before_the_hook(const Event& event) {
  switch (-event.ret) {
    case EBADF:
    case ENOTSOCK:
    case EFAULT:
    case EINVAL:
    case EAFNOSUPPORT:
    case EISCONN:
    case EALREADY: return true;
    default: return false;
  }
}

bool path_fits(const CompiledRule& rule, std::string_view path, std::string_view opened_as) {
  for (const std::string& glob : rule.paths)
    if (!glob_match_path(glob, path) && !glob_match_path(glob, opened_as)) return false;
  return true;
}

// FBX_KEY_* as far as the record tells them. Whether an open with O_CREAT made the file it does not
// tell: each hand leaves a trace of those that it looked at.
uint32_t known_flags(const Event& event) {
  uint32_t flags = 0;
  if (event.flags & observe::kSync) flags |= FBX_KEY_SYNC;
  if (event.flags & observe::kCreated) flags |= FBX_KEY_CREATES;
  if (event.on == observe::FdKind::kUnix && event.peer >= 0) flags |= FBX_KEY_OWNED;
  return flags;
}

// Whether the rule would have hit this record. Where flags decide that the record does not tell, it
// does not count: such a call was seen by the same filter as its neighbours.
bool would_hit(const JoinRule& from, const Event& event, const observe::EventStore& store) {
  const CompiledRule& rule = *from.rule;
  for (uint32_t i = 0; i < rule.abi.parts_used; ++i) {
    const fbx_rule_part& part = rule.abi.parts[i];
    if (!(part.calls[event.nr / 64] >> (event.nr % 64) & 1)) continue;
    if (part.flags & ~known_flags(event)) continue;
    if (!(part.kinds >> static_cast<uint32_t>(event.on) & 1)) continue;
    if (rule.abi.to_kind == FBX_TO_SERVICE && rule.abi.to_service != event.peer) continue;
    const std::string_view opened_as = store.string(event.opened_as);
    // The kernel's hands go by what the file is called, and not by how it was opened.
    if (from.by_probe) return path_fits(rule, store.string(event.path), store.string(event.path));
    // The shim's own reading of the argument, which is all that it goes by.
    if (from.by_shim && opened_as.starts_with('/'))
      return path_fits(rule, store.string(event.path), observe::normalised(std::string(opened_as)));
    return path_fits(rule, store.string(event.path), opened_as);
  }
  return false;
}

}  // namespace

std::string decision_text(const Decision& d) {
  switch (d.action) {
    case FBX_ACT_ALLOW: return "allow";
    case FBX_ACT_DENY: return "deny(" + errno_text(d.errnum) + ")";
    case FBX_DECIDED_CUT: return "cut(refuse)";
    case FBX_ACT_DELAY: break;
    default: return "";
  }
  if (!d.cut_short) return "delay(" + duration(d.delay_ns) + ")";
  char text[48];
  std::snprintf(text, sizeof text, "delay(cut at %.1fs)",
                static_cast<double>(d.answered_ns - d.entered_ns) / 1e9);
  return text;
}

void DecisionJoin::add(std::vector<Decision> decisions, std::vector<Passed> passed) {
  for (Passed& p : passed) {
    Seen seen{.entered_ns = p.entered_ns, .decided = false, .decision = {}};
    seen_[key(p.tid, p.nr)].push_back(std::move(seen));
  }
  for (Decision& d : decisions) {
    if (d.gone) continue;
    if (d.source == Decision::Source::kShim && d.action == FBX_ACT_DENY) {
      denied_.push_back(std::move(d));
      continue;
    }
    const Key k = key(d.tid, d.nr);
    seen_[k].push_back({.entered_ns = d.entered_ns, .decided = true, .decision = std::move(d)});
  }
  for (auto& [k, queue] : seen_)
    std::stable_sort(queue.begin(), queue.end(),
                     [](const Seen& a, const Seen& b) { return a.entered_ns < b.entered_ns; });
}

std::vector<Escape> DecisionJoin::run(const std::vector<JoinRule>& rules,
                                      const std::vector<Decision>& held, uint64_t settled_ns) {
  escapes_.clear();
  std::vector<uint64_t> ended;
  for (uint64_t seq : std::exchange(open_, {}))
    (store_.at(seq).state == observe::CallState::kDone ? ended : open_).push_back(seq);
  for (; next_seq_ <= store_.size(); ++next_seq_) {
    const Event& event = store_.at(next_seq_);
    if (event.type != observe::EventType::kSyscall || event.service < 0) continue;
    (event.state == observe::CallState::kDone ? ended : open_).push_back(next_seq_);
  }
  // A thread's records in the order in which its calls ended.
  std::stable_sort(ended.begin(), ended.end(), [this](uint64_t a, uint64_t b) {
    return store_.at(a).end_ns < store_.at(b).end_ns;
  });
  for (uint64_t seq : ended) join_event(store_.at(seq), rules);
  for (const Decision& d : std::exchange(denied_, {})) append_denied(d, rules);
  next_seq_ = store_.size() + 1;
  show_held(held);
  check_unproven(settled_ns);
  return std::exchange(escapes_, {});
}

void DecisionJoin::join_event(Event& event, const std::vector<JoinRule>& rules) {
  bool seen = false;
  take_until(key(event.tid, event.nr), event, rules, &seen);
  // The hook for datagrams does not say by which call they are sent.
  const std::string name = call_name(event.nr);
  if (name == "sendmsg" || name == "sendmmsg") {
    const auto sendto_nr = static_cast<uint16_t>(abi::find_syscall("sendto")->nr());
    take_until(key(event.tid, sendto_nr), event, rules, &seen);
  }
  if (!seen) check_unseen(event, rules);
}

void DecisionJoin::take_until(Key k, Event& event, const std::vector<JoinRule>& rules, bool* seen) {
  const auto found = seen_.find(k);
  if (found == seen_.end()) return;
  std::deque<Seen>& queue = found->second;
  bool counted = false;
  while (!queue.empty() && queue.front().entered_ns <= event.end_ns) {
    Seen first = std::move(queue.front());
    queue.pop_front();
    // A pass before it may be a left-over of a record that was looked at before rules were active.
    if (counted && first.decided)
      for (uint32_t rule : first.decision.matched)
        escapes_.push_back(
            {rule,
             call_name(event.nr) + " was interrupted by a signal and restarted: it counted twice"});
    *seen = true;
    counted |= first.decided && !first.decision.matched.empty();
    if (first.decided) apply(event, first.decision, rules);
  }
  if (queue.empty()) seen_.erase(found);
}

void DecisionJoin::apply(Event& event, Decision& d, const std::vector<JoinRule>& rules) {
  if (d.path.empty() && d.peer.empty() && event.path) {
    d.path = store_.string(event.path);
    if (d.rule >= 0) named_.push_back({static_cast<uint32_t>(d.rule), d.path});
    for (const uint32_t rule : d.near)
      named_.push_back({rule, call_name(event.nr) + " " + d.path, true});
  }
  if (event.begin_ns == 0 || d.entered_ns < event.begin_ns) event.begin_ns = d.entered_ns;
  if (d.delay_ns && d.rule >= 0 && !d.on_wire) event.flags |= observe::kWasHeld;
  // What the service got; the record is of what the call would have given.
  if (d.carried_out) event.ret = -int64_t{d.errnum};
  label(event, d, rules);
  check_result(event, d);
}

void DecisionJoin::label(Event& event, const Decision& d, const std::vector<JoinRule>& rules) {
  const std::string text = decision_text(d);
  if (!text.empty()) event.decision = store_.intern(text);
  if (d.rule < 0) return;
  event.rule = d.rule;
  for (const JoinRule& rule : rules)
    if (rule.index == static_cast<uint32_t>(d.rule) && !rule.label.empty())
      event.label = store_.intern(rule.label);
}

void DecisionJoin::append_denied(const Decision& d, const std::vector<JoinRule>& rules) {
  const abi::Syscall* row = abi::find_syscall(int{d.nr});
  Event event;
  event.begin_ns = d.entered_ns;
  event.end_ns = d.answered_ns;
  event.on = static_cast<observe::FdKind>(d.kind);
  event.service = d.service;
  event.nr = d.nr;
  event.pid = d.pid;
  event.tid = d.tid;
  event.ret = -int64_t{d.errnum};
  std::copy(d.args.begin(), d.args.end(), event.args);
  event.fd = d.fd;
  event.exe = store_.intern(d.exe);
  event.path = store_.intern(d.path);
  if (row && row->arg(FBX_ARG_PATH) >= 0) event.opened_as = event.path;
  if (d.writes_through) event.flags |= observe::kSync;
  if (d.delay_ns) event.flags |= observe::kWasHeld;
  label(event, d, rules);
  // A held one may stand there as in flight.
  if (d.delay_ns)
    store_.close_call(event);
  else
    store_.append(event);
}

void DecisionJoin::check_result(const Event& event, const Decision& d) {
  if (d.rule < 0) return;
  const auto rule = static_cast<uint32_t>(d.rule);
  const std::string what =
      call_name(event.nr) + (d.path.empty() ? "" : " of " + d.path) +
      (d.peer.empty() ? "" : " to " + d.peer);
  if (d.action == FBX_ACT_DENY && event.ret != -int64_t{d.errnum})
    escapes_.push_back({rule, what + " returned " + std::to_string(event.ret) + ", and not " +
                                  errno_text(d.errnum)});
  const uint64_t due = d.entered_ns + d.delay_ns;
  const bool call_was_held = d.action == FBX_ACT_DELAY && !d.cut_short && !d.on_wire;
  if (call_was_held && event.end_ns + kClockSlackNs < due)
    escapes_.push_back({rule, what + " ended before its delay of " + duration(d.delay_ns)});
}

void DecisionJoin::check_unseen(const Event& event, const std::vector<JoinRule>& rules) {
  if (event.nr >= FBX_NR_WORDS * 64) return;
  const uint64_t begin = event.begin_ns ? event.begin_ns : event.end_ns;
  for (const JoinRule& rule : rules) {
    if (rule.service != event.service || begin <= rule.installed_ns) continue;
    if (rule.lifted_ns && event.end_ns >= rule.lifted_ns) continue;
    if (rule.by_cgroup && ended_before_the_hook(event)) continue;
    if (!would_hit(rule, event, store_)) continue;
    const std::string_view path = store_.string(event.path), peer = store_.string(event.peer_text);
    escapes_.push_back({rule.index, call_name(event.nr) +
                                        (path.empty() ? "" : " of " + std::string(path)) +
                                        (peer.empty() ? "" : " to " + std::string(peer)) +
                                        " was not seen by the hand that should decide about it"});
  }
}

// A held call has not reached the kernel's sys_enter, so nobody else shows it.
void DecisionJoin::show_held(const std::vector<Decision>& held) {
  for (const Decision& d : held) {
    Event event;
    event.begin_ns = d.entered_ns;
    event.state = observe::CallState::kInFlight;
    event.flags = observe::kWasHeld;
    event.service = d.service;
    event.tid = d.tid;
    event.pid = d.pid ? d.pid : d.tid;
    event.nr = d.nr;
    event.on = static_cast<observe::FdKind>(d.kind);
    event.path = event.opened_as = store_.intern(d.path);
    event.peer_text = store_.intern(d.peer);
    event.peer = d.peer_service;
    event.rule = d.rule;
    store_.open_call(event);
  }
}

void DecisionJoin::check_unproven(uint64_t settled_ns) {
  for (auto& [k, queue] : seen_) {
    std::erase_if(queue, [&](const Seen& seen) {
      const uint64_t answered = seen.decided ? seen.decision.answered_ns : seen.entered_ns;
      if (answered + kProofNs > settled_ns) return false;
      if (seen.decided && seen.decision.rule >= 0 && seen.decision.action == FBX_ACT_DENY)
        escapes_.push_back({static_cast<uint32_t>(seen.decision.rule),
                            call_name(seen.decision.nr) +
                                " was denied, and the kernel has no record of it"});
      return true;
    });
  }
}

}  // namespace fbx::inject
