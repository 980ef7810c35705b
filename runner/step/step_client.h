// SPDX-License-Identifier: Apache-2.0
//
// Performs the steps of a test: real requests to a service's own interface, straight, from no
// service's cgroup (LANGUAGE section 4). A transport error is an answer, not a failure of this
// class: it is in StepResult::error, in plain words:
//
//   "connection refused"   "connection reset by peer"   "timed out after 30s"   "empty reply"
//   "closed before the line ended (after 12 bytes)"     "not an HTTP answer"    "interrupted"
//
// Every step is a connection of its own, unless it names one that a ConnectStep keeps, to
// 127.0.0.1:port or the unix path of the interface; no proxy variables, no reuse, no signals.
// HTTP/1.1. A kept connection on which an exchange failed is closed: the next one says
// "the connection is closed". Over udp an exchange is one datagram there and one back.
//
// Before a request is sent, the owner of the server's end is asked for (peer_owner.h). When it is
// no socket of that service, or it can't be told and an answer came all the same, the outcome
// carries a doubt with code "foreign-answer": the test can't pass.
//
// Thread rule: one thread at a time, inside the test's network namespace. Durations of
// steps are ns, of results ms.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/result.h"
#include "runner/step/peer_owner.h"
#include "spec/model/session.h"
#include "spec/plan/plan.h"

namespace fbx::step {

struct Doubt {
  std::string code;  // "foreign-answer"
  std::string text;  // one sentence: which step, who answered
};

struct StepOutcome {
  model::StepResult result;
  std::optional<Doubt> doubt;
  bool aborted = false;     // the abort descriptor became readable; error is "interrupted"
  uint64_t begin_ns = 0;    // CLOCK_MONOTONIC
  uint64_t end_ns = 0;
  std::string display;      // `orders.post /orders → 503, 2.1 ms`
  std::string mistake;      // the step itself is wrong (a pattern that is none); "" = it is not
};

// `orders.post /orders`, `inventory.send "PING"`: what is in flight while a step runs.
[[nodiscard]] std::string describe(const plan::Plan& plan, const model::HttpStep& step);
[[nodiscard]] std::string describe(const plan::Plan& plan, const model::TcpSendStep& step);
[[nodiscard]] std::string describe(const plan::Plan& plan, const model::ExchangeStep& step);
[[nodiscard]] std::string describe(const plan::Plan& plan, const model::ConnectStep& step);

class StepClient {
 public:
  // `plan` must outlive the client. `abort_fd` (an eventfd, not owned; -1 = none) ends the step in
  // flight at once when it becomes readable; it is never read. Without `owner` no question is
  // asked about who answers (health checks of something that is no service).
  StepClient(const plan::Plan& plan, OwnerCheck owner, int abort_fd);
  ~StepClient();
  StepClient(const StepClient&) = delete;
  StepClient& operator=(const StepClient&) = delete;

  // While a step waits, `act` is called whenever `fd` is readable: a long step must not let the
  // observer's ring fill. `act` must take what made it readable.
  void meanwhile(int fd, std::function<void()> act);

  StepOutcome perform(const model::HttpStep& step);
  StepOutcome perform(const model::TcpSendStep& step);
  StepOutcome perform(const model::ExchangeStep& step);
  StepOutcome perform(const model::ConnectStep& step);
  void close(model::ConnectionId connection);

  // Unix paths are those of this root directory (O_PATH, not owned); without it, the caller's.
  void look_up_paths_in(int root_fd);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace fbx::step
