// SPDX-License-Identifier: Apache-2.0
//
// The barrier: marker, calls that run, marker.
//
// A record stands in the ring ahead of the marker when its call had returned before the marker was
// made. A call whose effect somebody has seen may not have returned yet (0.1 to 0.2 % of replies
// arrive before the record of the write that sent them), so between two markers we look at every
// thread that is inside a call of interest: one that runs is waited for; one that sleeps can't have
// been the cause of anything after it began to sleep, and is reported as in flight.
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "base/clock.h"
#include "bpf/abi/maps.h"
#include "bpf/abi/tables.h"
#include "runner/observe/bpf_observer.h"
#include "runner/observe/decoder.h"

namespace fbx::observe {
namespace {

// A disk wait or a contended lock: short, and its effect may already be there.
constexpr uint64_t kUninterruptibleNs = 5'000'000;

}  // namespace

struct BpfObserver::Running {
  fbx_running task;

  [[nodiscard]] uint32_t tid() const { return task.record.call.head.tid; }
  [[nodiscard]] bool same_call(const Running& other) const {
    return tid() == other.tid() && task.seq_before == other.task.seq_before;
  }
  enum class How { kRuns, kWaitsUninterruptibly, kSleeps };
  [[nodiscard]] How how() const {
    if (task.on_cpu) return How::kRuns;
    constexpr uint32_t kSleeping = FBX_TASK_INTERRUPTIBLE | FBX_TASK_STOPPED | FBX_TASK_TRACED;
    if (task.state & kSleeping) return How::kSleeps;
    return task.state & FBX_TASK_UNINTERRUPTIBLE ? How::kWaitsUninterruptibly : How::kRuns;
  }
};

Result<bool> BpfObserver::mark(uint64_t deadline_ns) {
  const uint64_t id = ++markers_;
  syscall(SYS_getpid, FBX_MARKER_MAGIC, static_cast<uint64_t>(worker_), id, token_);
  for (uint32_t polls = 0;; ++polls) {
    if (Status s = pump(); !s) return std::unexpected(s.error());
    if (decoder_->marker() == id) return true;
    // Another CPU holds a reservation ahead of ours.
    if (polls % 64 == 63) {
      if (now_ns() > deadline_ns) return false;
      sched_yield();
    }
  }
}

Result<std::vector<BpfObserver::Running>> BpfObserver::running() const {
  const Result<int> fd = object_.iterator("tasks__running");
  if (!fd) return std::unexpected(fd.error());
  std::vector<char> bytes;
  size_t used = 0;
  for (;;) {
    bytes.resize(used + 64 * sizeof(fbx_running));
    const ssize_t got = read(*fd, bytes.data() + used, bytes.size() - used);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) {
      const int errnum = errno;
      close(*fd);
      return fail_errno("reading the task iterator", errnum);
    }
    if (got == 0) break;
    used += static_cast<size_t>(got);
  }
  close(*fd);
  std::vector<Running> all;
  for (size_t at = 0; at + sizeof(fbx_running) <= used; at += sizeof(fbx_running)) {
    Running entry;
    memcpy(&entry.task, bytes.data() + at, sizeof entry.task);
    const bool whole = entry.task.seq_before == entry.task.seq_after;
    if (whole && entry.task.record.call.head.generation == generation_) all.push_back(entry);
  }
  return all;
}

Result<std::vector<BpfObserver::Running>> BpfObserver::settle(uint64_t deadline_ns,
                                                              std::string* late) {
  const uint64_t start = now_ns();
  Result<std::vector<Running>> now = running();
  if (!now) return now;
  std::vector<Running> awaited;
  for (const Running& task : *now)
    if (task.how() != Running::How::kSleeps) awaited.push_back(task);
  while (!awaited.empty()) {
    const uint64_t time = now_ns();
    sched_yield();
    now = running();
    if (!now) return now;
    std::vector<Running> still;
    for (const Running& task : awaited) {
      const auto found = std::ranges::find_if(*now, [&](const Running& other) {
        return other.same_call(task);
      });
      if (found == now->end() || found->how() == Running::How::kSleeps) continue;
      if (found->how() == Running::How::kWaitsUninterruptibly &&
          time - start > kUninterruptibleNs)
        continue;
      still.push_back(*found);
    }
    awaited.swap(still);
    if (!awaited.empty() && time > deadline_ns) {
      const fbx_call& call = awaited.front().task.record.call;
      const abi::Syscall* row = abi::find_syscall(call.nr);
      *late = "thread " + std::to_string(call.head.tid) + " was still running in " +
              std::string(row ? row->name : "a call") + " when the barrier's time was over";
      break;
    }
  }
  return now;
}

Result<BarrierResult> BpfObserver::barrier(uint64_t bound_ns) {
  BarrierResult result;
  const uint64_t deadline = now_ns() + bound_ns;
  const auto inexact = [&](std::string why) {
    result.exact = false;
    if (result.why.empty()) result.why = std::move(why);
  };
  const Result<bool> first = mark(deadline);
  if (!first) return std::unexpected(first.error());
  if (!*first) inexact("the first marker did not come back");
  std::string late;
  const Result<std::vector<Running>> begun = settle(deadline, &late);
  if (!begun) return std::unexpected(begun.error());
  if (!late.empty()) inexact(late);
  const Result<Counts> floor = counts();
  if (!floor) return std::unexpected(floor.error());
  const Result<bool> second = mark(std::max(deadline, now_ns() + bound_ns / 4));
  if (!second) return std::unexpected(second.error());
  if (!*second) inexact("the second marker did not come back");
  result.at_ns = decoder_->marker_ns();
  for (const Running& task : *begun)
    if (task.how() != Running::How::kRuns || !late.empty()) decoder_->take_running(task.task.record);
  result.in_flight = store_->open_calls();
  if (Status s = reconcile(floor->written, false); !s) return std::unexpected(s.error());
  return result;
}

// written = kept + filtered + lost. While services run, records are on their way: what the kernel
// side had counted before the marker (`written`) must have come out ahead of it. At the end of a
// test both sides stand still and must be equal.
Status BpfObserver::reconcile(uint64_t written, bool final) {
  const Result<Counts> counted = counts();
  if (!counted) return std::unexpected(counted.error());
  const Result<uint64_t> misses = object_.misses();
  if (!misses) return std::unexpected(misses.error());
  written -= before_.written;
  loss_.kept = decoder_->kept();
  loss_.filtered = decoder_->filtered();
  loss_.lost = counted->lost - before_.lost + (*misses - misses_before_) + missing_ +
               decoder_->broken();
  loss_.left = decoder_->left();
  const uint64_t came = loss_.kept + loss_.filtered;
  loss_.written = final ? written : std::max(written, came);
  return {};
}

}  // namespace fbx::observe
