// SPDX-License-Identifier: Apache-2.0
#include "runner/inject/seccomp_filter.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstddef>
#include <set>

#ifndef SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
#define SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV (1UL << 5)
#endif

namespace fbx::inject {
namespace {

#if defined(__x86_64__)
constexpr uint32_t kArch = AUDIT_ARCH_X86_64;
constexpr uint32_t kX32Bit = 0x40000000;
#elif defined(__aarch64__)
constexpr uint32_t kArch = AUDIT_ARCH_AARCH64;
#endif

sock_filter statement(uint16_t code, uint32_t k) { return sock_filter{code, 0, 0, k}; }
sock_filter jump(uint16_t code, uint32_t k, uint8_t yes, uint8_t no) {
  return sock_filter{code, yes, no, k};
}

}  // namespace

std::vector<sock_filter> seccomp_program(const std::vector<uint16_t>& supervised,
                                         bool refuse_io_uring) {
  if (supervised.empty() && !refuse_io_uring) return {};
  std::set<uint32_t> notified(supervised.begin(), supervised.end());
  if (!supervised.empty()) notified.insert({SYS_io_submit, SYS_io_uring_setup});
  if (refuse_io_uring) notified.erase(SYS_io_uring_setup);

  // Every comparison is followed by its own return, so no jump is longer than one instruction,
  // however long the list.
  std::vector<sock_filter> p;
  const sock_filter to_supervisor = statement(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF);
  const sock_filter foreign =
      statement(BPF_RET | BPF_K, supervised.empty() ? SECCOMP_RET_ALLOW : SECCOMP_RET_USER_NOTIF);
  p.push_back(statement(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, arch)));
  p.push_back(jump(BPF_JMP | BPF_JEQ | BPF_K, kArch, 1, 0));
  p.push_back(foreign);
  p.push_back(statement(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)));
#if defined(__x86_64__)
  p.push_back(jump(BPF_JMP | BPF_JGE | BPF_K, kX32Bit, 0, 1));
  p.push_back(foreign);
#endif
  if (refuse_io_uring) {
    p.push_back(jump(BPF_JMP | BPF_JEQ | BPF_K, SYS_io_uring_setup, 0, 1));
    p.push_back(statement(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS));
  }
  for (uint32_t nr : notified) {
    p.push_back(jump(BPF_JMP | BPF_JEQ | BPF_K, nr, 0, 1));
    p.push_back(to_supervisor);
  }
  p.push_back(statement(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
  return p;
}

int install_seccomp(const sock_filter* program, uint16_t length) {
  sock_fprog prog{length, const_cast<sock_filter*>(program)};
  constexpr unsigned long kFlags =
      SECCOMP_FILTER_FLAG_NEW_LISTENER | SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV;
  long fd = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, kFlags, &prog);
  if (fd >= 0 || errno != EACCES) return static_cast<int>(fd);
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return -1;
  return static_cast<int>(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, kFlags, &prog));
}

}  // namespace fbx::inject
