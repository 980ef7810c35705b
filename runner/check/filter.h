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
#include "runner/check/calls.h"
#include "runner/observe/event.h"
#include "spec/model/session.h"
#include "spec/plan/plan.h"

namespace fbx::check {

class CompiledFilter {
 public:
  // Fails on names that no compiler would have let through (a damaged recording): unknown
  // syscall, type, kind of descriptor, or op.
  static Result<CompiledFilter> compile(const model::Filter& filter, const plan::Plan& plan);

  // All keys but ok. `event` must be of `store`.
  [[nodiscard]] Match matches(const observe::EventStore& store, const observe::Event& event) const;

  // Whether path= and on=, where given, allow the file of `event`, whatever call it is. A file whose
  // path is not known may be any.
  [[nodiscard]] bool may_concern(const observe::EventStore& store,
                                 const observe::Event& event) const;

  // errno=, decision=, label= or ok= is given: denied attempts count (LANGUAGE section 7).
  [[nodiscard]] bool names_outcome() const { return names_outcome_; }
  [[nodiscard]] std::optional<bool> ok() const { return ok_; }
  // errno=, ok=True or ok=False is given: only a known result can match.
  [[nodiscard]] bool asks_for_result() const { return ok_.has_value() || !errname_.empty(); }

  // Is the filter about system calls, so that what it sees depends on what was recorded?
  [[nodiscard]] bool about_syscalls() const { return type_ == observe::EventType::kSyscall; }
  // Syscalls (native numbers, sorted) that can match: all of them must have been recorded before
  // an absence means anything. Empty when it is not about syscalls.
  [[nodiscard]] const std::vector<uint16_t>& syscalls() const { return syscalls_; }
  // The service it is about; unset = all.
  [[nodiscard]] std::optional<uint32_t> service() const { return service_; }
  // Session::where() decides about what matches; 0 = there is no where=.
  [[nodiscard]] uint32_t where() const { return where_; }
  // The window, whatever the scope: from the services' start; strictly after an event (0 = none).
  [[nodiscard]] bool since_start() const { return since_start_; }
  [[nodiscard]] uint64_t since_event() const { return since_event_; }
  // How many services the plan has.
  [[nodiscard]] size_t services() const { return plan_->services.size(); }

 private:
  // A glob over interned strings, each answered once.
  struct Glob {
    std::string pattern;
    bool is_path = false;
    mutable std::vector<int8_t> seen = {};  // by StringId; −1 not asked yet
    [[nodiscard]] bool test(const observe::EventStore& store, observe::StringId id) const;
  };
  // One word for calls: a family's, or single calls by number.
  struct Keyword {
    uint64_t family = 0;  // 0 = the single calls
    std::vector<uint16_t> numbers;
    [[nodiscard]] Match test(const observe::Event& event) const;
  };
  struct Op {
    std::vector<Keyword> keywords;
    std::optional<Glob> path;
  };

  static Result<Keyword> keyword_of(const std::string& word);
  Status set_type(const std::string& type);
  Status set_syscalls(const model::Filter& filter);
  Status set_op(const std::string& name);
  Status set_on(const std::string& on);

  [[nodiscard]] bool test_plain(const observe::EventStore& store,
                                const observe::Event& event) const;
  [[nodiscard]] bool test_on(const observe::EventStore& store, const observe::Event& event) const;
  [[nodiscard]] bool test_errno(const observe::Event& event) const;
  [[nodiscard]] bool test_decision(const observe::EventStore& store,
                                   const observe::Event& event) const;
  [[nodiscard]] bool test_fields(const observe::EventStore& store,
                                 const observe::Event& event) const;
  [[nodiscard]] Match test_peer(const observe::EventStore& store,
                                const observe::Event& event) const;
  [[nodiscard]] Match test_op(const observe::EventStore& store, const observe::Event& event) const;

  const plan::Plan* plan_ = nullptr;
  observe::EventType type_ = observe::EventType::kSyscall;
  std::optional<Keyword> keyword_;
  std::vector<uint16_t> syscalls_;
  std::optional<uint32_t> service_;
  std::optional<int64_t> fd_, pid_;
  std::optional<bool> ok_, after_lost_sync_;
  bool names_outcome_ = false;
  uint32_t kinds_ = 0;  // mask of descriptor kinds that on= allows; 0 = all
  std::string errname_, peer_;
  bool means_client_ = false;  // peer="client", and no service has that name
  std::optional<Glob> path_, decision_, label_, exe_, peer_text_;
  std::vector<model::Filter::Field> fields_;
  uint32_t where_ = 0;
  bool since_start_ = false;
  uint64_t since_event_ = 0;
  std::map<uint32_t, Op> ops_;  // by service; empty = op= not given
};

}  // namespace fbx::check
