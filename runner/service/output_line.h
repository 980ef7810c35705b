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
  bool is_stderr = false;
  std::string text;    // without its end; longer ones are cut at OutputPump::kLongestLine bytes
};

}  // namespace fbx::service
