// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "runner/inject/probe.h"
#include "runner/sandbox/fd.h"
#include "runner/sandbox/process.h"

namespace fbx::inject {
namespace {

using sandbox::Fd;

constexpr int kBoundMs = 2000;

Capability refused_here(const std::string& what) {
  return {.works = false, .why = what + " (" + std::strerror(errno) + ")", .remedy = "run it with sudo"};
}

// Dials `to`, gives its descriptor's number, and lives until the pipe's other end is closed.
[[noreturn]] void dial_and_wait(const sockaddr_in& to, int number, int until) {
  const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
  if (::connect(fd, reinterpret_cast<const sockaddr*>(&to), sizeof to) != 0) ::_exit(1);
  if (::write(number, &fd, sizeof fd) != sizeof fd) ::_exit(1);
  char nothing = 0;
  (void)!::read(until, &nothing, 1);
  ::_exit(0);
}

Capability disconnect(pid_t child, int number, const Fd& listener) {
  pollfd waiting{number, POLLIN, 0};
  int theirs = -1;
  if (::poll(&waiting, 1, kBoundMs) != 1 || ::read(number, &theirs, sizeof theirs) != sizeof theirs)
    return refused_here("a dial over loopback failed");
  const Fd accepted(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
  const Fd pidfd(static_cast<int>(::syscall(SYS_pidfd_open, child, 0)));
  const Fd copy(static_cast<int>(::syscall(SYS_pidfd_getfd, pidfd.get(), theirs, 0)));
  if (!copy) return refused_here("a copy of a service's descriptor was refused");
  const sockaddr nobody{.sa_family = AF_UNSPEC, .sa_data = {}};
  if (::connect(copy.get(), &nobody, sizeof nobody) != 0)
    return refused_here("a copy of a service's socket can't be disconnected");
  pollfd reset{accepted.get(), POLLIN, 0};
  char byte = 0;
  if (::poll(&reset, 1, kBoundMs) != 1 || ::recv(accepted.get(), &byte, 1, 0) >= 0 ||
      errno != ECONNRESET)
    return refused_here("a disconnected socket's other end saw no reset");
  return {.works = true};
}

}  // namespace

Capability probe_borrow() {
  sockaddr_in own{};
  own.sin_family = AF_INET;
  own.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof own;
  const Fd listener(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!listener || ::bind(listener.get(), reinterpret_cast<sockaddr*>(&own), size) != 0 ||
      ::listen(listener.get(), 1) != 0 ||
      ::getsockname(listener.get(), reinterpret_cast<sockaddr*>(&own), &size) != 0)
    return refused_here("listening on loopback was refused");
  int number[2], until[2];
  if (::pipe2(number, O_CLOEXEC) != 0) return refused_here("pipe");
  const Fd number_in(number[0]), number_out(number[1]);
  if (::pipe2(until, O_CLOEXEC) != 0) return refused_here("pipe");
  const Fd until_in(until[0]);
  Fd until_out(until[1]);
  const pid_t parent = ::getpid(), child = ::fork();
  if (child < 0) return refused_here("fork");
  if (child == 0) {
    sandbox::die_with(parent);
    ::close(until_out.get());
    dial_and_wait(own, number_out.get(), until_in.get());
  }
  const Capability out = disconnect(child, number_in.get(), listener);
  until_out.reset();
  ::waitpid(child, nullptr, 0);
  return out;
}

}  // namespace fbx::inject
