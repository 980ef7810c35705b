// SPDX-License-Identifier: Apache-2.0
//
// Takes what services write to stdout and stderr, so that none ever blocks on a full pipe, and
// keeps the last lines of each stream.
//
// Thread rule: a thread of its own reads; every method may be called from any thread.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/result.h"
#include "runner/sandbox/fd.h"
#include "runner/service/output_line.h"

namespace fbx::service {

class OutputPump {
 public:
  static constexpr size_t kKeptLines = 200;      // per stream
  static constexpr size_t kLongestLine = 4096;   // bytes; the rest of a line is cut

  OutputPump();
  ~OutputPump();
  OutputPump(const OutputPump&) = delete;
  OutputPump& operator=(const OutputPump&) = delete;

  // Begins to read a stream of a service; `read_end` is closed at its end. A restarted service
  // adds its streams again.
  Status add(int16_t service, bool is_stderr, sandbox::Fd read_end);
  // Takes what the pipes hold now. After the exit of a process: all that it wrote.
  void pump();
  // The last `n` lines of a service, both streams, by time; an unfinished line counts as one.
  [[nodiscard]] std::vector<OutputLine> last(int16_t service, size_t n) const;

 private:
  struct Stream;
  void run();
  void pump_locked();
  void wake() const;

  mutable std::mutex mutex_;
  std::vector<std::unique_ptr<Stream>> streams_;
  sandbox::Fd wake_;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace fbx::service
