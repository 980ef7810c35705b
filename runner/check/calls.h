// SPDX-License-Identifier: Apache-2.0
//
// What one recorded call was, beyond its number: how it ended, which families it belongs to,
// whether its effect can be seen before it returns.
//
// Thread rule: pure functions.
#pragma once

#include <cstdint>
#include <string>

#include "bpf/abi/tables.h"
#include "runner/observe/event.h"

namespace fbx::check {

enum class Match : uint8_t { kNo, kMaybe, kYes };

// What became of a call, as look-backs count it.
enum class Fate : uint8_t {
  kSuccess,   // also a connect that ended in EINPROGRESS: it has begun to dial
  kFailure,   // the service got an errno
  kInFlight,  // begun, not ended
  kUnknown,   // begun, and nobody sees how it ends (seen by the supervisor alone)
};
[[nodiscard]] Fate fate(const observe::Event& event);

// Is this very call in the family (FBX_F_*)? kMaybe when the record does not show what decides it
// (openat2's flags, whether ftruncate grew the file).
[[nodiscard]] Match in_family(const observe::Event& event, uint64_t family_bit);

// Does a call of this kind change something somebody may see before it returns (write, modify,
// space, fsync, open, connect, send)? Others only wait, or only look.
[[nodiscard]] bool has_effects(const observe::Event& event);

// The family that a reader calls it by: "send" for a write on a socket; its name when it has none.
[[nodiscard]] std::string family_text(const observe::Event& event);
// "write", or "syscall 999" for a number that is in no table.
[[nodiscard]] std::string syscall_name(uint16_t nr);
// "EIO"; "" when the call did not fail.
[[nodiscard]] std::string errno_text(const observe::Event& event);

}  // namespace fbx::check
