// SPDX-License-Identifier: Apache-2.0
//
// Nanoseconds per write call of one byte: native, and under the shim in each of its states. The
// program starts itself once per round and state and times a loop there; rounds are interleaved,
// the median and the quartiles are shown. Then the same for calls that the supervisor denies.
#include <fcntl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "base/clock.h"
#include "bpf/abi/kinds.h"
#include "bpf/abi/tables.h"
#include "shim/hand/shim_hand.h"
#include "tests/bench/bench_supervised.h"

namespace {
using namespace fbx;

constexpr int kRounds = 11;

// Time on a processor: what other programs do meanwhile is not the shim's cost.
uint64_t spent_ns() {
  timespec t{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return static_cast<uint64_t>(t.tv_sec) * 1'000'000'000u + static_cast<uint64_t>(t.tv_nsec);
}

int loop(const char* path, int calls) {
  const int fd = open(path, O_WRONLY | O_CREAT, 0644);
  ssize_t sum = 0;
  const uint64_t begin = spent_ns();
  for (int i = 0; i < calls; ++i) sum += pwrite(fd, "x", 1, 0);
  const double ns = static_cast<double>(spent_ns() - begin) / calls;
  // Nobody answers for what goes past the shim, so not by stdio.
  char line[64];
  const int n = std::snprintf(line, sizeof line, "%.1f %zd\n", ns, sum);
  return write(1, line, static_cast<size_t>(n)) == n ? 0 : 1;
}

enum class State { kNative, kIdle, kOther, kDeny };

inject::ShimRule rule(State state) {
  inject::ShimRule out;
  for (uint16_t nr : abi::numbers("write")) out.rule.parts[0].calls[nr / 64] |= 1ull << (nr % 64);
  // kOther: a rule for another kind of descriptor, so every call is looked at and passes.
  out.rule.parts[0].kinds = state == State::kDeny ? FBX_KINDS_FILES : FBX_KIND_BIT(UDP);
  out.rule.parts_used = 1;
  out.rule.action = FBX_ACT_DENY;
  out.rule.errnum = EIO;
  out.rule.every = 1;
  out.rule.max_fires = ~0ull;
  out.rule.always = 1;
  return out;
}

double measure(State state, bool gate, const std::string& file) {
  inject::ShimSetup setup{.library = FBX_SHIM_LIBRARY,
                          .path = file + ".segment",
                          .seen_as = "",
                          .calls = abi::numbers("write"),
                          .gated = gate ? abi::numbers("write") : std::vector<uint16_t>()};
  unlink(setup.path.c_str());
  auto hand = inject::ShimHand::create(setup);
  if (!hand) return -1;
  if (state >= State::kOther && !(*hand)->publish({rule(state)})) return -1;
  int out[2];
  if (pipe(out) != 0) return -1;
  const pid_t pid = fork();
  if (pid == 0) {
    dup2(out[1], 1);
    close(out[0]);
    close(out[1]);
    if (state != State::kNative)
      for (const std::string& word : (*hand)->environment()) putenv(strdup(word.c_str()));
    // Few denied calls, so that the ring does not run full.
    execl("/proc/self/exe", "bench_shim", file.c_str(), state == State::kDeny ? "10000" : "100000",
          nullptr);
    _exit(1);
  }
  close(out[1]);
  int listener = -1;
  if (gate && state != State::kNative) {
    auto fd = (*hand)->take_listener(pid, now_ns() + 5'000'000'000u);
    if (!fd) std::fprintf(stderr, "%s\n", fd.error().text().c_str());
    if (fd) listener = *fd;
    (*hand)->open_door();
  }
  char text[64] = "";
  const ssize_t n = read(out[0], text, sizeof text - 1);
  close(out[0]);
  waitpid(pid, nullptr, 0);
  if (listener >= 0) close(listener);
  return n > 0 ? std::atof(text) : -1;
}

void supervised() {
  struct Row {
    const char* name;
    int callers;
    bool sync;
    std::vector<double> ns = {};
  };
  std::vector<Row> rows = {{"supervised, 1 caller", 1, false},
                           {"supervised, 1 caller, SYNC_WAKE_UP", 1, true},
                           {"supervised, 8 callers", 8, false},
                           {"supervised, 8 callers, SYNC_WAKE_UP", 8, true}};
  std::vector<double> native;
  for (int round = 0; round < kRounds; ++round)
    for (Row& row : rows) {
      const bench::SupervisedCost cost = bench::supervised_cost(row.callers, row.sync, 2000);
      row.ns.push_back(cost.supervised_ns);
      native.push_back(cost.native_ns);
    }
  std::sort(native.begin(), native.end());
  const double one = native[native.size() / 2];
  std::printf("%-36s %8.1f ns\n", "native, into memory", one);
  for (Row& row : rows) {
    std::sort(row.ns.begin(), row.ns.end());
    std::printf("%-36s %8.1f ns  (%.1f … %.1f)  x %.1f\n", row.name, row.ns[kRounds / 2],
                row.ns[kRounds / 4], row.ns[kRounds * 3 / 4], row.ns[kRounds / 2] / one);
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc == 3) return loop(argv[1], std::atoi(argv[2]));
  struct Row {
    const char* name;
    State state;
    bool gate;
    std::vector<double> ns = {};
  };
  std::vector<Row> rows = {{"native", State::kNative, false},
                           {"pass, no rule", State::kIdle, false},
                           {"pass, no rule, gate", State::kIdle, true},
                           {"pass, rule for other kinds", State::kOther, false},
                           {"pass, rule for other kinds, gate", State::kOther, true},
                           {"deny", State::kDeny, false},
                           {"deny, gate", State::kDeny, true}};
  const std::string file = "/tmp/fbx-bench-shim-" + std::to_string(getpid());
  for (int round = 0; round < kRounds; ++round)
    for (Row& row : rows) row.ns.push_back(measure(row.state, row.gate, file));
  unlink(file.c_str());
  for (Row& row : rows) std::sort(row.ns.begin(), row.ns.end());
  const double native = rows[0].ns[kRounds / 2];
  for (const Row& row : rows)
    std::printf("%-34s %8.1f ns  (%.1f … %.1f)  x %.2f\n", row.name, row.ns[kRounds / 2],
                row.ns[kRounds / 4], row.ns[kRounds * 3 / 4], row.ns[kRounds / 2] / native);
  supervised();
  return 0;
}
