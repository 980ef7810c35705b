// SPDX-License-Identifier: Apache-2.0
#include "tests/kernel/sandbox_support.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>

#include <doctest/doctest.h>

#include "base/mountinfo.h"
#include "runner/sandbox/process.h"
#include "runner/sandbox/run_group.h"

namespace fbx::test {

namespace fs = std::filesystem;
using sandbox::Crew;
using sandbox::CrewEvent;

void Judge::expect(bool held, const std::string& what) {
  if (!held) send("failed: " + what);
}

void Judge::expect_eq(const std::string& got, const std::string& wanted, const std::string& what) {
  expect(got == wanted, what + ": got \"" + got + "\", wanted \"" + wanted + "\"");
}

void Judge::say(const std::string& line) { send("said: " + line); }

void Judge::send(const std::string& line) { (void)worker_.channel->send(line); }

void in_worker(const std::function<void(Judge&)>& body) {
  auto crew = Crew::create();
  REQUIRE_MESSAGE(crew, sandbox::text(crew.error()));
  const auto spawned = (*crew)->spawn_worker([&](sandbox::WorkerContext& worker) {
    Judge judge(worker);
    body(judge);
    return 0;
  });
  REQUIRE(spawned);
  for (;;) {
    const CrewEvent event = (*crew)->next_event(60'000'000'000);
    if (event.kind == CrewEvent::Kind::kMessage) {
      if (event.message.starts_with("said: "))
        std::puts(event.message.c_str() + 6);
      else
        FAIL_CHECK(event.message);
      continue;
    }
    REQUIRE_MESSAGE(event.kind == CrewEvent::Kind::kWorkerExited, static_cast<int>(event.kind));
    CHECK(event.wait_status == 0);
    CHECK(event.residue == std::vector<std::string>{});
    break;
  }
  CHECK((*crew)->finish() == std::vector<std::string>{});
}

std::unique_ptr<sandbox::Sandbox> make_sandbox(Judge& judge, uint32_t test_number,
                                               const sandbox::SandboxOptions& options) {
  auto made = sandbox::Sandbox::create(judge.worker(), test_number, options);
  if (made) return std::move(*made);
  judge.expect(false, "making a sandbox: " + sandbox::text(made.error()));
  return nullptr;
}

std::string sh(Judge& judge, const sandbox::Sandbox& place, const std::string& script,
               const service::Identity& user) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return "pipe failed";
  const sandbox::Fd read_end(ends[0]);
  sandbox::Fd write_end(ends[1]);
  service::BirthRequest request;
  request.sandbox = &place;
  request.cgroup_fd = place.leaf(0).fd();
  request.path = "/bin/sh";
  request.argv = {"sh", "-c", script};
  request.env = {"PATH=/usr/sbin:/usr/bin:/sbin:/bin"};
  request.cwd = "/";
  request.user = user;
  request.stdout_fd = request.stderr_fd = write_end.get();
  auto born = service::give_birth_and_wait(request);
  write_end.reset();
  if (!born) {
    judge.expect(false, born.error().text());
    return "";
  }
  std::string out;
  char chunk[4096];
  for (ssize_t n = 0; (n = ::read(read_end.get(), chunk, sizeof chunk)) > 0;)
    out.append(chunk, static_cast<size_t>(n));
  (void)sandbox::reap(born->pid);
  return out;
}

ScratchFolder::ScratchFolder() {
  char name[] = "/tmp/fbx-test-XXXXXX";
  path_ = ::mkdtemp(name);
  ::chmod(path_.c_str(), 0755);
}

ScratchFolder::~ScratchFolder() {
  std::error_code ignored;
  fs::remove_all(path_, ignored);
}

std::string ScratchFolder::write(const std::string& name, const std::string& text,
                                 unsigned mode) const {
  const std::string path = path_ + "/" + name;
  fs::create_directories(fs::path(path).parent_path());
  std::ofstream(path) << text;
  ::chmod(path.c_str(), mode);
  return path;
}

std::string read_text(const std::string& path) {
  // By operator<<: a file of /proc can fail in the middle, when its process ends.
  const std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

std::vector<std::string> run_groups_of(pid_t pid) {
  const std::string mount = find_cgroup2_mount(own_mountinfo());
  const std::string prefix = pid == 0 ? "fbx." : "fbx." + std::to_string(pid) + ".";
  std::vector<std::string> found;
  for (const auto& entry : fs::directory_iterator(mount)) {
    if (entry.path().filename().string().starts_with(prefix))
      found.push_back(entry.path().string());
  }
  return found;
}

std::vector<pid_t> processes_in(const std::string& group_path) {
  std::vector<pid_t> pids;
  std::error_code gone;
  std::vector<fs::path> groups{group_path};
  for (fs::recursive_directory_iterator it(group_path, gone), end; !gone && it != end;
       it.increment(gone)) {
    if (it->is_directory(gone)) groups.push_back(it->path());
  }
  for (const fs::path& group : groups) {
    std::istringstream lines(read_text((group / "cgroup.procs").string()));
    for (pid_t pid = 0; lines >> pid;) pids.push_back(pid);
  }
  return pids;
}

std::vector<std::string> namespaces(const std::string& kind) {
  std::set<std::string> found;
  for (const auto& entry : fs::directory_iterator("/proc")) {
    if (!std::isdigit(static_cast<unsigned char>(entry.path().filename().string()[0]))) continue;
    std::error_code gone;
    const auto name = fs::read_symlink(entry.path() / "ns" / kind, gone);
    if (!gone) found.insert(name.string());
  }
  return {found.begin(), found.end()};
}

}  // namespace fbx::test
