// SPDX-License-Identifier: Apache-2.0
//
// Who is at the other end: a service, the test's client, or nobody known.
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <doctest/doctest.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "tests/kernel/observe_harness.h"

namespace {

using namespace fbx;
using namespace fbx::observe;
namespace t = fbx::observe::testing;

const std::vector<std::string> kNetwork = {"connect", "accept", "send", "recv", "bind", "close"};

sockaddr_in loopback(uint16_t port) {
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  to.sin_port = htons(port);
  return to;
}

sockaddr_in6 loopback6(uint16_t port) {
  sockaddr_in6 to{};
  to.sin6_family = AF_INET6;
  to.sin6_addr = in6addr_loopback;
  to.sin6_port = htons(port);
  return to;
}

// Listens, tells the port, then accepts `clients` connections and echoes one byte on each.
int echo(int tell, int clients, int family) {
  const int listener = socket(family, SOCK_STREAM, 0);
  sockaddr_in6 six = loopback6(0);
  sockaddr_in four = loopback(0);
  const bool v6 = family == AF_INET6;
  if (bind(listener, v6 ? reinterpret_cast<sockaddr*>(&six) : reinterpret_cast<sockaddr*>(&four),
           v6 ? sizeof six : sizeof four) != 0 ||
      listen(listener, 8) != 0)
    return 1;
  socklen_t size = sizeof six;
  getsockname(listener, reinterpret_cast<sockaddr*>(&six), &size);
  if (write(tell, &six.sin6_port, 2) != 2) return 2;  // at the same place in both
  for (int i = 0; i < clients; ++i) {
    const int fd = accept(listener, nullptr, nullptr);
    char byte;
    if (fd < 0 || read(fd, &byte, 1) != 1 || write(fd, &byte, 1) != 1) return 3;
    close(fd);
  }
  return 0;
}

// 0 when a byte came back.
int ask(uint16_t port, int family) {
  const int fd = socket(family, SOCK_STREAM, 0);
  sockaddr_in6 six = loopback6(port);
  sockaddr_in four = loopback(port);
  const bool v6 = family == AF_INET6;
  char byte = 'x';
  const bool ok =
      connect(fd, v6 ? reinterpret_cast<sockaddr*>(&six) : reinterpret_cast<sockaddr*>(&four),
              v6 ? sizeof six : sizeof four) == 0 &&
      send(fd, &byte, 1, 0) == 1 && recv(fd, &byte, 1, 0) == 1;
  close(fd);
  return ok ? 0 : 1;
}

void both_ends(int family) {
  auto observer = t::observer();
  REQUIRE(observer->begin_test(t::watch(2, kNetwork)));
  int tell[2];
  REQUIRE(pipe(tell) == 0);
  t::Victim server("b", [&] { return echo(tell[1], 2, family); });
  uint16_t port = 0;
  REQUIRE(read(tell[0], &port, 2) == 2);
  port = ntohs(port);
  t::Victim client("a", [&] { return ask(port, family); });
  CHECK(client.wait() == 0);
  CHECK(ask(port, family) == 0);
  CHECK(server.wait() == 0);
  REQUIRE(observer->barrier(1'000'000'000));
  EventStore& store = observer->store();
  const std::string address =
      (family == AF_INET6 ? "[::1]:" : "127.0.0.1:") + std::to_string(port);
  int dials = 0, taken = 0;
  for (const Event& event : t::events(store, 0)) {
    CAPTURE(t::show(store, event));
    if (event.on != FdKind::kStream) continue;
    ++dials;
    CHECK(event.peer == 1);
    CHECK(store.string(event.peer_text) == address);
  }
  CHECK(dials == 4);  // connect, sendto, recvfrom, close
  std::vector<int16_t> peers;
  for (const Event& event : t::events(store, 1)) {
    CAPTURE(t::show(store, event));
    if (event.nr == SYS_bind) CHECK(store.string(event.text).ends_with(":0"));
    if (event.nr != SYS_accept && event.nr != SYS_read && event.nr != SYS_write) continue;
    if (event.on != FdKind::kStream) continue;
    ++taken;
    peers.push_back(event.peer);
  }
  CHECK(taken == 6);
  CHECK(peers == std::vector<int16_t>{0, 0, 0, kPeerClient, kPeerClient, kPeerClient});
  REQUIRE(observer->end_test());
  CHECK(observer->loss().exact());
  close(tell[0]);
  close(tell[1]);
}

TEST_CASE("both ends of an IPv4 connection know the other's service") { both_ends(AF_INET); }
TEST_CASE("both ends of an IPv6 connection know the other's service") { both_ends(AF_INET6); }

// The map of who made which end holds so many connections; its older entries give way.
TEST_CASE("a peer whose entry was pushed out is unknown, not a stranger") {
  auto observer = t::observer();
  BpfObject& object = t::Run::get().object();
  const int use_map = object.map_fd("fbx_tuple_use");
  const uint32_t zero = 0;
  fbx_tuple_use use{};
  REQUIRE(bpf_map_lookup_elem(use_map, &zero, &use) == 0);
  CHECK(use.safe == FBX_TUPLES / 2);
  for (bool full : {false, true}) {
    CAPTURE(full);
    REQUIRE(observer->begin_test(t::watch(2, kNetwork)));
    int tell[2], go_on[2];
    REQUIRE(pipe(tell) == 0);
    REQUIRE(pipe(go_on) == 0);
    t::Victim server("b", [&] { return echo(tell[1], 1, AF_INET); });
    uint16_t port = 0;
    REQUIRE(read(tell[0], &port, 2) == 2);
    t::Victim client("a", [&] {
      const int fd = socket(AF_INET, SOCK_STREAM, 0);
      sockaddr_in to = loopback(ntohs(port));
      if (connect(fd, reinterpret_cast<sockaddr*>(&to), sizeof to) != 0) return 1;
      char byte = 'x';
      if (write(tell[1], &byte, 1) != 1 || read(go_on[0], &byte, 1) != 1) return 2;
      return send(fd, &byte, 1, 0) == 1 && recv(fd, &byte, 1, 0) == 1 ? 0 : 3;
    });
    char byte;
    REQUIRE(read(tell[0], &byte, 1) == 1);
    // As after more connections than the map holds.
    const int tuples = object.map_fd("fbx_tuples");
    fbx_tuple key{}, next{};
    while (bpf_map_get_next_key(tuples, nullptr, &next) == 0) {
      key = next;
      REQUIRE(bpf_map_delete_elem(tuples, &key) == 0);
    }
    fbx_tuple_use later = use;
    if (full) later.made = use.safe + 1;
    REQUIRE(bpf_map_update_elem(use_map, &zero, &later, BPF_ANY) == 0);
    REQUIRE(write(go_on[1], "x", 1) == 1);
    CHECK(client.wait() == 0);
    CHECK(server.wait() == 0);
    REQUIRE(observer->barrier(1'000'000'000));
    const auto& sent = observer->store().of(0, SYS_sendto);
    REQUIRE(sent.size() == 1);
    const Event& event = observer->store().at(sent[0]);
    CHECK(event.peer == (full ? kPeerNone : kPeerOutside));
    CHECK(static_cast<bool>(event.flags & kPeerLost) == full);
    REQUIRE(observer->end_test());
    for (int fd : {tell[0], tell[1], go_on[0], go_on[1]}) close(fd);
  }
  REQUIRE(bpf_map_update_elem(use_map, &zero, &use, BPF_ANY) == 0);
}

TEST_CASE("a refused dial says whom it dialled") {
  auto observer = t::observer();
  REQUIRE(observer->begin_test(t::watch(1, kNetwork)));
  t::Victim client("a", [] { return ask(1, AF_INET); });
  client.wait();
  REQUIRE(observer->barrier(1'000'000'000));
  REQUIRE(observer->store().of(0, SYS_connect).size() == 1);
  const Event& event = observer->store().at(observer->store().of(0, SYS_connect)[0]);
  CHECK(event.ret == -ECONNREFUSED);
  CHECK(event.on == FdKind::kStream);
  CHECK(event.peer == kPeerNone);
  CHECK(observer->store().string(event.peer_text) == "127.0.0.1:1");
  REQUIRE(observer->end_test());
}

TEST_CASE("unix sockets: name and service of the other end") {
  auto observer = t::observer();
  REQUIRE(observer->begin_test(t::watch(2, kNetwork)));
  sockaddr_un name{};
  name.sun_family = AF_UNIX;
  const std::string path = t::scratch_dir() + "/door";
  strcpy(name.sun_path, path.c_str());
  int tell[2];
  REQUIRE(pipe(tell) == 0);
  int go_on[2];
  REQUIRE(pipe(go_on) == 0);
  t::Victim server("b", [&] {
    const int listener = socket(AF_UNIX, SOCK_STREAM, 0);
    if (bind(listener, reinterpret_cast<sockaddr*>(&name), sizeof name) != 0) return 1;
    if (listen(listener, 1) != 0 || write(tell[1], "x", 1) != 1) return 2;
    const int fd = accept(listener, nullptr, nullptr);
    char byte;
    if (recv(fd, &byte, 1, 0) != 1 || send(fd, &byte, 1, 0) != 1) return 3;
    return read(go_on[0], &byte, 1) == 1 ? 0 : 4;
  });
  char byte;
  REQUIRE(read(tell[0], &byte, 1) == 1);
  t::Victim client("a", [&] {
    const int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    char c = 'x';
    if (connect(fd, reinterpret_cast<sockaddr*>(&name), sizeof name) != 0) return 1;
    if (send(fd, &c, 1, 0) != 1 || recv(fd, &c, 1, 0) != 1) return 2;
    return write(go_on[1], "x", 1) == 1 ? 0 : 3;
  });
  CHECK(client.wait() == 0);
  CHECK(server.wait() == 0);
  REQUIRE(observer->barrier(1'000'000'000));
  EventStore& store = observer->store();
  int count = 0;
  for (int16_t service : {0, 1})
    for (const Event& event : t::events(store, service)) {
      if (event.on != FdKind::kUnix || event.nr == SYS_bind) continue;
      if (service == 1 && event.nr == SYS_close) continue;
      CAPTURE(t::show(store, event));
      CHECK(event.peer == 1 - service);
      CHECK(store.string(event.peer_text) == "unix:" + path);
      ++count;
    }
  CHECK(count == 3 + 3);
  REQUIRE(observer->end_test());
  for (int fd : {tell[0], tell[1], go_on[0], go_on[1]}) close(fd);
}

}  // namespace
