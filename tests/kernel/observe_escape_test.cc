// SPDX-License-Identifier: Apache-2.0
//
// Work that no system call shows is found, and said, without being asked for.
#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
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

void* map_it(int prot, int flags, int how = O_RDWR) {
  const std::string path = t::scratch_dir() + "/mapped";
  const int made = open(path.c_str(), O_RDWR | O_CREAT, 0600);
  if (ftruncate(made, 8192) != 0) _exit(9);
  return mmap(nullptr, 8192, prot, flags, open(path.c_str(), how), 0);
}

int map_file(int prot, int flags) { return map_it(prot, flags) == MAP_FAILED; }

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

TEST_CASE("a shared mapping escapes when it is made writable later") {
  const auto later = escapes_of([] {
    void* at = map_it(PROT_READ, MAP_SHARED);
    return mprotect(static_cast<char*>(at) + 4096, 4096, PROT_READ | PROT_WRITE);
  });
  REQUIRE(later.size() == 1);
  CHECK(later[0].nr == SYS_mprotect);
  CHECK(later[0].on == FdKind::kFile);
  CHECK(later[0].path != 0);
  const auto moved = escapes_of([] {
    void* at = mremap(map_it(PROT_READ, MAP_SHARED), 8192, 65536, MREMAP_MAYMOVE);
    const pid_t child = fork();  // takes the mapping along
    if (child == 0) _exit(mprotect(at, 4096, PROT_WRITE));
    int status = 1;
    waitpid(child, &status, 0);
    return status;
  });
  REQUIRE(moved.size() == 1);
  CHECK(moved[0].nr == SYS_mprotect);
  const auto checked = escapes_of([] { return map_file(PROT_WRITE, MAP_SHARED_VALIDATE); });
  CHECK(checked.size() == 1);
}

TEST_CASE("other memory may be made writable") {
  CHECK(escapes_of([] {
          void* mine = mmap(nullptr, 8192, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
          map_file(PROT_READ, MAP_SHARED);
          return mprotect(mine, 8192, PROT_READ | PROT_WRITE);
        }).empty());
  CHECK(escapes_of([] {
          mprotect(map_it(PROT_READ, MAP_PRIVATE), 4096, PROT_WRITE);
          return mprotect(map_it(PROT_READ, MAP_SHARED, O_RDONLY), 4096, PROT_WRITE) == -1 ? 0 : 1;
        }).empty());
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
