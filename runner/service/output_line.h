// SPDX-License-Identifier: Apache-2.0
//
// One line of a service's output.
//
// Thread rule: a value.
#pragma once

#include <cstdint>
#include <string>

namespace fbx::service {

struct OutputLine {
  uint64_t at_ns = 0;  // CLOCK_MONOTONIC, when its end was read
  // Its end was not written before this: the pipe was empty then.
  uint64_t from_ns = 0;
  bool is_stderr = false;
  std::string text;    // without its end; longer ones are cut (output.h)
};

}  // namespace fbx::service
