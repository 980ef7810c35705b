// SPDX-License-Identifier: Apache-2.0
//
// Who answers: with listeners of this process, whose cgroup is known, and (as root, in a cgroup
// made here) of another one.
#include <doctest/doctest.h>

#include <arpa/inet.h>
#include <sys/stat.h>

#include <chrono>
#include <fstream>
#include <optional>

#include "runner/step/step_client.h"
#include "tests/unit/step_server.h"

using namespace fbx;
using namespace fbx::step;

namespace {

std::string cgroup_mount() {
  for (const char* mount : {"/sys/fs/cgroup", "/sys/fs/cgroup/unified"}) {
    struct stat info{};
    if (::stat((std::string(mount) + "/cgroup.controllers").c_str(), &info) == 0) return mount;
  }
  return "";
}

std::string own_cgroup() {
  std::ifstream lines("/proc/self/cgroup");
  for (std::string line; std::getline(lines, line);)
    if (line.starts_with("0::")) return cgroup_mount() + line.substr(3);
  return "";
}

int dial(const sockaddr* to, socklen_t size) {
  const int fd = ::socket(to->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  REQUIRE(::connect(fd, to, size) == 0);
  return fd;
}

struct Bound {
  int listener = -1;
  uint16_t port = 0;
};

Bound listen_v6(bool only_v6) {
  Bound bound;
  bound.listener = ::socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int only = only_v6 ? 1 : 0;
  ::setsockopt(bound.listener, IPPROTO_IPV6, IPV6_V6ONLY, &only, sizeof only);
  sockaddr_in6 address{};
  address.sin6_family = AF_INET6;
  socklen_t size = sizeof address;
  ::bind(bound.listener, reinterpret_cast<sockaddr*>(&address), size);
  ::listen(bound.listener, 16);
  ::getsockname(bound.listener, reinterpret_cast<sockaddr*>(&address), &size);
  bound.port = ntohs(address.sin6_port);
  return bound;
}

sockaddr_in6 v6_address(const char* text, uint16_t port) {
  sockaddr_in6 address{};
  address.sin6_family = AF_INET6;
  address.sin6_port = htons(port);
  ::inet_pton(AF_INET6, text, &address.sin6_addr);
  return address;
}

sockaddr_in v4_address(const char* text, uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  ::inet_pton(AF_INET, text, &address.sin_addr);
  return address;
}

plan::Plan two_services(uint16_t first, uint16_t second) {
  plan::Plan plan;
  for (const auto& [name, port] : {std::pair{"orders", first}, std::pair{"inventory", second}}) {
    plan::Service service;
    service.name = name;
    service.interfaces.push_back({"main", plan::Protocol::kHttp, port, ""});
    plan.services.push_back(service);
  }
  return plan;
}

}  // namespace

TEST_CASE("the owner of the other end is found over every kind of address") {
  const Result<uint64_t> own = cgroup_id(own_cgroup());
  REQUIRE(own);
  const Bound dual = listen_v6(false), only_v6 = listen_v6(true);
  uint16_t v4_port = 0;
  const int v4_listener = listen_on_loopback(v4_port);

  const auto check_v4 = [&](const char* text, uint16_t port) {
    CAPTURE(text);
    const sockaddr_in to = v4_address(text, port);
    const int fd = dial(reinterpret_cast<const sockaddr*>(&to), sizeof to);
    const Result<uint64_t> owner = owner_cgroup(fd);
    REQUIRE_MESSAGE(owner.has_value(), owner.error().text());
    CHECK(*owner == *own);
    ::close(fd);
  };
  const auto check_v6 = [&](const char* text, uint16_t port) {
    CAPTURE(text);
    const sockaddr_in6 to = v6_address(text, port);
    const int fd = dial(reinterpret_cast<const sockaddr*>(&to), sizeof to);
    const Result<uint64_t> owner = owner_cgroup(fd);
    REQUIRE_MESSAGE(owner.has_value(), owner.error().text());
    CHECK(*owner == *own);
    ::close(fd);
  };
  check_v4("127.0.0.1", v4_port);
  check_v4("127.0.0.1", dual.port);
  check_v4("127.0.0.77", dual.port);
  check_v6("::1", dual.port);
  check_v6("::ffff:127.0.0.1", dual.port);
  check_v6("::ffff:127.0.0.1", v4_port);
  check_v6("::1", only_v6.port);
  for (const int fd : {dual.listener, only_v6.listener, v4_listener}) ::close(fd);
}

TEST_CASE("a connection that nobody has accepted yet has an owner") {
  const Result<uint64_t> own = cgroup_id(own_cgroup());
  REQUIRE(own);
  uint16_t port = 0;
  const int listener = listen_on_loopback(port);
  const sockaddr_in to = v4_address("127.0.0.1", port);
  const int fd = dial(reinterpret_cast<const sockaddr*>(&to), sizeof to);
  const Result<uint64_t> owner = owner_cgroup(fd);
  REQUIRE(owner);
  CHECK(*owner == *own);
  ::close(fd);
  ::close(listener);
}

TEST_CASE("a unix socket's owner is the process that listens") {
  const std::string path = "/tmp/fbx-owner-test-" + std::to_string(::getpid()) + ".sock";
  const int listener = listen_on_path(path);
  sockaddr_un to{};
  to.sun_family = AF_UNIX;
  std::strncpy(to.sun_path, path.c_str(), sizeof to.sun_path - 1);
  const int fd = dial(reinterpret_cast<const sockaddr*>(&to), sizeof to);
  const Result<uint64_t> owner = owner_cgroup(fd), own = cgroup_id(own_cgroup());
  REQUIRE(owner);
  REQUIRE(own);
  CHECK(*owner == *own);
  ::close(fd);
  ::close(listener);
  ::unlink(path.c_str());
}

TEST_CASE("an end that is gone has no owner") {
  const sockaddr_in nobody = v4_address("127.0.0.1", 1), local = v4_address("127.0.0.1", 2);
  CHECK_FALSE(owner_cgroup(reinterpret_cast<const sockaddr*>(&local),
                           reinterpret_cast<const sockaddr*>(&nobody)));
}

TEST_CASE("an answer from somebody else is a doubt, from the service it is none") {
  const uint64_t own = cgroup_id(own_cgroup()).value_or(0);
  struct Row {
    const char* what;
    bool ours;
    bool has_doubt;
  };
  for (const Row& row : {Row{"ours", true, false}, Row{"foreign", false, true}}) {
    CAPTURE(row.what);
    const std::string answer = "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx";
    uint16_t http_port = 0, tcp_port = 0;
    const int http_listener = listen_on_loopback(http_port);
    const int tcp_listener = listen_on_loopback(tcp_port);
    const Server http_server(http_listener, {{"\r\n\r\n", answer}});
    const Server tcp_server(tcp_listener, {{"\n", "PONG\n"}});
    const plan::Plan plan = two_services(http_port, tcp_port);
    uint32_t asked = 99;
    StepClient client(
        plan,
        [&](uint32_t service, uint64_t cgroup) {
          asked = service;
          return row.ours && cgroup == own;
        },
        -1);
    model::HttpStep get;
    get.method = "GET";
    get.path = "/";
    const StepOutcome http_outcome = client.perform(get);
    CHECK(asked == 0);
    model::TcpSendStep send;
    send.service = 1;
    send.data = "PING";
    const StepOutcome tcp_outcome = client.perform(send);
    CHECK(asked == 1);
    CHECK(http_outcome.result.status == 200);
    CHECK(tcp_outcome.result.body == "PONG");
    for (const StepOutcome* outcome : {&http_outcome, &tcp_outcome}) {
      CHECK(outcome->doubt.has_value() == row.has_doubt);
      if (outcome->doubt) CHECK(outcome->doubt->code == "foreign-answer");
    }
  }
}

TEST_CASE("a redirect leads to a service of the test, or to a doubt") {
  for (const bool inside : {true, false}) {
    CAPTURE(inside);
    uint16_t first = 0, second = 0;
    const int first_listener = listen_on_loopback(first);
    const int second_listener = listen_on_loopback(second);
    const std::string redirect = "HTTP/1.1 302 Found\r\nContent-Length: 0\r\nLocation: http://" +
                                 std::string("127.0.0.1:") + std::to_string(second) + "/\r\n\r\n";
    const Server a(first_listener, {{"\r\n\r\n", redirect}});
    const Server b(second_listener,
                   {{"\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx"}});
    const plan::Plan plan = two_services(first, inside ? second : 1);
    StepClient client(plan, [](uint32_t, uint64_t) { return true; }, -1);
    model::HttpStep get;
    get.method = "GET";
    get.path = "/";
    const StepOutcome outcome = client.perform(get);
    CHECK(outcome.result.status == 200);
    CHECK(outcome.doubt.has_value() == !inside);
  }
}

TEST_CASE("asking for the owner costs some tens of µs") {
  uint16_t port = 0;
  const int listener = listen_on_loopback(port);
  const sockaddr_in to = v4_address("127.0.0.1", port);
  const int fd = dial(reinterpret_cast<const sockaddr*>(&to), sizeof to);
  constexpr int kRounds = 1000;
  const auto begin = std::chrono::steady_clock::now();
  for (int i = 0; i < kRounds; ++i) REQUIRE(owner_cgroup(fd));
  const auto took = std::chrono::steady_clock::now() - begin;
  const double us =
      std::chrono::duration<double, std::micro>(took).count() / kRounds;
  MESSAGE("owner_cgroup: " << us << " µs");
  CHECK(us < 1000);  // a bound against searching, not a benchmark
  ::close(fd);
  ::close(listener);
}

TEST_CASE("owner_check knows a leaf and what lies below it") {
  const std::string mount = cgroup_mount();
  const OwnerCheck check = owner_check({mount, "", "/nowhere"});
  const Result<uint64_t> root = cgroup_id(mount), own = cgroup_id(own_cgroup());
  REQUIRE(root);
  REQUIRE(own);
  CHECK(check(0, *root));
  CHECK(check(0, *own));
  CHECK_FALSE(check(0, UINT64_MAX));
  CHECK_FALSE(check(1, *root));
  CHECK_FALSE(check(2, *root));
  CHECK_FALSE(check(3, *root));
}
