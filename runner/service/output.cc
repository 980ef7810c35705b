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
#include <utility>

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

  uint64_t empty_ns = 0;  // when the pipe was last seen empty
};

void OutputPump::finish_line(Stream& stream, uint64_t now) {
  std::string& text = stream.unfinished;
  if (!text.empty() && text.back() == '\r') text.pop_back();
  std::erase_if(watches_, [](const Watch& watch) { return watch.seen.use_count() == 1; });
  for (const Watch& watch : watches_) {
    if (watch.service == stream.service && !*watch.seen && watch.test(text)) *watch.seen = true;
  }
  stream.lines.push_back({now, stream.empty_ns, stream.is_stderr, text.substr(0, kLongestLine)});
  if (stream.lines.size() > kKeptLines) stream.lines.pop_front();
  if (taken_bytes_ + text.size() > kMostTaken) {
    ++lost_lines_;
  } else {
    taken_bytes_ += text.size();
    taken_.push_back({stream.service, {now, stream.empty_ns, stream.is_stderr, std::move(text)}});
  }
  text.clear();
}

void OutputPump::take(Stream& stream, std::string_view bytes, uint64_t now) {
  while (!bytes.empty()) {
    const size_t end = bytes.find('\n');
    const std::string_view part = bytes.substr(0, end);
    const size_t room = kLongestEvent - std::min(kLongestEvent, stream.unfinished.size());
    stream.unfinished += part.substr(0, room);
    stream.unfinished_ns = now;
    if (end == std::string_view::npos) return;
    finish_line(stream, now);
    bytes.remove_prefix(end + 1);
  }
}

void OutputPump::read_all(Stream& stream) {
  char chunk[16384];
  // Bounded, so that a service that writes without end does not hold the lock for ever.
  for (int round = 0; stream.fd && round < 64; ++round) {
    const uint64_t before = now_ns();
    const ssize_t n = ::read(stream.fd.get(), chunk, sizeof chunk);
    if (n > 0) {
      take(stream, {chunk, static_cast<size_t>(n)}, now_ns());
    } else if (n == 0) {
      if (!stream.unfinished.empty()) finish_line(stream, now_ns());
      stream.fd.reset();
    } else if (errno != EINTR) {
      if (errno != EAGAIN) stream.fd.reset();
      stream.empty_ns = before;
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
  stream->empty_ns = now_ns();
  {
    const std::lock_guard lock(mutex_);
    streams_.push_back(std::move(stream));
  }
  wake();
  return {};
}

std::shared_ptr<const std::atomic<bool>> OutputPump::watch(int16_t service, LineTest test) {
  auto seen = std::make_shared<std::atomic<bool>>(false);
  const std::lock_guard lock(mutex_);
  watches_.push_back({service, std::move(test), seen});
  return seen;
}

std::vector<OutputPump::Taken> OutputPump::take_lines(uint64_t& lost) {
  const std::lock_guard lock(mutex_);
  lost = std::exchange(lost_lines_, 0);
  taken_bytes_ = 0;
  return std::exchange(taken_, {});
}

void OutputPump::pump() {
  const std::lock_guard lock(mutex_);
  pump_locked();
}

void OutputPump::pump_locked() {
  for (const auto& stream : streams_) read_all(*stream);
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
      lines.push_back({stream->unfinished_ns, stream->empty_ns, stream->is_stderr,
                       stream->unfinished.substr(0, kLongestLine)});
  }
  std::ranges::stable_sort(lines, {}, &OutputLine::at_ns);
  if (lines.size() > n) lines.erase(lines.begin(), lines.end() - static_cast<ptrdiff_t>(n));
  return lines;
}

}  // namespace fbx::service
