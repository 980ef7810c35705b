// SPDX-License-Identifier: Apache-2.0
//
// A model::Filter made ready to be asked about many events: names resolved to numbers, globs
// answered once per interned string. LANGUAGE section 7 says what each key means.
//
// An event can be told apart only as far as it was seen: where a key asks for a path or a peer
// that the record does not have although the call had one, the answer is kMaybe, and nothing may
// be concluded from such an event.
//
// Thread rule: one thread at a time (matching fills a cache). Holds a reference to the plan.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "runner/observe/event.h"
#include "spec/model/session.h"
#include "spec/plan/plan.h"

namespace fbx::check {

enum class Match : uint8_t { kNo, kMaybe, kYes };

// What became of a call, as look-backs count it.
enum class Fate : uint8_t {
  kSuccess,   // also a connect that ended in EINPROGRESS: it has begun to dial
  kFailure,   // the service got an errno
  kInFlight,  // begun, not ended
};
[[nodiscard]] Fate fate(const observe::Event& event);

// Does a call of this kind change something somebody may see before it returns (write, modify,
// space, fsync, open, connect, send)? Others only wait.
[[nodiscard]] bool has_effects(const observe::Event& event);

class CompiledFilter {
 public:
  // Fails on names that no compiler would have let through (a damaged recording): unknown
  // syscall, type, kind of descriptor, or op.
  static Result<CompiledFilter> compile(const model::Filter& filter, const plan::Plan& plan);

  // All keys but ok. `event` must be of `store`.
  [[nodiscard]] Match matches(const observe::EventStore& store, const observe::Event& event) const;

  // errno=, decision=, label= or ok= is given: denied attempts count (LANGUAGE section 7).
  [[nodiscard]] bool names_outcome() const { return names_outcome_; }
  [[nodiscard]] std::optional<bool> ok() const { return ok_; }

  // Is the filter about system calls, so that what it sees depends on what was recorded?
  [[nodiscard]] bool about_syscalls() const { return type_ == observe::EventType::kSyscall; }
  // Syscalls (native numbers, sorted) that can match; empty = every one that is recorded.
  [[nodiscard]] const std::vector<uint16_t>& syscalls() const { return syscalls_; }
  // The service it is about; unset = all.
  [[nodiscard]] std::optional<uint32_t> service() const { return service_; }
  [[nodiscard]] const std::string& display() const { return display_; }

 private:
  // A glob over interned strings, each answered once.
  struct Glob {
    std::string pattern;
    mutable std::vector<int8_t> seen;  // by StringId; -1 not asked yet
    [[nodiscard]] bool test(const observe::EventStore& store, observe::StringId id) const;
  };

  [[nodiscard]] bool test_syscall(const observe::Event& event) const;
  [[nodiscard]] bool test_on(const observe::EventStore& store, const observe::Event& event) const;
  [[nodiscard]] bool test_errno(const observe::Event& event) const;
  [[nodiscard]] Match test_path(const observe::EventStore& store, const observe::Event& event,
                                const Glob& glob) const;
  [[nodiscard]] Match test_peer(const observe::EventStore& store,
                                const observe::Event& event) const;
  [[nodiscard]] Match test_op(const observe::EventStore& store, const observe::Event& event) const;

  const plan::Plan* plan_ = nullptr;
  observe::EventType type_ = observe::EventType::kSyscall;
  std::vector<uint16_t> syscalls_;
  std::string family_;  // "" = a single call, or none asked
  std::optional<uint32_t> service_;
  std::optional<int64_t> fd_, pid_;
  std::optional<bool> ok_;
  bool names_outcome_ = false;
  std::string on_, errname_, peer_, op_;
  std::optional<Glob> path_, decision_, label_, exe_, peer_text_;
  std::map<uint32_t, Glob> op_paths_;  // service → the op's path
  std::string display_;
};

}  // namespace fbx::check
