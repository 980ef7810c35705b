// SPDX-License-Identifier: Apache-2.0
#include "runner/check/calls.h"

#include <fcntl.h>
#include <sys/mman.h>

#include <optional>


namespace fbx::check {

namespace {

using observe::CallState;
using observe::Event;

constexpr uint64_t kEffects = FBX_F_WRITE | FBX_F_MODIFY | FBX_F_SPACE | FBX_F_FSYNC | FBX_F_OPEN |
                              FBX_F_CONNECT | FBX_F_SEND;

// O_* of an open; unset when they stand in memory (openat2).
std::optional<uint64_t> open_flags(const abi::Syscall& row, const Event& event) {
  const int at = row.arg(FBX_ARG_OPEN_FLAGS);
  if (at < 0) return std::nullopt;
  return event.args[at];
}

bool may_truncate(const Event& event) {
  // O_TRUNC needs a writable descriptor; of a failed or unfinished open nothing is known.
  return fate(event) != Fate::kSuccess || (event.open_flags & O_ACCMODE) != O_RDONLY;
}

bool sync_write(const abi::Syscall& row, const Event& event) {
  constexpr uint64_t kRwfSyncs = 0x2 | 0x4;  // RWF_DSYNC, RWF_SYNC (uapi/linux/fs.h)
  const int at = row.arg(FBX_ARG_RW_FLAGS);
  return (event.flags & observe::kSync) != 0 || (event.open_flags & O_DSYNC) != 0 ||
         (at >= 0 && (event.args[at] & kRwfSyncs) != 0);
}

bool writable_shared(const abi::Syscall& row, const Event& event) {
  const int prot = row.arg(FBX_ARG_PROT), flags = row.arg(FBX_ARG_MMAP_FLAGS);
  return prot >= 0 && flags >= 0 && (event.args[prot] & PROT_WRITE) != 0 &&
         (event.args[flags] & MAP_SHARED) != 0;
}

bool removes_directory(const abi::Syscall& row, const Event& event) {
  return row.name == "unlinkat" && (event.args[2] & AT_REMOVEDIR) != 0;
}

abi::CallFacts facts_of(const abi::Syscall& row, const Event& event) {
  const std::optional<uint64_t> flags = open_flags(row, event);
  abi::CallFacts facts;
  facts.kind = static_cast<uint8_t>(event.on);
  facts.sync = sync_write(row, event);
  facts.creates = (event.flags & observe::kCreated) != 0 || (flags && (*flags & O_CREAT) != 0);
  facts.truncates = flags && (*flags & O_TRUNC) != 0;
  facts.shared_writable = writable_shared(row, event);
  facts.removes_dir = removes_directory(row, event);
  return facts;
}

// What decides about `family_bit` can't be read from the record.
bool undecidable(const abi::Syscall& row, const Event& event, uint64_t family_bit) {
  const bool opens = (row.families & FBX_F_OPEN) != 0;
  if (family_bit == FBX_F_MODIFY && opens)
    return !open_flags(row, event) && may_truncate(event);
  if (family_bit == FBX_F_SPACE && opens)
    return !open_flags(row, event) && fate(event) != Fate::kSuccess;
  return family_bit == FBX_F_SPACE && (row.families & FBX_F_TRUNCATE) != 0;
}

}  // namespace

Fate fate(const Event& event) {
  if (event.type != observe::EventType::kSyscall) return Fate::kSuccess;
  if (event.state == CallState::kInFlight) return Fate::kInFlight;
  if ((event.flags & observe::kResultUnknown) != 0) return Fate::kUnknown;
  if (!event.failed()) return Fate::kSuccess;
  const abi::Syscall* row = abi::find_syscall(static_cast<int>(event.nr));
  const bool dials = row != nullptr && (row->families & FBX_F_CONNECT) != 0;
  return dials && event.ret == -EINPROGRESS ? Fate::kSuccess : Fate::kFailure;
}

Match in_family(const Event& event, uint64_t family_bit) {
  const abi::Syscall* row = abi::find_syscall(static_cast<int>(event.nr));
  if (row == nullptr) return Match::kNo;
  if (abi::member_of(*row, family_bit, facts_of(*row, event))) return Match::kYes;
  if ((row->sometimes & family_bit) == 0) return Match::kNo;
  return undecidable(*row, event, family_bit) ? Match::kMaybe : Match::kNo;
}

bool has_effects(const Event& event) {
  const abi::Syscall* row = abi::find_syscall(static_cast<int>(event.nr));
  if (row == nullptr) return false;
  if ((row->families & kEffects) != 0) return true;
  if ((row->sometimes & kEffects) == 0) return false;
  const abi::CallFacts facts = facts_of(*row, event);
  for (uint64_t left = row->sometimes & kEffects; left != 0; left &= left - 1)
    if (abi::member_of(*row, left & -left, facts)) return true;
  return false;
}

std::string family_text(const Event& event) {
  const abi::Syscall* row = abi::find_syscall(static_cast<int>(event.nr));
  return row != nullptr ? std::string(abi::family_name(*row, facts_of(*row, event))) : "";
}

std::string syscall_name(uint16_t nr) {
  const abi::Syscall* row = abi::find_syscall(static_cast<int>(nr));
  return row != nullptr ? std::string(row->name) : "syscall " + std::to_string(nr);
}

std::string errno_text(const Event& event) {
  if (event.state == CallState::kInFlight || !event.failed()) return "";
  const std::string_view name = abi::errno_name(static_cast<int>(-event.ret));
  return name.empty() ? "errno " + std::to_string(-event.ret) : std::string(name);
}

}  // namespace fbx::check
