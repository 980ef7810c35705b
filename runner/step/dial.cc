// SPDX-License-Identifier: Apache-2.0
#include "runner/step/dial.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <ctime>

#include "base/clock.h"

namespace fbx::step {

using sandbox::Fd;

namespace {

Fd open_folder(int root_fd, const std::string& folder) {
  open_how how{};
  how.flags = O_PATH | O_DIRECTORY | O_CLOEXEC;
  how.resolve = RESOLVE_IN_ROOT;
  return Fd(static_cast<int>(::syscall(SYS_openat2, root_fd, folder.c_str(), &how, sizeof how)));
}

// Nothing tells when the full queue of a unix listener has room again.
Wait pause(const StepEnv& env, uint64_t deadline_ns) {
  pollfd abort = {env.abort_fd, POLLIN, 0};
  if (::poll(&abort, 1, 1) > 0) return Wait::kAborted;
  return now_ns() < deadline_ns ? Wait::kReady : Wait::kTimeout;
}

std::string words(Wait why, int64_t timeout_ns) {
  return why == Wait::kAborted ? "interrupted" : timed_out_text(timeout_ns);
}

std::string connect(const StepEnv& env, const Conversation& what, int fd, const Address& to,
                    uint64_t deadline_ns) {
  for (;;) {
    if (::connect(fd, to.get(), to.size) == 0) return "";
    if (errno == EAGAIN && to.get()->sa_family == AF_UNIX) {
      if (const Wait paused = pause(env, deadline_ns); paused != Wait::kReady)
        return words(paused, what.timeout_ns);
      continue;
    }
    if (errno != EINPROGRESS && errno != EINTR) return plain_error(errno);
    if (const Wait waited = wait_for(env, fd, POLLOUT, deadline_ns); waited != Wait::kReady)
      return words(waited, what.timeout_ns);
    int code = 0;
    socklen_t size = sizeof code;
    ::getsockopt(fd, SOL_SOCKET, SO_ERROR, &code, &size);
    return code != 0 ? plain_error(code) : "";
  }
}

}  // namespace

Wait wait_for(const StepEnv& env, int fd, short events, uint64_t deadline_ns) {
  for (;;) {
    const uint64_t now = now_ns();
    if (now >= deadline_ns) return Wait::kTimeout;
    const uint64_t left = deadline_ns - now;
    const timespec bound{static_cast<time_t>(left / 1'000'000'000),
                         static_cast<long>(left % 1'000'000'000)};
    pollfd fds[3] = {{fd, events, 0}, {env.abort_fd, POLLIN, 0}, {env.meanwhile_fd, POLLIN, 0}};
    const int ready = ::ppoll(fds, 3, &bound, nullptr);
    if (ready > 0 && fds[1].revents != 0) return Wait::kAborted;
    if (ready > 0 && fds[2].revents != 0) env.meanwhile();
    if (ready > 0 && fds[0].revents != 0) return Wait::kReady;
  }
}

std::expected<Address, std::string> unix_address(int root_fd, const std::string& path) {
  Address address;
  auto& to = reinterpret_cast<sockaddr_un&>(address.storage);
  to.sun_family = AF_UNIX;
  std::string name = path;
  if (root_fd >= 0) {
    const size_t slash = path.rfind('/');
    const bool bare = slash == std::string::npos;
    address.folder = open_folder(root_fd, bare ? "." : path.substr(0, slash + 1));
    if (!address.folder) return std::unexpected(plain_error(errno));
    name = "/proc/self/fd/" + std::to_string(address.folder.get()) + "/" +
           path.substr(bare ? 0 : slash + 1);
  }
  if (name.size() >= sizeof to.sun_path)
    return std::unexpected("the socket's path is longer than 107 bytes");
  std::memcpy(to.sun_path, name.c_str(), name.size() + 1);
  address.size = sizeof to;
  return address;
}

std::expected<Address, std::string> address_of(const StepEnv& env, const plan::Interface& to) {
  if (to.protocol == plan::Protocol::kUnix) return unix_address(env.root_fd, to.path);
  Address address;
  auto& v4 = reinterpret_cast<sockaddr_in&>(address.storage);
  v4.sin_family = AF_INET;
  v4.sin_port = htons(to.port);
  v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.size = sizeof v4;
  return address;
}

std::string dial(const StepEnv& env, const Conversation& what, uint64_t begin_ns, Kept& into) {
  const plan::Interface& to = env.plan->services[what.service].interfaces[what.interface];
  const auto address = address_of(env, to);
  if (!address) return address.error();
  Fd fd(::socket(address->get()->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd) return plain_error(errno);
  const uint64_t deadline = begin_ns + static_cast<uint64_t>(what.timeout_ns);
  std::string error = connect(env, what, fd.get(), *address, deadline);
  if (!error.empty()) return error;
  into.answerer.ask(fd.get());
  into.stream.fd = std::move(fd);
  return "";
}

}  // namespace fbx::step
