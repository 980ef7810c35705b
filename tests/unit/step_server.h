// SPDX-License-Identifier: Apache-2.0
//
// A listener on loopback (or a unix path) that plays one connection's part: reads until it has
// seen `until`, writes `answer`, then closes as told. For tests of the step client.
//
// Thread rule: one thread per server, joined by the destructor.
#pragma once

#include <netinet/in.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdint>
#include <cstring>
#include <functional>
#include <string>
#include <thread>

namespace fbx::step {

inline int listen_on_loopback(uint16_t& port) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  ::bind(fd, reinterpret_cast<sockaddr*>(&address), size);
  ::listen(fd, 16);
  ::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size);
  port = ntohs(address.sin_port);
  return fd;
}

inline int listen_on_path(const std::string& path) {
  const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
  ::unlink(path.c_str());
  ::bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address);
  ::listen(fd, 16);
  return fd;
}

enum class Ending { kClose, kReset, kHold };

struct Part {
  std::string until = "\n";  // read at least until this was seen; "" = read nothing
  std::string answer;
  Ending ending = Ending::kClose;
  size_t chunk = 0;  // 0 = at once; else so many bytes a write
};

class Server {
 public:
  // Serves `parts` one connection after the other.
  Server(int listener, std::vector<Part> parts)
      : listener_(listener), thread_([this, parts] {
          for (const Part& part : parts) serve(part);
        }) {}
  ~Server() {
    ::shutdown(listener_, SHUT_RDWR);
    const uint64_t one = 1;
    (void)!::write(release_, &one, sizeof one);
    thread_.join();
    ::close(listener_);
    ::close(release_);
  }
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;
  [[nodiscard]] const std::string& request() const { return request_; }

 private:
  void serve(const Part& part) {
    const int fd = ::accept(listener_, nullptr, nullptr);
    if (fd < 0) return;
    char buffer[4096];
    std::string got;
    while (got.find(part.until) == std::string::npos) {
      const ssize_t n = ::recv(fd, buffer, sizeof buffer, 0);
      if (n <= 0) break;
      got.append(buffer, static_cast<size_t>(n));
    }
    request_ = got;
    const size_t chunk = part.chunk != 0 ? part.chunk : part.answer.size();
    for (size_t at = 0; at < part.answer.size(); at += chunk)
      (void)!::send(fd, part.answer.data() + at, std::min(chunk, part.answer.size() - at),
                    MSG_NOSIGNAL);
    finish(fd, part.ending);
  }

  void finish(int fd, Ending ending) {
    if (ending == Ending::kReset) {
      const linger now{1, 0};
      ::setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    }
    if (ending == Ending::kHold) {
      uint64_t count = 0;
      (void)!::read(release_, &count, sizeof count);
    }
    ::close(fd);
  }

  int listener_;
  int release_ = ::eventfd(0, EFD_CLOEXEC);
  std::string request_;
  std::thread thread_;
};

}  // namespace fbx::step
