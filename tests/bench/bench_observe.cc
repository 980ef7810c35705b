// SPDX-License-Identifier: Apache-2.0
//
// What watching costs, in ns of processor time per call (other work on the machine disturbs it less
// than it does the clock on the wall; the barrier is by the wall): pwrite of one byte to a file, and
// getppid.
//
//   native               nothing attached
//   floor                programs that do nothing on the two tracepoints of system calls
//   not ours             fbx's programs, a process that was there before the run
//   another's            the same, a process born in the run's cgroup and watched by nobody
//   not asked for        a service's call that the plan does not refer to
//   recorded, exit only  without the program at sys_enter
//   recorded             as a run has it
//
// Every round measures all of them, one after the other, attaching and detaching in between; each
// figure is the least of some short batches, the ratio is that of one round. Medians of the rounds
// with the middle half.
//
//   bench_observe [rounds]      needs root
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fcntl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <string>
#include <vector>

#include "tests/bench/bench_observe_programs.h"
#include "tests/kernel/observe_harness.h"

namespace {

using namespace fbx;
using namespace fbx::observe;
namespace t = fbx::observe::testing;

constexpr int kBatches = 8;
constexpr int kCalls = 2'000;

[[noreturn]] void give_up(const char* what) {
  perror(what);
  exit(1);
}

double now_ns(clockid_t clock) {
  timespec ts;
  clock_gettime(clock, &ts);
  return static_cast<double>(ts.tv_sec) * 1e9 + static_cast<double>(ts.tv_nsec);
}

enum class Call : char { kWrite = 'w', kPpid = 'p' };

double batch(Call call, int file) {
  const double start = now_ns(CLOCK_THREAD_CPUTIME_ID);
  for (int i = 0; i < kCalls; ++i)
    if (call == Call::kWrite)
      syscall(SYS_pwrite64, file, "x", 1, 0);
    else
      syscall(SYS_getppid);
  return (now_ns(CLOCK_THREAD_CPUTIME_ID) - start) / kCalls;
}

// A process that measures when it is told to, wherever it was born.
class Meter {
 public:
  // `leaf`: nullptr = here and now.
  explicit Meter(const char* leaf) {
    if (pipe2(ask_, O_CLOEXEC) != 0 || pipe2(told_, O_CLOEXEC) != 0) give_up("pipe2");
    if (leaf != nullptr) {
      victim_ = std::make_unique<t::Victim>(leaf, [this] { return serve(); });
      return;
    }
    pid_ = fork();
    if (pid_ == 0) _exit(serve());
  }
  ~Meter() {
    for (int fd : {ask_[0], ask_[1], told_[0], told_[1]}) close(fd);
    if (pid_ > 0) waitpid(pid_, nullptr, 0);
  }
  Meter(const Meter&) = delete;
  Meter& operator=(const Meter&) = delete;

  double measure(Call call) {
    double ns = 0;
    if (write(ask_[1], &call, 1) != 1 || read(told_[0], &ns, sizeof ns) != sizeof ns)
      give_up("a meter died");
    return ns;
  }

 private:
  int serve() {
    close(ask_[1]);
    char name[] = "/dev/shm/fbx-bench-XXXXXX";
    const int file = mkstemp(name);
    unlink(name);
    for (Call call; read(ask_[0], &call, 1) == 1;) {
      double least = batch(call, file);
      for (int i = 1; i < kBatches; ++i) least = std::min(least, batch(call, file));
      if (write(told_[1], &least, sizeof least) != sizeof least) return 1;
    }
    return 0;
  }

  int ask_[2], told_[2];
  pid_t pid_ = 0;
  std::unique_ptr<t::Victim> victim_;
};

// A program `return 0` on a tracepoint, as long as this lives.
class Noop {
 public:
  explicit Noop(const char* tracepoint) {
    const bpf_insn code[] = {{.code = BPF_ALU64 | BPF_MOV | BPF_K}, {.code = BPF_JMP | BPF_EXIT}};
    LIBBPF_OPTS(bpf_prog_load_opts, options, .expected_attach_type = BPF_TRACE_RAW_TP);
    const int type = libbpf_find_vmlinux_btf_id(tracepoint, BPF_TRACE_RAW_TP);
    if (type < 0) give_up("finding a tracepoint");
    options.attach_btf_id = static_cast<uint32_t>(type);
    program_ = bpf_prog_load(BPF_PROG_TYPE_TRACING, "noop", "GPL", code, std::size(code), &options);
    if (program_ < 0) give_up("loading a program that does nothing");
  }
  ~Noop() { close(program_); }
  Noop(const Noop&) = delete;
  Noop& operator=(const Noop&) = delete;
  [[nodiscard]] int attach() const { return bpf_raw_tracepoint_open(nullptr, program_); }

 private:
  int program_;
};

enum Row { kNative, kFloor, kNotOurs, kAnothers, kNotAsked, kExitOnly, kRecorded, kRows };
constexpr const char* kNames[] = {
    "native",        "floor: programs that do nothing", "not ours", "another's, in the run's cgroup",
    "not asked for", "recorded, exit only",             "recorded"};
using Round = std::array<double, kRows>;

class Bench {
 public:
  Bench() : outside_(nullptr) {
    t::Run& run = t::Run::get();
    run.object().detach();
    observer_ = nullptr;
    attach({"calls__on_enter", "calls__on_exit"});
    observer_ = t::observer(16u << 20);
    ours_ = std::make_unique<Meter>("a");
    anothers_ = std::make_unique<Meter>("stranger");
  }

  // For what measures by itself: our programs on the machine, or none.
  void set_attached(bool wanted) {
    detach();
    if (wanted) attach({"calls__on_enter", "calls__on_exit"});
  }
  BpfObserver& observer() { return *observer_; }

  Round round(Call call) {
    Round ns{};
    detach();
    ns[kNative] = outside_.measure(call);
    const int floor[2] = {enter_.attach(), exit_.attach()};
    if (floor[0] < 0 || floor[1] < 0) give_up("attaching a program that does nothing");
    ns[kFloor] = outside_.measure(call);
    close(floor[0]);
    close(floor[1]);
    attach({"calls__on_exit"});
    if (call == Call::kWrite) ns[kExitOnly] = recorded(call);
    detach();
    attach({"calls__on_enter", "calls__on_exit"});
    ns[kNotOurs] = outside_.measure(call);
    ns[kAnothers] = anothers_->measure(call);
    begin({"mkdir"});
    ns[kNotAsked] = ours_->measure(call);
    end();
    if (call == Call::kWrite) ns[kRecorded] = recorded(call);
    return ns;
  }

  double barrier() {
    const double start = now_ns(CLOCK_MONOTONIC);
    if (!observer_->barrier(1'000'000'000)) exit(1);
    return now_ns(CLOCK_MONOTONIC) - start;
  }

  void begin(const std::vector<std::string>& calls) {
    if (!observer_->begin_test(t::watch(1, calls))) exit(1);
  }
  void end() {
    if (!observer_->end_test()) exit(1);
    if (!observer_->loss().exact()) puts("(a round lost records: ring too small)");
  }

 private:
  double recorded(Call call) {
    begin({"write"});
    const double ns = ours_->measure(call);
    end();
    return ns;
  }
  void attach(const std::vector<const char*>& programs) {
    for (const char* name : programs) {
      bpf_link* link = bpf_program__attach(t::Run::get().object().program(name));
      if (!link) give_up(name);
      links_.push_back(link);
    }
  }
  void detach() {
    for (bpf_link* link : links_) bpf_link__destroy(link);
    links_.clear();
  }

  Meter outside_;
  Noop enter_{"sys_enter"}, exit_{"sys_exit"};
  std::unique_ptr<BpfObserver> observer_;
  std::unique_ptr<Meter> ours_, anothers_;
  std::vector<bpf_link*> links_;
};

double at(std::vector<double> all, double q) {
  std::ranges::sort(all);
  return all[static_cast<size_t>(q * static_cast<double>(all.size() - 1))];
}

void show(const char* what, const std::vector<Round>& rounds) {
  printf("%s, %zu rounds\n%-36s %8s   %-17s   %s\n", what, rounds.size(), "", "ns", "middle half",
         "× floor (middle half)");
  for (int row = 0; row < kRows; ++row) {
    std::vector<double> ns, times;
    for (const Round& round : rounds) {
      ns.push_back(round[static_cast<size_t>(row)]);
      times.push_back(round[static_cast<size_t>(row)] / round[kFloor]);
    }
    if (ns[0] == 0) continue;
    printf("  %-34s %8.0f   %7.0f … %7.0f   %5.2f (%.2f … %.2f)\n", kNames[row], at(ns, 0.5),
           at(ns, 0.25), at(ns, 0.75), at(times, 0.5), at(times, 0.25), at(times, 0.75));
  }
}

}  // namespace

int main(int argc, char** argv) {
  const int rounds = argc > 1 ? std::max(3, atoi(argv[1])) : 15;
  Bench bench;
  std::vector<Round> writes, ppids;
  for (int i = 0; i < rounds; ++i) {
    writes.push_back(bench.round(Call::kWrite));
    ppids.push_back(bench.round(Call::kPpid));
  }
  show("pwrite of one byte to a file on tmpfs", writes);
  show("getppid", ppids);
  std::vector<double> barriers;
  bench.set_attached(true);
  bench.begin({"write"});
  for (int i = 0; i < rounds * 20; ++i) barriers.push_back(bench.barrier() / 1000);
  bench.end();
  printf("barrier with nothing in flight: %.1f µs (%.1f … %.1f)\n", at(barriers, 0.5),
         at(barriers, 0.25), at(barriers, 0.75));
  bench_observed_programs(rounds, [&](bool wanted) { bench.set_attached(wanted); },
                          bench.observer());
}
