// SPDX-License-Identifier: Apache-2.0
//
// What the kinds of steps share: who answered, until when, in which words. Internal to runner/step.
//
// Thread rule: values, used by one step.
#pragma once

#include <cstdint>
#include <string>

#include "runner/sandbox/fd.h"
#include "runner/step/peer_owner.h"
#include "runner/step/step_client.h"
#include "spec/plan/plan.h"

namespace fbx::step {

// More than this from a service is an error, not a reason to run out of memory.
constexpr size_t kMaxAnswerBytes = 64u << 20;

struct StepEnv {
  const plan::Plan* plan;
  OwnerCheck owner;
  int abort_fd;
  int meanwhile_fd = -1;
  std::function<void()> meanwhile = {};
  int root_fd = -1;  // where unix paths begin; -1 = the caller's root
};

// Who the server's end of a step belongs to.
class Answerer {
 public:
  Answerer(const StepEnv& env, uint32_t service) : env_(&env), service_(service) {}
  // Asks about one connection; may be called for several (redirects).
  void ask(int connected_fd);
  void ask(const sockaddr* local, const sockaddr* peer, uint32_t service);
  // About a connected UDP socket: who takes what is sent over it.
  void ask_datagram(int connected_fd);
  // The connection went to an address that no interface of the plan has.
  void outside(const std::string& address);
  // `step` as described; `answered`: some byte came back.
  [[nodiscard]] std::optional<Doubt> doubt(const std::string& step, bool answered) const;

 private:
  void take(Result<uint64_t> cgroup, uint32_t service);

  const StepEnv* env_;
  uint32_t service_;
  std::string foreign_;  // who it was instead
  std::string unknown_;  // why it can't be told
};

// "connection reset by peer".
[[nodiscard]] std::string plain_error(int errnum);
// "timed out after 30s", "timed out after 1500ms".
[[nodiscard]] std::string timed_out_text(int64_t timeout_ns);

// Fills begin, end, duration, display and doubt of an outcome whose result is complete.
void finish(StepOutcome& outcome, uint64_t begin_ns, const std::string& what,
            const Answerer& answerer, bool answered);

[[nodiscard]] StepOutcome http_step(const StepEnv& env, void* curl_multi,
                                    const model::HttpStep& step);

// A connected stream, and what has come over it behind the last answer.
struct Stream {
  sandbox::Fd fd;
  std::string rest;
};
// One that is kept, and who is at its other end.
struct Kept {
  Stream stream;  // without fd: it is closed
  Answerer answerer;
};

// What a socket step writes and when its answer is complete.
struct Conversation {
  uint32_t service = 0, interface = 0;
  std::string request;
  model::ExchangeStep::Until until = model::ExchangeStep::Until::kDelimiter;
  std::string delimiter = "\n";
  uint64_t count = 0;
  int64_t timeout_ns = 0;
  std::string what;       // described
};
// Over a connection of its own, or over `kept`.
[[nodiscard]] StepOutcome socket_step(const StepEnv& env, const Conversation& conversation,
                                      Kept* kept = nullptr);
// Opens a connection into `kept`. Of `conversation` only who and how long.
[[nodiscard]] StepOutcome connect_step(const StepEnv& env, const Conversation& conversation,
                                       Kept& kept);
// One datagram there and, unless `until` is kNothing, one back.
[[nodiscard]] StepOutcome datagram_step(const StepEnv& env, const Conversation& conversation);

// Waits for `events` of `fd` until `deadline_ns`, doing meanwhile what there is to do.
enum class Wait { kReady, kTimeout, kAborted };
[[nodiscard]] Wait wait_for(const StepEnv& env, int fd, short events, uint64_t deadline_ns);

}  // namespace fbx::step
