// SPDX-License-Identifier: Apache-2.0
//
// How a row of observe_successes.h is written: ROW and ROW0 name a call and its arguments, DO has a
// body. raw() makes the call, with poison where the kernel does not look, and notes what it made.
#pragma once

#include <linux/futex.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <type_traits>

#include "bpf/abi/tables.h"
#include "tests/kernel/observe_successes.h"

namespace fbx::observe::testing {

extern const std::vector<Success> kFiles, kNetwork, kMemory, kProcess, kTime, kRare, kNew;

// The call as it is made now: for the comparison with its record. `given`: how many arguments.
std::array<uint64_t, 6> witnessed(const abi::Syscall& row, std::array<uint64_t, 6> args,
                                  size_t given);

// Where the call gave a descriptor, that is the file it was about.
void witness_result(const abi::Syscall& row, long ret);

template <typename T>
uint64_t word(T value) {
  if constexpr (std::is_null_pointer_v<T>)
    return 0;
  else if constexpr (std::is_pointer_v<T>)
    return reinterpret_cast<uint64_t>(value);
  else
    return static_cast<uint64_t>(value);
}

// As the kernel returns it.
template <typename... Args>
long raw(std::string_view name, Args... args) {
  const abi::Syscall* row = abi::find_syscall(name);
  const auto a = witnessed(*row, {word(args)...}, sizeof...(args));
  const long ret = syscall(row->nr(), a[0], a[1], a[2], a[3], a[4], a[5]);
  witness_result(*row, ret);
  return ret == -1 ? -errno : ret;
}

inline iovec eight(Things& t) {
  return {t.buffer, 8};
}
inline msghdr message(iovec* io) {
  msghdr m{};
  m.msg_iov = io;
  m.msg_iovlen = 1;
  return m;
}
// Puts the row's process into namespaces of its own, from which no mount comes out. A row that can't
// be must not go on: what it does next it would do to the machine.
inline void be_alone(int namespaces) {
  if (unshare(namespaces) != 0) _exit(95);
  if (!(namespaces & CLONE_NEWNS)) return;
  if (mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) _exit(96);
}
inline timespec soon() {
  return {0, 1000};
}
#define ROW(name, ...)                                                    \
  {                                                                       \
#name, [](Things& t) -> long { (void)t; return raw(#name, __VA_ARGS__); } \
  }
#define ROW0(name)                                    \
  {                                                   \
#name, [](Things&) -> long { return raw(#name); } \
  }
#define DO(name, ...)                                 \
  {                                                   \
#name, [](Things& t) -> long { (void)t; __VA_ARGS__ } \
  }


}  // namespace fbx::observe::testing
