// SPDX-License-Identifier: Apache-2.0
//
// The filter that hands chosen system calls of a service to the supervisor.
//
//   native call, in the list      → supervisor
//   native call, not in the list  → passes
//   call of another architecture (int 0x80), or with the x32 bit → supervisor: it says that a call
//                                   it can't name passed while a rule was active
//   io_uring_setup, io_submit     → supervisor, which notes that calls now escape it; with
//                                   refuse_io_uring, io_uring_setup gets ENOSYS instead
//
// With the shim's gate (bpf/abi/shim.h), listed calls that are made from there pass; the shim knows
// the filter by its answer to FBX_SHIM_PROBE, and FBX_SHIM_HELLO goes to the supervisor.
//
// It is installed with WAIT_KILLABLE_RECV (Linux 5.19), because without it a signal that arrives
// while the supervisor holds a call makes several notifications of one call.
#pragma once

#include <linux/filter.h>

#include <cstdint>
#include <vector>

#include "base/result.h"

namespace fbx::inject {

// Allocates: make it before fork. Empty `supervised` gives an empty program: install nothing.
// `probe_tag`: ShimHand::probe_tag(), 0 = nothing passes.
[[nodiscard]] std::vector<sock_filter> seccomp_program(const std::vector<uint16_t>& supervised,
                                                       bool refuse_io_uring = false,
                                                       uint32_t probe_tag = 0);

// In the child, as the last thing before exec: async-signal-safe, no allocation. The calling thread
// gets no_new_privs only where it may not install a filter without. Returns the listener
// (close-on-exec), or −1 with errno. From here on every call of the list blocks until a supervisor
// has the listener.
int install_seccomp(const sock_filter* program, uint16_t length);

}  // namespace fbx::inject
