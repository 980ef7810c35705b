// SPDX-License-Identifier: Apache-2.0
//
// ns of processor time per call (other work on the machine disturbs it less than it does the clock
// on the wall; the barrier is by the wall): pwrite of one byte to a file, and getppid for calls nobody asked about; native, with
// the programs attached but for another cgroup, for our service but not asked for, recorded.
//
// Rounds are interleaved; medians with the spread of the middle half. Attaching changes every call of
// the machine and can't be taken back cheaply, so "native" rounds stand in a block of their own
// before the others.
//
//   bench_observe [rounds]      needs root
#include <fcntl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <string>
#include <vector>

#include "tests/kernel/observe_harness.h"

namespace {

using namespace fbx;
using namespace fbx::observe;
namespace t = fbx::observe::testing;

constexpr int kCalls = 20'000;

double now_ns(clockid_t clock = CLOCK_THREAD_CPUTIME_ID) {
  timespec ts;
  clock_gettime(clock, &ts);
  return static_cast<double>(ts.tv_sec) * 1e9 + static_cast<double>(ts.tv_nsec);
}

enum class Call { kNull, kWrite, kRead, kPpid };

double measure(Call call) {
  static const int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
  static const int file = open((t::scratch_dir() + "/bench").c_str(), O_RDWR | O_CREAT, 0600);
  char byte = 'x';
  const double start = now_ns();
  for (int i = 0; i < kCalls; ++i) switch (call) {
      case Call::kNull: syscall(SYS_write, null, &byte, 1); break;
      case Call::kWrite: syscall(SYS_pwrite64, file, &byte, 1, 0); break;
      case Call::kRead: syscall(SYS_pread64, file, &byte, 1, 0); break;
      case Call::kPpid: syscall(SYS_getppid); break;
    }
  return (now_ns() - start) / kCalls;
}

struct Series {
  std::vector<double> all;
  [[nodiscard]] double at(double q) {
    std::ranges::sort(all);
    return all[static_cast<size_t>(q * static_cast<double>(all.size() - 1))];
  }
};

std::map<std::string, Series> results;
std::vector<std::string> order;

void note(const std::string& name, double ns) {
  if (!results.contains(name)) order.push_back(name);
  results[name].all.push_back(ns);
}

// In a child born in `leaf`: measures and sends the figure.
double in_leaf(const std::string& leaf, Call call) {
  int pipes[2];
  if (pipe(pipes) != 0) exit(1);
  double ns = 0;
  {
    t::Victim victim(leaf, [&] {
      measure(call);
      const double value = measure(call);
      return write(pipes[1], &value, sizeof value) == sizeof value ? 0 : 1;
    });
    if (victim.wait() != 0 || read(pipes[0], &ns, sizeof ns) != sizeof ns) exit(1);
  }
  close(pipes[0]);
  close(pipes[1]);
  return ns;
}

const std::pair<Call, const char*> kCallNames[] = {{Call::kNull, "write /dev/null"},
                                                   {Call::kWrite, "pwrite file"},
                                                   {Call::kRead, "pread file"},
                                                   {Call::kPpid, "getppid"}};

void native(int rounds) {
  for (int i = 0; i < rounds; ++i)
    for (const auto& [call, name] : kCallNames)
      note(std::string(name) + ": native", measure(call));
}

void attached(int rounds) {
  auto observer = t::observer(16u << 20);
  for (int i = 0; i < rounds; ++i)
    for (const auto& [call, name] : kCallNames) {
      const std::string prefix = std::string(name) + ": ";
      if (!observer->begin_test(t::watch(1, {"write"}))) exit(1);
      note(prefix + "another cgroup", in_leaf("stranger", call));
      const bool recorded = call == Call::kNull || call == Call::kWrite;
      note(prefix + (recorded ? "recorded with begin" : "ours, not asked for"), in_leaf("a", call));
      if (!observer->end_test()) exit(1);
      if (!observer->loss().exact()) puts("(a round lost records: ring too small)");
    }
}

void barriers(int rounds) {
  auto observer = t::observer();
  if (!observer->begin_test(t::watch(1, {"write"}))) exit(1);
  for (int i = 0; i < rounds * 200; ++i) {
    const double start = now_ns(CLOCK_MONOTONIC);
    if (!observer->barrier(1'000'000'000)) exit(1);
    note("barrier, nothing in flight", now_ns(CLOCK_MONOTONIC) - start);
  }
  if (!observer->end_test()) exit(1);
}

}  // namespace

int main(int argc, char** argv) {
  const int rounds = argc > 1 ? std::max(3, atoi(argv[1])) : 15;
  native(rounds);
  t::Run::get();
  attached(rounds);
  barriers(rounds);
  printf("%-44s %9s %9s %9s   (%d rounds of %d calls)\n", "ns per call", "median", "25 %", "75 %",
         rounds, kCalls);
  std::ranges::sort(order);
  for (const std::string& name : order) {
    Series& series = results[name];
    printf("%-44s %9.1f %9.1f %9.1f\n", name.c_str(), series.at(0.5), series.at(0.25),
           series.at(0.75));
  }
}
