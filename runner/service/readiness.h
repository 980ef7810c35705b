// SPDX-License-Identifier: Apache-2.0
//
// One service's way to be ready: a small state machine that a poll loop drives. It never waits and
// never blocks. An answer counts only when it comes from a socket of that very service.
//
// Thread rule: one thread, in the test's network namespace.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "base/result.h"
#include "runner/sandbox/sandbox.h"
#include "runner/service/command.h"
#include "runner/service/listeners.h"
#include "runner/service/output.h"
#include "spec/plan/plan.h"

namespace fbx::service {

struct ReadyAnswer {
  enum class Kind { kNotYet, kReady, kForeign, kBroken } kind = Kind::kNotYet;
  // kNotYet: what is missing so far; kForeign, kBroken: the sentence for the user.
  std::string text;
};

class ReadyCheck {
 public:
  virtual ~ReadyCheck() = default;
  // Called when poll_fd() is ready or wake_ns() has come. kReady, kForeign and kBroken are final.
  virtual ReadyAnswer advance() = 0;
  // What to poll for; -1 = nothing.
  [[nodiscard]] virtual int poll_fd() const { return -1; }
  [[nodiscard]] virtual short poll_events() const { return 0; }
  // CLOCK_MONOTONIC.
  [[nodiscard]] virtual uint64_t wake_ns() const = 0;
};

// What all checks of a start share. Outlives them.
struct ReadyContext {
  const plan::Plan* plan = nullptr;
  const sandbox::Sandbox* sandbox = nullptr;
  const Listeners* listeners = nullptr;
  // Whether a socket made in that cgroup is the service's.
  std::function<bool(uint32_t service, uint64_t cgroup)> owns;
  OutputPump* output = nullptr;
  // A program that runs as the service does and is no part of it.
  std::function<Result<CommandRequest>(size_t service, const std::vector<std::string>& argv)>
      command = {};
};

// Made before the service is born, so that none of its output is missed. An error (an address or a
// pattern that can't be understood) is the user's to read.
Result<std::unique_ptr<ReadyCheck>> make_ready_check(const ReadyContext& context, size_t service);

// "port 5432 of service inventory is answered by process 812 (nc), which is no service of the test"
[[nodiscard]] std::string foreign_text(const ReadyContext& context, size_t service, uint16_t port,
                                       uint64_t cgroup, uint32_t inode);

// Retry times: at first every 0.2 ms, then ever slower, up to every 5 ms.
class Pace {
 public:
  // The next time, from now.
  uint64_t next(uint64_t now_ns);
  void restart() { gap_ns_ = kFirstNs; }

 private:
  static constexpr uint64_t kFirstNs = 200'000, kLongestNs = 5'000'000;
  uint64_t gap_ns_ = kFirstNs;
};

}  // namespace fbx::service
