// SPDX-License-Identifier: Apache-2.0
//
// Promise 2: SIGKILL any process of a run at any moment, and a second later nothing of it is there.
// Killed all at once, at most empty cgroup directories stay, and the next run removes them.
#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <random>
#include <set>

#include <doctest/doctest.h>

#include "base/clock.h"
#include "base/mountinfo.h"
#include "runner/sandbox/process.h"
#include "runner/sandbox/run_group.h"
#include "runner/service/service_set.h"
#include "tests/kernel/sandbox_support.h"

using namespace fbx;
using namespace fbx::test;
using sandbox::Crew;
using sandbox::CrewEvent;

namespace {

namespace fs = std::filesystem;

constexpr uint64_t kSecondNs = 1'000'000'000;
constexpr int kRounds = 40;

// ---- the run that is killed ----

// Makes a sandbox, starts two services with daemons in it, stops all, again and again.
void run_a_test(sandbox::WorkerContext& worker, uint32_t number) {
  plan::Plan plan;
  plan.spec_dir = "/usr/share";
  for (const char* port : {"8001", "8002"}) {
    plan::Service service;
    service.name = std::string("deaf") + port;
    service.binary = FBX_SERVICE_VICTIM;
    service.args = {"deaf", port, "3"};
    service.user = "12345";
    service.stop_timeout_ns = 3'000'000;
    service.interfaces.push_back(
        {"main", plan::Protocol::kTcp, static_cast<uint16_t>(std::atoi(port)), ""});
    plan.services.push_back(std::move(service));
  }
  sandbox::SandboxOptions wishes;
  wishes.spec_dir = plan.spec_dir;
  wishes.visible_files = {FBX_SERVICE_VICTIM};
  wishes.services = plan.services.size();
  auto place = sandbox::Sandbox::create(worker, number, wishes);
  if (!place) ::_exit(9);
  service::ServiceSet set({&plan, place->get(), {}, {}, worker.stop_fd});
  (void)set.start_all();
  set.stop_all();
}

int worker_main(sandbox::WorkerContext& worker) {
  pollfd stop{worker.stop_fd, POLLIN, 0};
  for (uint32_t number = 0; ::poll(&stop, 1, 0) == 0; ++number) run_a_test(worker, number);
  return 0;
}

// Ends when a worker or the keeper does. Its status says whether something was left.
[[noreturn]] void be_front(int started) {
  auto crew = Crew::create();
  if (!crew) ::_exit(8);
  for (int i = 0; i < 2; ++i) {
    if (!(*crew)->spawn_worker(worker_main)) ::_exit(8);
  }
  (void)!::write(started, "x", 1);
  CrewEvent event;
  do {
    event = (*crew)->next_event();
  } while (event.kind == CrewEvent::Kind::kMessage);
  auto left = event.residue;
  (*crew)->stop_workers(200'000'000);
  const auto more = (*crew)->finish();
  left.insert(left.end(), more.begin(), more.end());
  for (const std::string& line : left) std::fprintf(stderr, "left: %s\n", line.c_str());
  ::_exit(left.empty() ? 0 : 7);
}

// ---- the killing ----

struct Scene {
  pid_t front = -1;
  pid_t keeper = -1;
  std::vector<pid_t> workers;
  std::set<std::string> processes;  // "pid starttime" of all of the run
  std::set<std::string> namespaces;
};

std::string stat_line(pid_t pid) { return read_text("/proc/" + std::to_string(pid) + "/stat"); }

// "pid starttime", "" when there is no such process.
std::string identity_of(pid_t pid) {
  const std::string stat = stat_line(pid);
  const size_t paren = stat.rfind(')');
  if (paren == std::string::npos) return "";
  std::istringstream fields(stat.substr(paren + 2));
  std::string field;
  for (int i = 0; i < 20; ++i) fields >> field;  // field 22 of proc(5)
  return std::to_string(pid) + " " + field;
}

std::vector<pid_t> children_of(pid_t pid) {
  std::istringstream text(
      read_text("/proc/" + std::to_string(pid) + "/task/" + std::to_string(pid) + "/children"));
  std::vector<pid_t> children;
  for (pid_t child = 0; text >> child;) children.push_back(child);
  return children;
}

std::vector<std::string> namespaces_of(pid_t pid) {
  std::vector<std::string> names;
  for (const char* kind : {"net", "pid", "mnt", "ipc"}) {
    std::error_code gone;
    const auto name = fs::read_symlink("/proc/" + std::to_string(pid) + "/ns/" + kind, gone);
    if (!gone) names.push_back(name.string());
  }
  return names;
}

Scene look_at(pid_t front) {
  Scene scene;
  scene.front = front;
  for (const pid_t child : children_of(front)) {
    const std::string stat = stat_line(child);
    if (stat.find("(fbx-keeper)") != std::string::npos) scene.keeper = child;
    if (stat.find("(fbx-worker)") != std::string::npos) scene.workers.push_back(child);
  }
  const auto own = namespaces_of(::getpid());
  std::vector<pid_t> all{front, scene.keeper};
  for (const std::string& group : run_groups_of(front)) {
    const auto inside = processes_in(group);
    all.insert(all.end(), inside.begin(), inside.end());
  }
  for (const pid_t pid : all) {
    if (const std::string identity = identity_of(pid); !identity.empty())
      scene.processes.insert(identity);
    for (const std::string& name : namespaces_of(pid)) {
      if (std::ranges::find(own, name) == own.end()) scene.namespaces.insert(name);
    }
  }
  return scene;
}

// What of the scene is still there; "" = nothing.
std::string remains(const Scene& scene, bool empty_groups_allowed) {
  for (const std::string& group : run_groups_of(scene.front)) {
    if (!empty_groups_allowed) return "cgroup " + group;
    if (!processes_in(group).empty()) return "processes in " + group;
  }
  for (const std::string& process : scene.processes) {
    if (identity_of(std::atoi(process.c_str())) == process)
      return "process " + stat_line(std::atoi(process.c_str()));
  }
  for (const char* kind : {"net", "pid", "mnt", "ipc"}) {
    for (const std::string& name : namespaces(kind)) {
      if (scene.namespaces.contains(name)) return "namespace " + name;
    }
  }
  std::istringstream mounts(read_text("/proc/self/mountinfo"));
  for (std::string line; std::getline(mounts, line);) {
    if (line.find(" fbx ") != std::string::npos) return "mount " + line;
  }
  return "";
}

enum class Victim { kFront, kWorker, kKeeper, kAll };

void kill_them(const Scene& scene, Victim victim) {
  std::vector<pid_t> targets;
  if (victim == Victim::kFront || victim == Victim::kAll) targets.push_back(scene.front);
  if (victim == Victim::kKeeper || victim == Victim::kAll) targets.push_back(scene.keeper);
  if (victim == Victim::kWorker && !scene.workers.empty()) targets.push_back(scene.workers[0]);
  if (victim == Victim::kAll)
    targets.insert(targets.end(), scene.workers.begin(), scene.workers.end());
  for (const pid_t pid : targets) ::kill(pid, SIGKILL);
}

// The front is our child: waits for its end, up to a second.
bool front_ended(pid_t front, uint64_t deadline_ns, int& status) {
  auto pidfd = sandbox::open_pidfd(front);
  if (!pidfd) return false;
  pollfd ended{pidfd->get(), POLLIN, 0};
  if (::poll(&ended, 1, poll_timeout_ms(deadline_ns)) != 1) return false;
  return ::waitpid(front, &status, 0) == front;
}

// Nothing tells when a process of somebody else has left /proc: look again until the bound.
// Orphans come to us, who stand in for an init that reaps: not every machine's does so at once.
std::string remains_at(const Scene& scene, bool empty_groups_allowed, uint64_t deadline_ns) {
  std::string left;
  do {
    while (::waitpid(-1, nullptr, WNOHANG) > 0) {
    }
    left = remains(scene, empty_groups_allowed);
  } while (!left.empty() && now_ns() < deadline_ns);
  return left;
}

// A front that outlives its round, because something in it failed, would play tests for ever.
class FrontGuard {
 public:
  explicit FrontGuard(pid_t front) : front_(front) {}
  ~FrontGuard() {
    int status = 0;
    if (::waitpid(front_, &status, WNOHANG) == 0) ::kill(front_, SIGKILL);
  }
  FrontGuard(const FrontGuard&) = delete;
  FrontGuard& operator=(const FrontGuard&) = delete;

 private:
  pid_t front_;
};

// The keeper takes its name after it was forked, at a moment of its own.
Scene look_until_named(pid_t front) {
  const uint64_t deadline = now_ns() + 10 * kSecondNs;
  Scene scene = look_at(front);
  while (scene.keeper < 0 && now_ns() < deadline) scene = look_at(front);
  return scene;
}

void play_round(Victim victim, uint32_t moment_us) {
  int ends[2];
  REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
  sandbox::Fd started(ends[0]);
  std::fflush(nullptr);
  const pid_t front = ::fork();
  if (front == 0) be_front(ends[1]);
  const FrontGuard guard(front);
  ::close(ends[1]);
  char byte = 0;
  REQUIRE(::read(started.get(), &byte, 1) == 1);
  // A moment drawn by lot, not a wait for something.
  ::usleep(moment_us);
  const Scene scene = look_until_named(front);
  REQUIRE(scene.keeper > 0);
  kill_them(scene, victim);
  const uint64_t deadline = now_ns() + kSecondNs;
  int status = 0;
  REQUIRE(front_ended(front, deadline, status));
  const bool front_killed = victim == Victim::kFront || victim == Victim::kAll;
  if (!front_killed) CHECK(status == 0);
  CHECK(remains_at(scene, victim == Victim::kAll, deadline) == "");
}

std::string hierarchy() {
  return find_cgroup2_mount(own_mountinfo());
}

}  // namespace

TEST_CASE("SIGKILL of front, worker, keeper or all, at any moment, leaves nothing") {
  REQUIRE(::prctl(PR_SET_CHILD_SUBREAPER, 1) == 0);
  std::mt19937 draw(20260101);
  for (int round = 0; round < kRounds; ++round) {
    const auto victim = static_cast<Victim>(round % 4);
    const uint32_t moment_us = draw() % 40'000;
    CAPTURE(round);
    CAPTURE(static_cast<int>(victim));
    CAPTURE(moment_us);
    play_round(victim, moment_us);
  }
  // The empty directories of those that were killed all at once go with the next run.
  const sandbox::Fd parent(::open(hierarchy().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  sandbox::sweep_dead_runs(parent.get());
  for (const std::string& group : run_groups_of(0)) {
    const sandbox::Fd fd(::open(group.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    // Somebody else's living run is locked.
    if (fd) CHECK(::flock(fd.get(), LOCK_EX | LOCK_NB) != 0);
  }
}

TEST_CASE("sweeping takes dead runs with what is in them, and nothing else") {
  const std::string top = hierarchy();
  const std::string dead = top + "/fbx.1.00000000000000aa";
  const std::string living = top + "/fbx.1.00000000000000bb";
  const std::string stranger = top + "/fbx.notes";
  for (const std::string& dir : {dead, dead + "/test.0.1", living, stranger})
    REQUIRE(::mkdir(dir.c_str(), 0755) == 0);
  const sandbox::Fd lock(::open(living.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  REQUIRE(::flock(lock.get(), LOCK_EX) == 0);
  std::fflush(nullptr);
  const pid_t inmate = ::fork();
  if (inmate == 0) {
    std::ofstream(dead + "/test.0.1/cgroup.procs") << "0" << std::flush;
    for (;;) ::pause();
  }
  while (processes_in(dead).empty()) {
  }
  const sandbox::Fd parent(::open(top.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  CHECK(sandbox::sweep_dead_runs(parent.get()) >= 1);
  int status = 0;
  CHECK(::waitpid(inmate, &status, 0) == inmate);
  CHECK(WTERMSIG(status) == SIGKILL);
  CHECK(!fs::exists(dead));
  CHECK(fs::exists(living));
  CHECK(fs::exists(stranger));
  CHECK(::rmdir(living.c_str()) == 0);
  CHECK(::rmdir(stranger.c_str()) == 0);
}

TEST_CASE("SIGTERM to the front is an event, and the workers stop cleanly") {
  std::fflush(nullptr);
  const pid_t front = ::fork();
  if (front == 0) {
    auto crew = Crew::create();
    if (!crew || !(*crew)->spawn_worker(worker_main)) ::_exit(8);
    ::kill(::getpid(), SIGTERM);
    const CrewEvent event = (*crew)->next_event();
    if (event.kind != CrewEvent::Kind::kInterrupted || event.signal != SIGTERM) ::_exit(6);
    (*crew)->stop_workers(2'000'000'000);
    ::_exit((*crew)->finish().empty() ? 0 : 7);
  }
  int status = 0;
  REQUIRE(front_ended(front, now_ns() + 10 * kSecondNs, status));
  CHECK(status == 0);
  CHECK(run_groups_of(front).empty());
}

TEST_CASE("messages arrive whole and before the exit of who sent them") {
  auto crew = Crew::create();
  REQUIRE(crew);
  const std::string long_one(3'000'000, 'y');
  const auto worker = (*crew)->spawn_worker([&](sandbox::WorkerContext& context) {
    auto asked = context.channel->receive();
    if (!asked || !*asked) return 5;
    (void)context.channel->send(**asked + "!");
    (void)context.channel->send("");
    (void)context.channel->send(long_one);
    return 4;
  });
  REQUIRE(worker);
  REQUIRE((*crew)->send(*worker, "hello"));
  for (const std::string& wanted : {std::string("hello!"), std::string(), long_one}) {
    const CrewEvent event = (*crew)->next_event(10 * kSecondNs);
    REQUIRE(event.kind == CrewEvent::Kind::kMessage);
    CHECK((event.message == wanted));
  }
  const CrewEvent end = (*crew)->next_event(10 * kSecondNs);
  CHECK(end.kind == CrewEvent::Kind::kWorkerExited);
  CHECK(WEXITSTATUS(end.wait_status) == 4);
  CHECK((*crew)->finish().empty());
}
