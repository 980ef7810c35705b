// SPDX-License-Identifier: Apache-2.0
//
// Which system calls of each service a test must record: what its look-backs can refer to, what
// its rules are about (so that a call they missed is found), and what every verdict asks for:
// connect, because a dial to an address outside the test makes it inconclusive.
//
// Thread rule: pure.
#pragma once

#include <cstdint>
#include <vector>

#include "spec/plan/plan.h"

namespace fbx::run {

// Native numbers, sorted, of service `service` in test `test`.
[[nodiscard]] std::vector<uint16_t> watched_syscalls(const plan::Plan& plan, size_t test,
                                                     size_t service);

}  // namespace fbx::run
