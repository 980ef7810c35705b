// SPDX-License-Identifier: Apache-2.0
#include "runner/observe/log_observer.h"

#include <sys/mman.h>
#include <time.h>

#include <algorithm>
#include <cstdint>
#include <fstream>
#include <iterator>
#include <string>

#include "base/clock.h"
#include "bpf/abi/tables.h"

namespace fbx::observe {

namespace {

// Work that no other call shows: asynchronous rings, and a file that is written by memory.
bool escapes_sight(const Event& event) {
  const abi::Syscall* row = abi::find_syscall(int{event.nr});
  if (row == nullptr) return false;
  if (row->name == "io_uring_setup" || row->name == "io_submit") return true;
  const uint64_t prot = event.args[2], type = event.args[3] & MAP_TYPE;
  return row->name == "mmap" && (prot & PROT_WRITE) != 0 && type != MAP_PRIVATE &&
         (event.on == FdKind::kFile || event.on == FdKind::kShm);
}

// As observer.h says of calls in uninterruptible sleep.
constexpr uint64_t kDiskNs = 5'000'000;

// 'R' runs, 'D' waits for a disk, 0 is dead; anything else is blocked (proc(5): stat).
char state_of(uint32_t tid) {
  std::ifstream file("/proc/" + std::to_string(tid) + "/stat");
  std::string text{std::istreambuf_iterator<char>(file), {}};
  const size_t at = text.rfind(") ");
  const char state = at == std::string::npos ? '\0' : text[at + 2];
  return state == 'Z' || state == 'X' ? '\0' : state;
}

uint64_t time_of(const CallLog::Entry& entry) {
  if (entry.begun) return entry.begun->event.begin_ns;
  return entry.answered ? entry.answered->at_ns : 0;
}

void pause_briefly() {
  const timespec slice{0, 50'000};
  ::nanosleep(&slice, nullptr);
}

}  // namespace

Status LogObserver::begin_test(const TestWatch& watch) {
  watch_ = watch;
  static_cast<void>(log_.take());
  store_ = std::make_unique<EventStore>();
  escapes_.clear();
  waiting_.clear();
  open_.clear();
  threads_.clear();
  loss_ = {};
  return {};
}

Thread LogObserver::thread(uint32_t inside, uint64_t) const {
  const auto found = threads_.find(inside);
  return found != threads_.end() ? found->second : Thread{inside, inside, {}};
}

bool LogObserver::asked_for(const Event& event) const {
  return std::ranges::any_of(watch_.services, [&](const WatchedService& one) {
    return one.index == event.service && std::ranges::binary_search(one.syscalls, event.nr);
  });
}

void LogObserver::take(const CallBegun& call) {
  Event event = call.event;
  const bool escape = escapes_sight(event);
  if (!escape && !asked_for(event)) return;
  if (call.call) {
    const Thread by = thread(event.tid, event.begin_ns);
    event.pid = by.pid;
    event.exe = store_->intern(by.exe);
  } else {
    event.exe = store_->intern(call.exe);
  }
  event.path = store_->intern(call.path);
  event.opened_as = store_->intern(call.opened_as);
  event.peer_text = store_->intern(call.peer_text);
  const uint64_t seq = call.call ? store_->open_another(event) : store_->open_call(event);
  if (call.call) open_[call.call] = seq;
  if (escape) escapes_.push_back(seq);
}

void LogObserver::take(const CallAnswered& call) {
  uint64_t seq = store_->open_of(call.tid);
  if (call.call != 0) {
    const auto found = open_.find(call.call);
    seq = found == open_.end() ? 0 : found->second;
    if (seq != 0) open_.erase(found);
  }
  if (seq == 0 || store_->at(seq).nr != call.nr || store_->at(seq).state == CallState::kDone)
    return;
  Event end = store_->at(seq);
  end.end_ns = call.at_ns;
  end.rule = call.rule;
  end.decision = store_->intern(call.decision);
  end.ret = call.ret.value_or(0);
  if (!call.ret) end.flags |= kResultUnknown;
  store_->close_call(end);
}

void LogObserver::take(const CallLog::Entry& entry) {
  ++loss_.written;
  if (entry.unread || (entry.begun && store_->full())) {
    ++loss_.lost;
    return;
  }
  ++loss_.kept;
  if (entry.begun) take(*entry.begun);
  if (entry.answered) take(*entry.answered);
  if (entry.thread) threads_[entry.thread->tid] = *entry.thread;
}

// The supervisor first: a thread's later call through a shim is then not taken before an earlier
// one that was supervised, and who the thread is, is known.
bool LogObserver::take_until(uint64_t until_ns, bool all) {
  for (CallLog::Entry& entry : log_.take()) {
    if (entry.begun || entry.answered)
      waiting_.push_back(std::move(entry));
    else
      take(entry);
  }
  const bool whole = log_.gather(waiting_, all);
  std::ranges::stable_sort(waiting_, {}, time_of);
  const auto later = std::ranges::upper_bound(waiting_, until_ns, {}, time_of);
  for (auto it = waiting_.begin(); it != later; ++it) take(*it);
  waiting_.erase(waiting_.begin(), later);
  return whole;
}

Status LogObserver::pump() {
  static_cast<void>(take_until(now_ns(), false));
  return {};
}

// Whether one of these calls is on its way, and may end in a moment.
bool LogObserver::any_runs(const std::map<uint64_t, uint64_t>& calls, uint64_t asked_ns) const {
  return std::ranges::any_of(calls, [&](const auto& one) {
    if (!open_.contains(one.first)) return false;
    const char state = state_of(store_->at(one.second).tid);
    return state == 'R' || (state == 'D' && now_ns() < asked_ns + kDiskNs);
  });
}

void LogObserver::drop_dead() {
  std::erase_if(open_, [this](const auto& one) {
    const uint32_t tid = store_->at(one.second).tid;
    if (state_of(tid) != '\0') return false;
    store_->drop_call(tid, now_ns());
    return true;
  });
}

Result<BarrierResult> LogObserver::barrier(uint64_t bound_ns) {
  BarrierResult result;
  result.at_ns = now_ns();
  bool whole = take_until(now_ns(), true);
  // Those that begin from now on are nobody's concern.
  const std::map<uint64_t, uint64_t> begun = open_;
  while (any_runs(begun, result.at_ns)) {
    if (now_ns() > result.at_ns + bound_ns) {
      result.exact = false;
      result.why = "a call that was running did not end in time";
      break;
    }
    pause_briefly();
    whole &= take_until(now_ns(), false);
  }
  // One that was seen blocked, or dead, may have ended since it was looked for.
  if (!open_.empty()) {
    whole &= take_until(now_ns(), true);
    drop_dead();
  }
  if (!whole) {
    result.exact = false;
    result.why = "a service's process began to tell of a call, and did not end";
  }
  result.in_flight = store_->open_calls();
  return result;
}

Status LogObserver::end_test() {
  const bool whole = take_until(UINT64_MAX, true);
  if (!whole) ++loss_.written, ++loss_.lost;
  return {};
}

}  // namespace fbx::observe
