// SPDX-License-Identifier: Apache-2.0
//
// Takes what services write to stdout and stderr, so that none ever blocks on a full pipe, and
// keeps the last lines of each stream.
//
// Thread rule: a thread of its own reads; every method may be called from any thread.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "base/result.h"
#include "runner/sandbox/fd.h"
#include "runner/service/output_line.h"

namespace fbx::service {

class OutputPump {
 public:
  static constexpr size_t kKeptLines = 200;      // per stream
  static constexpr size_t kLongestLine = 4096;   // bytes of a kept line; the rest is cut
  static constexpr size_t kLongestEvent = 1u << 20;  // the same of a taken one
  static constexpr size_t kMostTaken = 256u << 20;   // bytes that wait for take_lines()

  OutputPump();
  ~OutputPump();
  OutputPump(const OutputPump&) = delete;
  OutputPump& operator=(const OutputPump&) = delete;

  // Begins to read a stream of a service; `read_end` is closed at its end. A restarted service
  // adds its streams again.
  Status add(int16_t service, bool is_stderr, sandbox::Fd read_end);
  // Becomes true with the first line of the service, of either stream, that comes from now on and
  // for which `test` is true; `test` is called on any thread. The watch ends with the pointer.
  using LineTest = std::function<bool(std::string_view line)>;
  [[nodiscard]] std::shared_ptr<const std::atomic<bool>> watch(int16_t service, LineTest test);
  // Takes what the pipes hold now. After the exit of a process: all that it wrote.
  void pump();
  // The lines since the last call, all services, each stream's in order. What `lost` counts found
  // no room.
  struct Taken {
    int16_t service = -1;
    OutputLine line;
  };
  [[nodiscard]] std::vector<Taken> take_lines(uint64_t& lost);
  // The last `n` lines of a service, both streams, by time; an unfinished line counts as one.
  [[nodiscard]] std::vector<OutputLine> last(int16_t service, size_t n) const;

 private:
  struct Stream;
  struct Watch {
    int16_t service = -1;
    LineTest test;
    std::shared_ptr<std::atomic<bool>> seen;
  };
  void run();
  void pump_locked();
  void finish_line(Stream& stream, uint64_t now);
  void take(Stream& stream, std::string_view bytes, uint64_t now);
  void read_all(Stream& stream);
  void wake() const;

  mutable std::mutex mutex_;
  std::vector<std::unique_ptr<Stream>> streams_;
  std::vector<Watch> watches_;
  std::vector<Taken> taken_;
  size_t taken_bytes_ = 0;
  uint64_t lost_lines_ = 0;
  sandbox::Fd wake_;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace fbx::service
