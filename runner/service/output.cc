// SPDX-License-Identifier: Apache-2.0
#include "runner/service/output.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <deque>

#include "base/clock.h"


namespace fbx::service {

using sandbox::Fd;

struct OutputPump::Stream {
  int16_t service = -1;
  bool is_stderr = false;
  Fd fd;  // closed at end of file
  std::deque<OutputLine> lines;
  std::string unfinished;
  uint64_t unfinished_ns = 0;

  void take(std::string_view bytes, uint64_t now);
  void finish_line(uint64_t now);
  void read_all();
};

void OutputPump::Stream::finish_line(uint64_t now) {
  if (!unfinished.empty() && unfinished.back() == '\r') unfinished.pop_back();
  lines.push_back({now, is_stderr, std::move(unfinished)});
  unfinished.clear();
  if (lines.size() > kKeptLines) lines.pop_front();
}

void OutputPump::Stream::take(std::string_view bytes, uint64_t now) {
  while (!bytes.empty()) {
    const size_t end = bytes.find('\n');
    const std::string_view part = bytes.substr(0, end);
    const size_t room = kLongestLine - std::min(kLongestLine, unfinished.size());
    unfinished += part.substr(0, room);
    unfinished_ns = now;
    if (end == std::string_view::npos) return;
    finish_line(now);
    bytes.remove_prefix(end + 1);
  }
}

void OutputPump::Stream::read_all() {
  char chunk[16384];
  // Bounded, so that a service that writes without end does not hold the lock for ever.
  for (int round = 0; fd && round < 64; ++round) {
    const ssize_t n = ::read(fd.get(), chunk, sizeof chunk);
    if (n > 0) {
      take({chunk, static_cast<size_t>(n)}, now_ns());
    } else if (n == 0) {
      if (!unfinished.empty()) finish_line(now_ns());
      fd.reset();
    } else if (errno != EINTR) {
      if (errno != EAGAIN) fd.reset();
      return;
    }
  }
}

OutputPump::OutputPump() : wake_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  sigset_t all, old;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &old);
  thread_ = std::thread([this] { run(); });
  ::pthread_sigmask(SIG_SETMASK, &old, nullptr);
}

OutputPump::~OutputPump() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake();
  thread_.join();
}

void OutputPump::wake() const {
  const uint64_t one = 1;
  (void)!::write(wake_.get(), &one, sizeof one);
}

Status OutputPump::add(int16_t service, bool is_stderr, Fd read_end) {
  const int flags = ::fcntl(read_end.get(), F_GETFL);
  if (flags < 0 || ::fcntl(read_end.get(), F_SETFL, flags | O_NONBLOCK) != 0)
    return fail_errno("preparing a service's output");
  auto stream = std::make_unique<Stream>();
  stream->service = service;
  stream->is_stderr = is_stderr;
  stream->fd = std::move(read_end);
  {
    const std::lock_guard lock(mutex_);
    streams_.push_back(std::move(stream));
  }
  wake();
  return {};
}

void OutputPump::pump() {
  const std::lock_guard lock(mutex_);
  pump_locked();
}

void OutputPump::pump_locked() {
  for (const auto& stream : streams_) stream->read_all();
}

void OutputPump::run() {
  for (;;) {
    std::vector<pollfd> fds{{wake_.get(), POLLIN, 0}};
    {
      const std::lock_guard lock(mutex_);
      if (stopping_) return;
      pump_locked();
      for (const auto& stream : streams_) {
        if (stream->fd) fds.push_back({stream->fd.get(), POLLIN, 0});
      }
    }
    // pump() of another thread may close one of them meanwhile; then poll says POLLNVAL, or
    // watches a stranger for one round, and the next round knows better.
    ::poll(fds.data(), fds.size(), -1);
    uint64_t count = 0;
    if (fds[0].revents != 0) (void)!::read(wake_.get(), &count, sizeof count);
  }
}

std::vector<OutputLine> OutputPump::last(int16_t service, size_t n) const {
  const std::lock_guard lock(mutex_);
  std::vector<OutputLine> lines;
  for (const auto& stream : streams_) {
    if (stream->service != service) continue;
    lines.insert(lines.end(), stream->lines.begin(), stream->lines.end());
    if (!stream->unfinished.empty())
      lines.push_back({stream->unfinished_ns, stream->is_stderr, stream->unfinished});
  }
  std::ranges::stable_sort(lines, {}, &OutputLine::at_ns);
  if (lines.size() > n) lines.erase(lines.begin(), lines.end() - static_cast<ptrdiff_t>(n));
  return lines;
}

}  // namespace fbx::service
