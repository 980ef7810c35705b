// SPDX-License-Identifier: Apache-2.0
//
// The barrier from the client's side: right after a reply, the look-back counts the write that sent
// it. Never missed, never doubled.
#include <doctest/doctest.h>
#include <pthread.h>
#include <sched.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdlib>
#include <optional>
#include <thread>
#include <vector>

#include "bpf/abi/maps.h"
#include "tests/kernel/observe_harness.h"

namespace {

using namespace fbx;
using namespace fbx::observe;
namespace t = fbx::observe::testing;

constexpr uint64_t kSecond = 1'000'000'000;

// Answers each byte with a byte, by write(2).
int serve(int fd) {
  char byte;
  while (read(fd, &byte, 1) == 1)
    if (write(fd, &byte, 1) != 1) return 1;
  return 0;
}

void pin(pid_t tid, int cpu) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(cpu, &set);
  sched_setaffinity(tid, sizeof set, &set);
}

// Puts the victim on one processor and us on another, where we run the moment a reply wakes us:
// otherwise a busy machine gives every record time to come. Undone when it goes.
class Apart {
 public:
  explicit Apart(pid_t victim) {
    pin(victim, 0);
    pin(0, 1);
    const sched_param first{.sched_priority = 1};
    sched_setscheduler(0, SCHED_FIFO, &first);
  }
  ~Apart() {
    const sched_param none{};
    sched_setscheduler(0, SCHED_OTHER, &none);
    cpu_set_t any;
    CPU_ZERO(&any);
    for (int i = 0; i < CPU_SETSIZE; ++i) CPU_SET(i, &any);
    sched_setaffinity(0, sizeof any, &any);
  }
  Apart(const Apart&) = delete;
  Apart& operator=(const Apart&) = delete;
};

// `threads` servers, each asked in turn; after each reply the writes seen are exactly those made.
void ask(int rounds, int threads, bool pinned) {
  auto observer = t::observer();
  REQUIRE(observer->begin_test(t::watch(1, {"write"})));
  std::vector<int> ours, theirs;
  for (int i = 0; i < threads; ++i) {
    int pair[2];
    REQUIRE(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
    ours.push_back(pair[0]);
    theirs.push_back(pair[1]);
  }
  t::Victim victim("a", [&] {
    for (int fd : ours) close(fd);
    std::vector<std::thread> all;
    for (int fd : theirs) all.emplace_back(serve, fd);
    for (std::thread& one : all) one.join();
    return 0;
  });
  for (int fd : theirs) close(fd);
  std::optional<Apart> apart;
  if (pinned && std::thread::hardware_concurrency() > 1) apart.emplace(victim.pid());
  uint64_t wrong = 0, inexact = 0, made = 0;
  const EventStore& store = observer->store();
  for (int round = 0; round < rounds; ++round) {
    // Nothing may stand between the reply and the barrier that gives the record time to come.
    char byte = 'x';
    bool answered = true;
    for (int fd : ours) answered &= write(fd, &byte, 1) == 1;
    for (int fd : ours) answered &= read(fd, &byte, 1) == 1;
    const auto barrier = observer->barrier(kSecond);
    REQUIRE(answered);
    REQUIRE(barrier);
    made += ours.size();
    inexact += !barrier->exact || !barrier->in_flight.empty();
    const std::vector<uint64_t>& writes = store.of(0, SYS_write);
    bool right = writes.size() == made;
    for (size_t i = 0; right && i < ours.size(); ++i)
      right = store.at(writes[writes.size() - 1 - i]).state == CallState::kDone;
    wrong += !right;
  }
  CHECK(wrong == 0);
  CHECK(inexact == 0);
  for (int fd : ours) close(fd);
  CHECK(victim.wait() == 0);
  REQUIRE(observer->end_test());
  CHECK(observer->loss().exact());
  CHECK(store.of(0, SYS_write).size() == made);
}

// FBX_ROUNDS: how many, where a tier has more time than the default one.
int rounds(int otherwise) {
  const char* wanted = getenv("FBX_ROUNDS");
  return wanted ? atoi(wanted) : otherwise;
}

TEST_CASE("a reply's own write is counted, on two processors") { ask(rounds(10'000), 1, true); }
TEST_CASE("a reply's own write is counted, wherever it runs") { ask(rounds(6'000), 1, false); }
TEST_CASE("replies of eight threads are counted") { ask(rounds(1'000), 8, false); }

// The first byte of a long reply is there while the write that sends it still copies the rest.
TEST_CASE("a write whose first bytes have come is waited for") {
  auto observer = t::observer();
  REQUIRE(observer->begin_test(t::watch(1, {"write"})));
  constexpr size_t kReply = 512 << 10;
  int pair[2];
  REQUIRE(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
  const int room = 4 << 20;
  REQUIRE(setsockopt(pair[1], SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof room) == 0);
  t::Victim victim("a", [&] {
    close(pair[0]);
    std::vector<char> reply(kReply, 'r');
    char byte;
    while (read(pair[1], &byte, 1) == 1)
      if (write(pair[1], reply.data(), kReply) != static_cast<ssize_t>(kReply)) return 1;
    return 0;
  });
  close(pair[1]);
  std::optional<Apart> apart;
  if (std::thread::hardware_concurrency() > 1) apart.emplace(victim.pid());
  uint64_t wrong = 0, in_flight = 0;
  std::vector<char> buffer(kReply);
  const EventStore& store = observer->store();
  for (uint64_t round = 1; round <= 1'000; ++round) {
    char byte = 'x';
    bool answered = write(pair[0], &byte, 1) == 1 && read(pair[0], &byte, 1) == 1;
    const auto barrier = observer->barrier(kSecond);
    REQUIRE(answered);
    REQUIRE(barrier);
    // It may have been asleep for a lock when we looked; then it must be there as in flight.
    in_flight += barrier->in_flight.size();
    wrong += !barrier->exact || store.of(0, SYS_write).size() != round;
    for (size_t left = kReply - 1; left > 0;) {
      const ssize_t got = read(pair[0], buffer.data(), left);
      REQUIRE(got > 0);
      left -= static_cast<size_t>(got);
    }
  }
  CHECK(wrong == 0);
  CHECK(in_flight < 50);
  close(pair[0]);
  CHECK(victim.wait() == 0);
  REQUIRE(observer->end_test());
  CHECK(observer->loss().exact());
  CHECK(store.of(0, SYS_write).size() == 1'000);
}

TEST_CASE("a blocked call is in flight, once, and ends in its own place") {
  auto observer = t::observer();
  REQUIRE(observer->begin_test(t::watch(1, {"write", "read"})));
  int pair[2], ready[2];
  REQUIRE(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
  REQUIRE(pipe(ready) == 0);
  t::Victim victim("a", [&] {
    close(pair[0]);
    std::vector<char> big(4u << 20, 'b');
    return write(pair[1], big.data(), big.size()) == static_cast<ssize_t>(big.size()) ? 0 : 1;
  });
  close(pair[1]);
  // Its effect is there: some bytes have come.
  char byte;
  REQUIRE(read(pair[0], &byte, 1) == 1);
  uint64_t seq = 0;
  for (int i = 0; i < 3; ++i) {
    const auto barrier = observer->barrier(kSecond);
    REQUIRE(barrier);
    CHECK(barrier->exact);
    REQUIRE(barrier->in_flight.size() == 1);
    seq = barrier->in_flight[0];
    const Event& event = observer->store().at(seq);
    CHECK(event.nr == SYS_write);
    CHECK(event.state == CallState::kInFlight);
    CHECK(event.on == FdKind::kUnix);
    CHECK(event.begin_ns > 0);
  }
  size_t left = (4u << 20) - 1;
  std::vector<char> buffer(1u << 20);
  while (left > 0) {
    const ssize_t got = read(pair[0], buffer.data(), std::min(left, buffer.size()));
    REQUIRE(got > 0);
    left -= static_cast<size_t>(got);
  }
  CHECK(victim.wait() == 0);
  const auto barrier = observer->barrier(kSecond);
  REQUIRE(barrier);
  CHECK(barrier->in_flight.empty());
  CHECK(observer->store().of(0, SYS_write).size() == 1);
  CHECK(observer->store().at(seq).state == CallState::kDone);
  CHECK(observer->store().at(seq).ret == 4 << 20);
  close(pair[0]);
  REQUIRE(observer->end_test());
  CHECK(observer->loss().exact());
}

TEST_CASE("a thread killed in its call leaves it in flight and the books balanced") {
  auto observer = t::observer();
  REQUIRE(observer->begin_test(t::watch(1, {"read"})));
  int pipes[2];
  REQUIRE(pipe(pipes) == 0);
  {
    t::Victim victim("a", [&] {
      char byte;
      return static_cast<int>(read(pipes[0], &byte, 1));
    });
    for (int i = 0;; ++i) {
      const auto barrier = observer->barrier(kSecond);
      REQUIRE(barrier);
      if (!barrier->in_flight.empty()) break;
      REQUIRE(i < 100'000);
    }
  }
  const auto barrier = observer->barrier(kSecond);
  REQUIRE(barrier);
  CHECK(barrier->exact);
  CHECK(barrier->in_flight.empty());
  REQUIRE(observer->store().of(0, SYS_read).size() == 1);
  CHECK(observer->store().at(1).state == CallState::kInFlight);
  REQUIRE(observer->end_test());
  CHECK(observer->loss().exact());
  close(pipes[0]);
  close(pipes[1]);
}

TEST_CASE("a service can't forge the marker") {
  auto observer = t::observer();
  REQUIRE(observer->begin_test(t::watch(1, {"write"})));
  t::Victim victim("a", [] {
    for (uint64_t id = 0; id < 1000; ++id) syscall(SYS_getpid, FBX_MARKER_MAGIC, 0, id, 0);
    return 0;
  });
  CHECK(victim.wait() == 0);
  const auto barrier = observer->barrier(kSecond);
  REQUIRE(barrier);
  CHECK(barrier->exact);
  REQUIRE(observer->end_test());
  // Strings of the marker kind: only ours came, three or four in all.
  CHECK(observer->loss().filtered < 10);
}

}  // namespace
