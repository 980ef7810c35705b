// SPDX-License-Identifier: Apache-2.0
#include "tests/bench/bench_observe_programs.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "tests/kernel/observe_harness.h"

namespace {

using namespace fbx::observe;
namespace t = fbx::observe::testing;
using Words = std::vector<std::string>;

enum How { kAlone, kByFbx, kByStrace, kHows };

[[noreturn]] void give_up(const std::string& what) {
  fprintf(stderr, "bench_observe: %s\n", what.c_str());
  exit(1);
}

// A program with its output in a pipe; dead and reaped at the end.
class Program {
 public:
  explicit Program(const Words& words) {
    int out[2];
    if (pipe2(out, O_CLOEXEC) != 0) give_up("pipe2");
    pid_ = fork();
    if (pid_ == 0) {
      setpgid(0, 0);
      dup2(out[1], 1);
      std::vector<char*> args;
      for (const std::string& word : words) args.push_back(const_cast<char*>(word.c_str()));
      args.push_back(nullptr);
      execvp(args[0], args.data());
      _exit(127);
    }
    setpgid(pid_, pid_);
    close(out[1]);
    out_ = out[0];
  }
  ~Program() {
    kill(-pid_, SIGTERM);  // with what it traces: strace waits for that
    waitpid(pid_, nullptr, 0);
    close(out_);
  }
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;

  // What it prints until it ends; meanwhile the ring is read.
  std::string output(BpfObserver* observer) {
    std::string all;
    for (;;) {
      pollfd ready[2] = {{out_, POLLIN, 0}, {observer ? observer->poll_fd() : -1, POLLIN, 0}};
      poll(ready, 2, 1000);
      if (observer && !observer->pump()) give_up("reading the ring");
      if (!ready[0].revents) continue;
      char buffer[4096];
      const ssize_t got = read(out_, buffer, sizeof buffer);
      if (got <= 0) return all;
      all.append(buffer, static_cast<size_t>(got));
    }
  }

 private:
  pid_t pid_;
  int out_;
};

Words with_strace(How how, Words words) {
  if (how == kByStrace)
    words.insert(words.begin(), {"strace", "-f", "-e", "trace=write", "-o", "/dev/null"});
  return words;
}

// A command that begins its life in leaf "a".
Words in_leaf(How how, const Words& words) {
  if (how != kByFbx) return with_strace(how, words);
  Words shell = {"/bin/sh", "-c", "echo $$ > " + t::Run::get().dir() + "/a/cgroup.procs; exec \"$@\"",
                 "sh"};
  shell.insert(shell.end(), words.begin(), words.end());
  return shell;
}

std::string bench_dir() {
  return std::filesystem::read_symlink("/proc/self/exe").parent_path().parent_path() / "bench";
}

double median(std::vector<double> all) {
  std::ranges::sort(all);
  return all[all.size() / 2];
}

// ns per write, of a program that times its own.
double write_ns(How how, BpfObserver* observer) {
  const std::string out = "/dev/shm/fbx-bench-" + std::to_string(getpid());
  Program timer(in_leaf(how, {bench_dir() + "/call_timer", "write", "5", "2000", out}));
  std::vector<double> all;
  const std::string text = timer.output(observer);
  unlink(out.c_str());
  for (size_t at = 0; at < text.size(); at = text.find('\n', at) + 1)
    all.push_back(strtod(text.c_str() + at, nullptr));
  if (all.size() != 5) give_up("call_timer said: " + text);
  return median(all);
}

// Requests a second, of redis-benchmark's SET.
double redis_rate(How how, BpfObserver* observer) {
  const std::string door = t::scratch_dir() + "/redis.sock";
  Program server(in_leaf(how, {"redis-server", "--port", "0", "--unixsocket", door, "--save", "",
                               "--appendonly", "no"}));
  for (int i = 0; access(door.c_str(), F_OK) != 0; ++i) {
    if (i > 10'000) give_up("redis-server does not come up");
    usleep(1000);
  }
  Program client({"redis-benchmark", "-s", door, "-t", "set", "-n", "20000", "-c", "20", "--csv"});
  const std::string text = client.output(observer);
  unlink(door.c_str());
  const size_t at = text.find("\"SET\",\"");
  if (at == std::string::npos) give_up("redis-benchmark said: " + text);
  return strtod(text.c_str() + at + 7, nullptr);
}

using Round = std::array<double, kHows>;

template <typename Measure>
Round round(const std::function<void(bool)>& attach, BpfObserver& observer, Measure measure) {
  Round all{};
  attach(false);
  all[kAlone] = measure(kAlone, nullptr);
  all[kByStrace] = measure(kByStrace, nullptr);
  attach(true);
  if (!observer.begin_test(t::watch(1, {"write"}))) give_up("begin_test");
  all[kByFbx] = measure(kByFbx, &observer);
  if (!observer.end_test()) give_up("end_test");
  if (!observer.loss().exact()) puts("(a round lost records)");
  return all;
}

// By the clock on the wall, other work on the machine counts: a middle half wider than a tenth of the
// median says nothing.
const char* verdict(double low, double middle, double high) {
  return high - low > 0.1 * middle ? "   not measurable here" : "";
}

void show(const char* what, const char* unit, const std::vector<Round>& rounds) {
  constexpr const char* kNames[] = {"alone", "recorded by fbx", "under strace"};
  printf("%s, %zu rounds: median, middle half; × alone\n", what, rounds.size());
  for (int how = 0; how < kHows; ++how) {
    std::vector<double> all, times;
    for (const Round& one : rounds) {
      all.push_back(one[static_cast<size_t>(how)]);
      times.push_back(one[static_cast<size_t>(how)] / one[kAlone]);
    }
    std::ranges::sort(all);
    std::ranges::sort(times);
    const size_t n = all.size();
    printf("  %-18s %9.0f %s   %.0f … %.0f   %.2f (%.2f … %.2f)%s\n", kNames[how], all[n / 2],
           unit, all[n / 4], all[3 * n / 4], times[n / 2], times[n / 4], times[3 * n / 4],
           verdict(times[n / 4], times[n / 2], times[3 * n / 4]));
  }
}

}  // namespace

void bench_observed_programs(int rounds, const std::function<void(bool)>& attach,
                             BpfObserver& observer) {
  std::vector<Round> writes, redis;
  std::vector<double> cheaper;
  for (int i = 0; i < rounds; ++i) {
    writes.push_back(round(attach, observer, write_ns));
    redis.push_back(round(attach, observer, redis_rate));
    const Round& w = writes.back();
    cheaper.push_back((w[kByStrace] - w[kAlone]) / (w[kByFbx] - w[kAlone]));
  }
  show("write of one byte, timed by the program itself", "ns", writes);
  std::ranges::sort(cheaper);
  const size_t n = cheaper.size();
  printf("  what recording adds is %.0f (%.0f … %.0f) times less than what strace adds%s\n",
         cheaper[n / 2], cheaper[n / 4], cheaper[3 * n / 4],
         verdict(cheaper[n / 4], cheaper[n / 2], cheaper[3 * n / 4]));
  show("redis SET, 20 clients", "requests a second", redis);
}
