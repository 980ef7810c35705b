// SPDX-License-Identifier: Apache-2.0
//
// How a step reaches an interface. Internal to runner/step, but for unix paths, which readiness
// checks dial, too.
//
// Thread rule: one thread at a time, inside the test's network namespace.
#pragma once

#include <sys/socket.h>

#include <expected>
#include <string>

#include "runner/sandbox/fd.h"
#include "runner/step/step_parts.h"

namespace fbx::step {

struct Address {
  sockaddr_storage storage{};
  socklen_t size = 0;
  sandbox::Fd folder;  // of a unix path: keeps the address valid
  [[nodiscard]] const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
};

// A unix path below the root directory `root_fd` (-1: the caller's). sun_path is short and the root
// is elsewhere, so the folder is opened and the socket named through /proc/self/fd. An error holds
// the words of what is wrong.
[[nodiscard]] std::expected<Address, std::string> unix_address(int root_fd, const std::string& path);
[[nodiscard]] std::expected<Address, std::string> address_of(const StepEnv& env,
                                                             const plan::Interface& to);

// Connects and asks who answers. "" when it is connected.
[[nodiscard]] std::string dial(const StepEnv& env, const Conversation& what, uint64_t begin_ns,
                               Kept& into);

}  // namespace fbx::step
