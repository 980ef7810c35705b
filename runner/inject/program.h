// SPDX-License-Identifier: Apache-2.0
//
// What a program file says about how its system calls are made, as far as the choice of a hand
// depends on it.
//
// Thread rule: pure but for looking at the file system.
#pragma once

#include <string>

namespace fbx::inject {

struct Program {
  // Names the file's contents: its build id; without one, path, size and time of change.
  std::string identity;
  // Why a preloaded library does not reach it: "is linked statically"; "" = it does.
  std::string past_preload;
  // Why the supervisor serves it better though a preloaded library reaches it: "is written in Go";
  // "" = it does not.
  std::string past_libc;
};

// `path` is the file that is executed; of a script, its interpreter counts.
[[nodiscard]] Program look_at_program(const std::string& path);

}  // namespace fbx::inject
