// SPDX-License-Identifier: Apache-2.0
//
// Which system calls of each service a test must record: what its look-backs can refer to, what
// its rules are about (so that a call they missed is found), and what every verdict asks for:
// connect, because a dial to an address outside the test makes it inconclusive; and execve, because
// every service makes one before anything else: whose was not recorded, is not seen at all.
// What else narrows an interest (path, peer, ok…) is not asked of the kernel: every call of that
// family by that service is recorded, so that a call whose path nobody could tell is seen, too.
//
// Thread rule: pure.
#pragma once

#include <cstdint>
#include <vector>

#include "spec/plan/plan.h"

namespace fbx::inject {

// Native numbers, sorted, of service `service` in test `test`.
[[nodiscard]] std::vector<uint16_t> watched_calls(const plan::Plan& plan, size_t test,
                                                  size_t service);

}  // namespace fbx::inject
