// SPDX-License-Identifier: Apache-2.0
//
// The wire in a network namespace of its own: what is put onto it arrives late, whole and in order;
// what is not goes straight. Lower bounds only: a busy machine may be later still.
#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstring>
#include <thread>

#include "base/clock.h"
#include "runner/inject/wire.h"

namespace {

using fbx::inject::Wire;
using fbx::sandbox::Fd;

constexpr uint64_t kMs = 1'000'000;
constexpr uint64_t kHour = 3600'000 * kMs;
constexpr int kBoundMs = 20'000;

// Runs `body` on a thread in a network of its own, with lo up.
template <typename Body>
void in_network(const Body& body) {
  std::thread([&] {
    REQUIRE(::unshare(CLONE_NEWNET) == 0);
    const Fd any(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    ifreq lo{};
    std::strcpy(lo.ifr_name, "lo");
    lo.ifr_flags = IFF_UP | IFF_RUNNING;
    REQUIRE(::ioctl(any.get(), SIOCSIFFLAGS, &lo) == 0);
    auto wire = Wire::create();
    REQUIRE_MESSAGE(wire.has_value(), (wire ? "" : wire.error().text()));
    body(**wire);
    CHECK((*wire)->troubles().empty());
  }).join();
}

sockaddr_storage address(const char* text, uint16_t port) {
  sockaddr_storage out{};
  if (std::strchr(text, ':') != nullptr) {
    auto* in = reinterpret_cast<sockaddr_in6*>(&out);
    in->sin6_family = AF_INET6;
    in->sin6_port = htons(port);
    REQUIRE(::inet_pton(AF_INET6, text, &in->sin6_addr) == 1);
  } else {
    auto* in = reinterpret_cast<sockaddr_in*>(&out);
    in->sin_family = AF_INET;
    in->sin_port = htons(port);
    REQUIRE(::inet_pton(AF_INET, text, &in->sin_addr) == 1);
  }
  return out;
}

const sockaddr* plain(const sockaddr_storage& at) { return reinterpret_cast<const sockaddr*>(&at); }

Fd listen_at(const char* text, uint16_t port, int type = SOCK_STREAM) {
  const sockaddr_storage at = address(text, port);
  Fd fd(::socket(at.ss_family, type | SOCK_CLOEXEC, 0));
  REQUIRE(::bind(fd.get(), plain(at), sizeof at) == 0);
  if (type == SOCK_STREAM) REQUIRE(::listen(fd.get(), 16) == 0);
  return fd;
}

Fd make_socket(const sockaddr_storage& to, int type = SOCK_STREAM) {
  return Fd(::socket(to.ss_family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
}

bool wait_for(const Fd& fd, short events) {
  pollfd on{fd.get(), events, 0};
  return ::poll(&on, 1, kBoundMs) == 1;
}

int error_of(const Fd& fd) {
  int error = 0;
  socklen_t size = sizeof error;
  ::getsockopt(fd.get(), SOL_SOCKET, SO_ERROR, &error, &size);
  return error;
}

struct Dialled {
  Fd fd;
  uint64_t took_ns = 0;
  int error = 0;
};

Dialled dial(const sockaddr_storage& to, Wire* wire, uint64_t delay_ns) {
  Dialled out;
  out.fd = make_socket(to);
  if (wire != nullptr) {
    const auto carried = wire->carry_connect(out.fd.get(), to, 1, delay_ns);
    REQUIRE_MESSAGE(carried.has_value(), (carried ? "" : carried.error().text()));
  }
  const uint64_t began = fbx::now_ns();
  const int result = ::connect(out.fd.get(), plain(to), sizeof to);
  REQUIRE((result == 0 || errno == EINPROGRESS));
  REQUIRE(wait_for(out.fd, POLLOUT));
  out.took_ns = fbx::now_ns() - began;
  out.error = error_of(out.fd);
  return out;
}

TEST_CASE("a dial over the wire arrives after its delay, over IPv4 and IPv6") {
  struct Row {
    const char* name;
    const char* listens;
    const char* dials;
  };
  for (const Row& row : {Row{"IPv4", "127.0.0.1", "127.0.0.1"}, Row{"IPv6", "::1", "::1"},
                         Row{"v4-mapped", "127.0.0.1", "::ffff:127.0.0.1"},
                         Row{"another address", "127.0.0.9", "127.0.0.9"},
                         Row{"any", "127.0.0.1", "0.0.0.0"}}) {
    CAPTURE(row.name);
    in_network([&](Wire& wire) {
      const Fd server = listen_at(row.listens, 7001);
      const Dialled late = dial(address(row.dials, 7001), &wire, 100 * kMs);
      CHECK(late.error == 0);
      CHECK(late.took_ns >= 100 * kMs);
      CHECK(wire.carried(1) == 1);
      CHECK(wire.lift({1}).empty());
    });
  }
}

TEST_CASE("others' dials go straight while one is on its way") {
  in_network([](Wire& wire) {
    const Fd server = listen_at("127.0.0.1", 7001);
    const sockaddr_storage to = address("127.0.0.1", 7001);
    const Fd late = make_socket(to);
    REQUIRE(wire.carry_connect(late.get(), to, 1, kHour).has_value());
    CHECK(::connect(late.get(), plain(to), sizeof to) == -1);
    const Dialled straight = dial(to, nullptr, 0);
    CHECK(straight.error == 0);
    pollfd still{late.get(), POLLOUT, 0};
    CHECK(::poll(&still, 1, 0) == 0);
    // Lifting ends it at once.
    CHECK(wire.lift({1}).empty());
    CHECK(wait_for(late, POLLOUT));
    CHECK(error_of(late) == 0);
  });
}

TEST_CASE("a refusal comes after the delay, too") {
  in_network([](Wire& wire) {
    const Dialled late = dial(address("127.0.0.1", 7009), &wire, 50 * kMs);
    CHECK(late.error == ECONNREFUSED);
    CHECK(late.took_ns >= 50 * kMs);
  });
}

TEST_CASE("what a socket sends arrives after its delay, in order, and once") {
  for (const char* host : {"127.0.0.1", "::1"}) {
    CAPTURE(host);
    in_network([&](Wire& wire) {
      const Fd server = listen_at(host, 7001);
      const Dialled client = dial(address(host, 7001), nullptr, 0);
      const Fd peer(::accept4(server.get(), nullptr, nullptr, SOCK_CLOEXEC));
      REQUIRE(wire.carry_send(client.fd.get(), nullptr, 2, 300 * kMs).has_value());
      const uint64_t began = fbx::now_ns();
      REQUIRE(::send(client.fd.get(), "one ", 4, 0) == 4);
      // The rule fires no more, and yet this stays behind the first.
      REQUIRE(::send(client.fd.get(), "two", 3, 0) == 3);
      std::string got;
      char buffer[64];
      while (got.size() < 7) {
        REQUIRE(wait_for(peer, POLLIN));
        if (got.empty()) CHECK(fbx::now_ns() - began >= 300 * kMs);
        const ssize_t n = ::recv(peer.get(), buffer, sizeof buffer, 0);
        REQUIRE(n > 0);
        got.append(buffer, static_cast<size_t>(n));
      }
      CHECK(got == "one two");
      REQUIRE(::send(client.fd.get(), "three", 5, 0) == 5);
      REQUIRE(wait_for(peer, POLLIN));
      CHECK(::recv(peer.get(), buffer, sizeof buffer, 0) == 5);
    });
  }
}

TEST_CASE("much data over the wire arrives whole") {
  in_network([](Wire& wire) {
    const Fd server = listen_at("127.0.0.1", 7001);
    const Dialled client = dial(address("127.0.0.1", 7001), nullptr, 0);
    const Fd peer(::accept4(server.get(), nullptr, nullptr, SOCK_CLOEXEC));
    REQUIRE(wire.carry_send(client.fd.get(), nullptr, 2, 20 * kMs).has_value());
    constexpr size_t kTotal = size_t{8} << 20;
    std::thread sender([&] {
      std::string chunk(65536, '\0');
      for (size_t sent = 0; sent < kTotal;) {
        for (size_t i = 0; i < chunk.size(); ++i) chunk[i] = static_cast<char>((sent + i) * 31 >> 8);
        const size_t left = std::min(chunk.size(), kTotal - sent);
        const ssize_t n = ::send(client.fd.get(), chunk.data(), left, MSG_NOSIGNAL);
        if (n > 0) sent += static_cast<size_t>(n);
        if (n < 0 && !wait_for(client.fd, POLLOUT)) break;
      }
      ::shutdown(client.fd.get(), SHUT_WR);
    });
    size_t got = 0, wrong = 0;
    char buffer[65536];
    while (wait_for(peer, POLLIN)) {
      const ssize_t n = ::recv(peer.get(), buffer, sizeof buffer, 0);
      if (n <= 0) break;
      for (ssize_t i = 0; i < n; ++i, ++got)
        wrong += buffer[i] != static_cast<char>(got * 31 >> 8);
    }
    sender.join();
    CHECK(got == kTotal);
    CHECK(wrong == 0);
  });
}

TEST_CASE("a datagram over the wire arrives after its delay") {
  in_network([](Wire& wire) {
    const Fd server = listen_at("127.0.0.1", 7001, SOCK_DGRAM);
    const sockaddr_storage to = address("127.0.0.1", 7001);
    const Fd client = make_socket(to, SOCK_DGRAM);
    REQUIRE(wire.carry_send(client.get(), &to, 3, 60 * kMs).has_value());
    const uint64_t began = fbx::now_ns();
    REQUIRE(::sendto(client.get(), "x", 1, 0, plain(to), sizeof to) == 1);
    REQUIRE(wait_for(server, POLLIN));
    CHECK(fbx::now_ns() - began >= 60 * kMs);
  });
}

TEST_CASE("a dial that never came over the wire is missed") {
  in_network([](Wire& wire) {
    const sockaddr_storage to = address("127.0.0.1", 7001);
    const Fd idle = make_socket(to);
    REQUIRE(wire.carry_connect(idle.get(), to, 4, kMs).has_value());
    const auto missed = wire.lift({4});
    REQUIRE(missed.size() == 1);
    CHECK(missed[0].rule == 4);
    CHECK(missed[0].what.find("127.0.0.1:7001") != std::string::npos);
  });
}

TEST_CASE("what the wire can't carry is said") {
  in_network([](Wire& wire) {
    const sockaddr_storage away = address("192.0.2.1", 80);
    const Fd out = make_socket(away);
    CHECK_FALSE(wire.carry_connect(out.get(), away, 1, kMs).has_value());
    const Fd unix_socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    CHECK_FALSE(wire.carry_connect(unix_socket.get(), away, 1, kMs).has_value());
    const sockaddr_storage to = address("127.0.0.1", 7001);
    const Fd marked = make_socket(to);
    const uint32_t own = 5;
    REQUIRE(::setsockopt(marked.get(), SOL_SOCKET, SO_MARK, &own, sizeof own) == 0);
    CHECK_FALSE(wire.carry_connect(marked.get(), to, 1, kMs).has_value());
  });
}

}  // namespace
