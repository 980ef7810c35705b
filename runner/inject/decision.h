// SPDX-License-Identifier: Apache-2.0
//
// What a hand decided about one call: the supervisor's log, BPF's DECISION records and the shim's
// entries in the same form. collect() joins it with the event of the same call; of what the shim
// denied the kernel knows nothing, and the decision becomes the event.
//
// Times are CLOCK_MONOTONIC ns. Thread rule: values.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "bpf/abi/rule.h"

namespace fbx::inject {

struct Decision {
  enum class Source : uint8_t { kSupervisor, kCgroup, kShim } source = Source::kSupervisor;
  uint64_t id = 0;           // of the supervisor's log: 1, 2, …
  uint64_t entered_ns = 0;   // when the hand saw the call
  uint64_t answered_ns = 0;  // when it let go of it; 0 = held still
  uint32_t tid = 0;
  uint16_t nr = 0;
  int16_t service = -1;
  uint32_t action = FBX_ACT_NONE;  // FBX_ACT_*, or FBX_DECIDED_CUT
  int32_t errnum = 0;
  uint64_t delay_ns = 0;
  int32_t rule = -1;               // index in the log of the rule that fired
  uint64_t n = 0;
  std::vector<uint32_t> matched;   // rules that counted it, the fired one included
  std::vector<uint32_t> near;
  uint8_t kind = 0;                // FBX_KIND_*
  bool cut_short = false;          // a held call that a lift woke
  bool on_wire = false;            // its packets are delayed, not the call
  bool carried_out = false;        // denied, but it happened: its record has its own result
  bool gone = false;               // the caller died before the answer reached it
  std::string path, peer;
  int16_t peer_service = -1;
  int32_t fd = -1;
  // Of the shim's: what the event of a denied call shows.
  uint32_t pid = 0;
  std::string exe;
  std::array<uint64_t, 6> args{};
  bool writes_through = false;
  // Why this call escaped what its rule said; empty = it did not.
  std::string escape;
};

// A call that the supervisor saw while rules were active and that none of them matched: proof that
// it did not escape.
struct Passed {
  uint64_t entered_ns = 0;
  uint64_t answered_ns = 0;
  uint32_t tid = 0;
  uint16_t nr = 0;
  int16_t service = -1;
};

}  // namespace fbx::inject
