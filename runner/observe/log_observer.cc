// SPDX-License-Identifier: Apache-2.0
#include "runner/observe/log_observer.h"

#include "base/clock.h"
#include "bpf/abi/tables.h"
#include "runner/observe/decoder.h"

namespace fbx::observe {

Status LogObserver::begin_test(const TestWatch&) {
  static_cast<void>(log_.take());
  store_ = std::make_unique<EventStore>();
  escapes_.clear();
  loss_ = {};
  return {};
}

void LogObserver::take(const CallBegun& call) {
  Event event = call.event;
  event.exe = store_->intern(call.exe);
  event.path = store_->intern(call.path);
  event.opened_as = store_->intern(call.opened_as);
  event.peer_text = store_->intern(call.peer_text);
  const uint64_t seq = store_->open_call(event);
  const abi::Syscall* row = abi::find_syscall(int{event.nr});
  if (row && (row->name == "io_uring_setup" || row->name == "io_submit")) escapes_.push_back(seq);
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
