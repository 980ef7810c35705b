// SPDX-License-Identifier: Apache-2.0
#include "runner/run/deadline.h"

#include <poll.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>

#include <ctime>

#include "base/clock.h"

namespace fbx::run {

namespace {

bool readable(int fd) {
  pollfd one{fd, POLLIN, 0};
  return fd >= 0 && ::poll(&one, 1, 0) == 1;
}

}  // namespace

Result<Deadline> Deadline::create(int stop_fd) {
  Deadline deadline;
  deadline.stop_fd_ = stop_fd;
  deadline.timer_ = sandbox::Fd(::timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK));
  deadline.epoll_ = sandbox::Fd(::epoll_create1(EPOLL_CLOEXEC));
  if (deadline.timer_.get() < 0 || deadline.epoll_.get() < 0) return fail_errno("making a timer");
  epoll_event event{.events = EPOLLIN, .data = {}};
  for (const int fd : {deadline.timer_.get(), stop_fd}) {
    if (fd >= 0 && ::epoll_ctl(deadline.epoll_.get(), EPOLL_CTL_ADD, fd, &event) != 0) {
      return fail_errno("watching a timer");
    }
  }
  return deadline;
}

Status Deadline::arm(int64_t timeout_ns) {
  at_ns_ = now_ns() + static_cast<uint64_t>(timeout_ns);
  itimerspec when{};
  when.it_value.tv_sec = static_cast<time_t>(at_ns_ / 1'000'000'000u);
  when.it_value.tv_nsec = static_cast<long>(at_ns_ % 1'000'000'000u);
  if (::timerfd_settime(timer_.get(), TFD_TIMER_ABSTIME, &when, nullptr) != 0) {
    return fail_errno("setting a timer");
  }
  return {};
}

bool Deadline::timed_out() const { return readable(timer_.get()); }

bool Deadline::stopped() const { return readable(stop_fd_); }

bool Deadline::wait_until(uint64_t until_ns) const {
  for (;;) {
    const uint64_t now = now_ns();
    const uint64_t left = until_ns > now ? until_ns - now : 0;
    const timespec wait{static_cast<time_t>(left / 1'000'000'000u),
                        static_cast<long>(left % 1'000'000'000u)};
    pollfd one{epoll_.get(), POLLIN, 0};
    if (::ppoll(&one, 1, &wait, nullptr) == 1) return true;
    if (now_ns() >= until_ns) return over();
  }
}

}  // namespace fbx::run
