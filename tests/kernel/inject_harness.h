// SPDX-License-Identifier: Apache-2.0
//
// What the kernel tests of the injector need: a run's cgroup with a leaf for each service, a
// network namespace of their own, the real observer and the real injector, and services that are
// bodies run in a fork, born in their leaf and behind their filter as birth.h does it.
//
// Needs root and cgroup v2. Thread rule: one thread. Whatever is made here is gone at the end.
#pragma once

#include <sys/types.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "runner/inject/main_injector.h"
#include "runner/inject/seccomp_filter.h"
#include "runner/observe/bpf_observer.h"

namespace fbx::inject::testing {

// A service's process. It and the test talk in single bytes over two pipes, which no rule hits.
class Service {
 public:
  Service(pid_t pid, int to, int from) : pid_(pid), to_(to), from_(from) {}
  ~Service();
  Service(const Service&) = delete;
  Service& operator=(const Service&) = delete;
  void say(char c);
  // Waits for a byte; 0 when the process is gone.
  char hear();
  // Waits for its end; its exit status, or −signal.
  int wait();
  [[nodiscard]] pid_t pid() const { return pid_; }

 private:
  pid_t pid_;
  int to_, from_;
  bool reaped_ = false;
};

// The other side of it, in the child.
struct Line {
  int in = -1, out = -1;
  void say(char c) const;
  char hear() const;
};

struct Wish {
  std::string keyword;
  plan::Need::Kind kind = plan::Need::Kind::kDeny;
  int service = 0;
};

// Services 0 "orders", 1 "inventory", 2 "third" of a test with these needs.
class World {
 public:
  explicit World(const std::vector<Wish>& wishes);
  ~World();

  // Runs `body` as a process of that service; its value is the exit status.
  std::unique_ptr<Service> start(int16_t service, std::function<int(const Line&)> body);

  // The same without the filter that the service needs: what it does reaches no supervisor.
  std::unique_ptr<Service> start_unfiltered(int16_t service, std::function<int(const Line&)> body);

  // deny(errno) on a keyword of a service; fill in the rest before install().
  [[nodiscard]] static model::RuleSpec deny(uint32_t service, const std::string& keyword,
                                            int errnum);
  [[nodiscard]] static model::RuleSpec delay(uint32_t service, const std::string& keyword,
                                             int64_t ms);
  Status install(std::vector<model::RuleSpec> rules, model::ScopeId scope = 1);
  Status cut(std::vector<uint32_t> a, std::vector<uint32_t> b, model::ScopeId scope = 1,
             model::InstallPartition::Mode mode = model::InstallPartition::Mode::kRefuse);
  Status lift(model::ScopeId scope = 1) { return injector->lift(scope); }
  // Barrier and collect.
  const std::vector<RuleEntry>& collect();
  // Events of one service and keyword that a hand decided about.
  [[nodiscard]] std::vector<observe::Event> decided(int16_t service, const std::string& keyword);

  plan::Plan plan;
  Capabilities capabilities;
  std::unique_ptr<observe::BpfObserver> observer;
  std::unique_ptr<MainInjector> injector;

 private:
  std::unique_ptr<Service> born(int16_t service, const std::vector<sock_filter>& program,
                                const std::function<int(const Line&)>& body);
};

// "12 escaped: …" of a rule, for messages.
[[nodiscard]] std::string show(const RuleEntry& entry);
// A fresh directory below /tmp on a real file system, removed at exit.
[[nodiscard]] std::string scratch_dir();
}  // namespace fbx::inject::testing
