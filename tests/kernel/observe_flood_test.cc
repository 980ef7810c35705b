// SPDX-License-Identifier: Apache-2.0
//
// Many calls, paced, for a while: the victims' own count of the calls that are asked for is what was
// written and what was lost at the ring, what was written is what was kept and what was filtered, and
// nothing is lost. FBX_SECONDS says for how long (1).
//
// The rate is what the victims are paced to, not what they must reach: on a machine that has other
// work they fall behind. What was lost is accounted for at any rate; that nothing is, is asked only
// where the reader was never kept from the processor for as long as the ring lasts.
#include <doctest/doctest.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <ctime>

#include "base/clock.h"
#include "tests/kernel/observe_harness.h"

namespace {

using namespace fbx;
using namespace fbx::observe;
namespace t = fbx::observe::testing;

constexpr uint64_t kSecond = 1'000'000'000, kTick = 1'000'000;
constexpr uint32_t kRing = 8u << 20;  // as a run has it (runner/observe/bpf_observer.h)
constexpr int kVictims = 2;

uint64_t seconds() {
  const char* given = getenv("FBX_SECONDS");
  return given != nullptr ? std::max(1ul, strtoul(given, nullptr, 10)) : 1;
}

struct Count {
  uint64_t calls, asked, took_ns;
};

// So many calls a second for so long, one of `every` a write, the others reads of nothing.
int flood(Count& count, uint64_t rate, uint64_t every) {
  const int null = open("/dev/null", O_RDWR);
  const uint64_t begin = now_ns(), end = begin + seconds() * kSecond;
  for (uint64_t tick = begin; tick < end; tick += kTick) {
    for (const uint64_t due = (tick - begin) * rate / kSecond; count.calls < due; ++count.calls) {
      if (count.calls % every != 0) {
        syscall(SYS_getppid);
      } else {
        if (syscall(SYS_pwrite64, null, "x", 1, 0) != 1) return 1;
        ++count.asked;
      }
    }
    const timespec next = {static_cast<time_t>((tick + kTick) / kSecond),
                           static_cast<long>((tick + kTick) % kSecond)};
    clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &next, nullptr);
  }
  count.took_ns = now_ns() - begin;
  return 0;
}

struct Outcome {
  Count all = {};
  Loss loss;
  uint64_t seen = 0;        // writes in the store
  uint64_t longest_gap = 0; // ns between two readings of the ring
};

Outcome play(uint64_t rate, uint64_t every) {
  auto* counts = static_cast<Count*>(mmap(nullptr, 4096, PROT_READ | PROT_WRITE,
                                          MAP_SHARED | MAP_ANONYMOUS, -1, 0));
  auto observer = t::observer(kRing);
  TestWatch watch = t::watch(1, {"write"});
  watch.services[0].syscalls = {SYS_pwrite64};
  REQUIRE(observer->begin_test(watch));
  Outcome out;
  {
    std::vector<std::unique_ptr<t::Victim>> victims;
    for (int i = 0; i < kVictims; ++i)
      victims.push_back(std::make_unique<t::Victim>(
          "a", [&, i] { return flood(counts[i], rate / kVictims, every); }));
    const auto running = [&] {
      return std::ranges::any_of(victims, [](auto& v) { return !v->ended(); });
    };
    for (uint64_t last = now_ns(); running();) {
      pollfd ready = {observer->poll_fd(), POLLIN, 0};
      poll(&ready, 1, 10);
      REQUIRE(observer->pump());
      out.longest_gap = std::max(out.longest_gap, now_ns() - last);
      last = now_ns();
    }
    for (auto& victim : victims) CHECK(victim->wait() == 0);
  }
  REQUIRE(observer->barrier(kSecond));
  REQUIRE(observer->end_test());
  for (int i = 0; i < kVictims; ++i) {
    out.all.calls += counts[i].calls;
    out.all.asked += counts[i].asked;
    out.all.took_ns = std::max(out.all.took_ns, counts[i].took_ns);
  }
  out.loss = observer->loss();
  out.seen = observer->store().of(0, SYS_pwrite64).size();
  munmap(counts, 4096);
  return out;
}

void every_call_is_accounted_for(uint64_t rate, uint64_t every) {
  const Outcome out = play(rate, every);
  const uint64_t per_second = out.all.calls * 1000 / (out.all.took_ns / 1'000'000 + 1);
  const uint64_t bytes = out.all.asked * sizeof(fbx_call) * kSecond / (out.all.took_ns + 1) + 1;
  const uint64_t lasts = kRing * kSecond / bytes;  // how long the ring can do without its reader
  MESSAGE(per_second, " calls a second, ", out.all.asked, " of ", out.all.calls,
          " asked for; the ring lasts ", lasts / kTick, " ms, the reader was away for ",
          out.longest_gap / kTick, " ms at most; lost ", out.loss.lost);
  CHECK(out.all.asked > 0);
  CHECK(out.seen <= out.all.asked);
  CHECK(out.loss.written == out.loss.kept + out.loss.filtered);
  // What is lost besides may be our own markers and the victims' ends.
  CHECK(out.all.asked <= out.seen + out.loss.lost);
  if (out.longest_gap >= lasts / 2) return;
  CHECK(out.loss.lost == 0);
  CHECK(out.seen == out.all.asked);
  CHECK(out.loss.exact());
}

TEST_CASE("1.5 million calls a second of which one in a hundred is asked for") {
  every_call_is_accounted_for(1'500'000, 100);
}

TEST_CASE("100,000 recorded calls a second") { every_call_is_accounted_for(100'000, 1); }

}  // namespace
