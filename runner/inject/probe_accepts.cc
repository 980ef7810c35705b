// SPDX-License-Identifier: Apache-2.0
#include <sys/socket.h>
#include <sys/un.h>

#include <cerrno>
#include <cstring>

#include "runner/inject/accept_ring.h"
#include "runner/inject/probe.h"
#include "runner/sandbox/fd.h"

namespace fbx::inject {
namespace {

using sandbox::Fd;

Capability cannot(std::string why) {
  return {.works = false, .why = std::move(why), .remedy = "sysctl kernel.io_uring_disabled=0"};
}

// A name of its own, so that no network is needed.
Fd listen_somewhere(sockaddr_un& name, socklen_t& length) {
  Fd listener(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  name.sun_family = AF_UNIX;
  length = sizeof name.sun_family;  // the kernel finds a free name
  if (!listener || ::bind(listener.get(), reinterpret_cast<sockaddr*>(&name), length) != 0)
    return Fd();
  length = sizeof name;
  if (::getsockname(listener.get(), reinterpret_cast<sockaddr*>(&name), &length) != 0) return Fd();
  return ::listen(listener.get(), 1) == 0 ? std::move(listener) : Fd();
}

}  // namespace

Capability probe_accepts() {
  auto ring = AcceptRing::create();
  if (!ring) return cannot(ring.error().text());
  sockaddr_un name{};
  socklen_t length = 0;
  const Fd listener = listen_somewhere(name, length);
  const Fd dial(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!listener || !dial) return cannot(std::string("a unix socket failed (") + std::strerror(errno) + ")");
  const auto none = (*ring)->consume(listener.get());
  if (!none) return cannot(none.error().text());
  if (::connect(dial.get(), reinterpret_cast<const sockaddr*>(&name), length) != 0)
    return cannot(std::string("a unix dial failed (") + std::strerror(errno) + ")");
  const auto one = (*ring)->consume(listener.get());
  if (!one) return cannot(one.error().text());
  char byte = 0;
  const bool closed = ::recv(dial.get(), &byte, 1, MSG_DONTWAIT) == 0;
  if (*none || !*one || !closed) return cannot("a connection could not be taken from a queue");
  return {.works = true, .why = {}, .remedy = {}};
}

}  // namespace fbx::inject
