// SPDX-License-Identifier: Apache-2.0
#include "runner/inject/result_changer.h"

#include <elf.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <fstream>
#include <optional>
#include <string>
#include <utility>

namespace fbx::inject {
namespace {

#if defined(__x86_64__)
void set_result(user_regs_struct& registers, int errnum) {
  registers.rax = static_cast<unsigned long long>(-static_cast<long long>(errnum));
}
#elif defined(__aarch64__)
void set_result(user_regs_struct& registers, int errnum) {
  registers.regs[0] = static_cast<unsigned long long>(-static_cast<long long>(errnum));
}
#endif

// In the tracer's stop, of a thread that leaves the kernel.
Status write_result(pid_t tid, int errnum) {
  user_regs_struct registers{};
  iovec all{&registers, sizeof registers};
  if (ptrace(PTRACE_GETREGSET, tid, NT_PRSTATUS, &all) != 0)
    return fail_errno("reading a call's result");
  set_result(registers, errnum);
  if (ptrace(PTRACE_SETREGSET, tid, NT_PRSTATUS, &all) != 0)
    return fail_errno("changing a call's result");
  return {};
}

// A dead thread stays as it is until its tracer takes note. But the worker's own child is the
// worker's to wait for, and is known by its number.
void release_dead(pid_t tid) {
  pid_t process = 0, parent = 0;
  std::ifstream status("/proc/" + std::to_string(tid) + "/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("Tgid:")) process = static_cast<pid_t>(std::atoi(line.c_str() + 5));
    if (line.starts_with("PPid:")) parent = static_cast<pid_t>(std::atoi(line.c_str() + 5));
  }
  if (process == tid && parent == getpid()) return;
  waitpid(tid, nullptr, __WALL | WNOHANG);
}

// The stop's status as waitpid() gives it; unset: the thread is gone.
std::optional<int> await_stop(pid_t tid) {
  for (;;) {
    siginfo_t info{};
    const int r = waitid(P_PID, static_cast<id_t>(tid), &info,
                         WSTOPPED | WEXITED | WNOWAIT | __WALL);
    if (r != 0 && errno == EINTR) continue;
    if (r == 0 && info.si_code == CLD_TRAPPED) return info.si_status;
    if (r == 0) release_dead(tid);
    return std::nullopt;
  }
}

Status hold_at_exit(pid_t tid) {
  if (ptrace(PTRACE_SEIZE, tid, nullptr, nullptr) != 0) return fail_errno("tracing the caller");
  if (ptrace(PTRACE_INTERRUPT, tid, nullptr, nullptr) != 0)
    return fail_errno("interrupting the caller");
  return {};
}

}  // namespace

void change_result(const ResultChanger::Change& change) {
  const Status held = hold_at_exit(change.tid);
  const bool went = change.let_go(held);
  if (!held) return;
  const std::optional<int> stop = await_stop(change.tid);
  if (!stop) return;
  Status written = {};
  if (went) written = write_result(change.tid, change.errnum);
  // A stop by a signal hands it over to us.
  const bool interrupted = *stop >> 8 == PTRACE_EVENT_STOP;
  const long signal = interrupted ? 0 : *stop & 0x7f;
  if (ptrace(PTRACE_DETACH, change.tid, nullptr, signal) != 0 && errno == ESRCH) return;
  if (!written && written.error().errnum != ESRCH) change.failed(written.error());
}

ResultChanger::~ResultChanger() {
  {
    const std::lock_guard lock(mutex_);
    over_ = true;
  }
  turn_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void ResultChanger::add(Change change) {
  const std::lock_guard lock(mutex_);
  queue_.push_back(std::move(change));
  if (!thread_.joinable()) thread_ = std::thread([this] { run(); });
  turn_.notify_all();
}

bool ResultChanger::settle(uint64_t bound_ns) {
  std::unique_lock lock(mutex_);
  return turn_.wait_for(lock, std::chrono::nanoseconds(bound_ns),
                        [this] { return queue_.empty() && !busy_; });
}

void ResultChanger::run() {
  prctl(PR_SET_NAME, "fbx-results");
  std::unique_lock lock(mutex_);
  for (;;) {
    turn_.wait(lock, [this] { return over_ || !queue_.empty(); });
    if (queue_.empty()) return;
    const Change change = std::move(queue_.front());
    queue_.pop_front();
    busy_ = true;
    lock.unlock();
    change_result(change);
    lock.lock();
    busy_ = false;
    turn_.notify_all();
  }
}

}  // namespace fbx::inject
