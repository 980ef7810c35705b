// SPDX-License-Identifier: Apache-2.0
//
// A connected TCP socket that speaks lines: what inventory-svc and order-svc have in common.
// Blocking throughout; a time-out is the kernel's (SO_RCVTIMEO), so nothing here polls.
//
// Thread rule: one thread at a time per object.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace shop {

// A line longer than this, in bytes, ends the conversation: no request of ours comes near it.
inline constexpr size_t kMaxLine = 4096;

class LineSocket {
 public:
  LineSocket() = default;
  explicit LineSocket(int fd) : fd_(fd) {}  // takes ownership
  LineSocket(LineSocket&& other) noexcept;
  LineSocket& operator=(LineSocket&& other) noexcept;
  ~LineSocket();

  // A blocking connect to a numeric IPv4 address, or "localhost". nullopt: errno says why
  // (EINPROGRESS when `timeout` ran out). `timeout` also bounds every later wait for a line.
  static std::optional<LineSocket> dial(const std::string& host, uint16_t port,
                                        std::chrono::milliseconds timeout);

  // Sends `line` and its '\n'. False: errno says why (EPIPE and ECONNRESET included, no signal).
  [[nodiscard]] bool send_line(std::string_view line);

  // The next line, without '\n' and a '\r' before it. nullopt: errno says why; 0 when the peer
  // closed its side, EAGAIN when nothing came in time, EMSGSIZE for more than kMaxLine bytes.
  [[nodiscard]] std::optional<std::string> read_line();

 private:
  int fd_ = -1;
  std::string pending_ = {};  // received, not yet handed out
};

}  // namespace shop
