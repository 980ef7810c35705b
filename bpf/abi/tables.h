// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
//
// The tables as C++ sees them: look-ups over bpf/abi/syscalls.h, families.h and errnos.h.
// Portable: no Linux header, no state. Everything here may be called from any thread.
//
// "Keyword" is what a spec writes: a family, an alias of one ("openat"), or a single call's name
// ("pwrite64"); a family's name means the family. "=write" in filters is the single call: strip
// the sign and use find_syscall().
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "bpf/abi/errnos.h"
#include "bpf/abi/syscalls.h"

namespace fbx::abi {

struct Syscall {
  std::string_view name;
  int16_t x86_64 = -1, arm64 = -1;  // −1: that architecture has none
  uint64_t families = 0;            // always
  uint64_t sometimes = 0;           // on some calls only: member_of()
  uint32_t traits = 0;              // FBX_TRAIT_*
  std::array<uint8_t, 6> args = {};  // FBX_ARG_*
  std::string_view errnos;          // separated by one space

  // The number where this program runs; −1 = none.
  [[nodiscard]] constexpr int nr() const {
#if defined(__aarch64__)
    return arm64;
#else
    return x86_64;
#endif
  }
  // Position of the first argument with this role, or −1.
  [[nodiscard]] constexpr int arg(int role) const {
    for (size_t i = 0; i < args.size(); ++i)
      if (args[i] == role) return static_cast<int>(i);
    return -1;
  }
};

struct Family {
  std::string_view name;
  uint64_t bit = 0;
  uint32_t kinds = 0;  // mask of FBX_KIND_BIT that a fault hits by default
};

struct Errno {
  std::string_view name;
  int number = 0;
  std::string_view text;
};

#define FBX_ROW(name, x86, arm, fam, some, traits, a, b, c, d, e, f, errs)           \
  Syscall{#name, x86, arm, fam, some, traits, {FBX_ARG_##a, FBX_ARG_##b, FBX_ARG_##c, \
                                               FBX_ARG_##d, FBX_ARG_##e, FBX_ARG_##f}, errs},
inline constexpr Syscall kSyscalls[] = {FBX_SYSCALLS(FBX_ROW)};
#undef FBX_ROW
#define FBX_ROW(name, bit, kinds) Family{#name, bit, kinds},
inline constexpr Family kFamilies[] = {FBX_FAMILIES(FBX_ROW)};
#undef FBX_ROW
#define FBX_ROW(name, number, text) Errno{#name, number, text},
inline constexpr Errno kErrnos[] = {FBX_ERRNOS(FBX_ROW)};
#undef FBX_ROW

// The row, or nullptr.
constexpr const Syscall* find_syscall(std::string_view name) {
  for (const Syscall& row : kSyscalls)
    if (row.name == name) return &row;
  return nullptr;
}

// The row of a native number, or nullptr. Constant time.
inline const Syscall* find_syscall(int nr) {
  static const auto kByNumber = [] {
    std::array<const Syscall*, FBX_NR_LIMIT> all{};
    for (const Syscall& row : kSyscalls)
      if (row.nr() >= 0 && row.nr() < FBX_NR_LIMIT) all[static_cast<size_t>(row.nr())] = &row;
    return all;
  }();
  return nr >= 0 && nr < FBX_NR_LIMIT ? kByNumber[static_cast<size_t>(nr)] : nullptr;
}

// The family of that name or alias, or nullptr.
constexpr const Family* find_family(std::string_view name) {
#define FBX_ROW(alias, real) \
  if (name == #alias) name = #real;
  FBX_FAMILY_ALIASES(FBX_ROW)
#undef FBX_ROW
  for (const Family& family : kFamilies)
    if (family.name == name) return &family;
  return nullptr;
}

// What decides about a call's `sometimes` families.
struct CallFacts {
  uint8_t kind = FBX_KIND_NONE;  // of the descriptor
  bool sync = false;             // O_DSYNC, O_SYNC, RWF_DSYNC, RWF_SYNC
  bool creates = false;          // open with O_CREAT
  bool truncates = false;        // open with O_TRUNC
  bool grows = false;            // truncate beyond the end, where that is known
  bool shared_writable = false;  // mmap
  bool removes_dir = false;      // unlinkat with AT_REMOVEDIR
};

// Whether this very call belongs to the family. write(2) on a socket is in `send`; it stays in
// `write` too, from which faults keep away by kind and filters do not.
constexpr bool member_of(const Syscall& call, uint64_t family_bit, const CallFacts& facts) {
  if (call.families & family_bit) return true;
  if (!(call.sometimes & family_bit)) return false;
  const bool socket = (FBX_KINDS_SOCKETS >> facts.kind) & 1;
  switch (family_bit) {
    case FBX_F_SEND:
    case FBX_F_RECV: return socket;
    case FBX_F_FSYNC: return facts.sync;
    case FBX_F_SPACE: return facts.creates || facts.grows;
    case FBX_F_MODIFY: return facts.truncates || facts.shared_writable;
    case FBX_F_RMDIR: return facts.removes_dir;
    default: return false;
  }
}

// Every call that a keyword can mean, in table order; empty when there is no such keyword.
inline std::vector<const Syscall*> members(std::string_view keyword) {
  std::vector<const Syscall*> found;
  if (const Family* family = find_family(keyword)) {
    for (const Syscall& row : kSyscalls)
      if ((row.families | row.sometimes) & family->bit) found.push_back(&row);
  } else if (const Syscall* row = find_syscall(keyword)) {
    found.push_back(row);
  }
  return found;
}

// The same as native numbers, ascending; without those that this architecture lacks.
inline std::vector<uint16_t> numbers(std::string_view keyword) {
  std::array<bool, FBX_NR_LIMIT> wanted{};
  for (const Syscall* row : members(keyword))
    if (row->nr() >= 0) wanted[static_cast<size_t>(row->nr())] = true;
  std::vector<uint16_t> found;
  for (size_t i = 0; i < wanted.size(); ++i)
    if (wanted[i]) found.push_back(static_cast<uint16_t>(i));
  return found;
}

// Kinds of descriptor that a fault on this keyword hits unless on= says otherwise; 0 = no such
// keyword. A single call's are those of its first family.
constexpr uint32_t default_kinds(std::string_view keyword) {
  if (const Family* family = find_family(keyword)) return family->kinds;
  const Syscall* row = find_syscall(keyword);
  if (!row) return 0;
  for (const Family& family : kFamilies)
    if (row->families & family.bit) return family.kinds;
  return FBX_KINDS_ANY;
}

// The name that an event's `family` attribute shows: the first family it belongs to, send and recv
// before write and read on sockets, its own name when it has none.
constexpr std::string_view family_name(const Syscall& call, const CallFacts& facts = {}) {
  for (uint64_t bit : {FBX_F_SEND, FBX_F_RECV})
    if (member_of(call, bit, facts))
      for (const Family& family : kFamilies)
        if (family.bit == bit) return family.name;
  for (const Family& family : kFamilies)
    if (call.families & family.bit) return family.name;
  return call.name;
}

// Every keyword that a fault or filter may name: families, aliases, calls. For "did you mean".
inline std::vector<std::string> keywords() {
  std::vector<std::string> all;
  for (const Family& family : kFamilies) all.emplace_back(family.name);
  for (const Syscall& row : kSyscalls) all.emplace_back(row.name);
  return all;
}

// The number of an errno or of another spelling of it ("EWOULDBLOCK"); nullopt when unknown.
constexpr std::optional<int> errno_number(std::string_view name) {
#define FBX_ROW(alias, real) \
  if (name == #alias) name = #real;
  FBX_ERRNO_ALIASES(FBX_ROW)
#undef FBX_ROW
  for (const Errno& row : kErrnos)
    if (row.name == name) return row.number;
  return std::nullopt;
}

// "EIO" for 5; "" when no errno of Linux has that number.
constexpr std::string_view errno_name(int number) {
  for (const Errno& row : kErrnos)
    if (row.number == number) return row.name;
  return {};
}

constexpr bool has_word(std::string_view words, std::string_view word) {
  while (!words.empty()) {
    const size_t end = words.find(' ');
    if (words.substr(0, end) == word) return true;
    if (end == std::string_view::npos) return false;
    words.remove_prefix(end + 1);
  }
  return false;
}

// Whether a kernel could answer this call with that errno (any spelling): what the row lists, and
// what its arguments imply. ENOSYS always can.
constexpr bool can_return(const Syscall& call, std::string_view errno_spelling) {
  const std::optional<int> number = errno_number(errno_spelling);
  if (!number) return false;
  const std::string_view name = errno_name(*number);
  if (name == "ENOSYS" || has_word(call.errnos, name)) return true;
  if (name == "EAGAIN" && has_word(call.errnos, "EWOULDBLOCK")) return true;
  if (name == "EOPNOTSUPP" && has_word(call.errnos, "ENOTSUP")) return true;
  for (uint8_t role : call.args) {
    const bool path = role == FBX_ARG_PATH || role == FBX_ARG_PATH2;
    const bool fd = role == FBX_ARG_FD || role == FBX_ARG_FD2 || role == FBX_ARG_NEWFD;
    const bool dirfd = role == FBX_ARG_DIRFD || role == FBX_ARG_DIRFD2;
    if (path && has_word("ENOENT ENOTDIR EACCES ELOOP ENAMETOOLONG ENOMEM EINVAL", name))
      return true;
    if ((fd || dirfd) && name == "EBADF") return true;
    if (!FBX_ARG_IS_32BIT(role) && role != FBX_ARG_NONE && role != FBX_ARG_LEN && name == "EFAULT")
      return true;
  }
  return false;
}

// Whether any call that the keyword means could answer with that errno, taking it where its
// default kinds of descriptor stand: read on files can't return ECONNRESET, recv can.
inline bool keyword_can_return(std::string_view keyword, std::string_view errno_spelling) {
  for (const Syscall* row : members(keyword))
    if (can_return(*row, errno_spelling)) return true;
  return false;
}

}  // namespace fbx::abi
