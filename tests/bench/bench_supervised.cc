// SPDX-License-Identifier: Apache-2.0
#include "tests/bench/bench_supervised.h"

#include <fcntl.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "runner/inject/seccomp_filter.h"

#ifndef SECCOMP_IOCTL_NOTIF_SET_FLAGS
#define SECCOMP_IOCTL_NOTIF_SET_FLAGS SECCOMP_IOW(4, __u64)
#endif

namespace fbx::bench {
namespace {

struct Shared {
  std::atomic<int> listener{0};  // the child's descriptor + 1; −1: none
  std::atomic<bool> answered{false};
  double native_ns = -1, supervised_ns = -1;
};

double time_calls(int fd, int calls) {
  const uint64_t begin = now_ns();
  for (int i = 0; i < calls; ++i) syscall(SYS_pwrite64, fd, "x", 1, 0);
  return static_cast<double>(now_ns() - begin) / calls;
}

int be_caller(Shared& shared, int callers, int calls) {
  const int fd = memfd_create("bench", MFD_CLOEXEC);
  shared.native_ns = time_calls(fd, calls * 20);
  const auto program = inject::seccomp_program({static_cast<uint16_t>(SYS_pwrite64)});
  const int listener =
      inject::install_seccomp(program.data(), static_cast<uint16_t>(program.size()));
  shared.listener = listener < 0 ? -1 : listener + 1;
  if (listener < 0) return 1;
  while (!shared.answered) std::this_thread::yield();
  std::vector<double> each(static_cast<size_t>(callers));
  std::vector<std::thread> threads;
  for (int i = 0; i < callers; ++i)
    threads.emplace_back([&, i] { each[static_cast<size_t>(i)] = time_calls(fd, calls); });
  double sum = 0;
  for (int i = 0; i < callers; ++i) {
    threads[static_cast<size_t>(i)].join();
    sum += each[static_cast<size_t>(i)];
  }
  shared.supervised_ns = sum / callers;
  return 0;
}

void answer(int listener) {
  seccomp_notif call{};
  seccomp_notif_resp response{};
  if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &call) != 0) return;
  response.id = call.id;
  response.error = -EIO;
  ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &response);
}

}  // namespace

SupervisedCost supervised_cost(int callers, bool sync, int calls) {
  void* page =
      mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  auto* shared = new (page) Shared;
  const pid_t child = fork();
  if (child == 0) _exit(be_caller(*shared, callers, calls));
  while (!shared->listener) std::this_thread::yield();
  SupervisedCost cost;
  const int pidfd = static_cast<int>(syscall(SYS_pidfd_open, child, 0));
  const int fd = static_cast<int>(syscall(SYS_pidfd_getfd, pidfd, shared->listener - 1, 0));
  const bool ready = fd >= 0 && (!sync || ioctl(fd, SECCOMP_IOCTL_NOTIF_SET_FLAGS, 1ul) == 0);
  shared->answered = true;
  pollfd one{fd, POLLIN, 0};
  while (ready && poll(&one, 1, 10'000) == 1 && (one.revents & POLLIN)) answer(fd);
  if (!ready) kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
  cost.native_ns = shared->native_ns;
  if (ready) cost.supervised_ns = shared->supervised_ns;
  close(fd);
  close(pidfd);
  munmap(page, sizeof(Shared));
  return cost;
}

}  // namespace fbx::bench
