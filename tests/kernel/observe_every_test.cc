// SPDX-License-Identifier: Apache-2.0
//
// Every call of the table is made once with arguments that it must refuse, in a process of its own,
// and its record must hold what the process got: the number, the arguments, the result. Registers
// are poisoned where the kernel does not look, the upper halves of 32-bit arguments and those that
// are no arguments (as strace's tests do), and nothing of that may show.
#include <doctest/doctest.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <string>
#include <vector>

#include "bpf/abi/tables.h"
#include "tests/kernel/observe_harness.h"
#include "tests/kernel/observe_successes.h"

namespace {

using namespace fbx;
using namespace fbx::observe;
namespace t = fbx::observe::testing;

struct Exception {
  const char* call;
  const char* reason;
};
constexpr Exception kNotMade[] = {
    {"exit", "does not return: observe_calls_test"},
    {"exit_group", "does not return: observe_calls_test"},
    {"rt_sigreturn", "without a signal's frame it kills its caller: observe_calls_test"},
    {"pause", "can't fail but by a signal: observe_calls_test has interrupted calls"},
    {"fork", "takes no arguments and succeeds: observe_calls_test has children"},
    {"vfork", "as fork"},
    {"vhangup", "takes no arguments and hangs up the terminal of whoever runs the tests"},
    {"sync", "takes no arguments and writes the machine's disks: slow under load"},
};
static_assert(std::size(kNotMade) <= 25);

bool made(const abi::Syscall& row) {
  for (const Exception& one : kNotMade)
    if (row.name == one.call) return false;
  return row.nr() >= 0;
}

using Args = std::array<uint64_t, 6>;

// Minus one is no descriptor, no flags, no length, no signal and no command; one is no address.
uint64_t refused(uint8_t role) {
  constexpr uint64_t kPoison = 0xbad0bad000000000;
  if (role == FBX_ARG_NONE) return kPoison | 0xbad0bad0;
  if (FBX_ARG_IS_32BIT(role)) return kPoison | 0xffffffff;
  switch (role) {
    case FBX_ARG_LEN:
    case FBX_ARG_OFFSET:
    case FBX_ARG_IOVCNT:
    case FBX_ARG_WORD:
      return ~uint64_t{0};
    default:
      return 1;
  }
}

Args refused(const abi::Syscall& row) {
  Args args{};
  for (size_t i = 0; i < args.size(); ++i) args[i] = refused(row.args[i]);
  return args;
}

// What of them means something.
uint64_t meant(uint8_t role, uint64_t given) {
  if (role == FBX_ARG_NONE) return 0;
  return FBX_ARG_IS_32BIT(role) ? static_cast<uint32_t>(given) : given;
}

long make(int nr, const Args& a) {
  const long ret = syscall(nr, a[0], a[1], a[2], a[3], a[4], a[5]);
  return ret == -1 ? -errno : ret;
}

constexpr int64_t kNoResult = INT64_MIN;

struct Made {
  int64_t result;
  pid_t by;
};

// Makes each call in a child of its own, and leaves what came of it in results[nr].
int make_all(volatile Made* results) {
  for (const abi::Syscall& row : abi::kSyscalls) {
    if (!made(row)) continue;
    const Args args = refused(row);
    const pid_t child = fork();
    if (child == 0) {
      alarm(20);
      results[row.nr()].result = make(row.nr(), args);
      syscall(SYS_exit_group, 0);
    }
    results[row.nr()].by = child;
    if (child < 0 || waitpid(child, nullptr, 0) != child) return 1;
  }
  return 0;
}

// Everything there is, watched.
TestWatch watch_all() {
  TestWatch watch = t::watch(1, {"write"});
  watch.services[0].syscalls.clear();
  for (uint16_t nr = 0; nr < FBX_NR_LIMIT; ++nr)
    if (abi::find_syscall(int{nr})) watch.services[0].syscalls.push_back(nr);
  return watch;
}

volatile Made* shared_results() {
  auto* results =
      static_cast<volatile Made*>(mmap(nullptr, FBX_NR_LIMIT * sizeof(Made), PROT_READ | PROT_WRITE,
                                       MAP_SHARED | MAP_ANONYMOUS, -1, 0));
  for (int i = 0; i < FBX_NR_LIMIT; ++i) results[i].result = kNoResult;
  return results;
}

TEST_CASE("every call is recorded as it was made and as it ended") {
  volatile Made* results = shared_results();
  auto observer = t::observer(64u << 20);
  REQUIRE(observer->begin_test(watch_all()));
  t::Victim victim("a", [&] { return make_all(results); });
  CHECK(victim.wait() == 0);
  REQUIRE(observer->end_test());
  CHECK(observer->loss().exact());
  const EventStore& store = observer->store();
  size_t failed = 0, all = 0;
  for (const abi::Syscall& row : abi::kSyscalls) {
    if (!made(row)) continue;
    CAPTURE(std::string(row.name));
    const auto nr = static_cast<uint16_t>(row.nr());
    const Args args = refused(row);
    const int64_t expected = results[nr].result;
    REQUIRE(expected != kNoResult);
    size_t found = 0;
    for (uint64_t seq : store.of(0, nr)) {
      const Event& event = store.at(seq);
      // alarm is made by every child besides.
      if (event.tid != static_cast<uint32_t>(results[nr].by) || event.ret != expected) continue;
      ++found;
      for (size_t i = 0; i < args.size(); ++i) {
        CAPTURE(i);
        CHECK(event.args[i] == meant(row.args[i], args[i]));
      }
      CHECK(event.state == CallState::kDone);
      CHECK(event.begin_ns != 0);
      CHECK(event.begin_ns <= event.end_ns);
    }
    CHECK(found == 1);
    failed += expected < 0;
    ++all;
  }
  MESSAGE(all, " calls made, ", failed, " of them refused");
  CHECK(failed > 300);
}

// Calls that no kernel has any more: all that can become of them is ENOSYS, which is tested.
constexpr std::string_view kGone[] = {
    "uselib",        "_sysctl",       "create_module",  "get_kernel_syms", "query_module", "nfsservctl",
    "getpmsg",       "putpmsg",       "afs_syscall",    "tuxcall",         "security",
    "set_thread_area", "get_thread_area", "epoll_ctl_old", "epoll_wait_old", "vserver",
};

// Calls without a row in successes(), and why. A row added to the table has to be in one or the
// other.
constexpr Exception kNoSuccess[] = {
    {"exit", "does not return: observe_calls_test"},
    {"exit_group", "does not return: observe_calls_test"},
    {"pause", "ends by a signal alone, with EINTR: observe_calls_test"},
    {"rt_sigsuspend", "as pause"},
    {"restart_syscall", "goes by the name of the call that it restarts: observe_calls_test"},
    {"io_cancel", "fs/aio.c: what it cancels it reports by the ring and returns EINPROGRESS"},
    {"lookup_dcookie", "gone since 6.7; before, it takes a cookie of a profile being recorded"},
    {"process_mrelease", "succeeds between a process's death and its end: a race"},
    {"lsm_set_self_attr", "takes a label of the policy that the machine has"},
    {"quotactl_fd", "takes a file system with quotas; without one, only quotactl can succeed"},
    {"swapon", "changes the machine that runs the tests"},
    {"swapoff", "as swapon"},
    {"reboot", "as swapon"},
    {"init_module", "as swapon"},
    {"finit_module", "as swapon"},
    {"delete_module", "as swapon"},
    {"kexec_load", "as swapon"},
    {"kexec_file_load", "as swapon"},
    {"clock_settime", "as swapon"},
};
static_assert(std::size(kNoSuccess) <= 25);

bool excepted(std::string_view call) {
  return std::ranges::count(kGone, call) + std::ranges::count(kNoSuccess, call, [](const Exception& one) {
           return std::string_view(one.call);
         }) == 1;
}

TEST_CASE("every call of the table has a row that succeeds, or a reason") {
  for (const abi::Syscall& row : abi::kSyscalls) {
    if (row.nr() < 0) continue;
    CAPTURE(std::string(row.name));
    const bool listed =
        std::ranges::find(t::successes(), row.name, &t::Success::call) != t::successes().end();
    CHECK(listed != excepted(row.name));
  }
}

TEST_CASE("a call that is gone can't be made") {
  for (std::string_view call : kGone) {
    CAPTURE(std::string(call));
    CHECK(make(abi::find_syscall(call)->nr(), {}) == -ENOSYS);
  }
}

struct Succeeded {
  int64_t result;
  pid_t by;
  t::Witness witness;
};

int make_successes(Succeeded* results, const std::string& dir) {
  for (const t::Success& one : t::successes()) {
    Succeeded& mine = results[abi::find_syscall(one.call)->nr()];
    one.call.copy(mine.witness.call, sizeof mine.witness.call - 1);
    mine.by = 0;
    const pid_t child = fork();
    if (child == 0) {
      alarm(20);
      t::witness = &mine.witness;
      mine.result = 0;  // of a call that succeeds by not returning
      mine.by = getpid();
      t::Things things((dir + "/" + std::string(one.call)).c_str());
      things.by = &mine.by;
      mine.result = one.make(things);
      syscall(SYS_exit_group, 0);
    }
    if (child < 0 || waitpid(child, nullptr, 0) != child) return 1;
  }
  return 0;
}

// Why the event is not what its maker says; "" when it is.
std::string difference(const EventStore& store, const Event& event, const abi::Syscall& row,
                       const t::Witness& said, const std::string& folder) {
  if (event.state != CallState::kDone) return "it has no end";
  for (size_t i = 0; said.args[0] + said.args[1] != 0 && i < 6; ++i)
    if (event.args[i] != meant(row.args[i], said.args[i])) return "argument " + std::to_string(i);
  const std::string path(store.string(event.path)), opened_as(store.string(event.opened_as));
  const std::string given = said.path;
  if (!given.empty()) {
    const std::string whole = given[0] == '/' ? given : folder + "/" + given;
    if (opened_as != whole) return "opened as '" + opened_as + "', not '" + whole + "'";
  }
  if (said.file[0] == '/' && path != said.file)
    return "of '" + path + "', not '" + said.file + "'";
  return "";
}

TEST_CASE("a success of each call is recorded as its maker says: arguments, result, path") {
  auto* results = static_cast<Succeeded*>(mmap(nullptr, FBX_NR_LIMIT * sizeof(Succeeded),
                                               PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
                                               -1, 0));
  const std::string dir = t::scratch_dir();
  auto observer = t::observer(64u << 20);
  REQUIRE(observer->begin_test(watch_all()));
  t::Victim victim("a", [&] { return make_successes(results, dir); });
  CHECK(victim.wait() == 0);
  syscall(SYS_mq_unlink, "fbx-test");  // of the rows of message queues
  REQUIRE(observer->end_test());
  CHECK(observer->loss().exact());
  const EventStore& store = observer->store();
  size_t succeeded = 0, named = 0;
  for (const t::Success& one : t::successes()) {
    CAPTURE(std::string(one.call));
    const abi::Syscall& row = *abi::find_syscall(one.call);
    const Succeeded& mine = results[row.nr()];
    REQUIRE(mine.by != 0);
    // The table is that of the newest kernel; an older one says that it has no such call.
    const bool unknown_here = mine.result == -ENOSYS || (one.absent && mine.result == -one.absent);
    if (!unknown_here) CHECK(mine.result >= 0);
    succeeded += mine.result >= 0;
    named += mine.witness.file[0] == '/' || mine.witness.path[0] != 0;
    size_t found = 0;
    std::string why = "no event with that result";
    for (uint64_t seq : store.of(0, static_cast<uint16_t>(row.nr()))) {
      const Event& event = store.at(seq);
      if (event.tid != static_cast<uint32_t>(mine.by) || event.ret != mine.result) continue;
      const std::string differs =
          difference(store, event, row, mine.witness, dir + "/" + std::string(one.call));
      found += differs.empty();
      if (!differs.empty()) why = differs;
    }
    CAPTURE(why);
    CHECK(found >= 1);
  }
  MESSAGE(succeeded, " calls succeeded, ", named, " of them about a named file");
  CHECK(succeeded > 300);
  CHECK(named > 100);
}

}  // namespace
