// SPDX-License-Identifier: Apache-2.0
#include "runner/sandbox/channel.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace fbx::sandbox {

namespace {

// Of one machine and one binary: the length is in native order.
using Length = uint32_t;

Status wait_for(int fd, short events) {
  pollfd waiting{fd, events, 0};
  while (::poll(&waiting, 1, -1) < 0) {
    if (errno != EINTR) return fail_errno("waiting for a channel");
  }
  return {};
}

}  // namespace

Status Channel::send(std::string_view message) {
  if (message.size() > kMaxMessage) return fail("message too long for a channel");
  const auto length = static_cast<Length>(message.size());
  std::string all(reinterpret_cast<const char*>(&length), sizeof length);
  all += message;
  for (size_t sent = 0; sent < all.size();) {
    const ssize_t n = ::send(fd_.get(), all.data() + sent, all.size() - sent, MSG_NOSIGNAL);
    if (n >= 0) {
      sent += static_cast<size_t>(n);
    } else if (errno == EAGAIN) {
      if (Status s = wait_for(fd_.get(), POLLOUT); !s) return s;
    } else if (errno != EINTR) {
      return fail_errno("sending to a channel", errno == ECONNRESET ? EPIPE : errno);
    }
  }
  return {};
}

Result<bool> Channel::fill() {
  char chunk[65536];
  for (;;) {
    const ssize_t n = ::recv(fd_.get(), chunk, sizeof chunk, MSG_DONTWAIT);
    if (n > 0) {
      buffer_.append(chunk, static_cast<size_t>(n));
    } else if (n == 0 || errno == ECONNRESET) {
      return true;
    } else if (errno == EAGAIN) {
      return false;
    } else if (errno != EINTR) {
      return fail_errno("receiving from a channel");
    }
  }
}

Result<std::optional<std::string>> Channel::take() {
  Length length = 0;
  if (buffer_.size() < sizeof length) return std::optional<std::string>();
  std::memcpy(&length, buffer_.data(), sizeof length);
  if (length > kMaxMessage) return fail("a channel's message has an impossible length");
  if (buffer_.size() - sizeof length < length) return std::optional<std::string>();
  std::string message = buffer_.substr(sizeof length, length);
  buffer_.erase(0, sizeof length + length);
  return message;
}

Result<std::optional<std::string>> Channel::receive() {
  for (;;) {
    auto message = take();
    if (!message || *message) return message;
    if (Status s = wait_for(fd_.get(), POLLIN); !s) return std::unexpected(s.error());
    auto ended = fill();
    if (!ended) return std::unexpected(ended.error());
    if (*ended) return take();
  }
}

}  // namespace fbx::sandbox
