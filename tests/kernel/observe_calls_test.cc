// SPDX-License-Identifier: Apache-2.0
//
// Records against what victims print: return, errno, path, opened_as, in the victim's own order.
#include <doctest/doctest.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <sstream>

#include "bpf/abi/tables.h"
#include "tests/kernel/observe_harness.h"

namespace {

using namespace fbx;
using namespace fbx::observe;
namespace t = fbx::observe::testing;

struct Said {
  std::string name;
  int64_t ret = 0;
  std::string path, opened_as;
};

std::vector<Said> parse(const std::string& output) {
  std::vector<Said> all;
  std::istringstream lines(output);
  std::string line;
  while (std::getline(lines, line)) {
    if (line == "ok") continue;
    Said said;
    std::istringstream fields(line);
    std::string ret;
    std::getline(fields, said.name, '\t');
    std::getline(fields, ret, '\t');
    std::getline(fields, said.path, '\t');
    std::getline(fields, said.opened_as, '\t');
    said.ret = std::stoll(ret);
    all.push_back(said);
  }
  return all;
}

// Calls of the run-time (loader, stdio) are left out: before the victim's first own call, and
// writes to its standard output.
std::vector<Event> own(EventStore& store, const std::vector<Said>& said) {
  std::vector<Event> all = t::events(store, 0);
  std::vector<Event> found;
  bool begun = false;
  for (const Event& event : all) {
    const std::string path(store.string(event.path));
    if (!begun && !said.empty())
      begun = abi::find_syscall(event.nr)->name == said[0].name && path == said[0].path;
    if (begun && event.fd != 1) found.push_back(event);
  }
  return found;
}

void compare(EventStore& store, const std::vector<Said>& said, const std::vector<Event>& seen) {
  for (size_t i = 0; i < std::max(said.size(), seen.size()); ++i) {
    CAPTURE(i);
    if (i < seen.size()) INFO("seen " << t::show(store, seen[i]));
    std::string one = i < seen.size() ? t::show(store, seen[i]) : "(nothing)";
    CAPTURE(one);
    REQUIRE(i < said.size());
    std::string two = said[i].name + " = " + std::to_string(said[i].ret) + " '" + said[i].path +
                      "' as '" + said[i].opened_as + "'";
    CAPTURE(two);
    REQUIRE(i < seen.size());
    CHECK(abi::find_syscall(seen[i].nr)->name == said[i].name);
    CHECK(seen[i].ret == said[i].ret);
    if (said[i].path != "-") CHECK(store.string(seen[i].path) == said[i].path);
    if (said[i].opened_as != "-") CHECK(store.string(seen[i].opened_as) == said[i].opened_as);
    CHECK(seen[i].begin_ns > 0);
    CHECK(seen[i].begin_ns <= seen[i].end_ns);
    CHECK(seen[i].state == CallState::kDone);
  }
}

const std::vector<std::string> kEverything = {
    "open",  "close",  "read",    "write",   "fsync",   "rename", "link",     "unlink", "symlink",
    "mkdir", "rmdir",  "dup",     "exec",    "connect", "accept", "nanosleep"};

// Runs one case of the victim and gives the test its store.
void run_case(const std::string& name,
              const std::function<void(EventStore&, std::vector<Said>, std::vector<Event>)>& check) {
  auto observer = t::observer();
  REQUIRE(observer->begin_test(t::watch(1, kEverything)));
  const std::string dir = t::scratch_dir() + "/" + name;
  mkdir(dir.c_str(), 0755);
  t::Victim victim("a", {t::victim("observe_victim"), name, dir});
  const std::string output = victim.output();
  CHECK(victim.wait() == 0);
  CHECK(output.ends_with("ok\n"));
  const auto barrier = observer->barrier(1'000'000'000);
  REQUIRE(barrier);
  CHECK(barrier->exact);
  CHECK(barrier->in_flight.empty());
  const std::vector<Said> said = parse(output);
  check(observer->store(), said, own(observer->store(), said));
  REQUIRE(observer->end_test());
  CAPTURE(observer->loss().written);
  CAPTURE(observer->loss().kept);
  CAPTURE(observer->loss().filtered);
  CAPTURE(observer->loss().lost);
  CHECK(observer->loss().exact());
}

void as_printed(const std::string& name) { run_case(name, compare); }

TEST_CASE("files: open, read, write, sync, close, and their failures") { as_printed("files"); }
TEST_CASE("names follow rename, link, unlink, symlink") { as_printed("names"); }
TEST_CASE("relative paths begin at the directory they are given") { as_printed("relative"); }
TEST_CASE("dup, O_TMPFILE, memfd, pipe, device") { as_printed("inherited"); }
TEST_CASE("an exec keeps its arguments, descriptors survive it") {
  run_case("executes", [](EventStore& store, std::vector<Said> said, std::vector<Event> seen) {
    // The loader of the second program opens, reads and closes its own files in between.
    std::erase_if(seen, [&](const Event& event) {
      const std::string path(store.string(event.path));
      return !path.starts_with(t::scratch_dir()) && event.nr != SYS_execve;
    });
    compare(store, said, seen);
  });
}
TEST_CASE("a descriptor that came over a socket has its file's path") { as_printed("passed"); }
TEST_CASE("a descriptor closed and reused under a call is what it was at its begin") {
  run_case("reused", [](EventStore& store, std::vector<Said> said, std::vector<Event> seen) {
    // How the victim finds out that its thread waits.
    std::erase_if(seen, [&](const Event& event) {
      return store.string(event.path).starts_with("/proc/") ||
             store.string(event.opened_as).starts_with("/proc/");
    });
    compare(store, said, seen);
    CHECK(seen.back().on == FdKind::kPipe);
  });
}
TEST_CASE("odd bytes, and paths as long as they can be") {
  run_case("odd", [](EventStore& store, std::vector<Said> said, std::vector<Event> seen) {
    compare(store, said, seen);
    REQUIRE(!seen.empty());
    CHECK(store.string(seen.back().path).size() == 4095);
    CHECK_FALSE((seen.back().flags & kPathCut));
  });
}
TEST_CASE("paths are those of the task's root") { as_printed("rooted"); }

TEST_CASE("kinds and flags of descriptors") {
  run_case("inherited", [](EventStore& store, std::vector<Said>, std::vector<Event> seen) {
    std::vector<FdKind> kinds;
    for (const Event& event : seen)
      if (event.nr == SYS_write) kinds.push_back(event.on);
    const std::vector<FdKind> expected = {FdKind::kFile,   FdKind::kFile, FdKind::kFile,
                                          FdKind::kPseudo, FdKind::kPipe, FdKind::kPseudo};
    CHECK(kinds == expected);
    for (const Event& event : seen) {
      const std::string path(store.string(event.path));
      if (path.find("/#") != std::string::npos) CHECK((event.flags & kDeleted));
    }
  });
}

TEST_CASE("a write to an O_DSYNC descriptor says that it syncs") {
  run_case("synced", [](EventStore& store, std::vector<Said> said, std::vector<Event> seen) {
    compare(store, said, seen);
    std::vector<bool> sync;
    for (const Event& event : seen)
      if (event.nr != SYS_openat) sync.push_back(event.flags & kSync);
    CHECK(sync == std::vector<bool>{true, true, false});
  });
}

#ifdef __x86_64__
TEST_CASE("a 32-bit call goes by its own name") {
  run_case("compat", [](EventStore& store, std::vector<Said> said, std::vector<Event> seen) {
    compare(store, said, seen);
    for (const Event& event : seen)
      CHECK(static_cast<bool>(event.flags & kCompat) == (event.nr != SYS_openat));
  });
}
#endif

TEST_CASE("an interrupted call is one event, whatever became of it") {
  run_case("restarts", [](EventStore& store, std::vector<Said> said, std::vector<Event> seen) {
    // The feeder's own calls.
    const uint32_t pid = seen.empty() ? 0 : seen.front().pid;
    std::erase_if(seen, [&](const Event& event) { return event.pid != pid; });
    compare(store, said, seen);
    CHECK((seen[1].flags & kRestarted));
    CHECK(seen[1].end_ns - seen[1].begin_ns > 40'000'000);
    CHECK_FALSE((seen[2].flags & kRestarted));
  });
}

TEST_CASE("every thread and every child is seen, once") {
  run_case("threads", [](EventStore& store, std::vector<Said> said, std::vector<Event> seen) {
    std::erase_if(seen, [](const Event& event) {
      return event.nr != SYS_write && event.nr != SYS_openat;
    });
    compare(store, said, seen);
    std::vector<uint32_t> tids, pids;
    for (const Event& event : seen) {
      tids.push_back(event.tid);
      pids.push_back(event.pid);
    }
    std::ranges::sort(tids);
    std::ranges::sort(pids);
    CHECK(std::ranges::unique(tids).begin() - tids.begin() == 1 + 8 + 4);
    CHECK(std::ranges::unique(pids).begin() - pids.begin() == 1 + 4);
  });
}

TEST_CASE("only what is asked for is recorded, and only of services") {
  auto observer = t::observer();
  REQUIRE(observer->begin_test(t::watch(1, {"fsync"})));
  t::Victim victim("a", {t::victim("observe_victim"), "files", t::scratch_dir()});
  t::Victim stranger("stranger", {t::victim("observe_victim"), "files", t::scratch_dir()});
  CHECK(victim.output().ends_with("ok\n"));
  CHECK(stranger.output().ends_with("ok\n"));
  victim.wait();
  REQUIRE(observer->barrier(1'000'000'000));
  // The family holds the writes too: one to an O_DSYNC descriptor is a sync.
  const std::vector<uint16_t> asked = abi::numbers("fsync");
  size_t syncs = 0;
  for (const Event& event : t::events(observer->store(), 0)) {
    CHECK(std::ranges::binary_search(asked, event.nr));
    syncs += event.nr == SYS_fsync || event.nr == SYS_fdatasync;
  }
  CHECK(syncs == 2);
  CHECK(observer->store().of(0, SYS_fsync).size() == 1);
  CHECK(t::events(observer->store(), 0).size() == observer->store().size());
  REQUIRE(observer->end_test());
  CHECK(observer->loss().exact());
}

TEST_CASE("signals that a service takes are events, but for those it makes for itself") {
  auto observer = t::observer();
  REQUIRE(observer->begin_test(t::watch(1, {"fsync"})));
  t::Victim victim("a", [] {
    signal(SIGHUP, [](int) {});
    signal(SIGURG, [](int) {});
    signal(SIGCHLD, SIG_IGN);
    syscall(SYS_tgkill, getpid(), syscall(SYS_gettid), SIGURG);  // Go's pre-emption
    kill(getpid(), SIGHUP);
    const pid_t child = fork();
    if (child == 0) {
      signal(SIGTERM, SIG_DFL);  // doctest has a handler
      kill(getpid(), SIGTERM);
    }
    while (waitpid(child, nullptr, 0) >= 0) {
    }
    return 0;
  });
  CHECK(victim.wait() == 0);
  REQUIRE(observer->barrier(1'000'000'000));
  REQUIRE(observer->end_test());
  CHECK(observer->loss().exact());
  std::vector<int64_t> own, others;
  const EventStore& store = observer->store();
  for (uint64_t seq = 1; seq <= store.size(); ++seq) {
    const Event& event = store.at(seq);
    if (event.type != EventType::kLifecycle) continue;
    CHECK(event.what == Lifecycle::kSignal);
    CHECK(event.service == 0);
    CHECK(event.begin_ns != 0);
    (event.pid == static_cast<uint32_t>(victim.pid()) ? own : others).push_back(event.ret);
  }
  CHECK(own == std::vector<int64_t>{SIGHUP});
  CHECK(others == std::vector<int64_t>{SIGTERM});
}

TEST_CASE("a cgroup that a service makes below its own is the service's") {
  auto observer = t::observer();
  REQUIRE(observer->begin_test(t::watch(1, {"fsync"})));
  const std::string below = t::Run::get().dir() + "/a/below";
  REQUIRE(mkdir(below.c_str(), 0755) == 0);
  {
    t::Victim victim("a", [&] {
      const int procs = open((below + "/cgroup.procs").c_str(), O_WRONLY);
      if (write(procs, "0", 1) != 1) return 1;
      fsync(-1);
      return 0;
    });
    CHECK(victim.wait() == 0);
  }
  REQUIRE(observer->barrier(1'000'000'000));
  const std::vector<uint64_t>& seen = observer->store().of(0, SYS_fsync);
  REQUIRE(seen.size() == 1);
  CHECK(observer->store().at(seen[0]).ret == -EBADF);
  CHECK(rmdir(below.c_str()) == 0);
  REQUIRE(observer->end_test());
}

}  // namespace
