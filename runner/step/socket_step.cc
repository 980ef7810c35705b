// SPDX-License-Identifier: Apache-2.0
//
// Steps over a plain socket: connect, write and read at the same time (a service may answer before
// it has read everything), until the answer is complete, the deadline passes or the step is
// aborted. Never blocks outside poll.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <optional>

#include "base/clock.h"
#include "runner/step/step_parts.h"

namespace fbx::step {

namespace {

using Until = model::ExchangeStep::Until;

class Socket {
 public:
  explicit Socket(int family)
      : fd_(::socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)) {}
  ~Socket() {
    if (fd_ >= 0) ::close(fd_);
  }
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;
  [[nodiscard]] int fd() const { return fd_; }

 private:
  int fd_;
};

struct Address {
  sockaddr_storage storage{};
  socklen_t size = 0;
  [[nodiscard]] const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
};

// The words of what is wrong, or the address.
std::expected<Address, std::string> address_of(const plan::Interface& to) {
  Address address;
  if (to.protocol == plan::Protocol::kUdp) return std::unexpected("no steps over udp yet");
  if (to.protocol != plan::Protocol::kUnix) {
    auto& v4 = reinterpret_cast<sockaddr_in&>(address.storage);
    v4.sin_family = AF_INET;
    v4.sin_port = htons(to.port);
    v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.size = sizeof v4;
    return address;
  }
  auto& unix_address = reinterpret_cast<sockaddr_un&>(address.storage);
  if (to.path.size() >= sizeof unix_address.sun_path)
    return std::unexpected("the socket's path is longer than 107 bytes");
  unix_address.sun_family = AF_UNIX;
  std::memcpy(unix_address.sun_path, to.path.c_str(), to.path.size() + 1);
  address.size = sizeof unix_address;
  return address;
}

// What poll said; the step ends on everything but kReady.
enum class Wait { kReady, kTimeout, kAborted };

class Talk {
 public:
  Talk(const StepEnv& env, const Conversation& what, uint64_t begin_ns)
      : env_(env), what_(what), deadline_ns_(begin_ns + static_cast<uint64_t>(what.timeout_ns)) {}

  // "" when the answer is complete.
  std::string run(const Address& to, Answerer& answerer);

  [[nodiscard]] bool aborted() const { return aborted_; }
  [[nodiscard]] bool answered() const { return !received_.empty(); }
  // What came, without the terminator.
  [[nodiscard]] std::string data() const;

 private:
  std::string connect(int fd, const Address& to);
  std::string exchange(int fd);
  std::string read_some(int fd, bool& closed);
  void write_some(int fd);
  Wait wait(int fd, short events);
  Wait pause();
  std::string words(Wait why) const;
  // Length of the answer with its terminator, when it is complete.
  std::optional<size_t> end_of_answer();
  std::optional<size_t> end_of_lines();
  [[nodiscard]] std::string closed_text() const;

  const StepEnv& env_;
  const Conversation& what_;
  uint64_t deadline_ns_;
  size_t sent_ = 0;
  size_t searched_ = 0;   // no terminator begins before this
  uint64_t lines_ = 0;    // line feeds before searched_
  std::string received_;
  std::string send_error_;
  std::optional<size_t> end_;
  bool aborted_ = false;
};

Wait Talk::wait(int fd, short events) {
  for (;;) {
    const uint64_t now = now_ns();
    if (now >= deadline_ns_) return Wait::kTimeout;
    const uint64_t left = deadline_ns_ - now;
    const timespec bound{static_cast<time_t>(left / 1'000'000'000),
                         static_cast<long>(left % 1'000'000'000)};
    pollfd fds[3] = {
        {fd, events, 0}, {env_.abort_fd, POLLIN, 0}, {env_.meanwhile_fd, POLLIN, 0}};
    const int ready = ::ppoll(fds, 3, &bound, nullptr);
    aborted_ = ready > 0 && fds[1].revents != 0;
    if (aborted_) return Wait::kAborted;
    if (ready > 0 && fds[2].revents != 0) env_.meanwhile();
    if (ready > 0 && fds[0].revents != 0) return Wait::kReady;
  }
}

// Nothing tells when the full queue of a unix listener has room again.
Wait Talk::pause() {
  pollfd abort = {env_.abort_fd, POLLIN, 0};
  aborted_ = ::poll(&abort, 1, 1) > 0;
  if (aborted_) return Wait::kAborted;
  return now_ns() < deadline_ns_ ? Wait::kReady : Wait::kTimeout;
}

std::string Talk::words(Wait why) const {
  return why == Wait::kAborted ? "interrupted" : timed_out_text(what_.timeout_ns);
}

std::string Talk::connect(int fd, const Address& to) {
  for (;;) {
    if (::connect(fd, to.get(), to.size) == 0) return "";
    if (errno == EAGAIN && to.get()->sa_family == AF_UNIX) {
      if (const Wait paused = pause(); paused != Wait::kReady) return words(paused);
      continue;
    }
    if (errno != EINPROGRESS && errno != EINTR) return plain_error(errno);
    if (const Wait waited = wait(fd, POLLOUT); waited != Wait::kReady) return words(waited);
    int code = 0;
    socklen_t size = sizeof code;
    ::getsockopt(fd, SOL_SOCKET, SO_ERROR, &code, &size);
    return code != 0 ? plain_error(code) : "";
  }
}

std::optional<size_t> Talk::end_of_lines() {
  for (; searched_ < received_.size(); ++searched_) {
    if (received_[searched_] == '\n' && ++lines_ == what_.count) return ++searched_;
  }
  return std::nullopt;
}

std::optional<size_t> Talk::end_of_answer() {
  if (what_.until == Until::kBytes)
    return received_.size() >= what_.count ? std::optional<size_t>(what_.count) : std::nullopt;
  if (what_.until == Until::kLines)
    return what_.count == 0 ? std::optional<size_t>(0) : end_of_lines();
  const size_t found = received_.find(what_.delimiter, searched_);
  if (found != std::string::npos) return found + what_.delimiter.size();
  searched_ = received_.size() - std::min(received_.size(), what_.delimiter.size() - 1);
  return std::nullopt;
}

std::string Talk::closed_text() const {
  if (received_.empty()) return send_error_.empty() ? "empty reply" : send_error_;
  const std::string came = std::to_string(received_.size());
  if (what_.until == Until::kBytes)
    return "closed after " + came + " of " + std::to_string(what_.count) + " bytes";
  const bool line = what_.until == Until::kLines || what_.delimiter == "\n";
  return std::string("closed before the ") + (line ? "line" : "answer") + " ended (after " + came +
         " bytes)";
}

std::string Talk::read_some(int fd, bool& closed) {
  char buffer[16384];
  const ssize_t got = ::recv(fd, buffer, sizeof buffer, 0);
  if (got > 0) {
    received_.append(buffer, static_cast<size_t>(got));
    if (received_.size() > kMaxAnswerBytes)
      return "answer larger than " + std::to_string(kMaxAnswerBytes >> 20) + " MiB";
    end_ = end_of_answer();
    return "";
  }
  if (got == 0) {
    closed = true;
    return "";
  }
  return errno == EAGAIN || errno == EINTR ? "" : plain_error(errno);
}

// A service may answer and close without reading everything: the error counts only if no answer
// comes.
void Talk::write_some(int fd) {
  const ssize_t sent =
      ::send(fd, what_.request.data() + sent_, what_.request.size() - sent_, MSG_NOSIGNAL);
  if (sent >= 0) {
    sent_ += static_cast<size_t>(sent);
  } else if (errno != EAGAIN && errno != EINTR) {
    send_error_ = plain_error(errno);
    sent_ = what_.request.size();
  }
}

std::string Talk::exchange(int fd) {
  end_ = end_of_answer();  // count=0 waits for nothing
  bool closed = false;
  while (!end_ || (received_.empty() && sent_ < what_.request.size())) {
    if (closed) return closed_text();
    const bool writing = sent_ < what_.request.size();
    const Wait waited = wait(fd, static_cast<short>(POLLIN | (writing ? POLLOUT : 0)));
    if (waited != Wait::kReady) return words(waited);
    if (writing) write_some(fd);
    if (std::string error = read_some(fd, closed); !error.empty())
      return received_.empty() && !send_error_.empty() ? send_error_ : error;
  }
  return "";
}

std::string Talk::run(const Address& to, Answerer& answerer) {
  if (what_.until == Until::kDelimiter && what_.delimiter.empty()) return "until=\"\" never ends";
  const Socket socket(to.get()->sa_family);
  if (socket.fd() < 0) return plain_error(errno);
  if (std::string error = connect(socket.fd(), to); !error.empty()) return error;
  answerer.ask(socket.fd());
  return exchange(socket.fd());
}

std::string Talk::data() const {
  if (!end_) return received_;
  size_t length = *end_;
  if (what_.until == Until::kDelimiter) length -= what_.delimiter.size();
  if (what_.until == Until::kLines && length > 0) --length;
  if (what_.strip_cr && length > 0 && received_[length - 1] == '\r') --length;
  return received_.substr(0, length);
}

}  // namespace

StepOutcome socket_step(const StepEnv& env, const Conversation& conversation) {
  StepOutcome outcome;
  Answerer answerer(env, conversation.service);
  const uint64_t begin = now_ns();
  Talk talk(env, conversation, begin);
  const plan::Interface& to =
      env.plan->services[conversation.service].interfaces[conversation.interface];
  const auto address = address_of(to);
  outcome.result.error = address ? talk.run(*address, answerer) : address.error();
  outcome.result.body = talk.data();
  outcome.result.ok = outcome.result.error.empty();
  outcome.aborted = talk.aborted();
  finish(outcome, begin, conversation.what, answerer, talk.answered());
  return outcome;
}

}  // namespace fbx::step
