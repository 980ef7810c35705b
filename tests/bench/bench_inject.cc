// SPDX-License-Identifier: Apache-2.0
//
// What a supervised call costs: ns per one-byte pwrite to a file, medians of interleaved rounds
// with their spread. Needs root and cgroup v2.
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <vector>

#include "base/clock.h"
#include "tests/kernel/inject_harness.h"

using namespace fbx;
using namespace fbx::inject;
using namespace fbx::inject::testing;

namespace {

constexpr int kRounds = 11;
constexpr int kCalls = 5000;

struct Series {
  const char* name;
  std::vector<double> ns;
};

// A process that makes kCalls writes whenever it is told to, and leaves the time in *ns.
std::unique_ptr<Service> writer(World& world, int16_t service, bool filtered, double* ns,
                                const char* name) {
  auto body = [ns, name](const Line& line) {
    const int fd = open((scratch_dir() + "/" + name).c_str(), O_CREAT | O_RDWR, 0600);
    while (line.hear()) {
      const uint64_t begin = now_ns();
      for (int i = 0; i < kCalls; ++i)
        if (pwrite(fd, "x", 1, 0) != 1 && errno != EIO) return 1;
      *ns = static_cast<double>(now_ns() - begin) / kCalls;
      line.say('d');
    }
    return 0;
  };
  return filtered ? world.start(service, body) : world.start_unfiltered(service, body);
}

double once(Service& service, const double* ns) {
  service.say('g');
  return service.hear() ? *ns : -1;
}

void print(Series& s, double native) {
  std::sort(s.ns.begin(), s.ns.end());
  const double median = s.ns[s.ns.size() / 2];
  printf("%-44s %8.0f ns   (%.0f…%.0f)   %5.1f × native\n", s.name, median, s.ns.front(),
         s.ns.back(), median / native);
}

}  // namespace

int main() {
  auto* ns = static_cast<double*>(
      mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
  World world({{"write"}});
  auto native = writer(world, 2, false, &ns[0], "native");
  auto filtered = writer(world, 0, true, &ns[1], "filtered");
  Series series[] = {{"native (another service, not watched)", {}},
                     {"supervised, no rule active", {}},
                     {"supervised, a rule that another path is for", {}},
                     {"denied by seccomp", {}}};
  for (int round = 0; round < kRounds; ++round) {
    series[0].ns.push_back(once(*native, &ns[0]));
    series[1].ns.push_back(once(*filtered, &ns[1]));
    auto rule = World::deny(0, "write", EIO);
    rule.path = "/elsewhere/**";
    if (!world.install({rule}, 1)) return 1;
    series[2].ns.push_back(once(*filtered, &ns[1]));
    if (!world.lift(1) || !world.install({World::deny(0, "write", EIO)}, 2)) return 1;
    series[3].ns.push_back(once(*filtered, &ns[1]));
    if (!world.lift(2)) return 1;
    world.collect();
  }
  for (const RuleEntry& rule : world.collect())
    for (const std::string& escape : rule.escapes) printf("escape: %s\n", escape.c_str());
  std::sort(series[0].ns.begin(), series[0].ns.end());
  const double base = series[0].ns[kRounds / 2];
  printf("one-byte pwrite to a file, %d rounds of %d calls, median (min…max)\n", kRounds, kCalls);
  for (Series& s : series) print(s, base);
  return 0;
}
