// SPDX-License-Identifier: Apache-2.0
#include "runner/sandbox/keeper.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>

#include "runner/sandbox/cgroup.h"
#include "runner/sandbox/process.h"

namespace fbx::sandbox {

namespace {

constexpr int64_t kClearBoundNs = 10'000'000'000;

void close_all_but(std::array<int, 4> kept) {
  std::ranges::sort(kept);
  unsigned first = 3;
  for (const int fd : kept) {
    const auto at = static_cast<unsigned>(fd);
    if (at > first) ::syscall(SYS_close_range, first, at - 1, 0);
    first = at + 1;
  }
  ::syscall(SYS_close_range, first, ~0u, 0);
  const int null = ::open("/dev/null", O_RDWR | O_CLOEXEC);
  for (int fd = 0; fd < 3; ++fd) ::dup2(null, fd);
  if (null > 2) ::close(null);
}

// True: the front is dead. False: dismissed.
bool front_died(int front_pidfd, int dismissal) {
  std::array<pollfd, 2> waiting{{{front_pidfd, POLLIN, 0}, {dismissal, POLLIN, 0}}};
  for (;;) {
    if (::poll(waiting.data(), waiting.size(), -1) < 0) continue;
    char word = 0;
    if ((waiting[1].revents & POLLIN) != 0 && ::read(dismissal, &word, 1) == 1) return false;
    // Its write end is closed without a word when the front died, too.
    if ((waiting[1].revents & POLLHUP) != 0) waiting[1].fd = -1;
    if (waiting[0].revents != 0) return true;
  }
}

[[noreturn]] void keep(const RunGroup& group, int front_pidfd, int dismissal) {
  ::setsid();
  sigset_t all;
  ::sigfillset(&all);
  ::sigprocmask(SIG_SETMASK, &all, nullptr);
  ::prctl(PR_SET_NAME, "fbx-keeper");
  if (::chdir("/") != 0) ::_exit(1);
  close_all_but({group.fd(), group.parent_fd(), front_pidfd, dismissal});
  if (front_died(front_pidfd, dismissal))
    clear_cgroup_tree(group.parent_fd(), group.cgroup().name(), kClearBoundNs);
  ::_exit(0);
}

}  // namespace

Result<Keeper> start_keeper(const RunGroup& group) {
  auto front = open_pidfd(::getpid());
  if (!front) return fail_in(std::move(front), "starting the keeper");
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return fail_errno("starting the keeper: pipe");
  Fd dismissal(ends[0]);
  Keeper keeper;
  keeper.dismissal = Fd(ends[1]);
  std::fflush(nullptr);
  keeper.pid = ::fork();
  if (keeper.pid < 0) return fail_errno("starting the keeper: fork");
  if (keeper.pid == 0) keep(group, front->get(), dismissal.get());
  auto pidfd = open_pidfd(keeper.pid);
  if (!pidfd) return fail_in(std::move(pidfd), "starting the keeper");
  keeper.pidfd = std::move(*pidfd);
  return keeper;
}

void dismiss_keeper(Keeper& keeper) {
  if (keeper.pid < 0) return;
  // A dead keeper leaves no reader: SIGPIPE is ignored by the front (crew.cc).
  if (::write(keeper.dismissal.get(), "q", 1) != 1 && keeper.pidfd)
    (void)signal_process(keeper.pidfd.get(), SIGKILL);
  (void)reap(keeper.pid);
  keeper = Keeper();
}

}  // namespace fbx::sandbox
