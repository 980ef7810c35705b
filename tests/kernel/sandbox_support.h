// SPDX-License-Identifier: Apache-2.0
//
// What the tests of the sandbox and the services share: a crew with one worker in which a piece of
// test runs, and looks at the machine from outside.
//
// A worker is a forked process: doctest's CHECKs don't reach back from it. What runs there says
// what it expected to a Judge, and the front checks that nothing failed.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "runner/sandbox/crew.h"
#include "runner/sandbox/sandbox.h"
#include "runner/service/birth.h"

namespace fbx::test {

class Judge {
 public:
  explicit Judge(sandbox::WorkerContext& worker) : worker_(worker) {}
  // Sends `what` to the front as a failure unless `held`.
  void expect(bool held, const std::string& what);
  // The same for equality, showing both.
  void expect_eq(const std::string& got, const std::string& wanted, const std::string& what);
  // Printed by the front; no failure.
  void say(const std::string& line);
  // Any other message.
  void send(const std::string& line);
  sandbox::WorkerContext& worker() { return worker_; }

 private:
  sandbox::WorkerContext& worker_;
};

// Runs `body` in a worker of a crew of its own; CHECKs that all it expected held, that it ended
// well, and that nothing was left.
void in_worker(const std::function<void(Judge&)>& body);

// A sandbox, or the failure said to the judge and nullptr.
std::unique_ptr<sandbox::Sandbox> make_sandbox(Judge& judge, uint32_t test_number,
                                               const sandbox::SandboxOptions& options);

// What /bin/sh -c `script` prints in the sandbox (in leaf 0), both streams; reaped.
std::string sh(Judge& judge, const sandbox::Sandbox& place, const std::string& script,
               const service::Identity& user = {});

// A folder of its own below /tmp, removed with all in it.
class ScratchFolder {
 public:
  ScratchFolder();
  ~ScratchFolder();
  ScratchFolder(const ScratchFolder&) = delete;
  ScratchFolder& operator=(const ScratchFolder&) = delete;
  [[nodiscard]] const std::string& path() const { return path_; }
  // Writes a file; an absolute path comes back.
  std::string write(const std::string& name, const std::string& text, unsigned mode = 0644) const;

 private:
  std::string path_;
};

[[nodiscard]] std::string read_text(const std::string& path);

// Run cgroups of the process `pid` (0 = of any), and how many processes exist whose cgroup lies in
// one of them.
[[nodiscard]] std::vector<std::string> run_groups_of(pid_t pid);
[[nodiscard]] std::vector<pid_t> processes_in(const std::string& group_path);
// Namespaces of a kind ("net", "pid", "mnt") that any process is in, as /proc names them.
[[nodiscard]] std::vector<std::string> namespaces(const std::string& kind);

}  // namespace fbx::test
