// SPDX-License-Identifier: Apache-2.0
//
// Who answers, when it is a process of another cgroup: needs root to make one. What it makes it
// removes; the children die with this process.
#include <doctest/doctest.h>

#include <arpa/inet.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <fstream>

#include "runner/step/step_client.h"
#include "tests/unit/step_server.h"

using namespace fbx;
using namespace fbx::step;

namespace {

std::string cgroup_mount() {
  for (const char* mount : {"/sys/fs/cgroup", "/sys/fs/cgroup/unified"}) {
    struct stat info{};
    if (::stat((std::string(mount) + "/cgroup.controllers").c_str(), &info) == 0) return mount;
  }
  return "";
}

// A cgroup of this test's own, removed at the end.
class Cgroup {
 public:
  explicit Cgroup(const std::string& path) : path_(path) {
    REQUIRE(::mkdir(path.c_str(), 0755) == 0);
  }
  ~Cgroup() { ::rmdir(path_.c_str()); }
  Cgroup(const Cgroup&) = delete;
  Cgroup& operator=(const Cgroup&) = delete;
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  std::string path_;
};

// A process in `cgroup` that answers every connection on `port` (its own socket) with PONG.
class Answering {
 public:
  explicit Answering(const std::string& cgroup) {
    int ready[2];
    REQUIRE(::pipe(ready) == 0);
    pid_ = ::fork();
    if (pid_ == 0) serve(cgroup, ready[1]);
    ::close(ready[1]);
    REQUIRE(::read(ready[0], &port, sizeof port) == sizeof port);
    ::close(ready[0]);
  }
  ~Answering() {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }
  Answering(const Answering&) = delete;
  Answering& operator=(const Answering&) = delete;
  uint16_t port = 0;

 private:
  [[noreturn]] static void serve(const std::string& cgroup, int ready) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    std::ofstream(cgroup + "/cgroup.procs") << ::getpid() << std::flush;
    uint16_t bound = 0;
    const int listener = listen_on_loopback(bound);  // made inside: a socket keeps its cgroup
    (void)!::write(ready, &bound, sizeof bound);
    for (;;) {
      const int fd = ::accept(listener, nullptr, nullptr);
      char buffer[64];
      (void)!::recv(fd, buffer, sizeof buffer, 0);
      (void)!::send(fd, "PONG\n", 5, MSG_NOSIGNAL);
      ::close(fd);
    }
  }
  pid_t pid_ = -1;
};

StepOutcome ping(uint16_t port, const OwnerCheck& check) {
  plan::Plan plan;
  plan::Service service;
  service.name = "inventory";
  service.interfaces.push_back({"main", plan::Protocol::kTcp, port, ""});
  plan.services.push_back(service);
  model::TcpSendStep step;
  step.data = "PING";
  return StepClient(plan, check, -1).perform(step);
}

}  // namespace

TEST_CASE("an answer counts when the service's own cgroup, or one below it, gave it") {
  const std::string top = cgroup_mount() + "/fbx-step-test-" + std::to_string(::getpid());
  const Cgroup leaf(top), below(top + "/worker"), other(top + "-other");
  const OwnerCheck check = owner_check({leaf.path()});
  struct Row {
    const Cgroup& where;
    bool ours;
  };
  for (const Row& row : {Row{leaf, true}, Row{below, true}, Row{other, false}}) {
    CAPTURE(row.where.path());
    const Answering process(row.where.path());
    const StepOutcome outcome = ping(process.port, check);
    CHECK(outcome.result.body == "PONG");
    CHECK(outcome.doubt.has_value() == !row.ours);
  }
}
