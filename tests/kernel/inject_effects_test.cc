// SPDX-License-Identifier: Apache-2.0
//
// Denied calls that do something all the same, where a script (tests/victims/rows/leaves.toml) can't
// look: while they wait, and when their callers die.
#include <netinet/in.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <cerrno>

#include <doctest/doctest.h>

#include "base/clock.h"
#include "tests/kernel/inject_harness.h"

using namespace fbx;
using namespace fbx::inject;
using namespace fbx::inject::testing;

namespace {

constexpr uint64_t kSecond = 1'000'000'000;

int listen_on_port(uint16_t port) {
  const int fd = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in at{};
  at.sin_family = AF_INET;
  at.sin_port = htons(port);
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const bool listens = bind(fd, reinterpret_cast<sockaddr*>(&at), sizeof at) == 0 && listen(fd, 4) == 0;
  return listens ? fd : -1;
}

// Accepts once when told to, and says how that ended.
int accepts_once(const Line& line, uint16_t port) {
  const int fd = listen_on_port(port);
  line.say(fd >= 0 ? 'l' : '!');
  line.hear();
  line.say(accept(fd, nullptr, nullptr) < 0 && errno == EMFILE ? 'e' : '?');
  return 0;
}

bool fires(World& world, uint64_t times) {
  const uint64_t until = now_ns() + 20 * kSecond;
  while (now_ns() < until)
    if (world.collect()[0].fired >= times) return true;
  return false;
}

}  // namespace

TEST_CASE("a denied accept that waits ends when its rule is lifted") {
  World world({{"accept"}});
  REQUIRE(world.install({World::deny(0, "accept", EMFILE)}));
  auto service = world.start(0, [](const Line& line) { return accepts_once(line, 7300); });
  REQUIRE(service->hear() == 'l');
  service->say('g');
  REQUIRE(fires(world, 1));
  REQUIRE(world.injector->log().rules[0].lifted_ns == 0);
  REQUIRE(world.lift());
  CHECK(service->hear() == 'e');
  CHECK(service->wait() == 0);
  CHECK_MESSAGE(world.collect()[0].escapes.empty(), show(world.collect()[0]));
}

TEST_CASE("a denied accept that waits keeps no port when its service dies") {
  World world({{"accept"}});
  REQUIRE(world.install({World::deny(0, "accept", EMFILE)}));
  auto service = world.start(0, [](const Line& line) { return accepts_once(line, 7301); });
  REQUIRE(service->hear() == 'l');
  service->say('g');
  REQUIRE(fires(world, 1));
  kill(service->pid(), SIGKILL);
  CHECK(service->wait() == -SIGKILL);
  auto next = world.start(0, [](const Line& line) { return accepts_once(line, 7301); });
  CHECK(next->hear() == 'l');
  kill(next->pid(), SIGKILL);
}

// The thread is traced for the time of its call: signals, threads and the wait for the process
// must go on as if it were not.
TEST_CASE("a thousand denied closes under signals") {
  World world({{"close"}});
  auto service = world.start(0, [](const Line& line) {
    struct sigaction handler {};
    handler.sa_handler = [](int) {};
    // A signal that comes before the supervisor has the call ends it (kernel/seccomp.c).
    handler.sa_flags = SA_RESTART;
    sigaction(SIGALRM, &handler, nullptr);
    itimerval often{{0, 500}, {0, 500}};
    line.hear();
    setitimer(ITIMER_REAL, &often, nullptr);
    int wrong = 0;
    for (int i = 0; i < 1000; ++i) {
      const int fd = dup(0);
      wrong += close(fd) != -1 || errno != EIO || fcntl(fd, F_GETFD) != -1;
    }
    itimerval never{};
    setitimer(ITIMER_REAL, &never, nullptr);
    line.say(wrong == 0 ? 'y' : 'n');
    line.hear();
    return 7;
  });
  REQUIRE(world.install({World::deny(0, "close", EIO)}));
  service->say('g');
  CHECK(service->hear() == 'y');
  CHECK(world.collect()[0].fired == 1000);
  CHECK_MESSAGE(world.collect()[0].escapes.empty(), show(world.collect()[0]));
  REQUIRE(world.lift());
  service->say('g');
  CHECK(service->wait() == 7);
}

TEST_CASE("a service that dies in a denied close is its maker's to wait for") {
  for (int i = 0; i < 20; ++i) {
    World world({{"close"}});
    REQUIRE(world.install({World::deny(0, "close", EIO)}));
    auto service = world.start(0, [](const Line& line) {
      line.say('g');
      for (;;) close(dup(0));
      return 0;
    });
    REQUIRE(service->hear() == 'g');
    REQUIRE(fires(world, 3));
    kill(service->pid(), SIGKILL);
    CHECK(service->wait() == -SIGKILL);
  }
}
