// SPDX-License-Identifier: Apache-2.0
//
// Writes and reads trace files (trace_format.h).
//
// The reader maps the file and takes it for hostile: it follows nothing before it has looked at all
// of it, and refuses the whole file, with the reason and the offset, for one thing that is not as it
// must be. What it gives is in range: seqs, ids of strings, numbers of services and calls, enums; and
// the posting lists hold every call. The file must not change while it is open, which is why it is
// private to who made it.
//
// Thread rule: one thread; several processes may append to one file.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "runner/observe/event.h"
#include "runner/observe/observer.h"

namespace fbx::observe {

// What was seen of one test, with all that a look-back over it asks for.
struct Recording {
  uint32_t plan = 0;  // number in the file
  uint32_t test = 0;  // number in the plan
  uint32_t services = 0;
  uint64_t seed = 0;
  uint64_t body_ns = 0, ended_ns = 0;
  Loss loss;
  TestWatch watch;  // services' index and syscalls only
  std::vector<uint64_t> escapes, in_flight;
  const EventStore* store = nullptr;
};

class TraceWriter {
 public:
  // A new file, of mode 0600, in place of what is there: refused where that is no regular file, or
  // a symbolic link. Inherited by forked processes.
  static Result<TraceWriter> create(const std::string& path, uint64_t seed);
  // Whole or not at all: what was written of it before an error is taken back.
  Status add_plan(std::string_view text);
  Status add_test(const Recording& recording);
  [[nodiscard]] int fd() const { return *fd_; }

 private:
  explicit TraceWriter(int fd) : fd_(new int(fd), close_fd) {}
  static void close_fd(int* fd);
  std::shared_ptr<int> fd_;
};

class Trace {
 public:
  static Result<Trace> open(const std::string& path);

  [[nodiscard]] uint64_t seed() const { return seed_; }
  // Texts of the plans. They have not been looked at; where one has other services than `services`
  // of its recordings says, those must not be read by it.
  [[nodiscard]] const std::vector<std::string_view>& plans() const { return plans_; }
  [[nodiscard]] const std::vector<Recording>& tests() const { return tests_; }

 private:
  friend class TraceReader;
  uint64_t seed_ = 0;
  std::shared_ptr<void> map_;
  std::vector<std::string_view> plans_;
  std::vector<Recording> tests_;
  std::vector<std::unique_ptr<const EventStore>> stores_;
};

}  // namespace fbx::observe
