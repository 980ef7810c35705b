// SPDX-License-Identifier: Apache-2.0
#include <linux/seccomp.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstring>

#include "runner/inject/probe.h"
#include "runner/inject/result_changer.h"
#include "runner/inject/seccomp_filter.h"
#include "runner/sandbox/fd.h"
#include "runner/sandbox/process.h"

namespace fbx::inject {
namespace {

constexpr int kProbeErrno = EXFULL;  // no kernel gives this for getppid

struct Shared {
  std::atomic<int> listener{0};  // the child's descriptor + 1, or −errno
  std::atomic<int> result{0};   // errno of the call that is answered
  std::atomic<int> changed{0};  // of the call that goes on
};

int probe_child(Shared* shared, const std::vector<sock_filter>& program) {
  const int fd = install_seccomp(program.data(), static_cast<uint16_t>(program.size()));
  shared->listener = fd >= 0 ? fd + 1 : -errno;
  if (fd < 0) return 1;
  shared->result = syscall(SYS_getppid) < 0 ? errno : 0;
  shared->changed = syscall(SYS_getppid) < 0 ? errno : 0;
  return 0;
}

// The child's next call. False: it did not come.
bool receive(int listener, seccomp_notif& call) {
  pollfd p{.fd = listener, .events = POLLIN, .revents = 0};
  return poll(&p, 1, 2000) == 1 && ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &call) == 0;
}

bool answer_once(int listener) {
  seccomp_notif call{};
  seccomp_notif_resp response{};
  if (!receive(listener, call)) return false;
  response.id = call.id;
  response.error = -kProbeErrno;
  return ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &response) == 0;
}

bool let_go(int listener, uint64_t id) {
  seccomp_notif_resp response{};
  response.id = id;
  response.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
  return ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &response) == 0;
}

Capability cannot(std::string why, std::string remedy = {}) {
  return {.works = false, .why = std::move(why), .remedy = std::move(remedy)};
}

Capability change_once(int listener) {
  seccomp_notif call{};
  if (!receive(listener, call)) return cannot("a supervised call was never announced");
  std::string why;
  change_result({.tid = static_cast<pid_t>(call.pid),
                 .errnum = kProbeErrno,
                 .let_go =
                     [&](const Status& held) {
                       if (!held) why = held.error().text();
                       return let_go(listener, call.id);
                     },
                 .failed = [&](const Error& error) { why = error.text(); }});
  if (why.empty()) return {.works = true, .why = {}, .remedy = {}};
  return cannot("the result of a call can't be changed: " + why, "run it with sudo");
}

Capability supervise(pid_t child, const Shared& shared, Capability& results) {
  int listener = 0;
  for (int i = 0; i < 2'000'000 && !(listener = shared.listener); ++i) sched_yield();
  if (listener <= 0)
    return cannot("seccomp notification with WAIT_KILLABLE_RECV was refused (" +
                      std::string(strerror(-listener)) + ")",
                  "Linux 5.19 has it");
  const sandbox::Fd pidfd(static_cast<int>(syscall(SYS_pidfd_open, child, 0)));
  const sandbox::Fd fd(static_cast<int>(syscall(SYS_pidfd_getfd, pidfd.get(), listener - 1, 0)));
  if (!fd) return cannot(std::string("pidfd_getfd was refused (") + strerror(errno) + ")");
  if (!answer_once(fd.get())) return cannot("a supervised call was never announced");
  results = change_once(fd.get());
  return {.works = true, .why = {}, .remedy = {}};
}

}  // namespace

Capability probe_seccomp(Capability& results) {
  results = cannot("there is no supervised call whose result could be changed");
  void* page =
      mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (page == MAP_FAILED) return cannot("no memory for the probe");
  auto* shared = new (page) Shared;
  const auto program = seccomp_program({static_cast<uint16_t>(SYS_getppid)});
  const pid_t parent = getpid(), child = fork();
  if (child == 0) {
    sandbox::die_with(parent);  // it would wait for an answer for ever, holding its own listener
    _exit(probe_child(shared, program));
  }
  Capability out = child > 0 ? supervise(child, *shared, results) : cannot("fork failed");
  if (child > 0) {
    if (!out.works) kill(child, SIGKILL);
    waitpid(child, nullptr, 0);
  }
  if (out.works && shared->result != kProbeErrno)
    out = cannot("the supervisor's errno did not arrive");
  if (results.works && shared->changed != kProbeErrno)
    results = cannot("a changed result did not arrive");
  munmap(page, sizeof(Shared));
  return out;
}

}  // namespace fbx::inject
