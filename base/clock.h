// SPDX-License-Identifier: Apache-2.0
//
// The one clock of a run: CLOCK_MONOTONIC, as the kernel's records carry it.
//
// Thread rule: pure.
#pragma once

#include <cstdint>
#include <ctime>

namespace fbx {

// ns since some moment before this machine's start; never 0, never less than before.
[[nodiscard]] inline uint64_t now_ns() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1'000'000'000u + static_cast<uint64_t>(now.tv_nsec);
}

// What is left until `deadline_ns`, as poll() wants it: rounded up to ms, 0 when it has passed, at
// most an hour.
[[nodiscard]] inline int poll_timeout_ms(uint64_t deadline_ns) {
  const uint64_t now = now_ns();
  if (now >= deadline_ns) return 0;
  const uint64_t ms = (deadline_ns - now + 999'999) / 1'000'000;
  return ms > 3'600'000 ? 3'600'000 : static_cast<int>(ms);
}

}  // namespace fbx
