// SPDX-License-Identifier: Apache-2.0
//
// Steps over udp. A lost answer is a timeout: nothing is sent twice.
#include <poll.h>
#include <sys/socket.h>

#include <cerrno>
#include <vector>

#include "base/clock.h"
#include "runner/step/dial.h"
#include "runner/step/step_parts.h"

namespace fbx::step {

namespace {

constexpr size_t kLongestDatagram = 65536;

// "" when one came.
std::string receive(const StepEnv& env, const Conversation& what, int fd, uint64_t deadline_ns,
                    std::string& into) {
  std::vector<char> buffer(kLongestDatagram);
  for (;;) {
    const ssize_t got = ::recv(fd, buffer.data(), buffer.size(), 0);
    if (got >= 0) {
      into.assign(buffer.data(), static_cast<size_t>(got));
      return "";
    }
    if (errno != EAGAIN && errno != EINTR) return plain_error(errno);
    const Wait waited = wait_for(env, fd, POLLIN, deadline_ns);
    if (waited == Wait::kAborted) return "interrupted";
    if (waited == Wait::kTimeout) return timed_out_text(what.timeout_ns);
  }
}

std::string exchange(const StepEnv& env, const Conversation& what, uint64_t begin_ns,
                     Answerer& answerer, std::string& answer) {
  const plan::Interface& to = env.plan->services[what.service].interfaces[what.interface];
  const auto address = address_of(env, to);
  if (!address) return address.error();
  const sandbox::Fd fd(
      ::socket(address->get()->sa_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd || ::connect(fd.get(), address->get(), address->size) != 0) return plain_error(errno);
  answerer.ask_datagram(fd.get());
  if (::send(fd.get(), what.request.data(), what.request.size(), MSG_NOSIGNAL) < 0)
    return plain_error(errno);
  if (what.until == model::ExchangeStep::Until::kNothing) return "";
  return receive(env, what, fd.get(), begin_ns + static_cast<uint64_t>(what.timeout_ns), answer);
}

}  // namespace

StepOutcome datagram_step(const StepEnv& env, const Conversation& conversation) {
  StepOutcome outcome;
  Answerer answerer(env, conversation.service);
  const uint64_t begin = now_ns();
  outcome.result.error =
      exchange(env, conversation, begin, answerer, outcome.result.body);
  outcome.aborted = outcome.result.error == "interrupted";
  outcome.result.ok = outcome.result.error.empty();
  finish(outcome, begin, conversation.what, answerer, outcome.result.ok);
  return outcome;
}

}  // namespace fbx::step
