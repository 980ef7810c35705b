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

#include "bpf/abi/shim.h"

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

// What the shim asks of its filter, which loads the call's number again behind it.
void add_shim_calls(std::vector<sock_filter>& p, uint32_t probe_tag) {
  p.insert(p.end(),
           {jump(BPF_JMP | BPF_JEQ | BPF_K, SYS_seccomp, 0, 6),
            statement(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, args[0])),
            jump(BPF_JMP | BPF_JEQ | BPF_K, FBX_SHIM_PROBE, 0, 1),
            statement(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | probe_tag),
            jump(BPF_JMP | BPF_JEQ | BPF_K, FBX_SHIM_HELLO, 0, 1),
            statement(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
            statement(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr))});
}

// Returns to the supervisor, unless the call is made from the gate, which lies within 4 GB.
void add_gate(std::vector<sock_filter>& p) {
  constexpr auto kHigh = static_cast<uint32_t>(FBX_SHIM_GATE >> 32);
  constexpr auto kLow = static_cast<uint32_t>(FBX_SHIM_GATE);
  constexpr auto kPointer = static_cast<uint32_t>(offsetof(seccomp_data, instruction_pointer));
  p.insert(p.end(), {statement(BPF_LD | BPF_W | BPF_ABS, kPointer + 4),
                     jump(BPF_JMP | BPF_JEQ | BPF_K, kHigh, 0, 4),
                     statement(BPF_LD | BPF_W | BPF_ABS, kPointer),
                     jump(BPF_JMP | BPF_JGE | BPF_K, kLow, 0, 2),
                     jump(BPF_JMP | BPF_JGE | BPF_K, kLow + FBX_SHIM_GATE_BYTES, 1, 0),
                     statement(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
                     statement(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF)});
}

}  // namespace

std::vector<sock_filter> seccomp_program(const std::vector<uint16_t>& supervised,
                                         bool refuse_io_uring, uint32_t probe_tag) {
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
  if (probe_tag != 0) add_shim_calls(p, probe_tag);
  std::vector<size_t> to_gate;
  for (uint32_t nr : notified) {
    p.push_back(jump(BPF_JMP | BPF_JEQ | BPF_K, nr, 0, 1));
    if (probe_tag == 0 || nr == SYS_io_uring_setup || nr == SYS_io_submit) {
      p.push_back(to_supervisor);
    } else {
      to_gate.push_back(p.size());
      p.push_back(statement(BPF_JMP | BPF_JA, 0));
    }
  }
  p.push_back(statement(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
  for (const size_t at : to_gate) p[at].k = static_cast<uint32_t>(p.size() - at - 1);
  if (!to_gate.empty()) add_gate(p);
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
