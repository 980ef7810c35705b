// SPDX-License-Identifier: Apache-2.0
//
// Messages between front and worker: strings with a length before them, over a socketpair. What is
// in them is not known here.
//
// Thread rule: one thread per end.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "runner/sandbox/fd.h"

namespace fbx::sandbox {

class Channel {
 public:
  static constexpr uint32_t kMaxMessage = 256u << 20;  // bytes

  explicit Channel(Fd fd) : fd_(std::move(fd)) {}

  // Returns when the kernel has taken all of it. An error with EPIPE when the other end is gone.
  Status send(std::string_view message);
  // Waits for a message. nullopt: the other end is gone and everything it sent was received (a
  // message cut off by its death is dropped).
  Result<std::optional<std::string>> receive();
  // Reads what is there without waiting; true when the other end is gone.
  Result<bool> fill();
  // A whole message that fill() has read, if there is one.
  Result<std::optional<std::string>> take();

  [[nodiscard]] int poll_fd() const { return fd_.get(); }

 private:
  Fd fd_;
  std::string buffer_;
};

}  // namespace fbx::sandbox
