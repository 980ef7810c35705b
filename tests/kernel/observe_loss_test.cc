// SPDX-License-Identifier: Apache-2.0
//
// What was not seen is said: full rings, readers that stand still, and an observer that drops
// records on purpose. And what seccomp keeps from sys_enter is seen all the same.
#include <doctest/doctest.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "tests/kernel/observe_harness.h"
#include "tests/kernel/observe_lossy.h"

namespace {

using namespace fbx;
using namespace fbx::observe;
namespace t = fbx::observe::testing;

constexpr uint64_t kSecond = 1'000'000'000;

int write_often(int times) {
  int pipes[2];
  if (pipe(pipes) != 0) return 1;
  for (int i = 0; i < times; ++i)
    if (write(pipes[1], "x", 0) != 0) return 2;
  return 0;
}

TEST_CASE("a ring that is too small loses, counts, and says so") {
  auto observer = t::observer(64 << 10);
  REQUIRE(observer->begin_test(t::watch(1, {"write"})));
  {
    t::Victim victim("a", [] { return write_often(5'000); });
    CHECK(victim.wait() == 0);
  }
  REQUIRE(observer->barrier(kSecond / 4));
  REQUIRE(observer->end_test());
  const Loss loss = observer->loss();
  CHECK_FALSE(loss.exact());
  CHECK(loss.lost > 0);
  CHECK(loss.kept == observer->store().size());
  // The victim's own count is what was kept and lost together; its exit and our markers may be
  // among the lost.
  const uint64_t both = observer->store().of(0, SYS_write).size() + loss.lost;
  CHECK(both >= 5'000);
  CHECK(both <= 5'006);
}

TEST_CASE("a reader that stood still for 200 ms is found out, and every call is accounted for") {
  auto observer = t::observer(1 << 20);
  REQUIRE(observer->begin_test(t::watch(1, {"write"})));
  {
    t::Victim victim("a", [] { return write_often(20'000); });
    poll(nullptr, 0, 200);  // standing still is what is tested
    CHECK(victim.wait() == 0);
    REQUIRE(observer->pump());
    // Reading again, nothing more is lost.
    t::Victim later("a", [] { return write_often(1'000); });
    CHECK(later.wait() == 0);
  }
  REQUIRE(observer->end_test());
  const Loss loss = observer->loss();
  CHECK_FALSE(loss.exact());
  CHECK(loss.lost > 0);
  CHECK(loss.written == loss.kept + loss.filtered);
  const uint64_t both = observer->store().of(0, SYS_write).size() + loss.lost;
  CHECK(both >= 21'000);
  CHECK(both <= 21'006);
}

TEST_CASE("the same calls in a larger ring lose nothing") {
  auto observer = t::observer();
  REQUIRE(observer->begin_test(t::watch(1, {"write"})));
  {
    t::Victim victim("a", [] { return write_often(5'000); });
    CHECK(victim.wait() == 0);
  }
  REQUIRE(observer->end_test());
  CHECK(observer->loss().exact());
  CHECK(observer->loss().lost == 0);
  CHECK(observer->store().of(0, SYS_write).size() == 5'000);
}

TEST_CASE("the next test does not inherit the loss or the records of the last") {
  auto observer = t::observer(64 << 10);
  REQUIRE(observer->begin_test(t::watch(1, {"write"})));
  {
    t::Victim victim("a", [] { return write_often(5'000); });
    CHECK(victim.wait() == 0);
  }
  REQUIRE(observer->end_test());
  CHECK_FALSE(observer->loss().exact());
  REQUIRE(observer->begin_test(t::watch(1, {"write"})));
  {
    t::Victim victim("a", [] { return write_often(10); });
    CHECK(victim.wait() == 0);
  }
  REQUIRE(observer->barrier(kSecond));
  REQUIRE(observer->end_test());
  CHECK(observer->loss().exact());
  CHECK(observer->store().of(0, SYS_write).size() == 10);
}

TEST_CASE("an observer that follows another on the same programs has every name in its own ring") {
  const std::string path = t::scratch_dir() + "/kept";
  for (int worker = 0; worker < 3; ++worker) {
    CAPTURE(worker);
    auto observer = t::observer();
    REQUIRE(observer->begin_test(t::watch(1, {"write"})));
    t::Victim victim("a", [&] {
      const int fd = open(path.c_str(), O_CREAT | O_WRONLY, 0600);
      return write(fd, "x", 1) == 1 ? 0 : 1;
    });
    CHECK(victim.wait() == 0);
    REQUIRE(observer->end_test());
    CHECK(observer->loss().exact());
    const auto writes = t::events(observer->store(), 0, "write");
    REQUIRE(writes.size() == 1);
    CHECK(observer->store().string(writes[0].path) == path);
  }
}

TEST_CASE("the reader is woken at a quarter of the ring") {
  auto observer = t::observer(1 << 20);
  REQUIRE(observer->begin_test(t::watch(1, {"write"})));
  CHECK(observer->poll_fd() >= 0);
  t::Victim victim("a", [] { return write_often(2'000); });
  CHECK(victim.wait() == 0);
  fd_set set;
  FD_ZERO(&set);
  FD_SET(observer->poll_fd(), &set);
  timeval none{};
  CHECK(select(observer->poll_fd() + 1, &set, nullptr, nullptr, &none) == 1);
  REQUIRE(observer->end_test());
}

TEST_CASE("an observer that loses is found out, whether it says so or not") {
  using How = t::LossyObserver::How;
  for (How how : {How::kAdmits, How::kHides}) {
    CAPTURE(static_cast<int>(how));
    int seen = 0;
    t::LossyObserver observer(t::observer(), how, [&](const Event&) { return ++seen == 7; });
    REQUIRE(observer.begin_test(t::watch(1, {"write"})));
    {
      t::Victim victim("a", [] { return write_often(20); });
      CHECK(victim.wait() == 0);
    }
    REQUIRE(observer.barrier(kSecond));
    CHECK(observer.store().of(0, SYS_write).size() == 19);
    CHECK_FALSE(observer.loss().exact());
    CHECK(observer.loss().lost == (how == How::kAdmits ? 1 : 0));
    REQUIRE(observer.end_test());
    CHECK_FALSE(observer.loss().exact());
  }
}

// Installs a filter that answers fsync with an errno, or hands it to a listener.
int filter_fsync(uint32_t action) {
  sock_filter code[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_fsync, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, action),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  sock_fprog program = {sizeof code / sizeof *code, code};
  prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  const unsigned flags =
      action == SECCOMP_RET_USER_NOTIF ? SECCOMP_FILTER_FLAG_NEW_LISTENER : 0;
  return static_cast<int>(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &program));
}

TEST_CASE("a call that seccomp denies is seen, its begin is not") {
  auto observer = t::observer();
  REQUIRE(observer->begin_test(t::watch(1, {"fsync"})));
  const std::string path = t::scratch_dir() + "/denied";
  t::Victim victim("a", [&] {
    FILE* file = fopen(path.c_str(), "w");
    if (filter_fsync(SECCOMP_RET_ERRNO | EIO) != 0) return 1;
    return fsync(fileno(file)) == -1 && errno == EIO ? 0 : 2;
  });
  CHECK(victim.wait() == 0);
  REQUIRE(observer->barrier(kSecond));
  REQUIRE(observer->store().of(0, SYS_fsync).size() == 1);
  const Event& event = observer->store().at(observer->store().of(0, SYS_fsync)[0]);
  CHECK(event.ret == -EIO);
  CHECK((event.flags & kBeginUnknown));
  CHECK(observer->store().string(event.path) == path);
  CHECK(event.on == FdKind::kFile);
  REQUIRE(observer->end_test());
  CHECK(observer->loss().exact());
}

TEST_CASE("a call that the supervisor holds is in flight when it is entered, and ends in place") {
  auto observer = t::observer();
  REQUIRE(observer->begin_test(t::watch(1, {"fsync"})));
  int pass[2];
  REQUIRE(socketpair(AF_UNIX, SOCK_STREAM, 0, pass) == 0);
  t::Victim victim("a", [&] {
    const int listener = filter_fsync(SECCOMP_RET_USER_NOTIF);
    if (write(pass[1], &listener, sizeof listener) != sizeof listener) return 1;
    return fsync(pass[1]) == -1 && errno == EINVAL ? 0 : 2;
  });
  int theirs = -1;
  REQUIRE(read(pass[0], &theirs, sizeof theirs) == sizeof theirs);
  const int pidfd = static_cast<int>(syscall(SYS_pidfd_open, victim.pid(), 0));
  const int listener = static_cast<int>(syscall(SYS_pidfd_getfd, pidfd, theirs, 0));
  REQUIRE(listener >= 0);
  seccomp_notif call{};
  REQUIRE(ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &call) == 0);
  // Not to be seen from the kernel's side: sys_enter comes after seccomp.
  auto barrier = observer->barrier(kSecond);
  REQUIRE(barrier);
  CHECK(barrier->exact);
  CHECK(barrier->in_flight.empty());
  Event held;
  held.service = 0;
  held.nr = static_cast<uint16_t>(call.data.nr);
  held.tid = held.pid = call.pid;
  held.begin_ns = 12345;
  held.flags = kWasHeld;
  const uint64_t seq = observer->store().open_call(held);
  CHECK(observer->store().open_call(held) == seq);
  barrier = observer->barrier(kSecond);
  REQUIRE(barrier);
  CHECK(barrier->in_flight == std::vector<uint64_t>{seq});
  seccomp_notif_resp answer{};
  answer.id = call.id;
  answer.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
  REQUIRE(ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &answer) == 0);
  CHECK(victim.wait() == 0);
  barrier = observer->barrier(kSecond);
  REQUIRE(barrier);
  CHECK(barrier->in_flight.empty());
  REQUIRE(observer->store().of(0, SYS_fsync).size() == 1);
  const Event& event = observer->store().at(seq);
  CHECK(event.state == CallState::kDone);
  CHECK(event.ret == -EINVAL);
  CHECK(event.begin_ns == 12345);
  CHECK((event.flags & kWasHeld));
  // Told too late, it is the same event.
  CHECK(observer->store().open_call(held) == seq);
  CHECK(observer->store().open_calls().empty());
  REQUIRE(observer->end_test());
  CHECK(observer->loss().exact());
  for (int fd : {pass[0], pass[1], pidfd, listener}) close(fd);
}

}  // namespace
