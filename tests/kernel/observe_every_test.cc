// SPDX-License-Identifier: Apache-2.0
//
// Every call of the table is made once with arguments that it must refuse, in a process of its own,
// and its record must hold what the process got: the number, the arguments, the result. Registers
// are poisoned where the kernel does not look, the upper halves of 32-bit arguments and those that are
// no arguments (as strace's tests do), and nothing of that may show.
#include <doctest/doctest.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <string>
#include <vector>

#include "bpf/abi/tables.h"
#include "tests/kernel/observe_harness.h"

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
    case FBX_ARG_WORD: return ~uint64_t{0};
    default: return 1;
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

TEST_CASE("every call is recorded as it was made and as it ended") {
  auto* results = static_cast<volatile Made*>(mmap(nullptr, FBX_NR_LIMIT * sizeof(Made),
                                                   PROT_READ | PROT_WRITE,
                                                   MAP_SHARED | MAP_ANONYMOUS, -1, 0));
  for (int i = 0; i < FBX_NR_LIMIT; ++i) results[i].result = kNoResult;
  auto observer = t::observer(64u << 20);
  TestWatch watch = t::watch(1, {"write"});
  watch.services[0].syscalls.clear();
  for (uint16_t nr = 0; nr < FBX_NR_LIMIT; ++nr)
    if (abi::find_syscall(int{nr})) watch.services[0].syscalls.push_back(nr);
  REQUIRE(observer->begin_test(watch));
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

}  // namespace
