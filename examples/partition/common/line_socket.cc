// SPDX-License-Identifier: Apache-2.0
#include "examples/partition/common/line_socket.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

namespace shop {

namespace {

timeval to_timeval(std::chrono::milliseconds ms) {
  return {.tv_sec = ms.count() / 1000, .tv_usec = (ms.count() % 1000) * 1000};
}

bool to_address(const std::string& host, uint16_t port, sockaddr_in& out) {
  out = {};
  out.sin_family = AF_INET;
  out.sin_port = htons(port);
  const std::string numeric = host == "localhost" ? "127.0.0.1" : host;
  return inet_pton(AF_INET, numeric.c_str(), &out.sin_addr) == 1;
}

}  // namespace

LineSocket::LineSocket(LineSocket&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)), pending_(std::move(other.pending_)) {}

LineSocket& LineSocket::operator=(LineSocket&& other) noexcept {
  std::swap(fd_, other.fd_);
  std::swap(pending_, other.pending_);
  return *this;
}

LineSocket::~LineSocket() {
  if (fd_ >= 0) close(fd_);
}

std::optional<LineSocket> LineSocket::dial(const std::string& host, uint16_t port,
                                           std::chrono::milliseconds timeout) {
  sockaddr_in address;
  if (!to_address(host, port, address)) {
    errno = EINVAL;
    return std::nullopt;
  }
  LineSocket socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (socket.fd_ < 0) return std::nullopt;
  const timeval limit = to_timeval(timeout);
  const int on = 1;
  setsockopt(socket.fd_, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);  // bounds connect too
  setsockopt(socket.fd_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  setsockopt(socket.fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  if (connect(socket.fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    const int why = errno;
    socket = LineSocket();
    errno = why;
    return std::nullopt;
  }
  return socket;
}

bool LineSocket::send_line(std::string_view line) {
  std::string bytes(line);
  bytes += '\n';
  std::string_view rest = bytes;
  while (!rest.empty()) {
    const ssize_t n = send(fd_, rest.data(), rest.size(), MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return false;
    rest.remove_prefix(static_cast<size_t>(n));
  }
  return true;
}

std::optional<std::string> LineSocket::read_line() {
  for (;;) {
    if (const size_t end = pending_.find('\n'); end != std::string::npos) {
      std::string line = pending_.substr(0, end);
      pending_.erase(0, end + 1);
      if (!line.empty() && line.back() == '\r') line.pop_back();
      return line;
    }
    if (pending_.size() >= kMaxLine) {
      errno = EMSGSIZE;
      return std::nullopt;
    }
    char chunk[1024];
    const ssize_t n = recv(fd_, chunk, sizeof chunk, 0);
    if (n < 0 && errno == EINTR) continue;
    if (n == 0) errno = 0;
    if (n <= 0) return std::nullopt;
    pending_.append(chunk, static_cast<size_t>(n));
  }
}

}  // namespace shop
