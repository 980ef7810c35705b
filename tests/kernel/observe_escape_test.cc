// SPDX-License-Identifier: Apache-2.0
//
// Work that no system call shows is found, and said, without being asked for.
#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tests/kernel/observe_harness.h"

namespace {

using namespace fbx;
using namespace fbx::observe;
namespace t = fbx::observe::testing;

std::vector<Event> escapes_of(const std::function<int()>& body) {
  auto observer = t::observer();
  REQUIRE(observer->begin_test(t::watch(1, {"write"})));
  {
    t::Victim victim("a", body);
    CHECK(victim.wait() == 0);
  }
  REQUIRE(observer->barrier(1'000'000'000));
  std::vector<Event> found;
  for (uint64_t seq : observer->escapes()) found.push_back(observer->store().at(seq));
  REQUIRE(observer->end_test());
  CHECK(observer->loss().exact());
  return found;
}

int map_file(int prot, int flags) {
  const int fd = open((t::scratch_dir() + "/mapped").c_str(), O_RDWR | O_CREAT, 0600);
  if (ftruncate(fd, 4096) != 0) return 1;
  return mmap(nullptr, 4096, prot, flags, fd, 0) == MAP_FAILED;
}

TEST_CASE("a writable shared mapping of a file escapes") {
  const auto found = escapes_of([] { return map_file(PROT_READ | PROT_WRITE, MAP_SHARED); });
  REQUIRE(found.size() == 1);
  CHECK(found[0].nr == SYS_mmap);
  CHECK(found[0].on == FdKind::kFile);
}

TEST_CASE("private and read-only mappings do not") {
  CHECK(escapes_of([] { return map_file(PROT_READ | PROT_WRITE, MAP_PRIVATE); }).empty());
  CHECK(escapes_of([] { return map_file(PROT_READ, MAP_SHARED); }).empty());
}

TEST_CASE("asynchronous I/O escapes") {
  // A context alone has done nothing yet.
  const auto found = escapes_of([] {
    unsigned long context = 0;
    return syscall(SYS_io_setup, 1, &context) == 0 && syscall(SYS_io_submit, context, 0, 0) == 0
               ? 0
               : 1;
  });
  REQUIRE(found.size() == 1);
  CHECK(found[0].nr == SYS_io_submit);
  char params[120] = {};
  const auto ring = escapes_of([&] {
    syscall(SYS_io_uring_setup, 1, params);
    return 0;
  });
  // The kernel may be built without io_uring, or refuse it: then nothing escaped.
  for (const Event& event : ring) CHECK(event.nr == SYS_io_uring_setup);
}

}  // namespace
