// SPDX-License-Identifier: Apache-2.0
//
// Checks that dial: a TCP connection is accepted, or an HTTP GET is answered with a healthy
// status. Raw sockets on purpose: a check reads one status line and nothing more.
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstring>

#include "base/clock.h"
#include "runner/service/ready_parts.h"
#include "runner/step/peer_owner.h"

namespace fbx::service {

namespace {

using Kind = ReadyAnswer::Kind;

// A server that accepted too early may never answer that connection: dial again after this long.
constexpr uint64_t kAttemptNs = 1'000'000'000;
constexpr size_t kLongestStatusLine = 4096;

// "HTTP/1.1 200 OK" → 200; 0 when it is no status line.
int status_of(std::string_view line) {
  if (!line.starts_with("HTTP/1.") || line.size() < 12 || line[8] != ' ') return 0;
  int status = 0;
  std::from_chars(line.data() + 9, line.data() + 12, status);
  return status;
}

class DialCheck : public ReadyCheck {
 public:
  DialCheck(const ReadyContext& context, size_t service, DialTarget target, bool http, int status)
      : context_(context), service_(service), target_(std::move(target)), http_(http),
        status_(status), wake_ns_(now_ns()) {}

  ReadyAnswer advance() override {
    const uint64_t now = now_ns();
    if (fd_ && now >= wake_ns_) return retry(says() + "does not answer");
    ReadyAnswer answer{Kind::kNotYet, last_};
    if (!fd_) answer = dial(now);
    if (fd_ && phase_ == Phase::kConnecting) answer = connected();
    if (fd_ && phase_ == Phase::kAnswering) answer = read_status();
    return answer;
  }

  [[nodiscard]] int poll_fd() const override { return fd_.get(); }
  [[nodiscard]] short poll_events() const override {
    return phase_ == Phase::kConnecting ? POLLOUT : POLLIN;
  }
  [[nodiscard]] uint64_t wake_ns() const override { return wake_ns_; }

 private:
  enum class Phase { kConnecting, kAnswering };

  [[nodiscard]] std::string says() const {
    return target_.host + ":" + std::to_string(target_.port) + target_.path + " ";
  }

  ReadyAnswer retry(std::string why) {
    fd_.reset();
    turn_ = (turn_ + 1) % target_.addresses.size();
    wake_ns_ = pace_.next(now_ns());
    last_ = std::move(why);
    return {Kind::kNotYet, last_};
  }

  ReadyAnswer dial(uint64_t now) {
    const sockaddr_storage& address = target_.addresses[turn_];
    fd_ = sandbox::Fd(::socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!fd_) return retry(says() + std::strerror(errno));
    phase_ = Phase::kConnecting;
    wake_ns_ = now + kAttemptNs;
    const socklen_t size =
        address.ss_family == AF_INET ? sizeof(sockaddr_in) : sizeof(sockaddr_in6);
    if (::connect(fd_.get(), reinterpret_cast<const sockaddr*>(&address), size) != 0 &&
        errno != EINPROGRESS)
      return retry(says() + std::strerror(errno));
    return {Kind::kNotYet, last_};
  }

  ReadyAnswer connected() {
    pollfd one{fd_.get(), POLLOUT, 0};
    if (::poll(&one, 1, 0) == 0) return {Kind::kNotYet, last_};
    int error = 0;
    socklen_t size = sizeof error;
    ::getsockopt(fd_.get(), SOL_SOCKET, SO_ERROR, &error, &size);
    if (error != 0) return retry(says() + std::strerror(error));
    auto owner = step::owner_cgroup(fd_.get());
    if (!owner) return retry(owner.error().text());
    if (!context_.owns(static_cast<uint32_t>(service_), *owner))
      return {Kind::kForeign, foreign_text(context_, service_, target_.port, *owner, inode())};
    if (!http_) return {Kind::kReady, ""};
    const std::string request = "GET " + target_.path + " HTTP/1.1\r\nHost: " + target_.host +
                                ":" + std::to_string(target_.port) +
                                "\r\nUser-Agent: fbx\r\nAccept: */*\r\nConnection: close\r\n\r\n";
    if (::send(fd_.get(), request.data(), request.size(), MSG_NOSIGNAL) !=
        static_cast<ssize_t>(request.size()))
      return retry(says() + std::strerror(errno));
    phase_ = Phase::kAnswering;
    answer_.clear();
    if (!has_answered_) last_ = says() + "does not answer";
    return {Kind::kNotYet, last_};
  }

  ReadyAnswer read_status() {
    char chunk[1024];
    const ssize_t n = ::recv(fd_.get(), chunk, sizeof chunk, 0);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return {Kind::kNotYet, last_};
    if (n < 0) return retry(says() + std::strerror(errno));
    if (n == 0) return retry(says() + "closes the connection without an answer");
    answer_.append(chunk, static_cast<size_t>(n));
    const size_t end = answer_.find('\n');
    if (end == std::string::npos && answer_.size() < kLongestStatusLine)
      return {Kind::kNotYet, last_};
    const int got = status_of(answer_);
    if (got == 0) return retry(says() + "does not speak HTTP/1");
    const bool healthy = status_ == 0 ? got >= 200 && got <= 399 : got == status_;
    if (healthy) return {Kind::kReady, ""};
    has_answered_ = true;
    const std::string wanted = status_ == 0 ? "200 to 399" : std::to_string(status_);
    return retry(says() + "answers " + std::to_string(got) + ", want " + wanted);
  }

  [[nodiscard]] uint32_t inode() const {
    const auto listeners = context_.listeners->tcp(target_.port);
    return listeners && !listeners->empty() ? listeners->front().inode : 0;
  }

  const ReadyContext& context_;
  size_t service_;
  DialTarget target_;
  bool http_;
  int status_;
  Phase phase_ = Phase::kConnecting;
  sandbox::Fd fd_;
  size_t turn_ = 0;
  std::string answer_, last_;
  bool has_answered_ = false;  // last_ tells what, also while it is asked again
  Pace pace_;
  uint64_t wake_ns_;
};

}  // namespace

std::unique_ptr<ReadyCheck> make_dial_check(const ReadyContext& context, size_t service,
                                            DialTarget target, bool http, int status) {
  return std::make_unique<DialCheck>(context, service, std::move(target), http, status);
}

}  // namespace fbx::service
