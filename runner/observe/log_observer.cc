// SPDX-License-Identifier: Apache-2.0
#include "runner/observe/log_observer.h"

#include <sys/mman.h>

#include <algorithm>

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

}  // namespace

Status LogObserver::begin_test(const TestWatch& watch) {
  watch_ = watch;
  static_cast<void>(log_.take());
  store_ = std::make_unique<EventStore>();
  escapes_.clear();
  loss_ = {};
  return {};
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
  event.exe = store_->intern(call.exe);
  event.path = store_->intern(call.path);
  event.opened_as = store_->intern(call.opened_as);
  event.peer_text = store_->intern(call.peer_text);
  const uint64_t seq = store_->open_call(event);
  if (escape) escapes_.push_back(seq);
}

void LogObserver::take(const CallAnswered& call) {
  const uint64_t seq = store_->open_of(call.tid);
  if (seq == 0 || store_->at(seq).nr != call.nr) return;
  Event end = store_->at(seq);
  end.end_ns = call.at_ns;
  end.rule = call.rule;
  end.decision = store_->intern(call.decision);
  end.ret = call.ret.value_or(0);
  if (!call.ret) end.flags |= kResultUnknown;
  store_->close_call(end);
}

Status LogObserver::pump() {
  for (const CallLog::Entry& entry : log_.take()) {
    ++loss_.written;
    if (entry.unread) {
      ++loss_.lost;
      continue;
    }
    ++loss_.kept;
    if (entry.begun) take(*entry.begun);
    if (entry.answered) take(*entry.answered);
  }
  return {};
}

Result<BarrierResult> LogObserver::barrier(uint64_t) {
  BarrierResult result;
  result.at_ns = now_ns();
  if (Status s = pump(); !s) return std::unexpected(s.error());
  result.in_flight = store_->open_calls();
  return result;
}

Status LogObserver::end_test() { return pump(); }

}  // namespace fbx::observe
