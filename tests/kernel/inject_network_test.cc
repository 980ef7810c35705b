// SPDX-License-Identifier: Apache-2.0
//
// Dials denied by the cgroup hand and links cut between services, on real sockets.
#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstring>
#include <map>
#include <thread>

#include "base/clock.h"
#include "tests/kernel/inject_harness.h"
#include "tests/sabotage/under_the_seams.h"

using namespace fbx;
using namespace fbx::inject;
using namespace fbx::inject::testing;

namespace {

struct Where {
  const char* ip;
  uint16_t port;
};

socklen_t fill(const Where& where, sockaddr_storage* out) {
  *out = {};
  if (std::strchr(where.ip, ':')) {
    auto* v6 = reinterpret_cast<sockaddr_in6*>(out);
    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons(where.port);
    inet_pton(AF_INET6, where.ip, &v6->sin6_addr);
    return sizeof *v6;
  }
  auto* v4 = reinterpret_cast<sockaddr_in*>(out);
  v4->sin_family = AF_INET;
  v4->sin_port = htons(where.port);
  inet_pton(AF_INET, where.ip, &v4->sin_addr);
  return sizeof *v4;
}

int listen_on(const Where& where, int type = SOCK_STREAM) {
  sockaddr_storage at;
  const socklen_t n = fill(where, &at);
  const int fd = socket(at.ss_family, type, 0);
  const int one = 1;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  if (bind(fd, reinterpret_cast<sockaddr*>(&at), n) != 0) _exit(98);
  if (type == SOCK_STREAM && listen(fd, 512) != 0) _exit(97);
  return fd;
}

// The socket, or −errno.
int dial(const Where& where, int type = SOCK_STREAM) {
  sockaddr_storage at;
  const socklen_t n = fill(where, &at);
  const int fd = socket(at.ss_family, type, 0);
  if (connect(fd, reinterpret_cast<sockaddr*>(&at), n) == 0) return fd;
  const int error = errno;
  close(fd);
  return -error;
}

int dial_errno(const Where& where, int type = SOCK_STREAM) {
  const int fd = dial(where, type);
  if (fd < 0) return -fd;
  close(fd);
  return 0;
}

// A service that dials where it is told: a digit in, errno out.
template <size_t N>
std::unique_ptr<Service> dialler(World& world, int16_t service, const Where (&forms)[N]) {
  return world.start(service, [&forms](const Line& line) {
    for (;;) {
      const char c = line.hear();
      if (!c) return 0;
      line.say(static_cast<char>(dial_errno(forms[c - 'a'])));
    }
  });
}

int ask(Service& service, size_t form) {
  service.say(static_cast<char>('a' + form));
  return service.hear();
}

std::unique_ptr<Service> listener(World& world, int16_t service, std::vector<Where> where) {
  auto made = world.start(service, [where](const Line& line) {
    for (const Where& w : where) listen_on(w);
    line.say('r');
    line.hear();
    return 0;
  });
  REQUIRE(made->hear() == 'r');
  return made;
}

constexpr Where kForms[] = {
    {"127.0.0.1", 7001}, {"127.0.0.77", 7001}, {"0.0.0.0", 7001}, {"::ffff:127.0.0.1", 7001},
    {"127.0.0.1", 7002}, {"::1", 7002},        {"::", 7002},      {"::ffff:127.0.0.1", 7002},
    {"127.0.0.9", 7004},
};

const std::vector<Where> kListeners = {{"0.0.0.0", 7001}, {"::", 7002}, {"127.0.0.9", 7004}};

plan::Need::Kind constexpr kPartition = plan::Need::Kind::kPartition;

TEST_CASE("a partition refuses every form of dial, both ways, and nobody else's") {
  World world({{"", kPartition}});
  auto inventory = listener(world, 1, kListeners);
  auto orders_listens = listener(world, 0, {{"127.0.0.1", 7100}});
  auto orders = dialler(world, 0, kForms);
  auto third = dialler(world, 2, kForms);
  constexpr Where kBack[] = {{"127.0.0.1", 7100}};
  auto back = dialler(world, 1, kBack);
  auto own = dialler(world, 1, kForms);
  REQUIRE(world.cut({0}, {1}));
  for (size_t i = 0; i < std::size(kForms); ++i) {
    CAPTURE(kForms[i].ip);
    CAPTURE(kForms[i].port);
    CHECK(ask(*orders, i) == ECONNREFUSED);
    CHECK(ask(*third, i) == 0);
    CHECK(ask(*own, i) == 0);
  }
  CHECK(ask(*back, 0) == ECONNREFUSED);
  CHECK(dial_errno({"127.0.0.1", 7001}) == 0);  // the test's own client
  const RuleEntry entry = world.collect()[0];
  CAPTURE(show(entry));
  CHECK(entry.fired == std::size(kForms) + 1);
  CHECK(entry.by.at("orders to inventory") == std::size(kForms));
  CHECK(entry.by.at("inventory to orders") == 1);
  CHECK(entry.escapes.empty());
  const auto cut = world.decided(0, "connect");
  REQUIRE(cut.size() == std::size(kForms));
  CHECK(world.observer->store().string(cut[0].decision) == "cut(refuse)");
  REQUIRE(world.lift());
  for (size_t i = 0; i < std::size(kForms); ++i) CHECK(ask(*orders, i) == 0);
  CHECK(world.collect()[0].fired == std::size(kForms) + 1);
}

TEST_CASE("partitions nest: a link is up when no active cut cuts it") {
  World world({{"", kPartition}});
  auto inventory = listener(world, 1, kListeners);
  auto third = listener(world, 2, {{"127.0.0.1", 7200}});
  constexpr Where kTwo[] = {{"127.0.0.1", 7001}, {"127.0.0.1", 7200}};
  auto orders = dialler(world, 0, kTwo);
  REQUIRE(world.cut({0}, {1}, 1));
  REQUIRE(world.cut({0}, {1, 2}, 2));
  CHECK(ask(*orders, 0) == ECONNREFUSED);
  CHECK(ask(*orders, 1) == ECONNREFUSED);
  REQUIRE(world.lift(2));
  CHECK(ask(*orders, 0) == ECONNREFUSED);
  CHECK(ask(*orders, 1) == 0);
  REQUIRE(world.lift(1));
  CHECK(ask(*orders, 0) == 0);
}

TEST_CASE("a partition that carried nothing never fired") {
  World world({{"", kPartition}});
  REQUIRE(world.cut({0}, {1}));
  CHECK(world.collect()[0].fired == 0);
  CHECK(world.collect()[0].matched == 0);
}

// What each of `fds` ends with, in tight ping-pong: errno → how many (0: end of file).
std::map<int, int> play(const std::vector<int>& fds, bool first) {
  std::map<int, int> ends;
  std::vector<std::thread> threads;
  std::vector<int> result(fds.size(), -1);
  for (size_t i = 0; i < fds.size(); ++i)
    threads.emplace_back([&, i] {
      char c = 'x';
      const timeval patience{10, 0};
      setsockopt(fds[i], SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
      for (bool speaks = first;; speaks = true) {
        if (speaks && send(fds[i], &c, 1, MSG_NOSIGNAL) != 1) return void(result[i] = errno);
        const ssize_t n = recv(fds[i], &c, 1, 0);
        if (n != 1) return void(result[i] = n < 0 ? errno : 0);
      }
    });
  for (std::thread& t : threads) t.join();
  for (int r : result) ends[r]++;
  return ends;
}

int all_reset(const std::map<int, int>& ends, int n) {
  for (const auto& [error, count] : ends)
    if (error != ECONNRESET) fprintf(stderr, "%d ends with errno %d\n", count, error);
  return ends.contains(ECONNRESET) && ends.at(ECONNRESET) == n ? 0 : 1;
}

void reset_busy(const Where& listen_at, const Where& dial_at) {
  constexpr int kConnections = 120;
  World world({{"", kPartition}});
  auto inventory = world.start(1, [&](const Line& line) {
    const int fd = listen_on(listen_at);
    line.say('r');
    std::vector<int> fds;
    while (fds.size() < kConnections) fds.push_back(accept(fd, nullptr, nullptr));
    line.say('a');
    return all_reset(play(fds, false), kConnections);
  });
  REQUIRE(inventory->hear() == 'r');
  auto orders = world.start(0, [&](const Line& line) {
    std::vector<int> fds;
    while (fds.size() < kConnections) fds.push_back(dial(dial_at));
    line.say('c');
    return all_reset(play(fds, true), kConnections);
  });
  REQUIRE(orders->hear() == 'c');
  REQUIRE(inventory->hear() == 'a');
  REQUIRE(world.cut({0}, {1}));
  CHECK(orders->wait() == 0);
  CHECK(inventory->wait() == 0);
  const RuleEntry& entry = world.collect()[0];
  CAPTURE(show(entry));
  CHECK(entry.fired == kConnections);
  CHECK(entry.escapes.empty());
}

TEST_CASE("busy connections are reset at both ends") {
  SUBCASE("IPv4") { reset_busy({"127.0.0.1", 7300}, {"127.0.0.1", 7300}); }
  SUBCASE("v4-mapped") { reset_busy({"::", 7301}, {"::ffff:127.0.0.1", 7301}); }
  SUBCASE("IPv6") { reset_busy({"::1", 7302}, {"::1", 7302}); }
}

TEST_CASE("connections that nobody has accepted yet are reset, too") {
  World world({{"", kPartition}});
  auto inventory = listener(world, 1, kListeners);
  auto orders = world.start(0, [](const Line& line) {
    const int fd = dial({"127.0.0.1", 7001});
    line.say('c');
    char c;
    return recv(fd, &c, 1, 0) < 0 && errno == ECONNRESET ? 0 : 1;
  });
  REQUIRE(orders->hear() == 'c');
  REQUIRE(world.cut({0}, {1}));
  CHECK(orders->wait() == 0);
  CHECK(world.collect()[0].fired == 1);
}

TEST_CASE("UDP: new dials and sends are refused, connected sockets go silent") {
  World world({{"", kPartition}});
  auto inventory = world.start(1, [](const Line& line) {
    const int fd = listen_on({"127.0.0.1", 7400}, SOCK_DGRAM);
    line.say('r');
    for (;;) {
      char c;
      sockaddr_storage from;
      socklen_t n = sizeof from;
      if (recvfrom(fd, &c, 1, 0, reinterpret_cast<sockaddr*>(&from), &n) == 1)
        sendto(fd, &c, 1, 0, reinterpret_cast<sockaddr*>(&from), n);
    }
    return 0;
  });
  REQUIRE(inventory->hear() == 'r');
  auto orders = world.start(0, [](const Line& line) {
    const Where at{"127.0.0.1", 7400};
    const int old = dial(at, SOCK_DGRAM);
    auto wait_for = [old](timeval patience) {
      setsockopt(old, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    };
    wait_for({10, 0});
    char c = 'x';
    if (send(old, &c, 1, 0) != 1 || recv(old, &c, 1, 0) != 1) return 1;
    line.say('c');
    line.hear();
    if (dial_errno(at, SOCK_DGRAM) != ECONNREFUSED) return 2;
    const int fresh = socket(AF_INET, SOCK_DGRAM, 0);
    sockaddr_storage to;
    const socklen_t n = fill(at, &to);
    if (sendto(fresh, &c, 1, 0, reinterpret_cast<sockaddr*>(&to), n) >= 0) return 3;
    if (errno != ECONNREFUSED) return 4;
    wait_for({0, 150'000});
    if (send(old, &c, 1, 0) != 1 || recv(old, &c, 1, 0) >= 0) return 5;
    line.say('d');
    line.hear();
    wait_for({10, 0});
    return send(old, &c, 1, 0) == 1 && recv(old, &c, 1, 0) == 1 ? 0 : 6;
  });
  REQUIRE(orders->hear() == 'c');
  REQUIRE(world.cut({0}, {1}));
  orders->say('g');
  CHECK(orders->hear() == 'd');
  CHECK(world.collect()[0].fired == 3);
  REQUIRE(world.lift());
  orders->say('g');
  CHECK(orders->wait() == 0);
}

TEST_CASE("drop is silent, and the same connection goes on after heal") {
  World world({{"", kPartition}});
  auto inventory = world.start(1, [](const Line& line) {
    const int fd = listen_on({"127.0.0.1", 7500});
    line.say('r');
    play({accept(fd, nullptr, nullptr)}, false);
    return 0;
  });
  REQUIRE(inventory->hear() == 'r');
  auto orders = world.start(0, [](const Line& line) {
    const int fd = dial({"127.0.0.1", 7500});
    char c = 'x';
    line.say('c');
    line.hear();
    if (send(fd, &c, 1, 0) != 1) return 1;
    pollfd p{.fd = fd, .events = POLLIN, .revents = 0};
    if (poll(&p, 1, 150) != 0) return 2;
    line.say('s');
    if (poll(&p, 1, 20'000) != 1 || recv(fd, &c, 1, 0) != 1) return 3;
    return 0;
  });
  REQUIRE(orders->hear() == 'c');
  REQUIRE(world.cut({0}, {1}, 1, model::InstallPartition::Mode::kDrop));
  orders->say('g');
  CHECK(orders->hear() == 's');
  CHECK(world.collect()[0].fired > 0);
  CHECK(world.collect()[0].escapes.empty());
  REQUIRE(world.lift());
  CHECK(orders->wait() == 0);
}

TEST_CASE("a denied dial gets its errno, by service, interface and address") {
  World world({{"connect"}});
  auto inventory = listener(world, 1, kListeners);
  auto third = listener(world, 2, {{"127.0.0.1", 7200}});
  constexpr Where kTo[] = {
      {"127.0.0.1", 7001}, {"::1", 7002}, {"127.0.0.1", 7200}, {"127.0.0.1", 9}};
  auto orders = dialler(world, 0, kTo);
  auto rule = World::deny(0, "connect", ETIMEDOUT);
  rule.to = "inventory";
  REQUIRE(world.install({rule}, 1));
  CHECK(ask(*orders, 0) == ETIMEDOUT);
  CHECK(ask(*orders, 1) == ETIMEDOUT);
  CHECK(ask(*orders, 2) == 0);
  CHECK(ask(*orders, 3) == ECONNREFUSED);
  REQUIRE(world.lift(1));
  auto address = World::deny(0, "connect", EHOSTUNREACH);
  address.to = "127.0.0.1:7200";
  auto rest = World::deny(0, "connect", ENETUNREACH);
  rest.every = 2;
  REQUIRE(world.install({address, rest}, 2));
  CHECK(ask(*orders, 2) == EHOSTUNREACH);
  CHECK(ask(*orders, 0) == 0);
  CHECK(ask(*orders, 0) == ENETUNREACH);
  const auto& rules = world.collect();
  for (const RuleEntry& entry : rules) {
    CAPTURE(show(entry));
    CHECK(entry.hand == Hand::kCgroup);
    CHECK(entry.escapes.empty());
  }
  CHECK(rules[0].fired == 2);
  CHECK(rules[0].by.at("inventory") == 2);
  CHECK(rules[0].near_misses == 2);
  CHECK(rules[0].nearest == "connect 127.0.0.1:7200");
  CHECK(rules[1].fired == 1);
  CHECK(rules[2].matched == 2);
  CHECK(rules[2].fired == 1);
}

TEST_CASE("a dial that blocks is delayed, and the peer is told by its socket") {
  World world({{"connect", plan::Need::Kind::kDelay}, {"connect"}});
  auto inventory = listener(world, 1, kListeners);
  auto third = listener(world, 2, {{"127.0.0.1", 7200}});
  constexpr Where kTo[] = {{"127.0.0.1", 7001}, {"127.0.0.1", 7200}};
  auto orders = dialler(world, 0, kTo);
  auto slow = World::delay(0, "connect", 60);
  slow.to = "inventory";
  auto rest = World::deny(0, "connect", ENETUNREACH);
  REQUIRE(world.install({slow, rest}));
  const uint64_t begin = now_ns();
  CHECK(ask(*orders, 0) == 0);
  CHECK(now_ns() - begin >= 60'000'000);
  CHECK(ask(*orders, 1) == ENETUNREACH);
  const auto& rules = world.collect();
  for (const RuleEntry& entry : rules) {
    CAPTURE(show(entry));
    CHECK(entry.hand == Hand::kSeccomp);
    CHECK(entry.escapes.empty());
    CHECK(entry.fired == 1);
  }
}

sockaddr_un unix_address(const std::string& name) {
  sockaddr_un at{};
  at.sun_family = AF_UNIX;
  std::memcpy(at.sun_path, name.data(), name.size());
  return at;
}

int dial_unix(const std::string& name, bool padded = true) {
  const sockaddr_un at = unix_address(name);
  const size_t used = offsetof(sockaddr_un, sun_path) + name.size();
  const int fd = socket(AF_UNIX, SOCK_STREAM, 0);
  const int r = connect(fd, reinterpret_cast<const sockaddr*>(&at),
                        static_cast<socklen_t>(padded ? sizeof at : used));
  const int error = r == 0 ? 0 : errno;
  close(fd);
  return error;
}

std::unique_ptr<Service> unix_listener(World& world, const std::string& path) {
  auto made = world.start(1, [path](const Line& line) {
    for (const std::string& name : {path, std::string("\0fbx-inventory", 14)}) {
      const sockaddr_un at = unix_address(name);
      const int fd = socket(AF_UNIX, SOCK_STREAM, 0);
      const auto n = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name.size());
      if (bind(fd, reinterpret_cast<const sockaddr*>(&at), n) != 0 || listen(fd, 8) != 0) return 1;
    }
    line.say('r');
    line.hear();
    return 0;
  });
  REQUIRE(made->hear() == 'r');
  return made;
}

// One dial for each letter: a path, a path without its NUL, abstract, and a link to the path.
std::unique_ptr<Service> unix_dialler(World& world, const std::string& path) {
  return world.start(0, [path](const Line& line) {
    for (;;) {
      switch (line.hear()) {
        case 'a': line.say(static_cast<char>(dial_unix(path))); break;
        case 'b': line.say(static_cast<char>(dial_unix(path, false))); break;
        case 'c':
          line.say(static_cast<char>(dial_unix(std::string("\0fbx-inventory", 14), false)));
          break;
        case 'd': line.say(static_cast<char>(dial_unix(path + ".link"))); break;
        default: return 0;
      }
    }
  });
}

bool unix_hooks(const World& world) { return world.capabilities.unix_dials.works; }

TEST_CASE(
    "unix sockets of services are denied and cut by name, and other ways to them are escapes") {
  const std::string path = scratch_dir() + "/inventory.sock";
  unlink(path.c_str());
  if (symlink(path.c_str(), (path + ".link").c_str()) != 0) REQUIRE(errno == EEXIST);
  World world({{"connect"}, {"", kPartition}});
  auto inventory = unix_listener(world, path);
  auto orders = unix_dialler(world, path);
  auto dial_as = [&](char how) { orders->say(how); return int{orders->hear()}; };
  for (bool cut : {false, true}) {
    CAPTURE(cut);
    if (!cut) REQUIRE(world.install({World::deny(0, "connect", ECONNREFUSED)}, 1));
    if (cut && !unix_hooks(world)) {
      CHECK_FALSE(world.cut({0}, {1}, 2));  // refused by name
      continue;
    }
    if (cut) REQUIRE(world.cut({0}, {1}, 2));
    const size_t rule = cut ? 1 : 0;
    for (char how : {'a', 'b', 'c'}) CHECK(dial_as(how) == (unix_hooks(world) ? ECONNREFUSED : 0));
    {
      const RuleEntry& entry = world.collect()[rule];
      CAPTURE(show(entry));
      CHECK(entry.fired == (unix_hooks(world) ? 3 : 0));
      CHECK(entry.escapes.empty() == unix_hooks(world));
    }
    CHECK(dial_as('d') == 0);
    const RuleEntry& entry = world.collect()[rule];
    CAPTURE(show(entry));
    // The hand was not asked; and of a cut, the dial came through.
    CHECK(entry.escapes.size() == (cut ? 2 : 1));
    REQUIRE(world.lift(cut ? 2 : 1));
    CHECK(dial_as('a') == 0);
  }
}

TEST_CASE("a unix connection that stands can't be cut, and that is said") {
  const std::string path = scratch_dir() + "/standing.sock";
  World world({{"", kPartition}});
  auto inventory = unix_listener(world, path);
  auto orders = world.start(0, [path](const Line& line) {
    const sockaddr_un at = unix_address(path);
    const int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    if (connect(fd, reinterpret_cast<const sockaddr*>(&at), sizeof at) != 0) return 1;
    line.say('c');
    line.hear();
    return 0;
  });
  REQUIRE(orders->hear() == 'c');
  const Status s = world.cut({0}, {1});
  REQUIRE_FALSE(s);
  CHECK(s.error().text().find("unix") != std::string::npos);
  CHECK(world.collect().empty());
}

TEST_CASE("a partition that does nothing never fires, and connections live on") {
  World world({{"", kPartition}});
  sabotage::under_the_seams().cuts_vanish = true;
  auto inventory = listener(world, 1, kListeners);
  auto orders = dialler(world, 0, kForms);
  REQUIRE(world.cut({0}, {1}));
  CHECK(ask(*orders, 0) == 0);
  CHECK(world.collect()[0].fired == 0);
  sabotage::under_the_seams().cuts_vanish = false;
}

}  // namespace
