// SPDX-License-Identifier: Apache-2.0
//
// What the probes say, with and without the right to load programs.
#include <doctest/doctest.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runner/observe/probe.h"

namespace {

using namespace fbx;
using namespace fbx::observe;

// The code of a probe's refusal as seen by an ordinary user: made in a child.
std::string as_nobody(std::optional<Refusal> (*probe)()) {
  int pipes[2];
  REQUIRE(pipe(pipes) == 0);
  const pid_t pid = fork();
  if (pid == 0) {
    if (setgid(65534) != 0 || setuid(65534) != 0) _exit(1);
    const std::optional<Refusal> refusal = probe();
    const std::string code = refusal ? refusal->code : "works";
    _exit(write(pipes[1], code.data(), code.size()) < 0);
  }
  close(pipes[1]);
  char buffer[64];
  const ssize_t got = read(pipes[0], buffer, sizeof buffer);
  close(pipes[0]);
  int status = 0;
  waitpid(pid, &status, 0);
  CHECK(status == 0);
  return std::string(buffer, static_cast<size_t>(std::max<ssize_t>(got, 0)));
}

TEST_CASE("everything the observer needs works here as root") {
  for (auto* probe : {probe_ring, probe_cgroup2, probe_calls, probe_iterator, probe_peers}) {
    const std::optional<Refusal> refusal = probe();
    CAPTURE((refusal ? refusal->text() : ""));
    CHECK_FALSE(refusal);
  }
  CHECK_FALSE(probe_observe());
}

TEST_CASE("an ordinary user is told to be root") {
  CHECK(as_nobody(probe_calls) == "needs-root");
  CHECK(as_nobody(probe_cgroup2) == "needs-root");
  CHECK(as_nobody(probe_observe) == "needs-root");
}

}  // namespace
